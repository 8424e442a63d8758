"""Two professors grade the same three bots at the same time, blind; one loses the connection on the way; nothing is lost."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Platform
from tests.e2e.populate import populate
from tests.e2e.test_journey import ask, score_everything, start_run, watch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

TEAMS = ("Zebra", "Yak", "Xerus")
NAMES = {*TEAMS, "Secretson", "Anna", "Bert", "Carl"}
CRITERIA = 8


def hand_in(page: Page, team: str) -> None:
    page.goto(f"{team}submission/")
    page.get_by_label(re.compile(r"Run 1$")).check()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_text("handed in").first).to_be_visible()


def bots(page: Page, course: str) -> list[str]:
    """The addresses in the professor's own order; her queue names nobody but herself."""
    page.goto(f"{course}grading/")
    links = page.get_by_role("link", name=re.compile(r"^Bot [A-Z]$"))
    return [str(link.get_attribute("href")) for link in links.all()]


def levels(page: Page) -> list[Locator]:
    return list(page.locator("[data-criterion]").filter(has=page.locator("input[name=level]")).all())


def choose(page: Page, number: int, level: int) -> None:
    levels(page)[number].locator(f"input[name=level][value='{level}']").check()


def saved(page: Page, number: int, level: int) -> None:
    with page.expect_response(lambda response: "/criteria/" in response.url and response.ok):
        choose(page, number, level)


def submit(page: Page, words: str) -> None:
    """Press Submit at once after writing: the grade goes in with the last words."""
    page.get_by_role("textbox", name="What the team should know").fill(words)
    page.get_by_role("button", name="Submit grade").click()
    expect(page.get_by_text("Submitted").first).to_be_visible()
    page.wait_for_load_state()


def test_two_professors_grade_at_once_and_nothing_is_lost(platform: Platform, sign_in: Callable[..., Page]) -> None:
    made = populate(platform, "contest")
    course, teams = made["course"], dict(zip(TEAMS, made["teams"], strict=True))
    students = {name: sign_in(f"{name.lower()}@contest.example") for name in TEAMS}
    for name, page in students.items():
        start_run(page, teams[name], "dspy", "Sums")
    for name, page in students.items():
        watch(page)
        hand_in(page, teams[name])

    anna, bert = sign_in("anna@contest.example"), sign_in("bert@contest.example")
    hers, his = bots(anna, course), bots(bert, course)
    assert len(hers) == len(his) == 3
    assert not set(hers) & set(his), "the codes of one say nothing to the other"
    for place, (her_bot, his_bot) in enumerate(zip(hers, his, strict=True)):
        anna.goto(her_bot)
        bert.goto(his_bot)
        assert len(ask(anna, "What is 7 + 5?")) > 3
        assert len(ask(bert, "How do you know?")) > 3
        for number in range(CRITERIA):
            saved(anna, number, 2)
            offline = place == 1 and number >= 4
            bert.context.set_offline(offline)
            if offline:
                choose(bert, number, 3)
            else:
                saved(bert, number, 4 if place == number == 0 else 2)
        if place == 1:
            expect(bert.get_by_text("Not saved yet: no connection.")).to_be_visible()
            bert.locator("[data-criterion] textarea").nth(5).fill("Written in a tunnel.")
            bert.get_by_role("button", name="Submit grade").click()
            expect(bert.get_by_role("button", name="Submit grade")).to_be_visible()
            bert.context.set_offline(False)
            expect(bert.get_by_text("Submitted").first).to_be_visible()
            bert.wait_for_load_state()
            expect(bert.locator("[data-criterion] textarea").nth(5)).to_have_value("Written in a tunnel.")
            chosen = bert.locator("input[name=level]:checked").evaluate_all("all => all.map((one) => one.value)")
            assert chosen == ["2"] * 4 + ["3"] * 4
        else:
            submit(bert, f"His words on number {place}.")
        submit(anna, f"Her words on number {place}.")
        for page in (anna, bert):
            said = set(re.findall(r"\w+", page.locator("main").inner_html()))
            assert not NAMES & said
    expect_settled_released_and_asked_again(sign_in, course, teams, students)


def expect_settled_released_and_asked_again(
    sign_in: Callable[..., Page], course: str, teams: dict[str, str], students: dict[str, Page]
) -> None:
    head = sign_in("head@contest.example")
    head.on("dialog", lambda dialog: dialog.accept())
    head.goto(f"{course}grades/agreement/")
    assert head.locator("tbody tr").count() == CRITERIA
    assert head.locator("tbody tr td:nth-child(2)").all_inner_texts() == ["3"] * CRITERIA
    head.goto(f"{course}grades/")
    row = head.get_by_role("row").filter(has_text="1 criterion 2 or more apart")
    expect(row).to_have_count(1)
    name = row.get_by_role("link").first.inner_text()
    expect(head.get_by_role("button", name="Release 2 ready")).to_be_visible()
    row.get_by_role("link", name="settle").click()
    head.get_by_label("Level that counts").select_option("3")
    head.get_by_label("Reason").fill("Between the two, and here is why.")
    head.get_by_role("button", name="Settle").click()
    expect(head.get_by_text("Settled at level 3")).to_be_visible()
    one_team = head.url
    head.goto(f"{course}grades/")
    head.get_by_role("button", name="Release 3 ready").click()
    expect(head.get_by_role("button", name="Hide")).to_have_count(3)

    everything = ""
    for other, page in students.items():
        page.goto(f"{teams[other]}submission/")
        assert page.locator(".criterion.result").count() == CRITERIA
        everything += page.locator("#result").inner_text()
    for words in (
        "Her words on number 0.",
        "Her words on number 1.",
        "Her words on number 2.",
        "His words on number 0.",
    ):
        assert words in everything
    assert "His words on number 2." in everything
    assert "Written in a tunnel." in everything
    assert not {"Grader", "Anna Grader"} & set(re.findall(r"\w+", everything)), "the team is not told who graded"

    student = students[name]
    student.goto(f"{teams[name]}submission/")
    expect(student.get_by_text("Settled at level 3")).to_be_visible()
    student.get_by_text("Ask for a second look at one criterion").click()
    student.get_by_role("textbox").last.fill("Our bot counts on its fingers; please look again.")
    student.get_by_role("button", name="Ask", exact=True).click()
    expect(student.get_by_text("Your instructor has the request")).to_be_visible()
    head.goto(one_team)
    head.get_by_label("Another professor").select_option(label="Carl Grader")
    head.get_by_role("button", name="Send for a second look").click()
    expect(head.get_by_text("Carl Grader looks at it.")).to_be_visible()

    carl = sign_in("carl@contest.example")
    (bot,) = bots(carl, course)
    carl.goto(bot)
    assert carl.locator(".turn").count() == 0, "he interviews the bot himself"
    score_everything(carl)
    submit(carl, "Carl looked again.")
    head.goto(one_team)
    for words in ("Carl looked again.", "Settled at level 3", "Anna Grader", "Bert Grader", "Carl Grader"):
        expect(head.get_by_text(words).first).to_be_visible()
    assert head.locator(".criterion.result").first.get_by_text(re.compile("Professor [123]:")).count() == 3
