"""Files as real tools write them (at least ten) become versions with at most two clicks each, counted as a person presses them."""

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from datasets.models import DatasetVersion, Import, ImportStatus
from datasets.services import versions
from tests.datasets.messy_files import ANSWERED, MESSY, PAIRS

MOST_CLICKS = 2
Upload = Callable[..., Import]


def report(import_: Import) -> str:
    return f"/teams/{import_.team_id}/datasets/imports/{import_.key}/"


def form_as_shown(page: str, action: str) -> dict[str, str]:
    """What a browser sends when a person presses the button of a form and touches nothing else in it."""
    found = next((form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'{action}"' in form), None)
    assert found is not None, f"the page offers no form to {action}"
    values = {}
    for tag in re.findall(r"<input[^>]*>", found):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and 'type="checkbox"' not in tag:
            values[name[1]] = html.unescape(value[1]) if value else ""
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', found, re.DOTALL):
        values[name] = html.unescape(text)
    for name, inside in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', found, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)"[^>]*\bselected', inside) or re.search(r'value="([^"]*)"', inside)
        values[name] = html.unescape(chosen[1]) if chosen else ""
    return values


def press(browser: Client, import_: Import, action: str, **changed: str) -> Any:
    """One click: the form is sent as the page shows it."""
    page = browser.get(report(import_)).content.decode()
    answer = browser.post(report(import_) + action, form_as_shown(page, action) | changed)
    import_.refresh_from_db()
    return answer


@pytest.mark.parametrize("name", MESSY)
def test_a_messy_file_becomes_a_version_with_two_clicks_at_most(name: str, upload: Upload, browser: Client) -> None:
    file = MESSY[name]()
    import_ = upload(file.content, file.name)
    clicks = 0
    for action, changed in file.clicks:
        if import_.status != ImportStatus.ACCEPTED:
            press(browser, import_, action, **changed)
            clicks += 1
    if import_.status != ImportStatus.ACCEPTED:
        press(browser, import_, "accept/")
        clicks += 1
    assert clicks <= MOST_CLICKS
    assert import_.status == ImportStatus.ACCEPTED, import_.problem_groups
    said = [[turn["content"] for turn in row["messages"]] for row in versions.rows(DatasetVersion.objects.get())]
    assert sorted(said) == sorted([list(pair) for pair in PAIRS])


def test_every_row_has_the_teacher_and_the_child_the_right_way_round(upload: Upload, browser: Client) -> None:
    for name in (
        "google_docs",
        "whatsapp",
        "zoom_transcript",
        "teams_transcript",
        "google_sheets_turns",
        "libreoffice_without_names",
        "word_table",
        "word_paste",
    ):
        file = MESSY[name]()
        import_ = upload(file.content, file.name)
        for action, changed in (*file.clicks, ("accept/", {})):
            if import_.status != ImportStatus.ACCEPTED:
                press(browser, import_, action, **changed)
        assert import_.version is not None, name
        answers = {row["messages"][-1]["content"] for row in versions.rows(import_.version)}
        assert answers == set(ANSWERED), name
