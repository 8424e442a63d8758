"""Who is told of grading, where, and once: a bot waits, was replaced, is due, is disputed, was released."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from evaluation.models import Grading, GradingDue
from evaluation.services import grades, gradings, regrades, releases, reminders, submissions
from evaluation.services.grades import Marks
from teams.models import MailChoice, Milestone, Notice, NoticeKind, OutgoingMail, Role
from teams.services import notices
from tests import factories
from tests.evaluation.conftest import make_run
from tests.evaluation.test_grading import committed, grading, second_professor, submission  # noqa: F401  (some are fixtures)


def told(person, kind):
    return list(Notice.objects.filter(person=person, kind=kind).values_list("text", flat=True))


def mailed(person, word):
    return OutgoingMail.objects.filter(person=person, text__contains=word).count()


@pytest.fixture
def professor_waits(team, professor):
    factories.assign(team, professor)
    return professor


def test_a_bot_that_waits_is_told_once_and_names_neither_team_nor_letter(team, run, member, professor_waits):
    submissions.submit(team=team, run=run, person=member)
    for _ in range(3):
        gradings.ensure_gradings(course=team.course)
    assert told(professor_waits, NoticeKind.WAITING) == ["A bot waits for your grade."]
    assert mailed(professor_waits, "A bot waits") == 1
    mail = OutgoingMail.objects.get(person=professor_waits)
    letter = f"Bot {Grading.objects.get().letter}"
    for hidden in (team.name, member.name, member.email, run.name or "no name", letter):
        assert hidden not in mail.text + mail.subject


def test_several_bots_at_once_are_one_notice(course, team, other_team, professor, member):
    for one in (team, other_team):
        submissions.submit(team=one, run=make_run(one), person=member)
    for one in (team, other_team):
        factories.assign(one, professor)
    gradings.ensure_gradings(course=team.course)
    waiting = 2 if team.course_id == other_team.course_id else 1
    assert told(professor, NoticeKind.WAITING) == [f"{waiting} bots wait for your grade."]


def test_a_bot_that_was_replaced_is_told_by_its_letter_and_once(team, run, member, professor_waits):
    submissions.submit(team=team, run=run, person=member)
    letter = f"Bot {Grading.objects.get().letter}"
    submissions.submit(team=team, run=make_run(team), person=member)
    [text] = told(professor_waits, NoticeKind.REPLACED)
    assert text.startswith(f"{letter} was withdrawn") and team.name not in text
    assert len(told(professor_waits, NoticeKind.WAITING)) == 1, "one event, one notice"


def test_who_wants_nothing_of_replaced_bots_still_hears_that_one_waits(team, run, member, professor_waits):
    MailChoice.objects.create(person=professor_waits, kind=NoticeKind.REPLACED, wanted=False, in_app=False)
    submissions.submit(team=team, run=run, person=member)
    submissions.submit(team=team, run=make_run(team), person=member)
    assert told(professor_waits, NoticeKind.REPLACED) == []
    assert len(told(professor_waits, NoticeKind.WAITING)) == 2


@pytest.mark.parametrize("days, expected", [(3, 0), (2, 1), (0, 1), (-1, 0)])
def test_grades_that_are_due_in_two_days_are_told_once_for_each_date(grading, days, expected):  # noqa: F811
    course, professor = grading.submission.team.course, grading.grader.person
    due = GradingDue.objects.create(course=course, due_on=timezone.localdate() + timedelta(days=days))
    for _ in range(2):
        reminders.tell_due()
    assert len(told(professor, NoticeKind.DUE)) == mailed(professor, "to grade by") == expected
    due.due_on += timedelta(days=1)
    due.save()
    reminders.tell_due()
    again = 1 if 0 <= days + 1 <= 2 else 0
    assert len(told(professor, NoticeKind.DUE)) == expected + again


def test_who_is_done_is_not_reminded(grading):  # noqa: F811
    committed(grading)
    GradingDue.objects.create(course=grading.submission.team.course, due_on=timezone.localdate())
    reminders.tell_due()
    assert told(grading.grader.person, NoticeKind.DUE) == []


def test_a_team_that_has_handed_in_nothing_is_reminded_and_one_that_has_is_not(team, run, member):
    soon = timezone.localdate() + timedelta(days=1)
    step = {"title": "Submit", "goal": Milestone.Goal.SUBMISSION, "due_on": soon, "position": 99}
    Milestone.objects.create(course=team.course, **step)
    reminders.tell_due()
    assert len(told(member, NoticeKind.DUE)) == 1
    Notice.objects.all().delete()
    submissions.submit(team=team, run=run, person=member)
    reminders.tell_due()
    assert told(member, NoticeKind.DUE) == []


def test_a_dispute_is_told_to_instructors_and_blind_to_the_graders(grading, member, instructor):  # noqa: F811
    committed(grading)
    submission = grading.submission  # noqa: F811
    releases.publish(submission=submission, person=instructor)
    criterion = submission.rubric.criteria.first()
    words = "Ours is the Maple bot."
    regrades.request_regrade(submission=submission, criterion=criterion, turns=[], words=words, person=member)
    [text] = told(grading.grader.person, NoticeKind.DISPUTED)
    assert text.startswith(f"Bot {grading.letter}: the team asks for a second look")
    assert submission.team.name not in text and words not in text
    [text] = told(instructor, NoticeKind.DISPUTED)
    assert submission.team.name in text


def test_two_levels_apart_are_told_to_instructors_once_also_after_an_undo(
    grading,  # noqa: F811
    team,
    professor,
    instructor,
):
    other = gradings_of(second_professor(team), grading)
    for one, level in ((grading, 1), (other, 3)):
        score = one.grade.scores.get(criterion__key="flow")
        grades.save_score(score=score, marks=Marks(level=level), version=score.version)
        one.grade.refresh_from_db()
        grades.commit(grade=one.grade, seen_version=one.grade.version, person=one.grader.person)
    [text] = told(instructor, NoticeKind.DISPUTED)
    assert "two or more levels apart" in text and grading.submission.team.name in text
    assert told(professor, NoticeKind.DISPUTED) == [], "who graded learns nothing of the other's levels"
    other.grade.refresh_from_db()
    grades.undo(grade=other.grade)
    other.grade.refresh_from_db()
    grades.commit(grade=other.grade, seen_version=other.grade.version, person=other.grader.person)
    assert len(told(instructor, NoticeKind.DISPUTED)) == mailed(instructor, "levels apart") == 1


def gradings_of(professor, grading):  # noqa: F811
    """Her grading of the same bot."""
    if not Grading.objects.filter(submission=grading.submission, grader__person=professor).exists():
        gradings.ensure_gradings(course=grading.submission.team.course)
    return Grading.objects.select_related("grader__person", "submission__team").get(
        submission=grading.submission, grader__person=professor
    )


@pytest.mark.parametrize("kind", ["waiting", "replaced", "due", "disputed", "grade"])
def test_each_kind_can_be_switched_off_on_the_page_and_by_mail(kind, course, professor, client_for):
    factories.enrol(course, professor, Role.PROFESSOR)
    others = [one for one in NoticeKind.values if one != kind]
    client = client_for(professor)
    for in_app, by_mail, expected in ((others, others, (0, 0)), (others, None, (0, 1)), (None, others, (1, 0))):
        Notice.objects.all().delete()
        OutgoingMail.objects.all().delete()
        chosen = {"in_app": in_app or NoticeKind.values, "by_mail": by_mail or NoticeKind.values}
        assert client.post(reverse("notice_list"), chosen).status_code == 302
        notices.tell(people=[professor], course=course, kind=NoticeKind(kind), text="x", path="/")
        assert (Notice.objects.count(), OutgoingMail.objects.count()) == expected


def test_nobody_is_told_twice_of_one_event_but_of_it_in_each_course(course, other_course, professor):
    for one in (course, course, other_course):
        notices.tell(people=[professor], course=one, kind=NoticeKind.DUE, text="x", path="/", event="due-2026-12-04")
    assert Notice.objects.count() == OutgoingMail.objects.count() == 2


def test_a_professor_reads_and_prints_rubric_and_guide(course, professor, client_for):
    factories.enrol(course, professor, Role.PROFESSOR)
    client = client_for(professor)
    queue = client.get(reverse("grading_queue", args=[course.pk])).content.decode()
    for url in (reverse("rubric_read", args=[course.pk]), reverse("guide")):
        assert f'href="{url}"' in queue
    for url in (reverse("rubric_read", args=[course.pk]), reverse("guide_topic", args=["grading"])):
        page = client.get(url)
        assert page.status_code == 200 and "data-print" in page.content.decode()
