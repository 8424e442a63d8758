"""Two professors grade the same three bots at the same time, blind; one loses the connection on the way; nothing is lost."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Platform, follow
from tests.e2e.populate import populate
from tests.e2e.test_journey import ask, opened, say_on_the_whole, start_run, submit_grade, watch

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
    opened(levels(page)[number]).locator(f"input[name=level][value='{level}']").check()


def saved(page: Page, number: int, level: int) -> None:
    with page.expect_response(lambda response: "/criteria/" in response.url and response.ok):
        choose(page, number, level)


def submit(page: Page, words: str) -> None:
    """Press Submit at once after writing: the grade goes in with the last words."""
    say_on_the_whole(page, words)
    submit_grade(page)
    page.wait_for_load_state()


def test_two_professors_grade_at_once_and_nothing_is_lost(platform: Platform, sign_in: Callable[..., Page]) -> None:
    made = populate(platform, "contest")
    course, teams = made["course"], dict(zip(TEAMS, made["teams"], strict=True))
    students = {name: sign_in(f"{name.lower()}@contest.example") for name in TEAMS}
    for name, page in students.items():
        start_run(page, teams[name], "lora", "Sums")
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
            opened(levels(bert)[5]).locator("textarea").fill("Written in a tunnel.")
            bert.get_by_role("button", name="Read back and submit").click()
            expect(bert.get_by_role("button", name="Read back and submit")).to_be_visible()
            bert.context.set_offline(False)
            bert.get_by_role("button", name="Submit grade").click()
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
    assert head.locator("tbody tr td:nth-child(3)").all_inner_texts() == ["3"] * CRITERIA
    head.goto(f"{course}grades/")
    row = head.get_by_role("row").filter(has_text="1 criterion 2 or more apart")
    expect(row).to_have_count(1)
    name = row.get_by_role("link").first.inner_text()
    row.get_by_role("link", name="adjudicate").click()
    one_team = head.url
    follow(head.locator("a.primary", has_text="Adjudicate"))
    assert head.locator("input[name=level]:checked").count() == 0, "nothing is chosen for her"
    head.locator("input[name=level][value='3']").check()
    head.get_by_label("Reason").fill("Between the two, and here is why.")
    follow(head.get_by_role("button", name="Decide"))
    expect(head.get_by_text("Adjudicated: level 3")).to_be_visible()
    head.goto(f"{course}grades/")
    follow(head.get_by_role("link", name="Release results…"))
    follow(head.get_by_role("button", name="Show 3 results to the teams"))
    expect(head.get_by_text("Version 1")).to_have_count(3)

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
    expect(student.get_by_text("Adjudicated: level 3")).to_be_visible()
    student.get_by_text("Ask for a second look at one criterion").click()
    student.get_by_role("textbox").last.fill("Our bot counts on its fingers; please look again.")
    student.get_by_role("button", name="Ask", exact=True).click()
    expect(student.get_by_text("Your instructor has the request")).to_be_visible()
    head.goto(one_team)
    follow(head.locator("#regrades").get_by_role("link").first)
    head.get_by_label("Another professor").select_option(label="Carl Grader")
    follow(head.get_by_role("button", name="Send for a second look"))
    expect(head.get_by_text("has been asked and has not answered yet")).to_be_visible()
    decision = head.url

    carl = sign_in("carl@contest.example")
    carl.goto(f"{course}grading/")
    follow(carl.locator("#second-looks").get_by_role("link").first)
    assert carl.locator(".turn.student").count() > 0, "he reads what others heard"
    assert not NAMES & set(re.findall(r"\w+", carl.locator("main").inner_text()))
    carl.locator("input[name=level][value='4']").check()
    carl.get_by_label("What do you hear in these answers?").fill("Carl looked again.")
    carl.get_by_role("button", name="Send to the instructor").click()
    expect(carl.get_by_text("The instructor has your answer and decides.")).to_be_visible()
    head.goto(decision)
    expect(head.get_by_text("Carl looked again.")).to_be_visible()
    head.locator("#decide input[name=level][value='4']").check()
    head.get_by_label("Answer to the team").fill("It does count like a child.")
    follow(head.get_by_role("button", name="Decide and tell everyone"))
    student.goto(f"{teams[name]}submission/")
    expect(student.get_by_text("This is version 2 of your result.")).to_be_visible()
    expect(student.get_by_text("It does count like a child.").first).to_be_visible()
