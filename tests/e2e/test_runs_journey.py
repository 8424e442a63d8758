"""What a team does around its runs: watch one learn, keep it early, repeat, compare, ask for fewer rows, carry it away."""

import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import PATIENCE_MS, ROOT, Platform, follow, pages_at, signed_in
from tests.e2e.populate import populate
from tests.e2e.test_journey import RUN_MS, ask, start, start_run, watch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

INSTRUCTOR, LARK, WREN = "head@runs.example", "lark@runs.example", "wren@runs.example"


@dataclass(frozen=True)
class Ground:
    """Addresses of the course, of its two teams, and of Lark's first run, which has ended well."""

    course: str
    lark: str
    wren: str
    run: str


@pytest.fixture(scope="module")
def ground(platform: Platform, browser: Browser) -> Iterator[Ground]:
    made = populate(platform, "runs")
    with pages_at(platform.url, browser) as open_one:
        page = signed_in(open_one(), LARK)
        start_run(page, made["teams"][0], "lora", "Sums")
        watch(page)
        lark, wren = made["teams"]
        yield Ground(made["course"], lark, wren, page.url)


def curve_points(page: Page) -> int:
    """How many points the curve of the training loss has now."""
    drawn = page.locator("#run-chart polyline.train:not(.raw)")
    return len(str(drawn.get_attribute("points")).split()) if drawn.count() else 0


def test_a_run_is_watched_while_it_learns_and_kept_before_its_end(ground: Ground, sign_in: Callable[..., Page]) -> None:
    page = sign_in(LARK)
    page.goto(f"{ground.lark}runs/new/lora/")
    start(page, name="Very long", epochs="100", batch_size="1", sample_every="5")
    page.evaluate("window.stayed = true")
    status = page.locator("[data-status]")
    expect(status).to_have_attribute("data-status", "running", timeout=RUN_MS)
    drawn = page.locator("#run-chart polyline.train:not(.raw)")
    expect(drawn).to_be_visible(timeout=RUN_MS)
    early, seen = curve_points(page), str(drawn.get_attribute("points"))
    expect(drawn).not_to_have_attribute("points", seen, timeout=RUN_MS)
    expect(page.locator("#run-chart polyline.validation")).to_be_visible(timeout=RUN_MS)
    answers = page.locator("#run-answers")
    expect(answers.get_by_role("columnheader", name="While learning")).to_be_visible(timeout=RUN_MS)
    expect(answers.get_by_role("row").nth(1)).to_contain_text(re.compile(r"step \d+"))
    expect(page.locator("#run-progress progress")).to_be_visible()
    expect(page.locator("#run-progress")).to_contain_text(re.compile(r"[\d,]+ of 9,600 steps"))
    assert curve_points(page) >= early
    expect(status).to_have_attribute("data-status", "running")
    assert page.evaluate("window.stayed") is True, "all of it came without a reload"

    page.get_by_role("button", name="Stop and keep").click()
    watch(page)
    expect(page.locator("#run-progress")).to_contain_text("Stopped and kept")
    expect(page.get_by_role("button", name="Stop and keep")).to_be_hidden()
    expect(page.locator("#run-files")).to_contain_text("adapter/adapter_model.safetensors")
    follow(page.get_by_role("link", name="Chat with it"))
    assert len(ask(page, "What is 7 + 5?")) > 3


def test_a_run_is_repeated_with_changes_and_both_stand_side_by_side(
    ground: Ground, sign_in: Callable[..., Page]
) -> None:
    page = sign_in(LARK)
    page.goto(ground.run)
    page.get_by_role("link", name="Run again with changes").click()
    expect(page.get_by_label("Dataset")).to_contain_text("Sums v1")
    expect(page.locator("[name=rank]")).to_have_value("8")
    start(page, name="Bigger adapter", rank="16")
    watch(page)
    second = re.search(r"/runs/(\d+)/$", page.url)
    assert second

    page.goto(f"{ground.lark}runs/")
    page.get_by_label("Compare run 1", exact=True).check()
    page.get_by_label(f"Compare run {second[1]}", exact=True).check()
    page.get_by_role("button", name="Compare the chosen runs").click()
    table = page.locator("section", has=page.get_by_role("heading", name="Settings and results"))
    expect(table.get_by_role("row", name="Rank (r)")).to_contain_text(re.compile(r"8\s+16"))
    expect(table.get_by_role("row", name="Alpha")).to_have_count(0)
    for measured in ("Training loss", "Validation loss"):
        expect(table.get_by_role("row", name=measured)).to_contain_text(re.compile(r"\d\.\d{3}\s+\d\.\d{3}"))
    page.get_by_role("link", name="Show equal settings too").click()
    expect(table.get_by_role("row", name="Alpha")).to_contain_text(re.compile(r"32\s+32"))
    follow(page.get_by_role("link", name="Only differences"))
    expect(table.get_by_role("row", name="Alpha")).to_have_count(0)

    for place, name in enumerate(("run 1", f"run {second[1]}")):
        assert len(str(page.locator(f".compare polyline.c{place}").get_attribute("points")).split()) > 1
        expect(page.locator(f".compare text.c{place}-label")).to_contain_text(re.compile(rf"{name} \d\.\d\d"))
    said = page.locator("table.answers tbody tr")
    assert said.count() >= 3
    assert all(cell.strip() not in ("", "–") for cell in said.first.locator("td").all_inner_texts())


def test_a_team_asks_whether_more_rows_would_help_and_is_told(ground: Ground, sign_in: Callable[..., Page]) -> None:
    page = sign_in(LARK)
    page.goto(ground.run)
    page.get_by_role("link", name="Would more rows help?").click()
    expect(page.get_by_role("heading", name="Train on fewer rows, compare")).to_be_visible()
    measured = re.compile(r"\d\.\d{3}")
    parts = {words: page.get_by_role("row", name=re.compile(rf"^{words} ")) for words in ("a quarter", "half", "all")}
    expect(parts["all"]).to_contain_text(measured)
    expect(parts["half"]).to_contain_text("48 rows")
    expect(parts["half"]).to_contain_text("expected $")
    for words in ("half", "a quarter"):
        parts[words].get_by_role("button", name="Start it").click()
        expect(page.get_by_text(f"the same run on {words} of the rows")).to_be_visible()
        expect(parts[words].get_by_role("button")).to_have_count(0)
    page.evaluate("window.stayed = true")
    for row in parts.values():
        expect(row.get_by_role("link")).to_have_text(measured, timeout=RUN_MS)
    assert page.evaluate("window.stayed") is True, "the figures came without a reload"
    expect(page.get_by_role("heading", name="Validation loss over rows learned from")).to_be_visible()
    assert len(str(page.locator("svg.chart polyline").get_attribute("points")).split()) == 3
    expect(
        page.get_by_text(re.compile(r"From 48 to 96 rows \(2\.0 times as many\) the figure went from"))
    ).to_be_visible()
    parts["half"].get_by_role("link").click()
    expect(page.get_by_text("50 %")).to_be_visible()


def test_a_run_is_carried_from_one_team_to_another(
    ground: Ground, sign_in: Callable[..., Page], tmp_path: Path
) -> None:
    page = sign_in(LARK)
    page.goto(ground.run)
    loss = str(page.locator("#run-chart text.validation-label").text_content())
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all (.zip)").click()
    bundle = tmp_path / download.value.suggested_filename
    download.value.save_as(bundle)

    theirs = sign_in(WREN)
    theirs.goto(f"{ground.wren}runs/")
    theirs.get_by_role("link", name="Import a run").first.click()
    theirs.get_by_role("button", name="Import", exact=True).click()
    expect(theirs.get_by_text("Choose the zip file of a run.")).to_be_visible()
    theirs.get_by_label("Run archive (.zip)").set_input_files(tampered(bundle))
    theirs.get_by_role("button", name="Import", exact=True).click()
    expect(theirs.get_by_role("alert")).to_contain_text("adapter_model.safetensors")

    theirs.get_by_label("Run archive (.zip)").set_input_files(bundle)
    theirs.get_by_role("button", name="Import", exact=True).click()
    expect(theirs.get_by_text("is imported. Nothing was charged.")).to_be_visible()
    expect(theirs.get_by_text("Exported by this platform and unchanged.")).to_be_visible()
    expect(theirs.locator("#run-chart text.validation-label")).to_have_text(loss)
    expect(theirs.locator("#run-answers tbody tr").nth(2)).to_be_visible()
    follow(theirs.get_by_role("link", name="Chat with it"))
    assert len(ask(theirs, "What is 7 + 5?")) > 3
    theirs.goto(f"{ground.wren}datasets/")
    expect(
        theirs.get_by_role("row", name=re.compile("Sums")).get_by_role("cell", name="120", exact=True)
    ).to_be_visible()


def tampered(bundle: Path) -> Path:
    """The same bundle with one byte of its weights changed."""
    other = bundle.with_name("tampered.zip")
    with zipfile.ZipFile(bundle) as there, zipfile.ZipFile(other, "w") as here:
        for name in there.namelist():
            content = there.read(name)
            if name.endswith("adapter_model.safetensors"):
                content = content[:-1] + bytes([content[-1] ^ 1])
            here.writestr(name, content)
    return other


def test_an_instructor_adds_a_base_model_and_a_team_trains_on_it(
    ground: Ground, platform: Platform, sign_in: Callable[..., Page]
) -> None:
    folder = platform.folder / "models" / "our-own"
    shutil.copytree(ROOT / "training" / "base_models" / "tiny-student", folder)
    head = sign_in(INSTRUCTOR)
    head.goto(ground.course)
    head.get_by_role("link", name="Queue", exact=True).click()
    head.get_by_role("link", name="Training settings").click()
    head.get_by_label("Hugging Face id or folder").fill("/etc")
    head.get_by_role("button", name="Add and try it").click()
    expect(head.get_by_text(f"Only folders under {folder.parent}")).to_be_visible()
    head.get_by_label("Hugging Face id or folder").fill(str(folder))
    head.get_by_label("How teams see it").fill("Our own small student")
    head.get_by_role("button", name="Add and try it").click()
    expect(head.get_by_text("Our own small student is tried now.")).to_be_visible()
    row = head.get_by_role("row", name=re.compile("Our own small student"))
    expect(row.get_by_role("button", name="Take off the list")).to_be_visible(timeout=10 * PATIENCE_MS)

    page = sign_in(LARK)
    page.goto(f"{ground.lark}runs/new/lora/")
    page.get_by_label("Base model", exact=True).select_option(label="Our own small student")
    expect(page.get_by_text("will be held")).to_be_visible()
    start(page, epochs="1")
    watch(page)
    expect(page.get_by_role("heading", name="Our own small student")).to_be_visible()
    follow(page.get_by_role("link", name="Chat with it"))
    assert len(ask(page, "What is 7 + 5?")) > 3

    row.get_by_role("button", name="Take off the list").click()
    expect(row.get_by_role("button", name="Offer again")).to_be_visible()
    page.goto(f"{ground.lark}runs/new/lora/")
    expect(page.get_by_label("Base model", exact=True)).not_to_contain_text("Our own small student")
