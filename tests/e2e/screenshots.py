"""`make screenshots`: the main pages of a demo course in which something happened, light and dark, wide and narrow.

Starts a platform of its own in a temporary folder. `python -m tests.e2e.screenshots DIR` writes elsewhere than docs/screenshots.
"""

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Literal

import django
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.conftest import ROOT, Platform, chromium
from tests.e2e.test_journey import METHODS, ask, score_everything, start_run, watch

Scheme = Literal["light", "dark"]
LOOKS: list[tuple[Scheme, int]] = [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360)]
NAMES = {"dspy": "Second-grade dialogues", "openai": "Second-grade chats", "lora": "Second-grade answers"}


def _password() -> str:
    """The demo's; its module needs a configured Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from courseplatform.management.commands.seed_demo import PASSWORD

    return PASSWORD


def signed_in(browser: Browser, platform: Platform, email: str, scheme: Scheme = "light", width: int = 1280) -> Page:
    context = browser.new_context(
        base_url=platform.url, color_scheme=scheme, viewport={"width": width, "height": 800}, device_scale_factor=1
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/sign-in/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(_password())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()
    return page


def act(browser: Browser, platform: Platform) -> dict[str, tuple[str, str]]:
    """Live through a little course; name -> (who, path) of the pages worth showing."""
    student = signed_in(browser, platform, "maple@demo.example")
    team = student.url
    for method in METHODS:
        start_run(student, team, method, NAMES[method])
        watch(student)
    student.goto(f"{team}runs/1/")
    student.get_by_role("link", name="Chat with it").click()
    for question in (
        "What is 15 + 8?",
        "What happens to water when it gets very cold?",
        "What is your favorite color?",
    ):
        ask(student, question)
    talk = student.url
    student.goto(f"{team}submission/")
    student.get_by_label(re.compile(r"Run 1$")).check()
    student.get_by_role("button", name="Hand in").click()
    professor = signed_in(browser, platform, "professor@demo.example")
    professor.get_by_role("link", name=re.compile("Bot ")).first.click()
    ask(professor, "How many legs does a dog have?")
    ask(professor, "What do plants need to grow?")
    grading = professor.url
    score_everything(professor)
    expect(professor.get_by_text("8 of 8 criteria")).to_be_visible()
    student.goto(f"{team}datasets/")
    student.get_by_role("link", name=NAMES["lora"]).first.click()
    dataset = student.url
    paths = {
        "sign_in": ("", "/sign-in/"),
        "team_home": ("maple", team),
        "dataset_list": ("maple", f"{team}datasets/"),
        "dataset_version": ("maple", dataset if "versions" in dataset else f"{dataset}versions/1/"),
        "run_new": ("maple", f"{team}runs/new/lora/"),
        "run_detail": ("maple", f"{team}runs/1/"),
        "chat": ("maple", talk),
        "submission": ("maple", f"{team}submission/"),
        "grading": ("professor", grading),
        "course_home": ("instructor", "/courses/1/"),
        "costs": ("instructor", "/courses/1/costs/"),
        "grades": ("instructor", "/courses/1/grades/"),
    }
    return {name: (who, url.replace(platform.url, "")) for name, (who, url) in paths.items()}


def shoot(browser: Browser, platform: Platform, pages: dict[str, tuple[str, str]], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for scheme, width in LOOKS:
        people: dict[str, Page] = {}
        for name, (who, path) in pages.items():
            if who not in people:
                people[who] = (
                    signed_in(browser, platform, f"{who}@demo.example", scheme, width)
                    if who
                    else browser.new_page(
                        base_url=platform.url, color_scheme=scheme, viewport={"width": width, "height": 800}
                    )
                )
            page = people[who]
            page.goto(path)
            page.wait_for_load_state("networkidle") if name == "run_new" else page.wait_for_load_state()
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                print(f"{name} is {wide} px wide at {width} px")
            page.screenshot(
                path=out / f"{name}-{scheme}-{width}.png", clip={"x": 0, "y": 0, "width": width, "height": 800}
            )


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        platform = Platform(Path(folder) / "var")
        with platform.running():
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            shoot(browser, platform, act(browser, platform), out)
    print(f"{len(list(out.glob('*.png')))} pictures in {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots")
