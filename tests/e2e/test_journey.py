"""The main job in a real browser: from an empty course to a released grade, real Redis and workers."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import PATIENCE_MS, ROOT, Platform, enter_by_link, follow

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

DEMO_DATA = ROOT / "courseplatform" / "demo_data"
PASSPHRASE = "a passphrase of my own"
RUN_MS = 600_000
OWN_SETTINGS = {"epochs", "learning_rate", "rank", "alpha", "dropout", "target_modules", "batch_size"}
"""What a preset of the LoRA form decides, and what is asked only of who takes none."""
METHODS = {"lora": "lora_instructions.jsonl", "openai": "openai_messages.jsonl"}
"""What this machine trains by itself; DSPy asks a model that is large enough: `test_provider_journey`."""


def make_course(page: Page) -> tuple[str, str, str]:
    """(course URL, student code, professor code) of a new course."""
    page.goto("/courses/new/")
    page.get_by_label("Name", exact=True).fill("EDEL 9999")
    page.get_by_label("Price of one hour of local training").fill("3.60")
    follow(page.get_by_role("button", name="Create the course"))
    codes = page.locator(".figure.mono").all_inner_texts()
    return page.url, codes[0], codes[1]


def join(browser: Browser, platform: Platform, code: str, name: str) -> Page:
    """A new person with an account of their own, in a browser of their own; the mailed link lets them in."""
    address = f"{name.split()[0].lower()}@journey.example"
    context = browser.new_context(base_url=platform.url)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto("/join/")
    page.get_by_label("Course code").fill(code)
    page.get_by_label("Name").fill(name)
    page.get_by_label("E-mail").fill(address)
    follow(page.get_by_role("button", name="Send me the link"))
    enter_by_link(page, platform, address, PASSPHRASE)
    return page


def upload(page: Page, team: str, file: Path, name: str) -> None:
    page.goto(f"{team}datasets/new/")
    page.get_by_label("Name").fill(name)
    page.locator("input[type=file]").set_input_files(file)
    follow(page.get_by_role("button", name="Check these rows"))
    # The second where the files worker was slow, and the page of the import waited for it.
    stored = page.get_by_text(re.compile("could be read: this is version|rows became"))
    expect(stored.first).to_be_visible()


def start(page: Page, **settings: str) -> None:
    """Start the run that the form shows, with these settings changed; `learning_rate` names its field."""
    if OWN_SETTINGS & set(settings) and page.get_by_label("My own", exact=True).count():
        page.get_by_label("My own", exact=True).check()
    if set(settings) - OWN_SETTINGS:
        page.locator("summary", has_text="More settings").click()
    for name, value in settings.items():
        page.locator(f"[name={name}]").fill(value)
    # A new price above the button may move it while a mouse goes down and up, which is no click then.
    page.get_by_role("button", name="Start this run").press("Enter")
    page.wait_for_url(re.compile(r"/runs/\d+/$"))


def start_run(page: Page, team: str, method: str, dataset: str, **settings: str) -> str:
    """The URL of the new run; the form showed a price first."""
    page.goto(f"{team}runs/new/{method}/")
    choose(page, dataset)
    start(page, **settings)
    return page.url


def choose(page: Page, dataset: str) -> None:
    """Its first version, and wait until the form shows a price."""
    page.get_by_label("Dataset").select_option(label=f"{dataset} v1")
    expect(page.get_by_text("Your team has left")).to_be_visible()
    expect(page.get_by_text("will be held")).to_be_visible()


def watch(page: Page) -> None:
    """Wait for the end without a reload: a mark in the window would not survive one."""
    page.evaluate("window.stayed = true")
    expect(page.locator("[data-status]")).to_have_attribute("data-status", "succeeded", timeout=RUN_MS)
    assert page.evaluate("window.stayed") is True


def ask(page: Page, question: str) -> str:
    """The bot's answer to one question of this conversation."""
    before = page.locator(".turn.student").count()
    page.get_by_label("Ask the student").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
    answer = page.locator(".turn.student").nth(before)
    expect(answer.get_by_role("button", name="Try again")).to_be_visible()
    return answer.inner_text()


def opened(criterion: Locator) -> Locator:
    """One criterion of the desk is open at a time."""
    criterion.evaluate("one => { one.open = true }")
    return criterion


def say_on_the_whole(page: Page, words: str) -> None:
    opened(page.locator("#overall")).get_by_role("textbox", name="What the team should know").fill(words)


def submit_grade(page: Page) -> None:
    """Read back, then submit."""
    page.get_by_role("button", name="Read back and submit").click()
    page.get_by_role("button", name="Submit grade").click()
    expect(page.get_by_text("Submitted").first).to_be_visible()


def release(page: Page) -> None:
    """From the list of grades: the first result that can be, whatever is unresolved."""
    follow(page.get_by_role("link", name="Release…", exact=True).first)
    confirmed = page.get_by_label("I have read what is unresolved")
    if confirmed.count():
        confirmed.check()
    follow(page.get_by_role("button", name="Release the result"))


def score_everything(page: Page) -> None:
    criteria = page.locator("[data-criterion]").filter(has=page.locator("input[name=level]"))
    for number in range(criteria.count()):
        criterion = opened(criteria.nth(number))
        with page.expect_response(lambda response: "/criteria/" in response.url and response.ok):
            criterion.locator(f"input[name=level][value='{2 + number % 3}']").check()


def test_a_course_from_empty_to_a_released_grade(
    platform: Platform, browser: Browser, sign_in: Callable[..., Page], tmp_path: Path
) -> None:
    instructor = sign_in("instructor@demo.example")
    course, student_code, professor_code = make_course(instructor)
    student = join(browser, platform, student_code, "Stella Student")
    student.get_by_label("Team name").fill("Secret Sequoia")
    student.get_by_role("button", name="Make it").click()
    student.wait_for_url(re.compile(r"/teams/\d+/$"))
    team = student.url
    professor = join(browser, platform, professor_code, "Paula Professor")
    assert "/grading/" in professor.url

    instructor.goto(course)
    instructor.get_by_role("link", name="Assign one").click()
    instructor.get_by_label("Paula Professor").check()
    instructor.get_by_role("button", name="Save").click()

    bad = tmp_path / "messy.jsonl"
    good = (DEMO_DATA / METHODS["lora"]).read_text().splitlines()[:12]
    bad.write_text(
        "\n".join([*good, '{"instruction": "What is 2 + 2?", "output": }', json.dumps({"instruction": "No answer"})])
    )
    student.goto(f"{team}datasets/new/")
    student.get_by_label("Name").fill("Messy")
    student.locator("input[type=file]").set_input_files(bad)
    student.get_by_role("button", name="Check these rows").click()
    expect(student.get_by_text("12 good rows of 14")).to_be_visible()
    expect(student.get_by_text("Line 13", exact=False).first).to_be_visible()
    student.get_by_role("button", name="Keep the 12 good rows").click()
    expect(student.get_by_role("heading", name=re.compile("version 1", re.IGNORECASE))).to_be_visible()

    runs: dict[str, str] = {}
    for method, file in METHODS.items():
        upload(student, team, DEMO_DATA / file, f"For {method}")
        runs[method] = start_run(student, team, method, f"For {method}")
        watch(student)
        expect(student.locator("#run-chart svg")).to_be_visible()
        said = student.locator("#run-status").inner_text()
        assert ("trained on this platform" in said) is (method == "openai")
        expect(student.locator("#run-cost")).to_contain_text("Charged")
        if method != "openai":
            expect(student.locator("#run-answers tbody tr").nth(2)).to_be_visible()
        follow(student.get_by_role("link", name="Chat with it"))
        assert len(ask(student, "What is 7 + 5?")) > 3
        assert len(ask(student, "How did you find out?")) > 3
        assert student.locator(".turn.teacher").count() == 2

    start_run(student, team, "lora", "Messy", epochs="100", batch_size="1")  # it must not end before it is cancelled
    student.on("dialog", lambda dialog: dialog.accept())
    student.get_by_role("button", name="Cancel run").click()
    expect(student.locator("[data-status]")).to_have_attribute("data-status", "cancelled")

    student.goto(f"{team}submission/")
    student.get_by_label(re.compile(r"Run 1$")).check()
    student.get_by_role("button", name="Hand in").click()
    expect(student.get_by_text("handed in").first).to_be_visible()

    professor.goto(professor.url)
    assert "Sequoia" not in professor.content()
    follow(professor.get_by_role("link", name=re.compile("Bot ")).first)
    assert len(ask(professor, "What happens to water when it gets very cold?")) > 3
    with professor.expect_response(lambda response: "/tag/" in response.url and response.ok):
        professor.get_by_role("button", name="Great").first.click()
    score_everything(professor)
    expect(professor.get_by_text("8 of 8 criteria")).to_be_visible()
    professor.reload()
    expect(professor.get_by_text("8 of 8 criteria")).to_be_visible()
    say_on_the_whole(professor, "It counts like my own pupils.")
    expect(professor.get_by_text(re.compile("8 of 8 criteria · Saved"))).to_be_visible()
    assert not {"Sequoia", "Stella"} & set(re.findall(r"\w+", professor.content()))
    submit_grade(professor)

    student.goto(f"{team}submission/")
    expect(student.get_by_text("It counts like my own pupils.")).to_have_count(0)
    instructor.goto(f"{course}grades/")
    expect(instructor.get_by_text("Secret Sequoia")).to_be_visible()
    release(instructor)
    expect(instructor.get_by_role("button", name=re.compile("^Hide")).first).to_be_visible()
    student.reload()
    expect(student.get_by_text("It counts like my own pupils.")).to_be_visible()

    instructor.goto(f"{course}costs/")
    row = instructor.get_by_role("row", name=re.compile("Secret Sequoia"))
    expect(row).to_be_visible()
    follow(row.get_by_role("link", name="Secret Sequoia"))
    expect(instructor.get_by_text("run ").first).to_be_visible()
    held = instructor.locator("section", has=instructor.get_by_role("heading", name="Held")).locator(".figure")
    expect(held).to_have_text("$0.00")
