"""The deadline, graders shared out, and a bundle that is no longer what was handed in."""

import hashlib
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from evaluation.models import Grading, Submission
from evaluation.services import assigning, bundle_check, chat, deadlines, gradings, submissions
from teams.models import AuditEntry, Membership, Milestone, ProfessorAssignment, Role, Section
from tests import factories
from tests.evaluation.conftest import make_run, professor_of
from training.models import Artifact


def due(course, days):
    """The plan's submission step ends `days` from today."""
    on = timezone.localdate() + timedelta(days=days)
    return Milestone.objects.update_or_create(
        course=course, position=1, defaults={"title": "Submit", "goal": Milestone.Goal.SUBMISSION, "due_on": on}
    )[0]


def page_of(client, team):
    return client.get(reverse("submission_detail", args=[team.pk])).content.decode()


def test_a_course_without_a_date_has_no_deadline(course, team, run, member):
    submission = submissions.submit(team=team, run=run, person=member)
    assert deadlines.deadline_of(course) is None and not deadlines.is_late(submission, None)


def test_a_bot_is_replaced_until_the_end_of_the_day_and_not_after(course, team, run, member, client_for):
    due(course, 0)
    first = submissions.submit(team=team, run=run, person=member)
    second = submissions.submit(team=team, run=make_run(team), person=member)
    assert second != first and not deadlines.is_late(second, deadlines.deadline_of(course))
    due(course, -1)
    with pytest.raises(submissions.CannotSubmit, match="deadline has passed"):
        submissions.submit(team=team, run=make_run(team), person=member)
    assert submissions.current_submission(team) == second
    assert "Hand in another run" not in page_of(client_for(member), team)


def test_a_first_bot_after_the_deadline_is_taken_and_marked_as_late(course, team, run, member, instructor, client_for):
    due(course, -1)
    assert "it is marked as late" in page_of(client_for(member), team)
    submission = submissions.submit(team=team, run=run, person=member)
    assert deadlines.is_late(submission, deadlines.deadline_of(course))
    grades = reverse("course_grades", args=[course.pk])
    assert ">late<" in page_of(client_for(member), team)
    assert ">late<" in client_for(instructor).get(grades).content.decode()
    due(course, 2)
    assert ">late<" not in client_for(instructor).get(grades).content.decode()


def test_a_professor_is_not_told_who_was_late(course, team, run, member, professor, client_for):
    due(course, -1)
    professor_of(team, professor)
    code = submissions.submit(team=team, run=run, person=member).gradings.get().code
    page = client_for(professor).get(reverse("grading_detail", args=[course.pk, code])).content.decode()
    assert ">late<" not in page


@pytest.fixture
def submission(team, run, member, professor):
    """With one file in its bundle."""
    professor_of(team, professor)
    run.folder.mkdir(parents=True)
    (run.folder / "adapter.bin").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    Artifact.objects.create(run=run, path="adapter.bin", sha256=digest, size=7)
    return submissions.submit(team=team, run=run, person=member)


def banners(client_for, submission, professor, instructor):
    course, grading = submission.team.course_id, submission.gradings.get()
    blind = client_for(professor).get(reverse("grading_detail", args=[course, grading.code])).content.decode()
    plain = client_for(instructor).get(reverse("submission_grades", args=[course, submission.pk])).content.decode()
    return blind, plain


def grades_due(client, course, day):
    return client.post(reverse("grades_due", args=[course.pk]), {"due_on": day}, follow=True).content.decode()


def test_professors_see_until_when_they_grade_and_the_instructor_who_is_overdue(
    course, team, run, member, professor, instructor, client_for
):
    professor_of(team, professor)
    submissions.submit(team=team, run=run, person=member)
    queue, today = reverse("grading_queue", args=[course.pk]), timezone.localdate()
    assert "Please submit your grades by" not in client_for(professor).get(queue).content.decode()
    assert "overdue" not in grades_due(client_for(instructor), course, (today + timedelta(days=3)).isoformat())
    assert "0 done, 1 to go" in client_for(professor).get(queue).content.decode()
    assert "overdue" in grades_due(client_for(instructor), course, (today - timedelta(days=1)).isoformat())
    assert "You can still submit them" in client_for(professor).get(queue).content.decode()
    assert "overdue" not in grades_due(client_for(instructor), course, "")
    assert AuditEntry.objects.filter(action="grading due").count() == 3


def test_a_due_day_that_is_none_is_refused_with_an_example(course, instructor, client_for):
    assert "for example 2026-12-04" in grades_due(client_for(instructor), course, "next week")
    assert deadlines.grading_due_of(course) is None


def test_an_unchanged_bundle_shows_no_banner(submission, professor, instructor, client_for):
    blind, plain = banners(client_for, submission, professor, instructor)
    assert "has changed since" not in blind and "no longer what was handed in" not in plain


@pytest.mark.parametrize("change", ["row", "row gone", "model", "provider"])
def test_a_changed_bundle_is_told_blind_to_the_professor_and_in_full_to_the_instructor(
    submission, run, professor, instructor, client_for, change
):
    said = "adapter.bin"
    if change == "row":
        run.artifacts.update(sha256="0" * 64)
    elif change == "row gone":
        run.artifacts.all().delete()
    elif change == "model":
        run.result_model = said = "run-secretname"
        run.save()
    else:
        submission.bundle["chat"]["provider"] = said = "elsewhere"
        submission.save()
    assert bundle_check.changes_since(Submission.objects.get(pk=submission.pk))
    blind, plain = banners(client_for, submission, professor, instructor)
    assert "has changed since it was handed in" in blind and said not in blind
    assert said in plain


@pytest.mark.parametrize("change", ["overwritten", "gone"])
def test_what_somebody_did_to_a_file_on_the_disk_accuses_no_team(
    submission, run, professor, instructor, client_for, change
):
    """A file is the operator's to keep. Whoever takes or changes it says nothing about the bot's team."""
    if change == "overwritten":
        (run.folder / "adapter.bin").write_bytes(b"WEIGHTS")
    else:
        (run.folder / "adapter.bin").unlink()
    assert bundle_check.changes_since(submission) == []
    blind, plain = banners(client_for, submission, professor, instructor)
    assert "has changed since it was handed in" not in blind and "adapter.bin" not in blind
    assert "no longer what was handed in" not in plain
    assert "Storage cannot give the file adapter.bin now" in plain and "no fault of the team" in plain


def professors(course, number, section=None):
    people = [factories.make_person(f"Professor {n}") for n in range(number)]
    for person in people:
        factories.enrol(course, person, Role.PROFESSOR)
    Membership.objects.filter(course=course, person__in=people).update(section=section)
    return list(course.memberships.filter(person__in=people))


def teams_of(course, number, section=None):
    made = [factories.make_team(course, "", factories.make_person()) for _ in range(number)]
    Membership.objects.filter(team__in=made).update(section=section)
    return made


def loads(graders):
    return sorted(ProfessorAssignment.objects.filter(professor=one).count() for one in graders)


def test_graders_are_shared_out_evenly_and_what_was_assigned_stays(course, instructor):
    graders, teams = professors(course, 3), teams_of(course, 7)
    factories.assign(teams[0], graders[0].person)
    done = assigning.share_out(course=course, per_team=2, by_section=False, person=instructor)
    assert (done.made, done.short) == (13, [])
    assert loads(graders) == [4, 5, 5]
    assert all(team.professor_assignments.count() == 2 for team in teams)
    assert teams[0].professor_assignments.filter(professor=graders[0]).exists()
    assert assigning.share_out(course=course, per_team=2, by_section=False, person=instructor).made == 0


def test_professors_of_a_section_grade_its_teams_only(course, instructor):
    north, south = (Section.objects.create(course=course, name=name) for name in ("North", "South"))
    of_north, of_south, free = professors(course, 1, north), professors(course, 1, south), professors(course, 1)
    in_north, in_south = teams_of(course, 2, north), teams_of(course, 2, south)
    done = assigning.share_out(course=course, per_team=2, by_section=True, person=instructor)
    assert (done.made, done.short) == (8, [])
    for teams, other in ((in_north, of_south), (in_south, of_north)):
        assert not ProfessorAssignment.objects.filter(team__in=teams, professor__in=other).exists()
    assert loads(free) == [4]


def test_the_instructor_is_told_where_professors_are_missing(course, instructor, client_for):
    professors(course, 1)
    team = teams_of(course, 1)[0]
    practice = factories.make_team(course, "Sandbox")
    practice.practice = True
    practice.save()
    client, url = client_for(instructor), reverse("graders_assign", args=[course.pk])
    page = client.post(url, {"per_team": "2"}, follow=True).content.decode()
    assert f"There are not enough professors for: {team.name}." in page
    assert not practice.professor_assignments.exists()
    for wrong in ("", "0", "99", "x"):
        assert "1 to 5" in client.post(url, {"per_team": wrong}, follow=True).content.decode()


def test_sharing_out_opens_the_gradings_of_what_is_handed_in(course, team, run, member, instructor, professor):
    submissions.submit(team=team, run=run, person=member)
    assigning.share_out(course=course, per_team=1, by_section=False, person=instructor)
    assert Grading.objects.get().grader.person == professor


def test_the_evidence_beside_each_criterion_follows_answers_and_tags_without_a_reload(
    submission, professor, client_for, model_server, answers_at_once
):
    grading = submission.gradings.select_related("grade", "grader").get()
    base = {"course_id": submission.team.course_id, "code": grading.code}
    client, htmx = client_for(professor), {"HX-Request": "true"}
    asked = client.post(reverse("interview_ask", kwargs=base), {"question": "What is ice?"}, headers=htmx)
    count = '<small id="evidence-vocabulary" hx-swap-oob="true">Evidence: 1 answer'
    assert count in asked.content.decode()
    turn = gradings.interview_of(grading).turns.get()
    shown = client.get(reverse("interview_turn", kwargs=base | {"turn_key": turn.key}), headers=htmx)
    assert count in shown.content.decode()
    tag = reverse("interview_tag", kwargs=base | {"turn_key": turn.key})
    tagged = client.post(tag, {"label": "too grown-up"}, headers=htmx).content.decode()
    assert f"{count} · 1 tagged too grown-up" in tagged
    untagged = client.post(tag, {"label": "too grown-up"}, headers=htmx).content.decode()
    assert count in untagged and "1 tagged" not in untagged
    chat.retry(turn=turn, question=None, person=professor)
    assert gradings.interview_of(grading).turns.current().count() == 1
