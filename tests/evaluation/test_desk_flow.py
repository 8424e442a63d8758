"""The end of a professor's work on a bot: read back, submit, take it back, the next one; and what helps her on the way."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from evaluation.models import Grade, GradeStatus, Grading
from evaluation.services import chat, comment_library, grades, gradings, releases, submissions
from teams.models import Role
from tests import factories
from tests.evaluation.conftest import make_run, professor_of
from tests.evaluation.test_grading import committed, marks_for, url_of


@pytest.fixture
def grading(run, member, team, professor):
    professor_of(team, professor)
    made = submissions.submit(team=team, run=run, person=member)
    return made.gradings.select_related("grade", "grader__person", "submission__team__course").get()


@pytest.fixture
def asked(grading, professor, model_server, answers_at_once):
    chat.ask(conversation=gradings.interview_of(grading), question="What is ice?", person=professor)
    return grading


def submit(client, grading, **more):
    data = {"version": Grade.objects.get(grading=grading).version, "confirmed": "yes", **more}
    return client.post(url_of(grading, "grading_commit"), data)


def later(grading, seconds=31):
    Grade.objects.filter(grading=grading).update(committed_at=timezone.now() - timedelta(seconds=seconds))
    grading.grade.refresh_from_db()


def test_the_grade_is_read_back_before_it_is_submitted(asked, professor, client_for):
    marks_for(asked, level=3, comment="It counts on its fingers.")
    page = client_for(professor).post(url_of(asked, "grading_commit"), {"version": asked.grade.version})
    html = page.content.decode()
    assert html.count("3 Mostly") == 8 and "It counts on its fingers." in html and "1 question asked" in html
    assert Grade.objects.get().status == GradeStatus.DRAFT
    assert submit(client_for(professor), asked).status_code == 302
    assert Grade.objects.get().status == GradeStatus.COMMITTED


def test_a_grade_without_a_question_asks_what_it_is_based_on(grading, professor, client_for):
    marks_for(grading)
    client = client_for(professor)
    refused = submit(client, grading, reason=" ")
    assert refused.status_code == 422 and "Say in a few words" in refused.content.decode()
    assert Grade.objects.get().status == GradeStatus.DRAFT
    submit(client, grading, reason="The standard interview.")
    assert Grade.objects.get().revisions.get().reason == "The standard interview."


def test_what_was_just_submitted_can_be_taken_back(asked, professor, client_for):
    marks_for(asked)
    client = client_for(professor)
    submit(client, asked)
    assert url_of(asked, "grading_undo") in client.get(url_of(asked)).content.decode()
    client.post(url_of(asked, "grading_undo"))
    grade = Grade.objects.get()
    assert (grade.status, grade.committed_at, grade.revisions.count()) == (GradeStatus.DRAFT, None, 0)
    assert grade.scored == 8, "nothing that was written is lost"
    submit(client, asked)
    assert Grade.objects.get().revisions.get().number == 1


def test_after_half_a_minute_the_first_rating_is_kept_for_ever(asked, professor, client_for):
    committed(asked)
    later(asked)
    client = client_for(professor)
    assert url_of(asked, "grading_undo") not in client.get(url_of(asked)).content.decode()
    assert "Half a minute is over" in client.post(url_of(asked, "grading_undo"), follow=True).content.decode()
    assert Grade.objects.get().revisions.count() == 1


def test_what_a_team_was_shown_is_not_taken_back(asked, professor, instructor):
    committed(asked)
    releases.publish(submission=asked.submission, person=instructor)
    with pytest.raises(grades.CannotCommit, match="released meanwhile"):
        grades.undo(grade=asked.grade)


def test_nobody_peeks_at_the_figures_and_then_changes_a_first_rating(asked, professor, client_for):
    """Figures and training rows come when the submission can no longer be taken back."""
    turn = gradings.interview_of(asked).turns.get()
    committed(asked)
    sources = url_of(asked, "interview_sources", turn_key=turn.key)
    assert client_for(professor).get(sources).status_code == 409
    later(asked)
    assert client_for(professor).get(sources).status_code == 200


def test_the_next_bot_is_one_tap_away(asked, team, course, professor, client_for):
    others = []
    for _ in range(2):
        other = factories.make_team(course, "", factories.make_person())
        professor_of(other, professor)
        made = submissions.submit(team=other, run=make_run(other), person=other.memberships.get().person)
        others.append(made.gradings.select_related("grade", "grader").get())
    committed(asked)
    found = gradings.next_after(asked)
    assert found in others
    page = client_for(professor).get(url_of(asked)).content.decode()
    assert f"Next: {found}" in page and url_of(found) in page
    waiting = list(Grading.objects.filter(grade__status=GradeStatus.DRAFT).order_by("order", "id"))
    assert gradings.next_after(waiting[0]) == waiting[1]
    assert gradings.next_after(waiting[1]) == waiting[0], "round again from the end"


def test_her_own_comments_on_other_bots_stand_ready_and_nobody_elses(asked, course, professor, client_for):
    other_person = factories.make_person("Olga Other")
    factories.enrol(course, other_person, Role.PROFESSOR)
    for person, words in ((professor, "Too many long words."), (other_person, "Somebody else wrote this.")):
        other = factories.make_team(course, "", factories.make_person())
        professor_of(other, person)
        made = submissions.submit(team=other, run=make_run(other), person=other.memberships.get().person)
        marks_for(made.gradings.select_related("grade").get(), comment=words)
    assert comment_library.of_grader(asked)["flow"] == ["Too many long words."]
    html = client_for(professor).get(url_of(asked)).content.decode()
    assert "Too many long words." in html and "Somebody else wrote this." not in html


def test_the_scripts_questions_are_prompts_and_the_standard_interview_is_in_the_desk(grading, professor, client_for):
    html = client_for(professor).get(url_of(grading)).content.decode()
    assert html.count("data-prompt=") > 10 and "Here is a hint" in html
    desk = client_for(professor).get(url_of(grading) + "?show=standard").content.decode()
    assert "Ask them" in desk and 'id="criterion-flow"' in desk
    assert reverse("grading_standard", args=[grading.submission.team.course_id, grading.code]) in desk


def test_one_criterion_is_open_the_first_without_a_level(grading, professor, client_for):
    score = grading.grade.scores.select_related("criterion", "grade").order_by("criterion__position")[0]
    grades.save_score(score=score, marks=grades.Marks(level=2), version=0)
    html = client_for(professor).get(url_of(grading)).content.decode()
    parts = html.split('<details class="criterion"')[1:]
    openings = [part.split(">")[0] for part in parts]
    assert len(openings) == 9
    assert [" open" in one.replace("\n", " ") for one in openings] == [False, True] + [False] * 7


def test_a_draft_has_nothing_to_take_back(grading, professor, client_for):
    marks_for(grading)
    answer = client_for(professor).post(url_of(grading, "grading_undo"), follow=True)
    assert answer.status_code == 200 and "Half a minute is over" in answer.content.decode()
    assert Grade.objects.get().scored == 8
