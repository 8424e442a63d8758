"""A file that takes its reader over gains nothing: what the reader leaves is proven before any of it is kept."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from datasets import formats
from datasets.models import DatasetVersion, Import, ImportStatus
from datasets.services import intake, versions
from tests.security import subverted_reader
from tests.security.test_dataset_door import KEPT_OF_AN_IMPORT

Upload = Callable[..., Import]
HONEST = {"nothing_wrong", "recognises_too_much", "tells_nonsense", "a_number_too_big", "tells_without_end"}
"""What the reader leaves can be kept: it may be untrue of the file, never harmful."""
WITH_PROBLEMS = {
    *("answers_with_huge_numbers", "counts_below_nothing", "very_many_problems", "a_problem_with_a_huge_text"),
    *("links_instead_of_problems", "very_many_kinds_of_problem", "problems_of_no_kind", "problems_that_are_none"),
    *("a_problem_without_an_end",),
}
SALVAGED = {
    *("keeps_two_blocks_and_eats_memory", "keeps_two_blocks_and_crashes", "answers_with_paths"),
    *("answers_with_wrong_types", "refuses_with_markup"),
}
HELP = {"main", "row", "keep", "good", "write_problems", "keep_honestly"}
ATTACKS = sorted(name for name, _ in inspect.getmembers(subverted_reader, inspect.isfunction) if name[0] != "_")
ATTACKS = [name for name in ATTACKS if getattr(subverted_reader, name).__module__ == subverted_reader.__name__]
ATTACKS = [name for name in ATTACKS if name not in HELP]


@pytest.fixture(autouse=True)
def taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "CHILD", subverted_reader.__name__)
    monkeypatch.setattr(intake, "WORKER_MB", 256)
    monkeypatch.setattr(intake, "limits", lambda: formats.Limits(max_bytes=8 * 1024**2))


@pytest.fixture
def send(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> Upload:
    """Through the page, read as the worker reads."""
    read = intake.read

    def as_the_worker(import_: Import, **more: Any) -> intake.Outcome:
        return read(import_, **{**more, "at_once": False})

    monkeypatch.setattr(intake, "read", as_the_worker)
    return lambda attack: upload(b"x", f"{attack}.jsonl")


def test_the_list_of_attacks_is_not_empty() -> None:
    assert len(ATTACKS) > 35


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_hostile_is_kept(send: Upload, browser: Client, settings: Any, attack: str) -> None:
    import_ = send(attack)
    page = browser.get(f"/teams/{import_.team_id}/datasets/imports/{import_.key}/", follow=True)
    assert page.status_code == 200
    assert b"<script>" not in page.content.replace(b"<script src", b"")
    if attack in HONEST:
        assert import_.status == ImportStatus.ACCEPTED
    elif attack in WITH_PROBLEMS:
        assert (import_.status, import_.good_rows) == (ImportStatus.READY, 2)
    elif attack in SALVAGED:
        assert import_.status == ImportStatus.READY
        assert import_.good_rows == (300 if attack.startswith("keeps") else 2)
    else:
        assert (import_.status, import_.good_rows) == (ImportStatus.UNREADABLE, 0)
        assert [group["code"] for group in import_.problem_groups] == ["reader_broke_down"]
    everything = json.dumps([import_.problem_groups, import_.columns, import_.recognised])
    assert len(everything) < 100_000 and "\\u0000" not in everything
    var = Path(settings.VAR_DIR)
    assert {path.name for path in var.glob("imports/*/*")} <= KEPT_OF_AN_IMPORT
    assert not list(var.glob("sandbox/*"))
    if import_.good_rows:
        _can_be_used(import_, browser)


def test_a_child_that_tells_without_end_does_not_write_without_end(send: Upload) -> None:
    with CaptureQueriesContext(connection) as queries:
        send("tells_without_end")
    assert len(queries) < 1500, "of 15,000 things told"


def _can_be_used(import_: Import, browser: Client) -> None:
    """What was kept becomes a version, and its pages open."""
    if import_.is_open:
        browser.post(f"/teams/{import_.team_id}/datasets/imports/{import_.key}/accept/")
    version = DatasetVersion.objects.get()
    assert len(list(versions.rows(version))) == version.row_count == import_.good_rows
    at = f"/teams/{import_.team_id}/datasets/{version.dataset_id}/versions/{version.number}/"
    assert browser.get(at).status_code == 200
