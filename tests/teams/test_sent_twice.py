"""A button that is pressed twice, or in a page that was open too long, does its work once and says so."""

from typing import Any

from django.core import mail
from django.test import Client

from teams.models import Announcement, BudgetRequest, Course, Notice, Team, User
from teams.services import budget_requests


def test_an_announcement_sent_twice_is_told_once_and_another_one_at_once(
    client_for: Any, course: Course, member: User, instructor: User, django_capture_on_commit_callbacks: Any
) -> None:
    client, address = client_for(instructor), f"/courses/{course.pk}/notices/new/"
    with django_capture_on_commit_callbacks(execute=True):
        client.post(address, {"text": "No class\r\non Monday."})
        again = client.post(address, {"text": "No class\r\non Monday."}, follow=True)
    assert "Nobody was told twice" in again.content.decode()
    assert Notice.objects.filter(person=member).count() == len(mail.outbox) == 1
    client.post(address, {"text": "The room is 12."})
    assert Announcement.objects.count() == 2


def test_a_page_from_before_another_sign_in_says_what_to_do(member: User, team: Team) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(member, backend="django.contrib.auth.backends.ModelBackend")
    answer = browser.post(f"/teams/{team.pk}/budget/", {"amount": "2", "reason": "more"})
    assert answer.status_code == 403
    page = answer.content.decode()
    assert "This page was too old" in page
    assert "Nothing was saved" in page
    assert not BudgetRequest.objects.exists()


def test_a_request_that_cannot_be_says_which_field_and_why(client_for: Any, team: Team, member: User) -> None:
    client, address = client_for(member), f"/teams/{team.pk}/budget/"
    for amount, said in [
        ("1e9", "less than or equal to 1000000"),
        ("-1", "greater than or equal to"),
        ("abc", "number"),
    ]:
        page = client.post(address, {"amount": amount, "reason": "more"}, follow=True).content.decode()
        assert "How much more, in dollars: " in page
        assert said in page
    assert "What for: This field is required" in client.post(address, {"amount": "2"}, follow=True).content.decode()
    assert not BudgetRequest.objects.exists()


def test_an_answer_that_is_none_leaves_the_request_open(
    client_for: Any, course: Course, team: Team, member: User, instructor: User
) -> None:
    asked = budget_requests.ask(team=team, person=member, amount=1_000_000, reason="more")
    client, address = client_for(instructor), f"/courses/{course.pk}/budget/{asked.pk}/"
    assert "nothing has been answered yet" in client.post(address, follow=True).content.decode()
    asked.refresh_from_db()
    assert asked.state == BudgetRequest.State.OPEN
    client.post(address, {"answer": "decline"})
    assert "answered already" in client.post(address, {"answer": "approve"}, follow=True).content.decode()
