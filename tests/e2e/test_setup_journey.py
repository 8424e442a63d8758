"""An instructor sets a course up from an EMPTY database to released grades, with the browser only."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import ROOT, Platform, enter_by_link, follow, pages_at
from tests.e2e.test_journey import (
    PASSPHRASE,
    ask,
    choose,
    release,
    say_on_the_whole,
    score_everything,
    start,
    submit_grade,
    upload,
    watch,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

ROWS = ROOT / "courseplatform" / "demo_data" / "lora_instructions.jsonl"
CLASS_LIST = """name,email,section,team
Sam Sequoia,sam@setup.example,Monday,Secret Sequoia
Rosa Oak,rosa@setup.example,Monday,Oak
"""


@pytest.fixture
def empty_platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform(tmp_path / "var", demo=False).running() as started:
        yield started


@pytest.fixture
def new_page(empty_platform: Platform, browser: Browser) -> Iterator[Callable[[], Page]]:
    with pages_at(empty_platform.url, browser) as open_one:
        yield open_one


def enter(page: Page, platform: Platform, address: str) -> None:
    """Follow the mailed invitation."""
    enter_by_link(page, platform, address, PASSPHRASE)


def set_up(page: Page, platform: Platform) -> None:
    """The first account, with the code that the terminal shows; a guessed code makes none."""
    found = re.search(r"\b(?:[A-Z2-9]{4}-){3}[A-Z2-9]{4}\b", platform.output.read_text())
    assert found, platform.said()
    page.goto("/")
    page.get_by_role("link", name="Set up this platform").click()
    for code in ("AAAA-BBBB-CCCC-DDDD", found[0]):
        page.get_by_label("Name").fill("Iris Instructor")
        page.get_by_label("E-mail").fill("iris@setup.example")
        page.get_by_label("Password").fill(PASSPHRASE)
        page.get_by_label("Set-up code").fill(code)
        page.get_by_role("button", name="Set up this platform").click()
        if code != found[0]:
            expect(page.get_by_text("This is not the set-up code")).to_be_visible()
    expect(page.get_by_text("The platform is yours")).to_be_visible()


def make_course(page: Page) -> str:
    """The course's URL: budgets, plan, section, class list, professor, all in the browser."""
    page.get_by_role("link", name="Create your first course").click()
    page.get_by_label("Name", exact=True).fill("EDEL 1000")
    page.get_by_label("Starts on").fill("2026-09-01")
    page.get_by_label("Budget of the whole course").fill("100")
    page.get_by_label("Budget of each new team").fill("10")
    page.get_by_label("Price of one hour of local training").fill("3.60")
    page.get_by_role("button", name="Create the course").click()
    course = page.url

    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_label("New section").fill("Monday")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("link", name="Enrol a class list").click()
    page.locator("input[type=file]").set_input_files(
        {"name": "class.csv", "mimeType": "text/csv", "buffer": CLASS_LIST.encode()}
    )
    page.get_by_role("button", name="Show what would happen").click()
    page.get_by_role("button", name="Enrol 2 people").click()
    expect(page.get_by_text("2 of them invited by e-mail")).to_be_visible()
    page.get_by_role("link", name="Invite by e-mail").click()
    page.get_by_label("E-mail").fill("paula@setup.example")
    page.get_by_label("Name").fill("Paula Professor")
    page.get_by_label("Role").select_option("professor")
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_text("a mail is on its way to paula@setup.example")).to_be_visible()

    page.get_by_role("link", name="Plan", exact=True).click()
    step = page.get_by_role("form", name="Step 1: First dataset")
    step.get_by_label("By").fill("2026-12-24")
    step.get_by_role("button", name="Save").click()
    expect(page.get_by_role("form", name="Step 1: First dataset").get_by_label("By")).to_have_value("2026-12-24")

    page.goto(course)
    team = page.get_by_role("row", name=re.compile("Secret Sequoia"))
    team.get_by_role("link", name="Budget and professors").click()
    page.get_by_label("Budget, in dollars").fill("12.50")
    page.get_by_label("Paula Professor").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name=re.compile("Secret Sequoia.*12.50"))).to_be_visible()
    return course


def train_and_hand_in(page: Page) -> str:
    """The team's URL; one short run of real training, handed in."""
    team = page.url
    expect(page.get_by_text("by Dec 24")).to_be_visible()
    upload(page, team, ROWS, "Rows")
    page.wait_for_url(re.compile(r"/versions/1/"))
    page.goto(f"{team}runs/new/lora/")
    choose(page, "Rows")
    start(page, epochs="1")
    watch(page)
    page.goto(f"{team}submission/")
    page.get_by_label(re.compile(r"Run 1$")).check()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_text("handed in").first).to_be_visible()
    return team


def grade(page: Page) -> None:
    assert "Sequoia" not in page.content()
    follow(page.get_by_role("link", name=re.compile("Bot ")).first)
    assert len(ask(page, "What is 7 + 5?")) > 3
    score_everything(page)
    expect(page.get_by_text("8 of 8 criteria")).to_be_visible()
    say_on_the_whole(page, "It counts like my own pupils.")
    expect(page.get_by_text(re.compile("8 of 8 criteria · Saved"))).to_be_visible()
    assert "Sequoia" not in page.content()
    submit_grade(page)


def test_from_an_empty_database_to_released_grades_with_the_browser_only(
    empty_platform: Platform, new_page: Callable[[], Page]
) -> None:
    instructor, student, professor = new_page(), new_page(), new_page()
    set_up(instructor, empty_platform)
    course = make_course(instructor)
    student.goto("/sign-in/")
    expect(student.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(student.get_by_role("link", name="Set up this platform")).to_have_count(0)

    enter(student, empty_platform, "sam@setup.example")
    expect(student.get_by_role("heading", name="Secret Sequoia")).to_be_visible()
    team = train_and_hand_in(student)

    enter(professor, empty_platform, "paula@setup.example")
    grade(professor)

    student.goto(f"{team}submission/")
    expect(student.get_by_text("It counts like my own pupils.")).to_have_count(0)
    instructor.goto(f"{course}grades/")
    release(instructor)
    expect(instructor.get_by_role("button", name=re.compile("^Hide")).first).to_be_visible()
    student.bring_to_front()
    expect(student.locator("#notice-bell .tag")).to_be_visible()  # without a reload: the bar asks
    student.locator("#notice-bell").click()
    student.get_by_role("link", name=re.compile("grade|result", re.IGNORECASE)).first.click()
    expect(student.get_by_text("It counts like my own pupils.")).to_be_visible()

    instructor.goto(f"{course}audit/")
    for done in ("course created", "list enrolled", "invited", "professors assigned", "budget changed", "plan changed"):
        expect(instructor.get_by_role("cell", name=done, exact=True).first).to_be_visible()
