"""The grading desk in every state it can be in: axe (WCAG 2.2 AA) in light and dark, fingers, 200 % zoom, and no page scroll.

DESK_SCREENSHOTS=folder keeps a picture of each state at each size.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from evaluation.models import CriterionScore, Grade
from evaluation.services import grades, submissions
from tests import factories
from tests.e2e.marks_walk import Walk
from tests.e2e.test_desk_layout import SMALL_TARGETS
from tests.e2e.test_lost_work import grading, walk  # noqa: F401  (fixtures)
from tests.evaluation.conftest import make_run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]

SIZES = ((1280, 800), (1024, 768), (768, 1024), (360, 740))
ZOOMED = (640, 400)  # 1280 x 800 at 200 %
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
AXE = """async (rules) => (await axe.run(document, {runOnly: rules})).violations.flatMap((one) =>
  one.nodes.map((node) => `${one.id}: ${node.target} ${node.failureSummary} ${node.html.slice(0, 120)}`))"""
WIDER = "() => document.documentElement.scrollWidth - innerWidth"


def states(at: Walk) -> Iterator[tuple[str, str]]:
    """(name, address) one after the other, each made from the one before."""
    course = at.grading.submission.team.course_id
    yield "draft", at.address
    at.enter(4)
    at.settle()
    yield "marked", at.address
    score = (
        CriterionScore.objects.filter(grade__grading=at.grading, criterion__key="flow").select_related("grade").get()
    )
    grades.save_score(score=score, marks=grades.Marks(level=2), version=score.version + 9)
    yield "two versions", at.address
    yield "standard interview", f"{at.address}?show=standard"
    yield "to grade", f"/courses/{course}/grading/"
    yield "one criterion", f"/courses/{course}/grading/criteria/vocabulary/"
    other = at.grading.grader.gradings.exclude(pk=at.grading.pk).get()
    yield "two bots", f"/courses/{course}/grading/compare/?bot={at.grading.code}&bot={other.code}"
    at.grading.grade.unapplied.all().delete()
    grade = Grade.objects.select_related("grading__grader__person").get(grading=at.grading)
    grades.commit(grade=grade, seen_version=grade.version, person=at.person)
    yield "submitted", at.address
    yield "revise", f"{at.address}revise/"


def wrong(page: Page, name: str) -> Iterator[str]:
    page.evaluate(AXE_SCRIPT)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        yield from (f"{name}, {scheme}: {one}" for one in page.evaluate(AXE, RULES))
        for width, height in (*SIZES, ZOOMED):
            page.set_viewport_size({"width": width, "height": height})
            if page.evaluate(WIDER) > 0:
                yield f"{name}: wider than {width} px"
            keep_picture(page, f"{name} {scheme} {width}x{height}")
        page.set_viewport_size({"width": 1280, "height": 800})


def keep_picture(page: Page, name: str) -> None:
    if folder := os.environ.get("DESK_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name.replace(' ', '-')}.png")


@pytest.fixture
def two_bots(walk: Callable[[int], Walk]) -> Walk:  # noqa: F811
    at = walk(1)
    course = at.grading.submission.team.course
    team = factories.make_team(course, "Birch", factories.make_person("Ben Birch"))
    factories.assign(team, at.person)
    submissions.submit(team=team, run=make_run(team, name="birch"), person=team.memberships.get().person)
    return at


def test_every_state_of_the_desk_is_for_everybody(two_bots: Walk) -> None:
    found: list[str] = []
    for name, address in states(two_bots):
        two_bots.page.goto(address)
        two_bots.device.later(500)
        found += wrong(two_bots.page, name)
    assert found == [], "\n".join(sorted(set(found)))


def test_what_the_bar_and_the_dialog_say_is_for_everybody(two_bots: Walk) -> None:
    at = two_bots
    with at.no_connection():
        at.choose()
        expect(at.page.get_by_text("Not saved yet: no connection.")).to_be_visible()
        found = [*wrong(at.page, "offline")]
    at.settle()
    at._expire()
    found += wrong(at.page, "signed out")
    assert found == [], "\n".join(sorted(set(found)))


@pytest.mark.parametrize("page_of", ["criteria/vocabulary/", "compare/"])
def test_a_finger_finds_everything_on_the_pages_of_several_bots(two_bots: Walk, page_of: str) -> None:
    state, browser = two_bots.device.context.storage_state(), two_bots.device.browser
    size = {"width": 768, "height": 1024}
    tablet = browser.new_context(
        base_url=two_bots.device.url,
        storage_state=state,
        has_touch=True,
        is_mobile=True,
        viewport=size,  # type: ignore[arg-type]
    )
    page = tablet.new_page()
    page.goto(f"/courses/{two_bots.grading.submission.team.course_id}/grading/{page_of}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate(SMALL_TARGETS) == []
    tablet.close()


def test_one_criterion_is_graded_across_bots_with_the_keys_alone_and_offline(two_bots: Walk) -> None:
    at = two_bots
    at.page.goto(f"/courses/{at.grading.submission.team.course_id}/grading/criteria/vocabulary/")
    at.device.later(200)
    with at.no_connection():
        for level, group in ((2, 0), (4, 1)):
            at.page.locator("form[data-keep]").nth(group).locator(f"input[value='{level}']").press("Space")
        expect(at.page.locator("#progress")).to_contain_text("Not saved yet: no connection.")
        at.page.close()
    at.page = at.device.context.new_page()
    at.page.goto(f"/courses/{at.grading.submission.team.course_id}/grading/criteria/vocabulary/")
    at.device.later(200)
    at._until(lambda: "2 of 2 bots have a level" in at.page.locator("#progress").inner_text(), "both are saved")
    order = at.grading.grader.gradings.order_by("order", "id").values_list("pk", flat=True)
    scores = CriterionScore.objects.filter(criterion__key="vocabulary", grade__grading__in=order)
    assert dict(scores.values_list("grade__grading", "level")) == {order[0]: 2, order[1]: 4}
