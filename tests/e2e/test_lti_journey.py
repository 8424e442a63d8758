"""From the page of an LMS course as instructor, student and professor to a published grade that arrives there, and changes."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from evaluation.models import Grading, Submission
from evaluation.services import gradings, lms_sending, submissions
from teams.models import Course, LmsConnection, Membership, Role, Team, User
from teams.services import courses
from teams.services.lti import connections
from tests import factories
from tests.evaluation.conftest import make_run
from tests.evaluation.test_grading import committed
from tests.evaluation.test_releases import revise
from tests.teams.lms_fixtures import ANA, IRIS, PAT
from tests.teams.lms_player import Lms

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]

Launch = Callable[[str], Page]


@pytest.fixture
def lms(settings, live_server: LiveServer) -> Iterator[Lms]:
    """The platform is at localhost and the LMS at 127.0.0.1: for a browser these are two sites."""
    settings.PROVIDER_PRIVATE_HOSTS = ["127.0.0.1"]
    settings.SITE_URL = live_server.url
    running = Lms(people={one.subject: one for one in (IRIS, ANA, PAT)})
    yield running
    running.close()


@pytest.fixture
def course(redis_server: str) -> Course:
    made = factories.make_course()
    factories.enrol(made, factories.make_person("Iris Instructor", "iris@example.edu"), Role.INSTRUCTOR)
    return made


@pytest.fixture
def launch(browser: Browser, lms: Lms, course: Course, live_server: LiveServer) -> Iterator[Launch]:
    """Opens the LMS course as that person, in a browser of their own, and presses the tool's button there."""
    made = connections.add(course=None, person=User.objects.get(email="iris@example.edu"), name="Canvas")
    connection = lms.connect(made)
    contexts = {}

    def go(subject: str) -> Page:
        if subject not in contexts:
            contexts[subject] = browser.new_context(base_url=live_server.url)
            contexts[subject].set_default_timeout(120_000)
        page = contexts[subject].new_page()
        page.goto(f"{lms.issuer}/course?person={subject}&tool={connections.addresses(connection).login}")
        with page.expect_popup() as opened:
            page.frame_locator("iframe").get_by_role("link", name="Open in a new window").click()
        window = opened.value
        window.wait_for_load_state()
        return window

    yield go
    for context in contexts.values():
        context.close()
    assert LmsConnection.objects.get() == connection


def the_instructor_links_the_course(launch: Launch, course: Course) -> Page:
    page = launch(IRIS.subject)
    expect(page.get_by_role("heading", name="Who are you here?")).to_be_visible()
    page.get_by_role("link", name="I have an account: sign in").click()
    page.get_by_label("E-mail").fill("iris@example.edu")
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="That is me: link and go on").click()
    page.get_by_role("button", name="Link and go on").click()
    expect(page).to_have_url(re.compile(f"/courses/{course.pk}/$"))
    return page


def a_team_hands_in(course: Course) -> tuple[Team, Submission]:
    """What students do on pages that have journeys of their own."""
    ana = Membership.objects.get(person__email=ANA.email)
    team = factories.make_team(course, "Maple")
    courses.put_in_team(membership=ana, team=team, person=ana.person)
    return team, submissions.submit(team=team, run=make_run(team), person=ana.person)


def test_from_a_launch_to_a_grade_that_arrives_and_changes(launch: Launch, lms: Lms, course: Course) -> None:
    instructor = the_instructor_links_the_course(launch, course)

    student = launch(ANA.subject)
    expect(student.get_by_text("ana@lms.example")).to_be_visible()
    student.get_by_role("button", name="Make my account and enter").click()
    expect(student.get_by_text("Welcome to")).to_be_visible()
    team, submission = a_team_hands_in(course)
    expect(launch(ANA.subject)).to_have_url(re.compile(f"/teams/{team.pk}/$"))

    professor = launch(PAT.subject)
    professor.get_by_role("button", name="Make my account and enter").click()
    expect(professor).to_have_url(re.compile(f"/courses/{course.pk}/grading/$"))
    reader = Membership.objects.get(person__email=PAT.email)
    courses.assign_professors(team=team, professors=[reader], person=reader.person)
    gradings.ensure_gradings(course=course)
    professor.reload()
    expect(professor.get_by_role("link", name=re.compile(r"^Bot [A-Z]$"))).to_be_visible()
    for secret in ("Maple", "Ana Lee", "ana@lms.example"):
        expect(professor.get_by_text(secret)).to_have_count(0)
    rows = Grading.objects.select_related("grade", "grader__person", "submission__team__course")
    grading = rows.get(submission=submission)
    committed(grading, level=3)

    at = f"/courses/{course.pk}/grades/{submission.pk}/release/"
    publish(instructor, at)
    assert lms_sending.send(course.pk) == 1
    assert lms.score_of(ANA.subject)["scoreGiven"] == 75  # type: ignore[index]
    revise(grading, level=4)
    publish(instructor, at, reason="Read again.")
    assert lms_sending.send(course.pk) == 1
    assert lms.score_of(ANA.subject)["scoreGiven"] == 100  # type: ignore[index]
    assert len(lms.items) == 1
    instructor.goto(f"/courses/{course.pk}/grades/lms/")
    expect(instructor.get_by_text("Canvas took it.")).to_have_count(2)
    expect(instructor.get_by_text("100 of 100")).to_be_visible()


def publish(page: Page, at: str, reason: str = "") -> None:
    page.goto(at)
    if reason:
        page.get_by_label("Why does the result change?").fill(reason)
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.locator("form button.primary").first.click()
    expect(page.get_by_text(re.compile("can read version"))).to_be_visible()
