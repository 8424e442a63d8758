"""An LMS, connected to the platform or to one course, and a course that is linked already."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from teams.models import Course, LmsConnection, LmsCourse, User
from teams.services.lti import connections, door
from tests.teams.lms_browser import launch, press
from tests.teams.lms_player import INSTRUCTOR, Lms, Person, pem

IRIS = Person("u-iris", "Iris Instructor", "iris@lms.example", (INSTRUCTOR,))
ANA = Person("u-ana", "Ana Lee", "ana@lms.example")
PAT = Person("u-pat", "Pat Reader", "pat@lms.example", (INSTRUCTOR,))


@pytest.fixture
def lms(settings: Any, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lms]:
    monkeypatch.setattr(door, "STEP_SECONDS", 300.0)  # a slow machine is no failure
    monkeypatch.setattr(door, "WHOLE_SECONDS", 300.0)
    settings.PROVIDER_PRIVATE_HOSTS = ["127.0.0.1"]
    settings.SITE_URL = "http://testserver"
    cache.clear()
    pem("right")
    running = Lms()
    yield running
    running.close()


@pytest.fixture
def connection(lms: Lms, instructor: User) -> LmsConnection:
    """Of the whole platform."""
    return lms.connect(connections.add(course=None, person=instructor, name="Canvas"))


@pytest.fixture
def own_connection(lms: Lms, course: Course, instructor: User) -> LmsConnection:
    """Of one course, made by its instructor."""
    return lms.connect(connections.add(course=course, person=instructor, name="Moodle"))


@pytest.fixture
def linked(client_for: Any, lms: Lms, connection: LmsConnection, course: Course, instructor: User) -> LmsCourse:
    """The instructor launched, linked the account, and said which course it is."""
    browser = client_for(instructor)
    launch(browser, lms, connection, IRIS)
    press(browser, "link")
    press(browser, "connect", course=course.pk)
    return LmsCourse.objects.get(course=course)
