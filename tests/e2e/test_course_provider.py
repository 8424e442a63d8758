"""A course's own provider, in a browser: an instructor adds, tries and prices it; a team trains the same rows there and on this
platform, and compares what both made of them and what both cost.

The provider is the scripted one, on this machine, which whoever runs the platform allowed. Nothing names one in the environment.
"""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.chaos.provider import KEY, Provider
from tests.e2e.conftest import Platform, follow
from tests.e2e.test_bot_journey import compare, read_the_verdict
from tests.e2e.test_journey import DEMO_DATA, ask, start, upload, watch
from tests.e2e.test_provider_journey import jobs_end, provider, when_looked_through  # noqa: F401

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

NAME, MODEL = "Faculty account", "gpt-4.1-mini-2025-04-14"
ROWS = "Same rows for both"
HERE = re.compile("on this platform")
PRICES = {
    "Training tokens": "5",
    "Asking the model itself: input": "0.4",
    "Asking the model itself: output": "1.6",
    "Asking what was trained from it: input": "0.8",
    "Asking what was trained from it: output": "3.2",
}
"""Dollars for a million tokens."""


class PlatformWithoutKey(Platform):
    """`manage.py start` without a key, where providers on this machine are allowed."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"PROVIDER_PRIVATE_HOSTS": "127.0.0.1"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with PlatformWithoutKey(tmp_path_factory.mktemp("course_provider") / "var").running() as started:
        yield started


def add_and_try(page: Page, url: str) -> None:
    """From the list of courses, as an instructor finds it. A slip first: the address of a private network."""
    follow(page.get_by_role("link", name="EDEL 4620").first)
    follow(page.get_by_role("link", name="Training settings").first)
    follow(page.get_by_role("link", name="Providers").first)
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Address").fill("https://10.0.0.7/v1")
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_label("Its models may draft rows for teams").check()
    follow(page.get_by_role("button", name="Add and try it"))
    expect(page.get_by_text("private network")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value(NAME)
    page.get_by_label("Address").fill(f"{url}/v1")
    page.get_by_label("Key", exact=True).fill(KEY)
    follow(page.get_by_role("button", name="Add and try it"))
    expect(page.locator("#trial")).to_contain_text("It works: the key is accepted")
    assert KEY not in page.content()


def price(page: Page) -> None:
    page.get_by_label("Model", exact=True).fill(MODEL)
    page.get_by_label("Where prices and dates are from").fill("its price page, read 30 Nov 2026")
    page.get_by_label("Switched off on").fill("2031-05-01")
    for label, dollars in PRICES.items():
        page.get_by_label(label).fill(dollars)
    follow(page.get_by_role("button", name="Save the model"))
    row = page.get_by_role("row", name=re.compile(re.escape(MODEL)))
    expect(row).to_contain_text("$5.00")
    expect(row).to_contain_text("1 May 2031")


def train(page: Page, team: str, base: str | re.Pattern[str], name: str) -> str:
    """The URL of the run, ended, its model chosen as a person reads it in the list."""
    page.goto(f"{team}runs/new/openai/")
    page.get_by_label("Dataset").select_option(label=f"{ROWS} v1")
    listed = page.get_by_label("Base model").locator("option").filter(has_text=base).first
    page.get_by_label("Base model").select_option(value=listed.get_attribute("value"))
    expect(page.get_by_text("will be held")).to_be_visible()
    page.get_by_label("Name").fill(name)
    expect(page.get_by_text("will be held")).to_be_visible()
    start(page)
    watch(page)
    return page.url


@pytest.mark.usefixtures("jobs_end")
def test_a_team_trains_at_its_courses_provider_and_here_and_compares_both(
    provider: Provider,  # noqa: F811
    sign_in: Callable[..., Page],
) -> None:
    instructor = sign_in("instructor@demo.example")
    add_and_try(instructor, provider.url)
    price(instructor)

    student = sign_in("maple@demo.example")
    team = student.url
    upload(student, team, DEMO_DATA / "openai_messages.jsonl", ROWS)
    when_looked_through(student)
    there = train(student, team, NAME, "At the faculty's account")
    expect(student.locator("#run-status")).to_contain_text(NAME)
    expect(student.locator("#run-cost")).to_contain_text("Charged")
    verdict = student.locator("#run-verdict")
    expect(verdict.get_by_role("row", name="the base, untrained")).to_be_visible()
    expect(verdict.get_by_role("row", name="this run")).to_contain_text("of 5")
    follow(student.get_by_role("link", name="Chat with it"))
    assert len(ask(student, "What is 7 + 5?")) > 3
    here = train(student, team, "tiny", "Here")
    expect(student.locator("#run-status")).to_contain_text("trained on this platform")
    read_the_verdict(student)

    compare(student, team, there, here)
    for what in ("Cost", "Verdict"):
        cells = student.get_by_role("row", name=re.compile(f"^{what}")).first.locator("td").all_inner_texts()
        assert len(cells) == 2 and all(cell.strip() not in ("", "–") for cell in cells), cells
    expect(student.get_by_role("row", name=re.compile("^Trained by")).first).to_contain_text(NAME)
    student.goto(f"{team}costs/")
    expect(student.get_by_text(f"at {NAME}").first).to_be_visible()
    expect(student.get_by_text("on this platform").first).to_be_visible()
