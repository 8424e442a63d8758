"""The demo course's story: its steps by the real services, broken off and taken up again, in nobody's way, and removed."""

import json
import threading
import zipfile
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from courseplatform.demo import archives, runs, scene, state, story, talks
from courseplatform.demo.scene import StoryStopped
from courseplatform.management.commands import seed_demo
from evaluation.models import Comparison, Grade, Submission, Turn
from teams.models import Course, Role, User
from tests import factories
from tests.evaluation.conftest import make_run
from training.models import RunStatus, TrainingRun


@pytest.fixture(autouse=True)
def rows_at_once(monkeypatch):
    """The demo's files are imported by the journeys in a browser; here the same datasets hold a few rows."""

    def make(team, person, name, path):
        factories.make_dataset_version(team, name=name, person=person)

    monkeypatch.setattr(seed_demo, "_dataset", make)


@pytest.fixture
def demo(db, redis_server, answers_at_once, model_server, monkeypatch):
    call_command("seed_demo", "--fifth-week", verbosity=0)
    monkeypatch.setattr(scene, "LOOK_SECONDS", 0)
    found = story.scene_of_demo()
    assert found is not None
    state.write(state.Progress(found.course.pk, 0, len(story.STEPS)))
    return found


def bots(demo):
    """As the first steps leave them."""
    made = [make_run(team, name=runs.LORA) for team in (demo.maple, demo.birch)]
    return [*made, make_run(demo.maple, name=runs.DSPY)]


def test_the_course_is_in_its_fifth_week_and_both_teams_have_data(demo):
    begun = timezone.localdate() - demo.course.starts_on
    assert begun == timedelta(weeks=4)
    assert [team.datasets.count() for team in (demo.maple, demo.birch)] == [3, 3]
    assert demo.course.milestones.exclude(due_on=None).count() == 5


def test_the_archives_that_come_with_the_platform_are_small_and_tell_nothing_of_the_machine_that_made_them():
    files = [archives.file_of(name) for name in (runs.LORA, runs.DSPY)]
    assert sum(path.stat().st_size for path in files) < 8_000_000
    for path, name in zip(files, (runs.LORA, runs.DSPY), strict=True):
        with zipfile.ZipFile(path) as archive:
            assert json.loads(archive.read("run.json"))["name"] == name
            for member in archive.namelist():
                said = archive.read(member)
                assert not any(word in said for word in (b"/tmp/", b"/home/", b"/root/", b"/work/")), member


def test_without_the_story_the_demo_is_as_empty_as_before(db, redis_server):
    call_command("seed_demo", verbosity=0)
    course = Course.objects.get(name=story.DEMO_COURSE)
    assert course.starts_on is None and [team.datasets.count() for team in course.teams.order_by("pk")] == [3, 0]


def test_talks_votes_grade_and_release_are_made_by_the_real_parts_and_once(demo, monkeypatch):
    bots(demo)
    monkeypatch.setattr(Grade, "past_undo", property(lambda self: True))
    done = {step.words: step for step in story.STEPS}
    wanted = [words for words in done if "archive" not in words and "interview" not in words and "OpenAI" not in words]
    assert len(wanted) == 4
    for _ in range(2):  # the second time nothing is left to do
        for words in wanted:
            step = done[words]
            if not step.is_done(demo):
                step.do(demo)
    asked = len(talks.INTERVIEW) + sum(len(questions) for _, questions in talks.CHATS) + 2 * len(talks.COMPARED)
    assert Turn.objects.count() == asked
    assert Comparison.objects.filter(votes__person=demo.mia).count() == len(talks.COMPARED)
    birch, maple = (Submission.objects.get(team=team) for team in (demo.birch, demo.maple))
    assert birch.released_at is not None and maple.released_at is None
    assert maple.gradings.get().grade.status == "draft"
    grade = birch.gradings.get().grade
    assert grade.scores.filter(level=None).count() == 0 and grade.comment == talks.COMMENT


def test_a_step_that_cannot_be_done_is_said_and_the_others_go_on(demo, monkeypatch):
    went: list[str] = []

    def fails(_: object) -> None:
        raise StoryStopped("There is no base model.")

    steps = (
        story.Step("one", lambda _: False, fails),
        story.Step("two", lambda _: True, lambda _: went.append("two")),
        story.Step("three", lambda _: False, lambda _: went.append("three")),
    )
    monkeypatch.setattr(story, "STEPS", steps)
    story.tell(demo, lambda said: None)
    progress = state.read()
    assert went == ["three"] and progress is not None and progress.over and "no base model" in progress.stopped
    story.tell(demo, lambda said: None)  # what was left out is tried again at the next start
    assert went == ["three", "three"]


def test_a_story_that_is_over_is_not_told_again(demo, monkeypatch):
    state.write(state.Progress(demo.course.pk, 3, 3))
    monkeypatch.setattr(story, "STEPS", (story.Step("one", lambda _: 1 / 0 > 0, lambda _: None),) * 3)
    story.tell(demo, lambda said: None)


def test_a_persons_run_makes_the_demos_own_give_way(demo, monkeypatch):
    first = make_run(demo.maple, name=runs.OPENAI)
    second = make_run(demo.maple, name=runs.OPENAI)
    TrainingRun.objects.filter(pk=first.pk).update(status=RunStatus.QUEUED)
    theirs = make_run(demo.birch)
    TrainingRun.objects.filter(pk=theirs.pk).update(status=RunStatus.QUEUED)
    started = iter([first, second])
    waits: list[str] = []

    def start(**_: object) -> TrainingRun:
        return next(started)

    def wait_until(over: object) -> None:
        if not over():  # type: ignore[operator]
            waits.append("waited")
            TrainingRun.objects.filter(pk=theirs.pk).update(status=RunStatus.SUCCEEDED)

    monkeypatch.setattr(runs, "start", start)
    monkeypatch.setattr(story, "wait_until", lambda over: None if over() else wait_until(over))
    monkeypatch.setattr(story, "_somebody_waits", lambda run: run.pk == first.pk)
    story._train_when_free(demo.maple, demo.mia, runs.OPENAI)
    first.refresh_from_db()
    assert first.status == RunStatus.CANCELLED and "Made room" in first.note and waits
    second.refresh_from_db()
    assert second.status == RunStatus.SUCCEEDED


def test_progress_stands_on_the_pages_of_the_demo_course_alone(demo, team, member, client_for):
    state.write(state.Progress(demo.course.pk, 2, 9, "Mia talks with Maple’s bot"))
    for person, name, number in (
        (demo.mia, "team_home", demo.maple.pk),
        (demo.instructor, "course_home", demo.course.pk),
    ):
        page = client_for(person).get(reverse(name, args=[number])).content.decode()
        assert "step 3 of 9" in page and "Mia talks" in page
    assert "step 3" not in client_for(member).get(reverse("team_home", args=[team.pk])).content.decode()
    queue = client_for(demo.professor).get(reverse("grading_queue", args=[demo.course.pk])).content.decode()
    assert "Mia" not in queue and "Maple" not in queue


def test_the_instructor_removes_the_demo_with_its_files_and_it_stays_away(
    demo, course, client_for, django_capture_on_commit_callbacks
):
    run = bots(demo)[0]
    run.folder.mkdir(parents=True)
    (run.folder / "result.json").write_text("{}")
    waiting = make_run(demo.birch)
    TrainingRun.objects.filter(pk=waiting.pk).update(status=RunStatus.QUEUED)
    factories.enrol(course, demo.instructor, Role.INSTRUCTOR)
    browser = client_for(demo.instructor)
    address = reverse("demo_remove", args=[demo.course.pk])
    assert address in browser.get(reverse("course_home", args=[demo.course.pk])).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert browser.post(address).url == reverse("home")
    assert not Course.objects.filter(pk=demo.course.pk).exists() and Course.objects.filter(pk=course.pk).exists()
    assert not run.folder.exists() and state.read() is None
    assert not User.objects.filter(pk=demo.mia.pk).exists() and User.objects.filter(pk=demo.instructor.pk).exists()
    call_command("seed_demo", "--fifth-week", verbosity=0)
    assert story.scene_of_demo() is None and Course.objects.count() == 1


def test_a_course_that_is_no_demo_is_not_removed_at_one_press(course, instructor, client_for):
    address = reverse("demo_remove", args=[course.pk])
    assert client_for(instructor).post(address).status_code == 404
    assert Course.objects.filter(pk=course.pk).exists()


def test_while_something_works_the_course_stays_whole(demo, client_for, monkeypatch):
    from courseplatform.demo import removal

    monkeypatch.setattr(removal, "WAIT_SECONDS", 0.0)
    busy = make_run(demo.maple)
    TrainingRun.objects.filter(pk=busy.pk).update(status=RunStatus.CANCELLING)
    answer = client_for(demo.instructor).post(reverse("demo_remove", args=[demo.course.pk]))
    assert answer.status_code == 422 and "still running" in answer.content.decode()
    assert state.of_course(demo.course.pk) is not None and TrainingRun.objects.filter(pk=busy.pk).exists()


def test_a_removed_course_stops_the_story_at_once(demo):
    state.forget()
    with pytest.raises(scene.CourseGone):
        scene.wait_until(threading.Event().is_set)
