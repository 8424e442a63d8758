"""From a messy file to rows worth training on, in a real browser: what a team does to its data before any run."""

import csv
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import ROOT, Platform, follow

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

TEACHES = ROOT.parent / "shared" / "data" / "course" / "openai_teacher_dialogue_training.jsonl"
LIVE_MS = 600_000
TELL_WHAT_IT_SHOWS = """() => new MutationObserver(() => told(document.querySelector("#progress")?.textContent ?? ""))
  .observe(document.body, {childList: true, subtree: true, characterData: true})"""
FRUITS = ["apples", "pears", "plums", "figs", "limes", "kiwis", "dates", "grapes", "melons", "lemons"]


def child_row(number: int, **more: object) -> dict[str, object]:
    fruit, pick = FRUITS[number % len(FRUITS)], random.Random(number)
    asked = f"I have {number} {fruit} and my friend brings {pick.randint(2, 9)}. How many do we have?"
    said = (
        f"Um, I count on my fingers… {pick.choice(['wait', 'hmm', 'oh'])}, maybe {number + pick.randint(2, 9)} {fruit}?"
    )
    return {"instruction": asked, "output": said, **more}


def messy_file(folder: Path) -> Path:
    """Twelve good rows; one that a click fixes; one that only a person can."""
    lines = [json.dumps(child_row(number)) for number in range(1, 13)]
    lines[4:4] = ['{"instruction": "What is 3 + 4?", "output": "Um, 7!",}']
    path = folder / "messy.jsonl"
    path.write_text("\n".join([*lines, json.dumps({"instruction": "Nobody answers me"})]) + "\n")
    return path


def teams_address(page: Page) -> str:
    found = re.search(r"/teams/\d+/", page.url)
    assert found, page.url
    return found.group()


def send(page: Page, team: str, file: Path, name: str) -> None:
    page.goto(f"{team}datasets/new/")
    page.get_by_label("Name").fill(name)
    page.locator("input[type=file]").set_input_files(file)
    follow(page.get_by_role("button", name="Check these rows"))


def tab(page: Page, name: str) -> None:
    follow(page.get_by_role("navigation", name="Version").get_by_role("link", name=name))


def version_shown(page: Page, number: int) -> None:
    expect(page.get_by_role("heading", name=f"Version {number}", exact=True)).to_be_visible()


@pytest.fixture
def student(sign_in: Callable[..., Page]) -> Page:
    page = sign_in("maple@demo.example")
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def test_a_messy_file_is_understood_repaired_and_kept(student: Page, tmp_path: Path) -> None:
    send(student, teams_address(student), messy_file(tmp_path), "Messy fruit")
    expect(student.get_by_text("12 good rows of 14")).to_be_visible()
    rule = student.locator("#rules li", has_text="Comma after the last item")
    expect(rule).to_contain_text("What the fix would change")
    rule.get_by_role("link", name="see where").click()
    listed = student.locator("#problems li")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text("Line 5")
    student.get_by_role("link", name="All", exact=True).click()
    expect(listed.nth(1)).to_be_visible()

    with student.expect_download() as download:
        student.get_by_role("link", name="Problems as CSV").click()
    with download.value.path().open(encoding="utf-8") as file:
        assert {row["line"] for row in csv.DictReader(file)} >= {"5", "14"}

    student.get_by_role("button", name="Fix all that can be fixed").click()
    expect(student.get_by_text("13 good rows of 14")).to_be_visible()
    student.locator("#repair").get_by_label("Student").fill("I do, I do!")
    student.get_by_role("button", name="Keep the repaired rows").click()
    student.get_by_role("button", name="Accept all 14 rows").click()
    version_shown(student, 1)
    expect(
        student.get_by_text("Fixed: comma after the last item. 1 row repaired by hand.", exact=False)
    ).to_be_visible()


def test_rows_are_edited_in_place_saved_compared_and_brought_back(student: Page, tmp_path: Path) -> None:
    path = tmp_path / "fruit.jsonl"
    path.write_text("\n".join(json.dumps(child_row(number)) for number in range(1, 16)))
    send(student, teams_address(student), path, "Fruit")
    expect(student.get_by_text("could be read: this is version")).to_be_visible()
    first = student.url

    student.evaluate("window.stayed = true")
    student.get_by_role("link", name="Edit row 1", exact=True).click()
    student.get_by_label("Student", exact=True).fill("Um, I think it is banana many!")
    student.locator("summary", has_text="Labels").click()
    student.get_by_label("Subject").fill("counting")
    student.get_by_role("button", name="Keep this edit").click()
    expect(student.get_by_text("Um, I think it is banana many!")).to_be_visible()
    expect(student.get_by_text("subject: counting")).to_be_visible()
    student.get_by_role("button", name="Remove row 2", exact=True).click()
    expect(student.locator(".gone")).to_have_count(1)
    assert student.evaluate("window.stayed") is True, "rows change in place, without a new page"

    student.get_by_role("link", name="Add a row").click()
    student.get_by_label("Teacher goes on").fill("What is half of eight?")
    student.get_by_label("Student goes on").fill("Hmm, is it four?")
    student.get_by_role("button", name="Add this row").click()
    expect(student.get_by_role("heading", name="3 rows")).to_be_visible()
    student.get_by_label("What changed, in a sentence").fill("Sounds more like a child.")
    student.get_by_role("button", name="Save as version 2").click()
    version_shown(student, 2)
    expect(student.get_by_text("Sounds more like a child.")).to_be_visible()

    tab(student, "Changes")
    expect(student.get_by_text("1 added, 1 removed, 1 changed")).to_be_visible()
    expect(student.locator("ins", has_text="banana")).to_be_visible()

    student.goto(first)
    student.get_by_role("button", name="Make this the newest version again").click()
    version_shown(student, 3)
    expect(student.get_by_text("Version 1 brought back.")).to_be_visible()


def test_a_team_splits_its_rows_asks_for_advice_and_sees_what_the_model_sees(student: Page, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("\n".join(json.dumps(child_row(number)) for number in range(1, 121)))
    send(student, teams_address(student), path, "Many fruits")
    expect(student.get_by_text("could be read: this is version")).to_be_visible()

    tab(student, "Split")
    student.get_by_label("Percent of the rows to measure with").fill("20")
    student.get_by_role("button", name="Decide this split").click()
    expect(student.get_by_text("96 rows to learn from, 24 to measure with")).to_be_visible()

    tab(student, "Which method?")
    student.get_by_label("What you are after").select_option("deep_personality")
    student.get_by_label("Time you have").select_option("long")
    student.get_by_role("button", name="Ask again").click()
    expect(student.locator("p.notice", has_text="LoRA fits best")).to_be_visible()
    assert ".." not in student.locator("p.notice", has_text="LoRA fits best").inner_text()

    tab(student, "What the model sees")
    assert student.locator(".tokens .learnt").count() > 5
    learnt = "".join(student.locator(".tokens").first.locator(".learnt").all_inner_texts())
    assert "fingers" in learnt and "How many do we have" not in learnt

    tab(student, "Quality")
    expect(student.get_by_role("heading", name="How hard the words are")).to_be_visible()


def test_a_childs_personal_data_is_found_and_replaced(student: Page, tmp_path: Path) -> None:
    path = tmp_path / "private.jsonl"
    named = child_row(40, output="My mom's number is 555-867-5309 and I live at 12 Oak Street, I am Emma Johnson.")
    path.write_text("\n".join(json.dumps(row) for row in [named, *(child_row(number) for number in range(1, 12))]))
    send(student, teams_address(student), path, "Private")
    version_shown(student, 1)
    tab(student, "Privacy")
    expect(student.locator("mark", has_text="867-5309")).to_be_visible()
    expect(student.get_by_text("may not leave this machine")).to_be_visible()
    student.get_by_role("button", name="Use pseudonyms").click()
    version_shown(student, 2)
    assert "867-5309" not in student.content() and "Emma Johnson" not in student.content()
    tab(student, "Privacy")
    expect(student.get_by_text("nothing was found")).to_be_visible()


@pytest.mark.skipif(not TEACHES.is_file(), reason="../shared/data/course is not on this machine")
def test_rows_that_train_the_teacher_are_caught_and_swapped(student: Page) -> None:
    send(student, teams_address(student), TEACHES, "Course sample")
    version_shown(student, 1)
    warning = student.get_by_role("alert").filter(has_text="These rows train the teacher")
    expect(warning).to_be_visible()
    warning.get_by_role("link", name="See why, and swap them").click()
    expect(student.locator("#speaker")).to_contain_text("In 5 of 5 rows the system message describes a teacher")
    student.get_by_role("button", name="Swap teacher and student in all rows").click()
    version_shown(student, 2)
    expect(student.get_by_text("Teacher and student swapped in 5 rows of version 1.", exact=True)).to_be_visible()
    expect(student.get_by_role("alert").filter(has_text="These rows train the teacher")).to_have_count(0)
    first = student.locator(".turn.student").first
    expect(first).to_contain_text("I need help with the Pythagorean theorem.")


def test_a_big_file_shows_how_far_it_is_without_a_reload(student: Page, platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    rows = (json.dumps(child_row(number)) + "\n" for number in range(1, 60_001))
    path.write_text("".join(rows) + "{}\n")
    assert path.stat().st_size > 2 * 1024 * 1024
    shown: list[str] = []
    student.expose_function("told", lambda text: shown.append(text))
    with platform.holding("rqworker files"):  # else the file may be read before the page is there
        send(student, teams_address(student), path, "Big")
        expect(student.get_by_role("heading", name="Checking every row")).to_be_visible()
        student.evaluate(TELL_WHAT_IT_SHOWS)
    expect(student.get_by_text("60,000 good rows of 60,001")).to_be_visible(timeout=LIVE_MS)
    assert [text for text in shown if re.search(r"[1-9]\d* % read, [1-9][\d,]* rows so far", text)]
    student.get_by_role("button", name="Keep the 60,000 good rows").click()
    version_shown(student, 1)
    expect(student.get_by_text("Rows 1 to 20 of 60,000")).to_be_visible()
