"""The grading desk at every size: one screen on a laptop, one tap apart on a phone, large enough for eyes and fingers."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from evaluation.models import Turn
from evaluation.services import gradings
from tests.e2e.marks_walk import Walk
from tests.e2e.test_lost_work import grading, walk  # noqa: F401  (fixtures)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]
WIDE = [(1280, 800), (1024, 768)]
NARROW = [(768, 1024), (360, 740)]
ANSWER = "Um, I count on my fingers. My brother says it is easy but I like my fingers, they are always with me!"
SIZES = """() => [...document.querySelectorAll("main *")].filter((one) => one.checkVisibility() && one.childNodes.length
  && [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
  .map((one) => [parseFloat(getComputedStyle(one).fontSize), one.tagName, one.closest("[data-answer]") !== null])"""
SMALL_TARGETS = """() => [...document.querySelectorAll("main button, main a.button, main summary, main .anchors label")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 43.5)
  .map((one) => `${one.textContent.trim().slice(0, 30)} ${one.getBoundingClientRect().height}`)"""


def talked(at: Walk) -> None:
    """So much was said that it does not fit a screen."""
    talk = gradings.interview_of(at.grading)
    for number in range(4, 10):
        question = f"What is {number} + 5, and how do you know?"
        Turn.objects.create(conversation=talk, position=number, question=question, answer=ANSWER, status="done")


def opened_at(at: Walk, width: int, height: int) -> Page:
    at.page.set_viewport_size({"width": width, "height": height})
    at.page.goto(at.address)
    expect(at.page.locator(".prompts")).to_be_visible()
    return at.page


def no_scroll(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollHeight <= innerHeight && scrollX === 0"))


def in_view(page: Page, selector: str) -> bool:
    box = page.locator(selector).first.bounding_box()
    height = page.evaluate("innerHeight")
    return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= height


def test_the_desk_fits_one_screen_and_the_ask_box_stays(walk: Callable[[int], Walk]) -> None:  # noqa: F811
    at = walk(1)
    talked(at)
    for width, height in WIDE:
        page = opened_at(at, width, height)
        assert no_scroll(page), f"{width}x{height}"
        assert in_view(page, "#question") and in_view(page, "#progress") and in_view(page, "#commit button")
        expect(page.locator("#criterion-vocabulary .anchors")).to_be_in_viewport()
        expect(page.locator("[data-answer]").last).to_be_in_viewport()
        assert page.locator("[data-criterion][open]").count() == 1
        page.locator("#criterion-flow > summary").click()
        assert page.locator("[data-criterion][open]").count() == 1, "one at a time"
    for width, height in NARROW:
        page = opened_at(at, width, height)
        assert no_scroll(page), f"{width}x{height}"
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert in_view(page, "#question")
        page.get_by_role("button", name="Rubric", exact=True).click()
        expect(page.locator("#criterion-vocabulary .anchors")).to_be_in_viewport()
        expect(page.locator("#question")).to_be_hidden()
        page.get_by_role("button", name="Interview", exact=True).click()
        assert in_view(page, "#question")


def test_the_childs_words_are_the_largest_text_but_for_the_bots_name(walk: Callable[[int], Walk]) -> None:  # noqa: F811
    at = walk(1)
    talked(at)
    page = opened_at(at, 1280, 800)
    sizes = page.evaluate(SIZES)
    childs = [size for size, _, childs in sizes if childs]
    assert childs and min(childs) == 18
    assert [one for one in sizes if not one[2] and one[0] >= 18 and one[1] != "H1"] == []


def test_a_finger_finds_everything(walk: Callable[[int], Walk]) -> None:  # noqa: F811
    at = walk(1)
    talked(at)
    state = at.device.context.storage_state()
    browser = at.device.context.browser
    assert browser is not None
    tablet = browser.new_context(
        base_url=at.page.url.split("/courses")[0],
        storage_state=state,
        has_touch=True,
        is_mobile=True,
        viewport={"width": 768, "height": 1024},
    )
    page = tablet.new_page()
    page.goto(at.address)
    expect(page.locator(".prompts")).to_be_visible()
    assert page.evaluate(SMALL_TARGETS) == []
    page.get_by_role("button", name="Rubric", exact=True).tap()
    assert page.evaluate(SMALL_TARGETS) == []
    tablet.close()


def test_prompts_keys_and_escape(walk: Callable[[int], Walk]) -> None:  # noqa: F811
    at = walk(1)
    page = opened_at(at, 1280, 800)
    page.get_by_text("Math", exact=True).click()
    prompt = page.locator(".prompts details[open] [data-prompt]").first
    words = prompt.get_attribute("data-prompt")
    prompt.click()
    expect(page.locator("#question")).to_have_value(words or "")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON", "the focus never falls to the body"
    page.keyboard.press("2")
    expect(page.locator("#criterion-vocabulary [data-chosen]")).to_have_text("2 Partly")
    for _ in range(9):
        page.keyboard.press("n")
    expect(page.locator("#overall")).to_be_focused()
    page.keyboard.press("c")
    page.keyboard.type("Like my own pupils.")
    page.keyboard.press("Escape")
    expect(page.locator("#overall")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    expect(page.get_by_role("button", name="Read back and submit")).to_be_focused()
