"""The class list of an LMS course: read in pages, shown first, enrolled when the instructor says so; who left is offered."""

import pytest

from teams.models import LmsSeat, Membership, Role, User
from teams.services.lti import class_list
from tests.teams.lms_browser import text
from tests.teams.lms_fixtures import ANA, PAT, connection, linked, lms
from tests.teams.lms_player import ASSISTANT, INSTRUCTOR, LEARNER, Person

__all__ = ["connection", "linked", "lms"]


@pytest.fixture
def page(client_for, lms, linked, instructor):
    """Asks for the page, or presses a button of it."""
    browser = client_for(instructor)
    at = f"/courses/{linked.course_id}/lms/courses/{linked.pk}/people/"

    def ask(do="", **given):
        return browser.post(at, {"do": do, **given}, follow=True) if do else browser.get(at, given)

    return ask


def fill(lms, number):
    for n in range(number):
        lms.people[f"u-{n}"] = Person(f"u-{n}", f"Student {n}", f"s{n}@lms.example")


def seen_in(page):
    return page.content.decode().split('name="seen" value="')[1].split('"')[0]


def test_every_page_is_read_and_nothing_is_made_before_it_is_said(lms, linked, page):
    fill(lms, 5)
    lms.page = 2
    before = (User.objects.count(), Membership.objects.count())
    shown = page()
    assert all(f"s{n}@lms.example" in text(shown) for n in range(5))
    assert "5 of 5 can be enrolled" in text(shown)
    assert (User.objects.count(), Membership.objects.count()) == before
    done = page("enrol", role="student", seen=seen_in(shown))
    assert "5 new in the course, 5 of them invited" in text(done)
    assert Membership.objects.filter(course=linked.course, role=Role.STUDENT).count() == 5
    assert LmsSeat.objects.filter(lms_course=linked, subject="u-3").exists()


def test_a_list_that_changed_since_it_was_shown_is_shown_again(lms, linked, page):
    fill(lms, 2)
    shown = page()
    fill(lms, 3)
    answer = page("enrol", role="student", seen=seen_in(shown))
    assert answer.status_code == 409
    assert "changed since you looked" in text(answer)
    assert not User.objects.filter(email="s0@lms.example").exists()


def test_instructors_there_become_what_the_link_says_and_assistants_are_left_to_a_person(lms, linked, page):
    lms.people = {one.subject: one for one in (ANA, PAT)}
    lms.people["u-ta"] = Person("u-ta", "Tess", "tess@lms.example", (ASSISTANT, INSTRUCTOR))
    shown = page(role="professor")
    assert PAT.email in text(shown)
    assert ANA.email not in text(shown)
    assert "tess@lms.example" not in text(shown)
    assert "1 teaching assistant:" in text(shown)
    page("enrol", role="professor", seen=seen_in(shown))
    assert Membership.objects.get(person__email=PAT.email).role == Role.PROFESSOR


def test_a_role_that_the_link_does_not_give_is_not_given_by_the_form(lms, linked, page):
    lms.people = {PAT.subject: PAT}
    page("enrol", role="instructor", seen="x")
    assert not User.objects.filter(email=PAT.email).exists()


def test_who_left_the_lms_course_is_offered_and_keeps_the_work(lms, linked, page, member, course):
    membership = Membership.objects.get(person=member, course=course)
    LmsSeat.objects.create(lms_course=linked, membership=membership, subject="u-mia")
    lms.people = {"u-mia": Person("u-mia", "Mia", "member@example.edu", (LEARNER,), "Inactive"), ANA.subject: ANA}
    assert "No longer in the LMS course" in text(page())
    page("take_out", role="student", gone=[str(membership.pk)])
    membership.refresh_from_db()
    assert (membership.active, membership.team is not None) == (False, True)


def test_nobody_is_taken_out_who_is_still_there_or_when_the_list_is_empty(lms, linked, page, member, course):
    membership = Membership.objects.get(person=member, course=course)
    LmsSeat.objects.create(lms_course=linked, membership=membership, subject="u-mia")
    lms.people = {"u-mia": Person("u-mia", "Mia", "member@example.edu")}
    page("take_out", role="student", gone=[str(membership.pk)])
    lms.people = {}
    page("take_out", role="student", gone=[str(membership.pk)])
    membership.refresh_from_db()
    assert membership.active


def test_who_shares_no_address_is_counted_and_left_out(lms, linked, page):
    lms.people = {"u-x": Person("u-x", "X", ""), ANA.subject: ANA}
    assert "1 without an e-mail address is left out" in text(page())


def test_an_lms_that_is_out_of_order_is_told_in_a_sentence(lms, linked, page):
    lms.break_next = [503]
    answer = page()
    assert answer.status_code == 200
    assert "The class list could not be read: Canvas refused: HTTP 503" in text(answer)


def test_an_lms_that_says_no_list_is_told_what_to_allow(lms, linked, page):
    linked.context.memberships_url = ""
    linked.context.save()
    assert "Allow this tool names and roles" in text(page())


def test_a_name_in_the_list_is_text_and_no_second_line_of_it(lms, linked):
    evil = 'Eve"\nboss@example.edu,x,"'
    lms.people = {"u-e": Person("u-e", evil, "eve@lms.example")}
    shown = class_list.show(place=linked, role=Role.STUDENT)
    assert shown.preview is not None
    assert [line.email for line in shown.preview.lines] == ["eve@lms.example"]
