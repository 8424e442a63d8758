"""A browser that goes from an LMS to here, as far as a test wants."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.test import Client

from teams.models import LmsConnection
from tests.teams.lms_player import Lms, Person


def asked_of(answer: Any) -> dict[str, str]:
    """What our redirect asks of the LMS."""
    assert answer.status_code == 302, answer.content.decode()
    return dict(parse_qsl(urlsplit(answer["Location"]).query))


def begin(browser: Client, lms: Lms, connection: LmsConnection, person: Person, **other: Any) -> dict[str, str]:
    lms.people[person.subject] = person
    return asked_of(browser.get(f"/lti/{connection.key}/login/", lms.call(connection, person), **other))


def back(browser: Client, connection: LmsConnection, form: dict[str, str]) -> Any:
    return browser.post(f"/lti/{connection.key}/launch/", form)


def launch(browser: Client, lms: Lms, connection: LmsConnection, person: Person, **other: Any) -> Any:
    """All of it; the page that the person sees, redirects followed."""
    asked = begin(browser, lms, connection, person)
    answer = back(browser, connection, lms.message(asked, **other))
    if answer.status_code != 303:
        return answer
    return browser.get(answer["Location"], follow=True)


def press(browser: Client, do: str, **other: Any) -> Any:
    return browser.post("/lti/enter/", {"do": do, **other}, follow=True)


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().replace("\n", " ").split())
