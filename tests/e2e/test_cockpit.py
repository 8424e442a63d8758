"""People in a real browser under the strict policy: the university's sign-in, moving, taking out, looking as another; and
a grader whose saves are answered in the wrong order."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import APIResponse, Browser, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from teams.models import AuditEntry, Course, Role, Team, User
from tests import factories
from tests.e2e.conftest import pages_at
from tests.e2e.test_journey import opened, submit_grade
from tests.teams.oidc_provider import CLIENT, SECRET, Provider
from tests.world import make_world

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def open_page(live_server: LiveServer, browser: Browser) -> Iterator[Callable[[], Page]]:
    with pages_at(live_server.url, browser) as open_one:
        yield open_one


def sign_in(page: Page, person: User) -> Page:
    page.goto("/sign-in/")
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


@pytest.fixture
def cast(transactional_db: None) -> tuple[Course, User, User]:
    """A course with two teams, its instructor (who also runs the platform), and a student in Maple."""
    course = factories.make_course()
    instructor = factories.make_person("Iris Instructor", "iris@example.edu")
    instructor.is_staff = True
    instructor.save()
    factories.enrol(course, instructor, Role.INSTRUCTOR)
    student = factories.make_person("Mia Member", "mia@uni.example")
    factories.make_team(course, "Maple", student)
    factories.make_team(course, "Birch", factories.make_person("Ben Birch"))
    return course, instructor, student


def test_the_button_leads_to_the_university_and_back_into_the_team(
    open_page: Callable[[], Page], cast: tuple[Course, User, User], settings
) -> None:
    provider = Provider(person={"sub": "7", "email": "mia@uni.example", "email_verified": True, "name": "Mia"})
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = provider.issuer, CLIENT, SECRET
    settings.OIDC_NAME, settings.OIDC_EMAIL_DOMAINS = "Example University", ["uni.example"]
    try:
        page = open_page()
        page.goto("/sign-in/")
        page.get_by_role("link", name="Sign in with Example University").click()
        expect(page.get_by_role("heading", name="Maple")).to_be_visible()
        provider.person["email_verified"] = False
        stranger = open_page()
        stranger.goto("/sign-in/")
        stranger.get_by_role("link", name="Sign in with Example University").click()
        expect(stranger.get_by_text("did not confirm your e-mail address")).to_be_visible()
        stranger.get_by_role("link", name="To the sign-in page").click()
        expect(stranger.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    finally:
        provider.close()


def test_a_student_is_moved_taken_out_and_let_in_again(
    open_page: Callable[[], Page], cast: tuple[Course, User, User]
) -> None:
    course, instructor, student = cast
    page, theirs = sign_in(open_page(), instructor), sign_in(open_page(), student)
    expect(theirs.get_by_role("heading", name="Maple")).to_be_visible()
    page.goto(f"/courses/{course.pk}/people/")
    page.get_by_role("link", name="Change Mia Member").click()
    page.get_by_label("Team", exact=True).select_option(label="Birch")
    page.get_by_role("button", name="Save").click()
    theirs.goto("/")
    expect(theirs.get_by_role("heading", name="Birch")).to_be_visible()
    page.get_by_role("link", name="Change Mia Member").click()
    page.get_by_role("button", name="Take out of the course").click()
    expect(page.get_by_text("can no longer enter. All their work stays.")).to_be_visible()
    theirs.goto("/")
    expect(theirs.get_by_text("You are in no course yet")).to_be_visible()
    page.get_by_role("button", name="Let in again").click()
    theirs.goto("/")
    expect(theirs.get_by_role("heading", name="Birch")).to_be_visible()


def test_looking_as_another_person_changes_nothing_and_is_on_record(
    open_page: Callable[[], Page], cast: tuple[Course, User, User]
) -> None:
    course, instructor, _ = cast
    page = sign_in(open_page(), instructor)
    page.goto("/")
    page.get_by_role("link", name="Accounts").click()
    page.get_by_role("link", name="Look as another person").click()
    page.get_by_label("Name or e-mail").fill("mia")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("button", name="Look as Mia Member").click()
    expect(page.get_by_text("You are looking as Mia Member.")).to_be_visible()
    page.goto("/notices/")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Only looking")).to_be_visible()
    page.get_by_role("button", name="Be yourself again").click()
    expect(page.get_by_text("You are yourself again.")).to_be_visible()
    said = AuditEntry.objects.filter(course=course, person=instructor).order_by("pk").values_list("action", flat=True)
    assert list(said) == ["looks as this person", "no longer looks as this person"]


def test_a_grade_goes_in_also_when_two_saves_were_answered_in_the_wrong_order(
    open_page: Callable[[], Page], cast: tuple[Course, User, User], redis_server: str
) -> None:
    course, _, student = cast
    professor = factories.make_person("Paula Professor", "paula@example.edu")
    factories.enrol(course, professor, Role.PROFESSOR)
    world = make_world(Team.objects.get(memberships__person=student), professor, "marked")
    world.kept.delete()
    page = sign_in(open_page(), professor)
    page.goto(f"/courses/{course.pk}/grading/{world.grading.code}/")
    late: list[tuple[Route, APIResponse]] = []
    page.route("**/criteria/**", lambda route: late.append((route, route.fetch())), times=1)
    criteria = page.locator("[data-criterion]").filter(has=page.locator("input[name=level]"))
    opened(criteria.nth(0)).locator("input[name=level][value='2']").check()
    while not late:  # the first save is through before the others begin; only its answer comes last
        page.wait_for_timeout(20)
    for number in range(1, criteria.count()):
        with page.expect_response(lambda response: "/criteria/" in response.url and response.ok):
            opened(criteria.nth(number)).locator("input[name=level][value='2']").check()
    [(route, answer)] = late
    with page.expect_response(lambda response: "/criteria/" in response.url and response.ok):
        route.fulfill(response=answer)
    submit_grade(page)
