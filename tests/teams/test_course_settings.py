"""Settings of a course and of a team: slips are refused in words, and a page that was open too long takes nothing back."""

from typing import Any

import pytest
from django.test import Client

from teams.forms import DollarsField
from teams.models import AuditEntry, Course, Notice, Team, User
from teams.services import budget_requests, money


def sent_by(client: Client, address: str) -> dict[str, Any]:
    """What the browser sends when the page at `address` is saved as it was opened."""
    form = client.get(address).context["form"]
    sent: dict[str, Any] = {}
    for bound in form:
        shown = bound.field.prepare_value(bound.value())
        sent[bound.html_name] = "" if shown is None else shown
        if bound.field.show_hidden_initial:
            sent[bound.html_initial_name] = sent[bound.html_name]
    return {name: value for name, value in sent.items() if value is not False}


def settings_of(course: Course) -> str:
    return f"/courses/{course.pk}/settings/"


def test_a_page_saved_as_it_was_opened_changes_nothing_and_is_not_in_the_log(client_for, course, instructor):
    course.compute_rate, course.daily_chat_cap = 5_000, 123_456
    course.save()
    client = client_for(instructor)
    assert client.post(settings_of(course), sent_by(client, settings_of(course))).status_code == 302
    course.refresh_from_db()
    assert (course.compute_rate, course.daily_chat_cap) == (5_000, 123_456)
    assert not AuditEntry.objects.filter(course=course, action="settings changed").exists()


@pytest.mark.parametrize(
    ("micro", "shown"), [(25_000_000, "25.00"), (5_000, "0.005"), (1, "0.000001"), (1_250_000, "1.25"), (0, "0.00")]
)
def test_an_amount_stands_in_its_field_to_the_last_micro_dollar(micro: int, shown: str) -> None:
    assert DollarsField().prepare_value(micro) == shown
    assert DollarsField().clean(shown) == micro


def test_an_old_page_does_not_take_back_what_somebody_else_changed_meanwhile(client_for, course, instructor):
    client = client_for(instructor)
    old_page = sent_by(client, settings_of(course))
    Course.objects.filter(pk=course.pk).update(spending_frozen=True, team_budget=7_000_000)
    client.post(settings_of(course), old_page | {"term": "Spring 2027"})
    course.refresh_from_db()
    assert (course.term, course.spending_frozen, course.team_budget) == ("Spring 2027", True, 7_000_000)
    entry = AuditEntry.objects.get(course=course, action="settings changed")
    assert (entry.before, entry.after) == ({"term": "Fall 2026"}, {"term": "Spring 2027"})


def test_assigning_a_professor_from_an_old_page_keeps_a_budget_that_was_raised_meanwhile(
    client_for: Any, course: Course, team: Team, member: User, instructor: User, professor: User
) -> None:
    client, address = client_for(instructor), f"/courses/{course.pk}/teams/{team.pk}/settings/"
    old_page = sent_by(client, address)
    asked = budget_requests.ask(team=team, person=member, amount=10_000_000, reason="more")
    budget_requests.answer(asked=asked, approve=True, person=instructor)
    client.post(address, old_page | {"professors": [professor.memberships.get().pk]})
    team.account.refresh_from_db()
    assert team.account.limit == 35_000_000
    assert team.professor_assignments.get().professor.person == professor


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        ("team_size", "0", "greater than or equal to 1"),
        ("team_size", "51", "less than or equal to 50"),
        ("team_budget", "-1", "greater than or equal to 0"),
        ("team_budget", "1e9", "less than or equal to 1000000"),
        ("course_limit", "1e999999", "less than or equal to 1000000"),
        ("team_budget", "abc", "Enter a number"),
        ("team_budget", "NaN", "Enter a number"),
        ("daily_chat_cap", "0.0000001", "6 decimal places"),
        ("starts_on", "9999-12-31", "Look at the year"),
        ("ends_on", "0020-12-31", "Look at the year"),
        ("keep_days", "-3", "greater than or equal to 0"),
    ],
)
def test_a_slip_is_refused_in_words_and_nothing_is_saved(
    client_for: Any, course: Course, instructor: User, field: str, given: str, said: str
) -> None:
    client = client_for(instructor)
    answer = client.post(settings_of(course), sent_by(client, settings_of(course)) | {field: given, "name": "Other"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page
    assert page.count("EDEL 4620") >= 1, "the bar still shows the name that the course has"
    assert Course.objects.get(pk=course.pk).name == "EDEL 4620"


def test_a_far_off_day_is_refused_for_a_step_and_for_a_copy(client_for, course, instructor):
    client = client_for(instructor)
    step = {"title": "Step", "goal": "dataset", "due_on": "9999-12-31"}
    answer = client.post(f"/courses/{course.pk}/plan/new/", step, follow=True)
    assert "By: Look at the year" in answer.content.decode()
    copied = {"name": "Next", "term": "", "starts_on": "9999-12-30", "ends_on": "9999-12-31"}
    assert client.post(f"/courses/{course.pk}/copy/", copied).status_code == 422
    assert not Course.objects.filter(name="Next").exists()


def test_a_budget_that_is_cut_below_what_was_spent_is_told_at_once(
    client_for: Any, course: Course, team: Team, member: User, instructor: User
) -> None:
    money.hold(team=team, key="work", amount=9_000_000)
    assert not Notice.objects.exists()
    client = client_for(instructor)
    client.post(f"/courses/{course.pk}/teams/{team.pk}/settings/", {"limit": "10"})
    assert Notice.objects.get(person=member).text == "Maple has used or held 80 % of its budget."
    client.post(settings_of(course), sent_by(client, settings_of(course)) | {"course_limit": "9"})
    texts = set(Notice.objects.filter(person=instructor).values_list("text", flat=True))
    assert "The course's whole budget is used up: no team can spend more." in texts
