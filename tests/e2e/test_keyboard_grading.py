"""A professor grades a bot from the first question to the submitted grade without touching the mouse; then it is printed."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import Platform
from tests.e2e.populate import populate
from tests.e2e.test_journey import release, start_run, watch
from tests.e2e.test_two_professors import CRITERIA, bots, hand_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def mark_the_answer(page: Page) -> None:
    """Two ready tags, one in her own words tied to a criterion, and a better answer."""
    press(page, "t", "1")
    expect(page.get_by_role("button", name="Too grown-up", pressed=True)).to_be_focused()
    press(page, "4")
    expect(page.get_by_role("button", name="Great", pressed=True)).to_be_focused()
    press(page, "o")
    page.keyboard.type("robot words")
    press(page, "Tab", "ArrowDown", "Tab", "Enter")
    expect(page.get_by_role("button", name="Robot words")).to_be_visible()
    expect(page.locator(".evidence").first).to_contain_text("1 tagged robot words")
    press(page, "b")
    page.keyboard.type("Um, is it twelve?")
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    press(page, "Escape")


def test_a_bot_is_graded_from_the_keyboard_and_its_result_is_printed(
    platform: Platform, sign_in: Callable[..., Page]
) -> None:
    made = populate(platform, "keyboard")
    course, [team] = made["course"], made["teams"]
    student = sign_in("sol@keys.example")
    start_run(student, team, "lora", "Sums")
    watch(student)
    hand_in(student, team)

    page = sign_in("pia@keys.example")
    open_and_choose_before_scripts_run(page, bots(page, course)[0])
    press(page, "a")
    page.keyboard.type("What is 7 + 5?")
    press(page, "Enter")
    expect(page.locator(".turn.student").get_by_role("button", name="Try again")).to_be_visible()
    page.locator("#question").press("Escape")
    mark_the_answer(page)
    for number in range(CRITERIA):
        press(page, "n")
        with page.expect_response(lambda response: "/criteria/" in response.url and response.ok):
            press(page, "0" if number == 7 else str(1 + number % 4))
    press(page, "p", "p", "n", "c")
    page.keyboard.type("It never counts.")
    press(page, "Escape")
    expect(page.get_by_text(re.compile("8 of 8 criteria · Saved"))).to_be_visible()
    press(page, "?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    press(page, "Escape", "s", "Enter")
    page.get_by_role("button", name="Submit grade").press("Enter")
    expect(page.get_by_text("Submitted").first).to_be_visible()
    page.wait_for_load_state()
    assert page.locator("input[name=level]:checked").evaluate_all("all => all.map((one) => one.value)") == [
        *["1", "2", "3", "4", "1", "2", "3"],
        "cannot",
    ]
    expect_printed(sign_in, course, team, student)


def open_and_choose_before_scripts_run(page: Page, bot: str) -> None:
    held: list[Route] = []
    page.route(re.compile(r"htmx[^/]*\.js"), lambda route: held.append(route))
    page.goto(bot, wait_until="commit")
    page.locator("input[name=level][value='4']").first.check()
    while held:
        held.pop().continue_()
    expect(page.get_by_text(re.compile("1 of 8 criteria · Saved"))).to_be_visible()
    page.unroute_all()
    page.wait_for_load_state()


def expect_printed(sign_in: Callable[..., Page], course: str, team: str, student: Page) -> None:
    """The team finds the better answer, and prints its result: light, without buttons, on paper."""
    head = sign_in("head@keys.example")
    head.goto(f"{course}grades/")
    release(head)
    student.goto(f"{team}submission/rows/")
    student.get_by_text("Make this a training row").click()
    expect(student.get_by_label("What the student should have said")).to_have_value("Um, is it twelve?")
    student.goto(f"{team}submission/")
    button = student.get_by_role("button", name="Print or save as PDF")
    expect(button).to_be_visible()
    expect(student.locator("svg.level-bar").first).to_be_visible()
    student.emulate_media(media="print", color_scheme="dark")
    expect(button).to_be_hidden()
    expect(student.get_by_text("printed ")).to_be_visible()
    assert student.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert student.evaluate("getComputedStyle(document.body).color") == "rgb(28, 35, 51)"
    assert student.pdf(format="A4").startswith(b"%PDF")
