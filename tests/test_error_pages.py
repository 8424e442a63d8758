"""Addresses that lead nowhere answer in words: no bare error, no empty page."""

from typing import Any

import pytest
from django.test import Client

from teams.models import Course, Team, User

HUGE = "9" * 30
A_BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize("address", [f"/courses/{HUGE}/", f"/teams/{HUGE}/", f"/courses/{HUGE}/costs/"])
def test_a_number_that_no_row_can_have_is_not_found(client_for: Any, instructor: User, address: str) -> None:
    answer = client_for(instructor).get(address)
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


@pytest.mark.parametrize("rest", ["people/?q=%00", "costs/by/model/entries/?of=a%00b", "%00/"])
def test_a_letter_that_no_database_keeps_is_not_found(
    client_for: Any, course: Course, instructor: User, rest: str
) -> None:
    assert client_for(instructor).get(f"/courses/{course.pk}/{rest}").status_code == 404


def test_somebody_who_had_to_sign_in_before_sending_is_told_that_nothing_was_saved(member: User, team: Team) -> None:
    browser, address = Client(), f"/teams/{team.pk}/budget/"
    sent = browser.post(address, {"amount": "1", "reason": "more"})
    assert sent["Location"] == f"/sign-in/?next={address}"
    browser.force_login(member, backend="django.contrib.auth.backends.ModelBackend")
    answer = browser.get(address, headers=A_BROWSER)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "nothing was saved" in answer.content.decode()


def test_a_program_gets_no_page_for_a_wrong_method(client: Client) -> None:
    answer = client.get("/v1/chat/completions", headers={"Accept": "application/json"})
    assert b"<html" not in answer.content
