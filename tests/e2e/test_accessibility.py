"""Every page that a person can reach by links: axe, light and dark, a phone's width, and a silent console."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urldefrag, urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.urls import Resolver404, resolve
from playwright.sync_api import Browser, Error, Page, ViewportSize, expect

from tests.e2e.conftest import Platform
from tests.e2e.populate import CEDAR, SECOND_PROFESSOR, populate
from tests.e2e.test_journey import start_run, watch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

PHONE, DESK = ViewportSize(width=360, height=740), ViewportSize(width=1280, height=800)
PAGES_OF_A_KIND = 2
DOWNLOADS = re.compile(r"_csv$|_export$|_export_|_bundle$|_file$|_problems$|_events$|^sign_out$")
AXE = """async (rules) => {
  const found = await axe.run(document, rules ? {runOnly: rules} : {resultTypes: ["violations"]});
  return found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
    .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target} ${node.failureSummary} ${node.html.slice(0, 160)}`));
}"""
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("main *, header *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest(".scroll")).slice(0, 3).map((one) => one.outerHTML.slice(0, 120)).concat(
    `the page is ${document.documentElement.scrollWidth} px wide on a phone of ${innerWidth}`)"""

WHEN_LAID_OUT = (
    "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
)
"""The page is told of its new size with the next frame."""

HIGHEST_BAR = 80
OUTSIDE = """() => [...document.querySelectorAll(".scroll")].filter((one) => one.checkVisibility()
    && one.scrollWidth > one.clientWidth + 1 && one.querySelector("thead") && !one.querySelector("[rowspan], thead [colspan]"))
  .map((one) => `columns hang outside the screen: ${one.scrollWidth} px in ${one.clientWidth}:
    ${one.textContent.trim().slice(0, 60)}`)"""


@dataclass
class Walk:
    """One person's way through the links, at most PAGES_OF_A_KIND pages for each URL name."""

    page: Page
    waiting: list[str]
    seen: dict[str, list[str]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def run(self) -> None:
        self.page.on("console", self._note)
        while self.waiting:
            path = urldefrag(self.waiting.pop(0)).url
            kind = name_of(path)
            there = self.seen.setdefault(kind, [])
            if kind and path not in there and len(there) < PAGES_OF_A_KIND and not DOWNLOADS.search(kind):
                there.append(path)
                self._visit(path)

    def _note(self, line) -> None:
        if line.type == "error":
            self.complaints.append(f"{self.page.url}: the console says {line.text}")

    def _visit(self, path: str) -> None:
        try:
            response = self.page.goto(path)
        except Error as error:
            assert "Download is starting" in str(error), error
            return
        assert response is not None
        if response.status != 200:
            self.complaints.append(f"{path}: a link leads to {response.status}")
        self.waiting += [
            link for link in self.page.eval_on_selector_all("a[href]", "all => all.map((one) => one.href)") if link
        ]
        self.complaints += [f"{path}: {one}" for one in look_at(self.page)]


def name_of(url: str) -> str:
    """The URL's name; empty for what is not a page of the platform."""
    parts = urlsplit(url)
    if parts.hostname not in (None, "localhost"):
        return ""
    try:
        return resolve(parts.path).url_name or ""
    except Resolver404:
        return ""


def look_at(page: Page) -> Iterator[str]:
    """What is wrong with the page as it stands."""
    page.evaluate(AXE_SCRIPT)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    yield from (f"light: {one}" for one in page.evaluate(AXE, None))
    page.emulate_media(color_scheme="dark")
    yield from (f"dark: {one}" for one in page.evaluate(AXE, ["color-contrast"]))
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    page.evaluate(WHEN_LAID_OUT)
    yield from page.evaluate(TOO_WIDE)
    yield from page.evaluate(OUTSIDE)
    bar = page.locator("header.bar").bounding_box()
    if bar is not None and bar["height"] >= HIGHEST_BAR:
        yield f"the bar is {bar['height']} px high on a phone"
    page.set_viewport_size(DESK)


@pytest.fixture(scope="module")
def lived_in(platform: Platform) -> None:
    """The platform after a team has been through everything."""
    populate(platform, "cedar")


def walk(page: Page, *starts: str) -> Walk:
    done = Walk(page, [page.url, *starts])
    done.run()
    assert done.complaints == [], "\n".join(sorted(set(done.complaints)))
    return done


def test_a_students_pages_are_for_everybody(lived_in: None, sign_in: Callable[..., Page]) -> None:
    page = sign_in(CEDAR, viewport=DESK)
    team = page.url
    for method in ("openai", "lora"):
        start_run(page, team, method, "marked dataset")
        watch(page)
    seen = walk(page, f"{team}submission/").seen
    assert {"run_detail", "conversation_detail", "version_detail", "import_detail", "submission_detail"} <= set(seen)


def test_the_pages_of_a_team_that_has_nothing_yet_are_for_everybody(
    lived_in: None, sign_in: Callable[..., Page]
) -> None:
    page = sign_in("birch@demo.example", viewport=DESK)
    assert "submission_detail" in walk(page).seen


def test_a_professors_pages_are_for_everybody(lived_in: None, sign_in: Callable[..., Page]) -> None:
    page = sign_in(SECOND_PROFESSOR, viewport=DESK)
    seen = walk(page).seen
    assert {"grading_queue", "grading_detail", "grading_revise", "review_list", "review_detail"} <= set(seen)


def test_an_instructors_pages_are_for_everybody(lived_in: None, sign_in: Callable[..., Page]) -> None:
    page = sign_in("instructor@demo.example", viewport=DESK)
    seen = walk(page).seen
    assert {"course_people", "course_costs", "course_grades", "submission_grades", "course_agreement"} <= set(seen)


def test_pages_before_signing_in_are_for_everybody(platform: Platform, browser: Browser) -> None:
    page = browser.new_page(base_url=platform.url, viewport=DESK)
    page.goto("/sign-in/")
    assert {"sign_in", "join"} <= set(walk(page, "/join/", "/password/forgotten/").seen)
    expect(page.locator("main")).to_have_count(1)
