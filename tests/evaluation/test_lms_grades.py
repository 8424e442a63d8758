"""Published grades reach the LMS: once, as they are published, again when they change, with every answer in the log."""

import pytest
from django.utils import timezone

from evaluation.models import LmsGrade, SendState
from evaluation.services import lms_sending, lms_wake, releases, scales
from evaluation.services.lms_column import RESOURCE, TAG
from evaluation.services.scales import Scale
from teams.models import LmsSeat, Membership
from teams.services.lti.asking import LmsFailed
from tests import factories
from tests.evaluation.test_releases import grading, released, revise, submission
from tests.teams.lms_browser import launch, press, text
from tests.teams.lms_fixtures import ANA, PAT, connection, linked, lms

__all__ = ["connection", "grading", "linked", "lms", "released", "submission"]


@pytest.fixture(autouse=True)
def sent_at_once(monkeypatch):
    """What the quick worker would be woken for is done here, where the test says so."""
    woken: list[int] = []
    monkeypatch.setattr(lms_wake, "wake", woken.append)
    return woken


@pytest.fixture
def seat(linked, member):
    mine = Membership.objects.get(person=member, course=linked.course)
    return LmsSeat.objects.create(lms_course=linked, membership=mine, subject="u-mia")


def log():
    return [(one.points, one.maximum, one.state) for one in LmsGrade.objects.order_by("pk")]


def test_a_published_grade_arrives_once_in_one_column(lms, linked, seat, released, course):
    assert lms_sending.send(course.pk) == 1
    assert lms_sending.send(course.pk) == 0
    assert [(one["tag"], one["resourceId"], one["scoreMaximum"]) for one in lms.items] == [(TAG, RESOURCE, 100)]
    assert len(lms.scores) == 1
    score = lms.score_of("u-mia")
    assert (score["scoreGiven"], score["scoreMaximum"], score["gradingProgress"]) == (75, 100, "FullyGraded")
    assert log() == [(75, 100, SendState.SENT)]


def test_nothing_is_sent_before_a_release_or_while_it_is_hidden(lms, linked, seat, grading, released, instructor):
    releases.hide(submission=released, person=instructor)
    assert lms_sending.send(linked.course_id) == 0
    releases.show_again(submission=released, person=instructor)
    assert lms_sending.send(linked.course_id) == 1


def test_a_new_version_arrives_by_itself_and_a_draft_does_not(
    lms, linked, seat, grading, released, instructor, sent_at_once, django_capture_on_commit_callbacks
):
    lms_sending.send(linked.course_id)
    revise(grading, level=2)
    lms_sending.send(linked.course_id)
    assert lms.score_of("u-mia")["scoreGiven"] == 75
    with django_capture_on_commit_callbacks(execute=True):
        releases.publish(submission=released, person=instructor, reason="Read again.")
    assert sent_at_once == [linked.course_id]
    lms_sending.send(linked.course_id)
    assert lms.score_of("u-mia")["scoreGiven"] == 50
    assert lms.score_of("u-mia")["comment"] == "Version 2 of the result."
    assert len(lms.items) == 1
    stamps = [score["timestamp"] for _, score in lms.scores]
    assert stamps == sorted(stamps) and len(set(stamps)) == 2, "an LMS takes no older score"


def test_a_column_that_is_there_is_found_on_a_later_page_and_not_made_twice(lms, linked, seat, released):
    """As after a crash between making it and keeping its address, or a copied course."""
    for n in range(3):
        lms.items.append({"id": f"{lms.issuer}/items/{n}x", "label": "Other", "scoreMaximum": 5, "tag": f"t{n}"})
    lms.items.append({"id": f"{lms.issuer}/items/ours", "label": "Old", "scoreMaximum": 10, "resourceId": RESOURCE})
    lms_sending.send(linked.course_id)
    assert len(lms.items) == 4
    assert lms.scores[0][0] == "ours"
    assert lms.items[3]["scoreMaximum"] == 100, "brought up to the course's points"


def test_a_column_that_was_deleted_there_is_made_anew(lms, linked, seat, released, instructor):
    lms_sending.send(linked.course_id)
    lms.items.clear()
    lms_sending.ask_again(course=linked.course, person=instructor)
    assert lms_sending.send(linked.course_id) == 1
    assert len(lms.items) == 1


def test_other_points_are_sent_anew_and_never_above_the_maximum(lms, linked, seat, released, instructor, monkeypatch):
    lms_sending.send(linked.course_id)
    scales.set_scale(course=linked.course, scale=Scale(points=40), person=instructor)
    lms_sending.send(linked.course_id)
    assert (lms.score_of("u-mia")["scoreGiven"], lms.score_of("u-mia")["scoreMaximum"]) == (30, 40)
    assert lms.items[0]["scoreMaximum"] == 40
    monkeypatch.setattr("evaluation.services.student_grades.StudentGrade.points", lambda *_: 41.0)
    lms_sending.send(linked.course_id)
    assert lms.score_of("u-mia")["scoreGiven"] == 40
    assert all(state == SendState.SENT for _, _, state in log())


def test_an_lms_that_is_out_of_order_is_tried_again_later(lms, linked, seat, released):
    lms.break_next = [503]
    lms_sending.send(linked.course_id)
    kept = LmsGrade.objects.get()
    assert (kept.state, kept.tries) == (SendState.WAITING, 1)
    assert "HTTP 503" in kept.answer and "tried again" in kept.answer
    assert lms_sending.send(linked.course_id) == 0, "not before its time"
    LmsGrade.objects.update(next_try_at=timezone.now())
    assert lms_sending.sweep_due() == 1
    assert lms_sending.send(linked.course_id) == 1
    LmsGrade.objects.update(state=SendState.WAITING, tries=len(lms_sending.AGAIN_AFTER), next_try_at=timezone.now())
    lms.break_next = [503]
    lms_sending.send(linked.course_id)
    assert LmsGrade.objects.get().state == SendState.FAILED, "and not for ever"


def test_a_course_that_is_not_published_in_the_lms_is_said_in_the_log(
    lms, linked, seat, released, client_for, instructor
):
    lms.published = False
    lms_sending.send(linked.course_id)
    browser = client_for(instructor)
    page = text(browser.get(f"/courses/{linked.course_id}/grades/lms/"))
    assert "The course is not published in the LMS" in page
    assert "Mia Member" in page
    lms.published = True
    assert lms_sending.send(linked.course_id) == 0, "a person looks at it first"
    page = browser.post(f"/courses/{linked.course_id}/grades/lms/", follow=True)
    assert "1 grade will be sent" in text(page)
    assert lms_sending.send(linked.course_id) == 1
    page = text(browser.get(f"/courses/{linked.course_id}/grades/lms/"))
    assert "Canvas took it." in page
    assert f"sent by {instructor.name}" in page


def test_an_lms_that_allows_no_grades_is_told_what_to_allow(lms, linked, seat, released):
    linked.context.can_manage_lineitems = False
    linked.context.can_query_lineitems = False
    linked.context.save()
    lms_sending.send(linked.course_id)
    assert "Allow it assignments and grades in the LMS" in LmsGrade.objects.get().answer
    assert LmsFailed("x", 403).status == 403


def test_one_process_at_a_time_sends_to_a_course_and_a_lost_one_is_replaced(lms, linked, seat, released):
    linked.sending_until = timezone.now() + lms_sending.LEASE
    linked.save()
    assert lms_sending.send(linked.course_id) == 0
    linked.sending_until = timezone.now()
    linked.save()
    assert lms_sending.send(linked.course_id) == 1
    linked.refresh_from_db()
    assert linked.sending_until is None


def test_a_student_who_comes_in_later_gets_the_grade_then(lms, linked, released, team, client_for, instructor):
    assert lms_sending.send(linked.course_id) == 0
    page = text(client_for(instructor).get(f"/courses/{linked.course_id}/grades/lms/"))
    assert "the LMS course does not know them: Mia Member" in page
    mine = Membership.objects.get(team=team)
    LmsSeat.objects.create(lms_course=linked, membership=mine, subject="u-late")
    assert lms_sending.sweep_all() == 1
    assert lms_sending.send(linked.course_id) == 1
    assert lms.score_of("u-late") is not None


def test_where_the_instructor_sends_by_hand_nothing_goes_by_itself(lms, linked, seat, released, instructor):
    linked.sends_grades = False
    linked.save()
    assert lms_sending.send(linked.course_id) == 0
    lms_sending.ask_again(course=linked.course, person=instructor)
    assert lms_sending.send(linked.course_id) == 1


def test_another_courses_students_are_sent_nowhere(lms, linked, seat, released, other_course_team, instructor):
    stranger = other_course_team.memberships.get()
    assert lms_sending.ask_again(course=linked.course, person=instructor, only=[stranger.pk]) == 0
    assert not LmsGrade.objects.exists()


def test_a_professor_from_the_lms_sees_bots_by_letters_and_nobody_by_name(
    lms, connection, linked, seat, released, team
):
    """Neither what the class list says nor what a launch says reaches her pages."""
    from django.test import Client

    factories.make_person("Nobody", "nobody@example.edu")
    browser = Client()
    launch(Client(), lms, connection, ANA)
    launch(browser, lms, connection, PAT)
    press(browser, "create")
    mine = Membership.objects.get(person__email=PAT.email)
    from teams.services import courses

    courses.assign_professors(team=team, professors=[mine], person=mine.person)
    from evaluation.services import gradings

    gradings.ensure_gradings(course=linked.course)
    queue = browser.get(f"/courses/{linked.course_id}/grading/")
    page = text(queue)
    assert "Bot " in page
    for secret in (team.name, "Mia Member", "member@example.edu", "u-mia", ANA.name):
        assert secret not in page
    for path in ("grades/lms/", "grades/", "lms/", f"lms/courses/{linked.pk}/people/", "people/"):
        assert browser.get(f"/courses/{linked.course_id}/{path}").status_code == 403
