"""A team's evening with its bot, in a browser: own rows, the recommended settings, the verdict, a talk, a vote, preference
training, both runs beside each other, and home with it.

The tiny base learns here, in seconds: `test_real_base_journey` shows what the real one makes of a team's rows.
"""

import csv
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import ROOT, Platform, follow
from tests.e2e.populate import populate
from tests.e2e.test_journey import RUN_MS, ask, choose, start, upload, watch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

WREN = "wren@bots.example"
PERSONA = ROOT / "tests" / "data" / "personas" / "questioner.tsv"
PAIRS = ROOT / "tests" / "data" / "preferences" / "chatterbox.jsonl"
QUESTIONS = [
    "What is 7 + 5?",
    "What do frogs eat?",
    "Why is it windy?",
    "Who sits next to you?",
    "What is a verb?",
    "Do you like the rain?",
    "What is 10 - 4?",
    "Where do bears sleep?",
    "What did you build?",
    "What makes you laugh?",
]

LIKELY_TO_DIFFER = [
    "What is 3 + 4?",
    "What is 9 + 6?",
    "What is 8 + 8?",
    "Why do cats purr?",
    "What did you do at recess?",
    *QUESTIONS,
]
"""The first three stand in its rows."""


def own_table(folder: Path) -> Path:
    """The child who only asks, as a team writes it in a spreadsheet."""
    path = folder / "questioner.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["instruction", "output"])
        writer.writerows(line.split("\t") for line in PERSONA.read_text(encoding="utf-8").splitlines())
    return path


def archive_of(page: Page, run: str, folder: Path) -> Path:
    """The run's archive: a small one comes at once."""
    page.goto(run)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all (.zip)").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_from_own_rows_to_a_bot_that_learnt_from_a_vote_and_goes_home(
    platform: Platform, sign_in: Callable[..., Page], tmp_path: Path
) -> None:
    team = populate(platform, "bots")["teams"][1]
    page = sign_in(WREN)
    page.goto(team)
    upload(page, team, own_table(tmp_path), "Only asks")
    page.goto(f"{team}runs/new/lora/")
    expect(page.get_by_label("Recommended for these rows and this base")).to_be_checked()
    choose(page, "Only asks")
    start(page)
    watch(page)
    supervised = page.url
    read_the_verdict(page)

    follow(page.get_by_role("link", name="Chat with it"))
    for question in QUESTIONS:
        assert ask(page, question).strip(), question

    vote(page, team)
    upload(page, team, PAIRS, "Better answers")
    page.goto(f"{team}pairs/")
    expect(page.get_by_text("1 of these pairs is not in it yet.")).to_be_visible()
    follow(page.get_by_role("button", name="Put 1 pair into the dataset"))
    expect(page.get_by_label("Preference pairs")).to_contain_text("Better answers v2")
    expect(page.get_by_text("will be held")).to_be_visible()
    start(page, epochs="1")
    watch(page)
    preferred = page.url
    expect(page.locator("#reward-words")).to_be_visible()
    read_the_verdict(page)

    compare(page, team, supervised, preferred)
    names = zipfile.ZipFile(archive_of(page, preferred, tmp_path)).namelist()
    assert any(name.endswith("adapter/adapter_model.safetensors") for name in names), names


def read_the_verdict(page: Page) -> None:
    verdict = page.locator("#run-verdict")
    expect(verdict.get_by_role("heading", name="Verdict")).to_be_visible(timeout=RUN_MS)
    expect(verdict.get_by_role("row", name="the base, untrained")).to_be_visible()
    expect(verdict.get_by_role("row", name=re.compile(r"kept"))).to_contain_text(re.compile(r"\d+ of 20"))


def vote(page: Page, team: str) -> None:
    """The bot and its base answer the same question; whose answer is whose comes after the vote. Two equal answers make no
    pair: then they are asked something else."""
    for question in LIKELY_TO_DIFFER:
        page.goto(f"{team}side-by-side/")
        bots = page.locator("#ask input[name=bot]")
        expect(bots).to_have_count(2)
        for place in range(2):
            bots.nth(place).check()
        page.get_by_label("What the teacher says").fill(question)
        follow(page.get_by_role("button", name="Ask them"))
        better = page.get_by_role("button", name="A is better")
        expect(better).to_be_visible()
        said = page.locator(".side [data-answer]").all_inner_texts()
        assert page.locator(".side h2 a").count() == 0, "nobody sees whose answers they are before the vote"
        if len(set(said)) == 2:
            follow(better)
            expect(page.get_by_text("You found A better.")).to_be_visible()
            expect(page.locator(".side h2 a")).to_have_count(1)
            return
        follow(page.get_by_role("button", name="The same"))
    pytest.fail("the bot says what its base says to every question")


def compare(page: Page, team: str, *runs: str) -> None:
    page.goto(f"{team}runs/")
    for run in runs:
        number = re.search(r"/runs/(\d+)/", run)
        assert number
        page.get_by_label(f"Compare run {number[1]}", exact=True).check()
    follow(page.get_by_role("button", name="Compare the chosen runs"))
    expect(page.get_by_role("heading", name="Settings and results")).to_be_visible()
    answers = page.locator("table.answers tbody tr")
    assert answers.count() >= 3
    assert all(cell.strip() not in ("", "–") for cell in answers.first.locator("td").all_inner_texts())
