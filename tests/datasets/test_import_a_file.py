"""Upload, report, decision: nothing that was sent is lost, and nothing bad is kept unsaid."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from datasets.models import Dataset, DatasetVersion, Decision, Import, ImportStatus
from datasets.services import imports, versions
from teams.models import Team, User
from tests.datasets.conftest import downloaded, jsonl, question

Upload = Callable[..., Import]
BROKEN = '{"instruction": "What is 1 plus 1?", "output": '
TRAILING_COMMA = '{"instruction": "What is 2 plus 2?", "output": "It is 4!",}'


def report_url(import_: Import) -> str:
    return f"/teams/{import_.team_id}/datasets/imports/{import_.key}/"


def test_a_file_without_problems_becomes_version_1_at_once(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(*map(question, range(1, 11))), "week1.jsonl")
    assert import_.status == ImportStatus.ACCEPTED
    version = import_.version
    assert version is not None
    assert (version.number, version.row_count, version.shape) == (1, 10, "instruction")
    assert version.dataset.name == "week1"
    page = browser.get(f"/teams/{import_.team_id}/datasets/{version.dataset_id}/versions/1/")
    assert "All 10 rows could be read: this is version 1." in page.content.decode()


def test_bad_rows_are_reported_and_no_version_is_made_before_a_person_decides(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), BROKEN, question(2)))
    assert import_.status == ImportStatus.READY
    assert (import_.good_rows, import_.bad_rows) == (2, 1)
    assert not DatasetVersion.objects.exists()
    page = browser.get(report_url(import_)).content.decode()
    assert "Line 2" in page
    assert "Keep the 2 good rows, leave out 1" in page


def test_keeping_the_good_rows_records_who_left_out_how_many(upload: Upload, browser: Client, member: User) -> None:
    import_ = upload(jsonl(question(1), BROKEN, question(2)))
    browser.post(report_url(import_) + "accept/")
    import_.refresh_from_db()
    assert (import_.decision, import_.decided_by) == (Decision.KEEP_GOOD, member)
    assert import_.version is not None
    assert (import_.version.row_count, import_.version.skipped_rows) == (2, 1)
    assert "1 bad row left out" in import_.version.note


def test_what_can_be_fixed_is_fixed_and_checked_again(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), TRAILING_COMMA))
    assert import_.fixable_codes
    browser.post(report_url(import_) + "fix/")
    import_.refresh_from_db()
    assert (import_.status, import_.good_rows, import_.bad_rows) == (ImportStatus.READY, 2, 0)
    browser.post(report_url(import_) + "accept/")
    assert DatasetVersion.objects.get().row_count == 2


def test_a_corrected_file_takes_the_place_of_the_bad_one(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), BROKEN))
    corrected = SimpleUploadedFile("corrected.jsonl", jsonl(question(1), question(2)))
    browser.post(report_url(import_) + "replace/", {"file": corrected})
    import_.refresh_from_db()
    assert import_.status == ImportStatus.ACCEPTED
    assert DatasetVersion.objects.get().source_name == "corrected.jsonl"


def test_a_discarded_import_leaves_no_file_and_no_version(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(BROKEN))
    assert import_.file_path.exists()
    browser.post(report_url(import_) + "discard/")
    import_.refresh_from_db()
    assert import_.status == ImportStatus.DISCARDED
    assert not import_.folder.exists()
    assert not Dataset.objects.exists()


def test_a_closed_import_can_be_decided_only_once(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), BROKEN))
    browser.post(report_url(import_) + "accept/")
    for again in ("accept/", "fix/", "discard/", "check/"):
        assert browser.post(report_url(import_) + again, follow=True).status_code == 200
    assert DatasetVersion.objects.count() == 1
    assert import_.file_path.exists()


def test_problems_download_as_a_table_that_runs_no_formulas(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), '=cmd|"/c calc"!A0', BROKEN))
    answer = browser.get(report_url(import_) + "problems.csv")
    lines = list(csv.DictReader(io.StringIO(downloaded(answer).decode())))
    assert {line["line"] for line in lines if line["severity"] == "error"} == {"2", "3"}
    assert not [cell for line in lines for cell in line.values() if cell.startswith(("=", "+", "-", "@"))]


def test_problems_are_filtered_by_how_bad_they_are(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), BROKEN, {**question(3), "output": "  It is 6!  "}))
    errors = browser.get(report_url(import_) + "?severity=error").context["problems"]
    assert errors
    assert {problem.severity for problem in errors} == {"error"}


def test_pasted_text_is_taken_like_a_file(browser: Client, team: Team) -> None:
    text = jsonl(question(1), question(2)).decode()
    browser.post(f"/teams/{team.pk}/datasets/new/", {"name": "Pasted", "text": text})
    version = DatasetVersion.objects.get()
    assert (version.dataset.name, version.row_count) == ("Pasted", 2)


@pytest.mark.parametrize("data", [{}, {"text": "   "}, {"name": "Only a name"}])
def test_sending_nothing_is_told_not_kept(browser: Client, team: Team, data: dict[str, str]) -> None:
    answer = browser.post(f"/teams/{team.pk}/datasets/new/", data)
    assert answer.status_code == 422
    assert "Choose a file or paste some rows." in answer.content.decode()
    assert not Import.objects.exists()


def test_a_file_over_the_limit_is_refused_with_the_limit(browser: Client, team: Team, settings: Any) -> None:
    settings.DATASET_MAX_BYTES = 100
    file = SimpleUploadedFile("big.jsonl", jsonl(*map(question, range(20))))
    answer = browser.post(f"/teams/{team.pk}/datasets/new/", {"file": file})
    assert answer.status_code == 422
    assert "100" in answer.content.decode()


def test_the_same_rows_again_make_no_version(upload: Upload, browser: Client, team: Team) -> None:
    rows = jsonl(question(1), question(2))
    dataset = upload(rows).version.dataset  # type: ignore[union-attr]
    file = SimpleUploadedFile("again.jsonl", rows)
    answer = browser.post(f"/teams/{team.pk}/datasets/{dataset.pk}/upload/", {"file": file}, follow=True)
    assert "Nothing changed" in answer.content.decode()
    assert DatasetVersion.objects.count() == 1


def test_a_new_upload_makes_the_next_version_and_rows_keep_their_ids(
    upload: Upload, browser: Client, team: Team
) -> None:
    first = upload(jsonl(question(1), question(2), question(3))).version
    assert first is not None
    changed = {**question(2), "output": "I think it is 5. No, 4!"}
    file = SimpleUploadedFile("week2.jsonl", jsonl(question(4), question(1), changed))
    browser.post(f"/teams/{team.pk}/datasets/{first.dataset_id}/upload/", {"file": file})
    second = DatasetVersion.objects.get(number=2)
    before = [row["id"] for row in versions.rows(first)]
    after = [row["id"] for row in versions.rows(second)]
    assert after[1:] == before[:2]
    assert after[0] not in before
    assert second.parent == first


def test_columns_are_mapped_by_hand_where_their_names_say_nothing(upload: Upload, browser: Client) -> None:
    table = "Spalte A,Spalte B\nWhat is 2 plus 2?,It is 4!\nWhat is 3 plus 3?,It is 6!\n"
    import_ = upload(table.encode(), "table.csv")
    assert import_.status == ImportStatus.READY
    assert import_.columns == ["Spalte A", "Spalte B"]
    browser.post(report_url(import_) + "map/", {"teacher": "Spalte A", "student": "Spalte B"})
    import_.refresh_from_db()
    assert import_.good_rows == 2
    assert imports.preview(import_, 1)[0].prompt() == "What is 2 plus 2?"


def test_hostile_text_is_shown_as_text(upload: Upload, browser: Client) -> None:
    hostile = "<script>alert('x')</script>"
    import_ = upload(jsonl({"instruction": hostile, "output": hostile}, BROKEN), f"{hostile.replace('/', '')}.jsonl")
    for address in (report_url(import_), f"/teams/{import_.team_id}/datasets/"):
        page = browser.get(address).content.decode()
        assert "<script>alert" not in page
    browser.post(report_url(import_) + "accept/")
    version = DatasetVersion.objects.get()
    page = browser.get(f"/teams/{import_.team_id}/datasets/{version.dataset_id}/versions/1/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_check_that_was_superseded_writes_nothing(upload: Upload) -> None:
    import_ = upload(jsonl(question(1), BROKEN))
    Import.objects.filter(pk=import_.pk).update(status=ImportStatus.WAITING, attempt=5)
    imports.read_import(import_id=import_.pk, attempt=4)
    import_.refresh_from_db()
    assert import_.status == ImportStatus.WAITING


def test_a_compressed_file_that_breaks_off_keeps_what_came_before(upload: Upload) -> None:
    rows = jsonl(*map(question, range(3000)))
    import_ = upload(gzip.compress(rows)[:-200], "rows.jsonl.gz")
    assert import_.status == ImportStatus.READY or import_.status == ImportStatus.UNREADABLE
    assert import_.problem_groups


def test_no_file_of_the_json_test_suite_breaks_the_page(upload: Upload, browser: Client, shared_data: Path) -> None:
    files = sorted((shared_data / "json_test_suite").glob("*.json"))
    assert len(files) > 100
    for file in files[::4]:  # each starts a reader of its own; `test_formats_json` reads all of them
        import_ = upload(file.read_bytes(), file.name)
        assert import_.status in (ImportStatus.READY, ImportStatus.UNREADABLE, ImportStatus.ACCEPTED), file.name
        if file.name.startswith("n_"):
            assert import_.good_rows == 0, file.name
        assert browser.get(report_url(import_)).status_code == 200, file.name


def test_naughty_strings_come_back_as_they_were(upload: Upload, browser: Client, shared_data: Path) -> None:
    naughty = [text for text in json.loads((shared_data / "strings" / "blns.json").read_text()) if text.strip()]
    import_ = upload(jsonl(*({"instruction": f"Say it, {n}.", "output": text} for n, text in enumerate(naughty))))
    if import_.is_open:
        browser.post(report_url(import_) + "accept/")
    version = DatasetVersion.objects.get()
    kept = {row["messages"][-1]["content"] for row in versions.rows(version)}
    assert len(kept & set(naughty)) >= len(set(naughty)) - import_.bad_rows - 20
    assert browser.get(f"/teams/{import_.team_id}/datasets/{version.dataset_id}/versions/1/").status_code == 200


def test_deleting_a_dataset_deletes_the_files_it_came_from(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1)))
    assert import_.folder.exists()
    assert import_.dataset is not None
    browser.post(f"/teams/{import_.team_id}/datasets/{import_.dataset.pk}/delete/")
    assert not import_.folder.exists()
    assert not Import.objects.exists()


def test_a_sample_becomes_a_dataset_with_one_click(browser: Client, team: Team) -> None:
    page = browser.get(f"/teams/{team.pk}/datasets/").content.decode()
    assert "DSPy dialogues" in page
    browser.post(f"/teams/{team.pk}/datasets/samples/dspy_dialogues/")
    version = DatasetVersion.objects.get()
    assert (version.shape, version.dataset.team) == ("dialogue", team)
    assert version.row_count >= 10


def test_a_sample_that_is_none_opens_no_file(browser: Client, team: Team) -> None:
    browser.post(f"/teams/{team.pk}/datasets/samples/settings/")
    assert not Import.objects.exists()


def test_another_team_finds_neither_report_nor_problems(
    upload: Upload, client_for: Callable[[User | None], Client], other_member: User, other_team: Team
) -> None:
    import_ = upload(jsonl(question(1), BROKEN))
    stranger = client_for(other_member)
    for team_id in (import_.team_id, other_team.pk):
        base = f"/teams/{team_id}/datasets/imports/{import_.key}/"
        for page in ("", "problems.csv", "events/"):
            assert stranger.get(base + page).status_code == 404, base + page
        for act in ("accept/", "fix/", "check/", "replace/", "map/", "discard/"):
            assert stranger.post(base + act).status_code == 404, base + act
    import_.refresh_from_db()
    assert import_.status == ImportStatus.READY


@pytest.mark.parametrize(
    "row",
    [
        b'{"\\ud800": "x", "output": "y"}',
        b'{"a\\u0000b": "x"}',
        b'{"instruction": "\\ud83d", "output": "\\u0000"}',
        b'{"messages": [{"role": "\\udfff", "content": "x"}]}',
        b"\x00\x01\x02\xff\xfe",
        b"\xff\xfe{",
        b"a\x00b,c\nd,e\n",
        b"PK\x03\x04broken",
        b"\x1f\x8b\x08broken",
    ],
)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.xlsx", "rows.jsonl.gz"])
def test_half_characters_and_binary_rubbish_are_reported_not_stumbled_over(
    upload: Upload, browser: Client, row: bytes, name: str
) -> None:
    import_ = upload(row, name)
    page = browser.get(report_url(import_))
    assert page.status_code == 200
    told = json.dumps([import_.problem_groups, import_.columns, import_.recognised], ensure_ascii=False)
    assert "\\u0000" not in told
    assert told == told.encode("utf-8", "replace").decode()
    assert import_.status == ImportStatus.ACCEPTED or import_.problem_groups
