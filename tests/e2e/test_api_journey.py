"""A student's own script, with OpenAI's client and nothing changed but the address, trains on the platform and talks to it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import ROOT, Platform, pages_at, signed_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

EXAMPLES = ROOT / "docs" / "examples"
SECONDS = 900
BASE = "tiny-student"


@pytest.fixture
def student(platform: Platform, browser: Browser) -> Iterator[Page]:
    with pages_at(platform.url, browser) as open_one:
        yield signed_in(open_one(), "maple@demo.example")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    lines = []
    for number in range(12):
        messages = [
            {"role": "system", "content": "You are Ada. You are seven."},
            {"role": "user", "content": f"What comes after {number}?"},
            {"role": "assistant", "content": f"um, {number + 1}!"},
        ]
        lines.append(json.dumps({"messages": messages}))
    path = tmp_path / "ada.jsonl"
    path.write_text("\n".join(lines))
    return path


def key_made_on_the_page(page: Page) -> str:
    page.goto(f"{page.url.rstrip('/')}/endpoint/")
    page.get_by_label("What for").fill("my script")
    page.get_by_role("button", name="Make a key").click()
    return page.locator("code", has_text=re.compile("^sk-course-")).first.inner_text()


def said_by(command: list[str], platform: Platform, key: str, folder: Path) -> str:
    """What the program printed; its errors where it failed."""
    environment = os.environ | {"OPENAI_BASE_URL": f"{platform.url}/v1", "OPENAI_API_KEY": key}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_said(said: str) -> str:
    """The model's name, from a walk in which everything happened."""
    assert "Fine-tuning job started" in said
    assert "The job has successfully completed" in said
    assert re.search(r"Child: +\S", said)
    model = re.search(r"Model (ft:\S+)", said)
    assert model
    return model[1]


def test_the_guides_script_trains_here_with_only_its_address_changed(
    platform: Platform, student: Page, rows: Path, tmp_path: Path
) -> None:
    key = key_made_on_the_page(student)
    script = str(EXAMPLES / "openai_finetune.py")
    command = [sys.executable, script, str(rows), str(rows), "--model", BASE, "--every", "1"]
    model = check_said(said_by(command, platform, key, tmp_path))
    student.reload()
    expect(student.get_by_role("cell", name=model)).to_be_visible()
    student.get_by_role("link", name="second-grader").first.click()
    expect(student.get_by_text("ada").first).to_be_visible()


def test_openais_client_for_node_takes_the_same_walk(
    platform: Platform, student: Page, rows: Path, tmp_path: Path
) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("needs node and npm, which are not installed here")
    install = [npm, "install", "--no-audit", "--no-fund", "--silent", "openai@7"]
    if subprocess.run(install, cwd=tmp_path, capture_output=True, timeout=SECONDS).returncode:
        pytest.skip("needs OpenAI's client from the npm registry, which cannot be reached")
    shutil.copy(EXAMPLES / "openai_finetune.mjs", tmp_path)
    key = key_made_on_the_page(student)
    check_said(said_by([node, "openai_finetune.mjs", str(rows), BASE], platform, key, tmp_path))
