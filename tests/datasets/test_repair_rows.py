"""Rows that were left out are repaired on the page: previewed, recorded, taken back, and never in the way of good ones."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from datasets import formats
from datasets.intake import broken_rows, child
from datasets.models import DatasetVersion, Draft, DraftChange, FixKind, Import, ImportFix, ImportStatus
from datasets.services import drafts, repairs, versions
from teams.models import User
from tests.datasets.conftest import jsonl, question
from tests.datasets.test_messy_files import form_as_shown, press, report

Upload = Callable[..., Import]
NO_ANSWER = '{"question": "Who are you?"}'
TRAILING_COMMA = '{"instruction": "What is 2 plus 2?", "output": "It is 4!",}'


def answers(version: DatasetVersion) -> list[str]:
    return [row["messages"][-1]["content"] for row in versions.rows(version)]


def page_of(browser: Client, import_: Import) -> str:
    return browser.get(report(import_)).content.decode()


def test_a_row_without_its_answer_is_repaired_in_a_box_and_joins_the_good_ones(
    upload: Upload, browser: Client, member: User
) -> None:
    import_ = upload(jsonl(question(1), NO_ANSWER, question(2)))
    shown = form_as_shown(page_of(browser, import_), "repair/?row=0")
    assert (shown["text_0_0"], shown["text_0_1"]) == ("Who are you?", "")
    browser.post(report(import_) + "repair/?row=0", shown | {"text_0_1": "I am Theo!"})
    assert "Accept all 3 rows" in " ".join(page_of(browser, import_).split())
    press(browser, import_, "accept/")
    version = import_.version
    assert version is not None
    assert answers(version)[-1] == "I am Theo!"
    assert (version.row_count, version.skipped_rows) == (3, 0)
    assert "1 row repaired by hand" in version.note
    fix = ImportFix.objects.get()
    assert (fix.kind, fix.made_by, fix.undone_at) == (FixKind.ROW, member, None)


def test_a_repaired_version_has_the_hash_of_its_rows(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), NO_ANSWER))
    shown = form_as_shown(page_of(browser, import_), "repair/?row=0")
    browser.post(report(import_) + "repair/", shown | {"text_0_1": "I am Theo!"})
    press(browser, import_, "accept/")
    repaired = import_.version
    whole = upload(jsonl(question(1), {"instruction": "Who are you?", "output": "I am Theo!"}), "again.jsonl").version
    assert repaired is not None and whole is not None
    assert answers(repaired) == answers(whole)
    assert len({row["id"] for row in versions.rows(repaired)}) == 2


def test_a_row_that_still_breaks_a_rule_stays_with_what_was_entered(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), NO_ANSWER, '{"question": "And you?"}'))
    shown = form_as_shown(page_of(browser, import_), "repair/?row=0")
    entered = {"text_0_0": "", "text_0_1": "", "text_1_1": "I am six."}
    answer = browser.post(report(import_) + "repair/", shown | entered)
    assert answer.status_code == 422
    assert "no turns" in answer.content.decode()
    fix = ImportFix.objects.get()  # the other one was kept
    assert fix.row is not None and fix.row["messages"][-1]["content"] == "I am six."


def test_boxes_that_nobody_touched_are_no_repair(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), NO_ANSWER))
    press(browser, import_, "repair/?row=0")
    assert not ImportFix.objects.exists()


def test_a_repair_is_taken_back(upload: Upload, browser: Client, member: User) -> None:
    import_ = upload(jsonl(question(1), NO_ANSWER))
    shown = form_as_shown(page_of(browser, import_), "repair/?row=0")
    browser.post(report(import_) + "repair/", shown | {"text_0_1": "I am Theo!"})
    press(browser, import_, "undo/")
    fix = ImportFix.objects.get()
    assert fix.undone_by == member
    assert "<del>Row repaired: line 2</del>" in page_of(browser, import_)
    press(browser, import_, "accept/")
    assert DatasetVersion.objects.get().row_count == 1


def test_good_rows_do_not_wait_and_bad_ones_are_repaired_later(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), NO_ANSWER))
    press(browser, import_, "accept/")
    assert DatasetVersion.objects.get().row_count == 1
    shown = form_as_shown(page_of(browser, import_), "repair/?row=0")
    browser.post(report(import_) + "repair/", shown | {"text_0_1": "I am Theo!"})
    (change,) = Draft.objects.get().changes.all()
    assert change.row is not None and change.row["messages"][-1]["content"] == "I am Theo!"
    browser.post(report(import_) + "repair/", shown | {"text_0_1": "I am Theo, again!"})
    assert Draft.objects.get().changes.count() == 1, "a second press adds no second row"
    press(browser, import_, "undo/")
    assert not Draft.objects.exists()


def test_a_repair_of_another_text_does_not_fit(upload: Upload, browser: Client) -> None:
    import_ = upload(jsonl(question(1), NO_ANSWER))
    shown = form_as_shown(page_of(browser, import_), "repair/?row=0")
    browser.post(report(import_) + "repair/", shown | {"text_0_1": "I am Theo!"})
    other = SimpleUploadedFile("other.jsonl", jsonl(question(1), '{"question": "Where are you?"}'))
    browser.post(report(import_) + "replace/", {"file": other})
    import_.refresh_from_db()
    assert repairs.repaired_rows(import_) == []
    press(browser, import_, "accept/")
    assert DatasetVersion.objects.get().row_count == 1


def test_an_automatic_fix_is_previewed_recorded_and_taken_back(upload: Upload, browser: Client, member: User) -> None:
    import_ = upload(jsonl(question(1), TRAILING_COMMA))
    assert import_.found["examples"]["json_trailing_comma"][0][0] == "line 2"
    assert "What the fix would change" in page_of(browser, import_)
    browser.post(report(import_) + "fix/", {"code": "json_trailing_comma"})
    import_.refresh_from_db()
    assert (import_.good_rows, import_.rule_fixes) == (2, ["json_trailing_comma"])
    fix = ImportFix.objects.get()
    assert (fix.kind, fix.key, fix.made_by) == (FixKind.RULE, "json_trailing_comma", member)
    press(browser, import_, "undo/")
    assert (import_.good_rows, import_.rule_fixes) == (1, [])
    assert ImportFix.objects.get().undone_by == member


def test_an_encoding_that_nobody_can_be_sure_of_is_asked_for(upload: Upload, browser: Client) -> None:
    import_ = upload("question,answer\nWhat is 5°?,Warm\n".encode("mac_roman"), "rows.csv")
    assert (import_.status, import_.found["encoding_sure"]) == (ImportStatus.READY, "unsure")
    press(browser, import_, "encoding/", encoding="mac_roman")
    press(browser, import_, "accept/")
    version = DatasetVersion.objects.get()
    assert next(iter(versions.rows(version)))["messages"][0]["content"] == "What is 5°?"
    assert "Read as Mac Roman" in version.note


def test_speakers_that_nobody_knows_are_named_by_a_person(upload: Upload, browser: Client) -> None:
    talk = "Anna: What is 2 + 2?\nBo: Um, 4!\n\nAnna: And 3 + 3?\nBo: 6!\nCy: I know too.\n\nCy: Hello.\n"
    import_ = upload(talk.encode(), "talk.txt")
    assert import_.found["suggested"]["speakers"] == {"Anna": "teacher", "Bo": "student", "Cy": "student"}
    press(browser, import_, "map/", speaker_2="skip")
    press(browser, import_, "accept/")
    assert answers(DatasetVersion.objects.get()) == ["Um, 4!", "6!"]


def test_names_in_json_rows_are_named_by_a_person_too(upload: Upload, browser: Client) -> None:
    turns = [{"role": "Frau Keller", "content": "What is 2 + 2?"}, {"role": "Theo", "content": "Um, 4!"}]
    import_ = upload(jsonl({"dialogue": turns}, {"dialogue": [*turns[:1], {"role": "Theo", "content": "Five?"}]}))
    assert set(import_.found["speakers"]) >= {"Frau Keller", "Theo"}
    names = list(import_.found["suggested"]["speakers"])
    press(browser, import_, "map/", **{f"speaker_{names.index('Frau Keller')}": "teacher"})
    press(browser, import_, "accept/")
    assert answers(DatasetVersion.objects.get()) == ["Um, 4!", "Five?"]


def test_items_of_a_list_are_named_by_their_number(upload: Upload, browser: Client) -> None:
    rows = [{"question": f"What is {n}?", "answer": "Um."} for n in range(5)]
    rows[3] = {"question": "Who are you?"}
    rows[4] = {"question": "And who is she?"}
    import_ = upload(json.dumps(rows).encode(), "rows.json")
    assert import_.bad_rows == 2, "two rows on one line are two rows"
    page = page_of(browser, import_)
    assert "Item 4" in page and "Item 5" in page and "Line 1" not in page


def test_records_behind_an_open_quote_are_read(upload: Upload) -> None:
    import_ = upload(b'question,answer\na?,b\n"c?,d\ne?,f\ng?,h\n', "rows.csv")
    assert (import_.good_rows, import_.bad_rows) == (3, 1)


def test_what_a_child_left_as_broken_rows_is_proven(tmp_path: Any) -> None:
    many = {"line": 1, "item": 0, "raw": "x", "turns": [["user", "y"]] * 60}
    for bad in (b"[]\n", b'{"line": "1"}\n', json.dumps(many).encode() + b"\n", b"\xff\n", b"x" * 3_000_000):
        path = tmp_path / "broken.jsonl"
        path.write_bytes(bad)
        with path.open("rb") as file, pytest.raises(broken_rows.NotBroken):
            list(broken_rows.checked(file))


def test_what_a_child_says_it_found_is_trimmed_to_what_a_page_shows() -> None:
    told = formats.Recognition(
        encoding="\x00" * 5000,
        encoding_samples={"evil\x00": "x", "cp1252": "y" * 9000 + "\x00"},
        speakers={"n" * 5000: 1, "Ann\x00": 2},
        suggested={"teacher": ["no"], "speakers": 3},
        samples={"c" * 900: "x"},
        examples={"nonsense": [["a", "b", "c"]], "untrimmed": [["a" * 900] * 9] * 9},
    )
    kept = child.shown(told)
    assert (kept.encoding, list(kept.encoding_samples), list(kept.speakers)) == ("utf-8", ["cp1252"], ["Ann␀"])
    assert (kept.suggested, kept.samples, list(kept.examples)) == ({}, {}, ["untrimmed"])
    assert max(map(len, [text for one in kept.examples["untrimmed"] for text in one])) <= 120
    assert (len(kept.examples["untrimmed"]), len(kept.examples["untrimmed"][0])) == (3, 3)


def test_of_two_repairs_at_once_one_adds_the_row(
    upload: Upload, browser: Client, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_ = upload(jsonl(question(1), NO_ANSWER))
    press(browser, import_, "accept/")
    (shown,) = repairs.broken(import_)
    put = drafts.put_row

    def beaten(**asked: Any) -> Any:
        """Somebody else's press comes between the look and the write."""
        ImportFix.objects.create(upload=import_, kind=FixKind.ROW, key=shown.key, made_by=member)
        return put(**asked)

    monkeypatch.setattr(drafts, "put_row", beaten)
    turns = [("user", "Who are you?"), ("assistant", "I am Theo!")]
    with pytest.raises(repairs.FixRefused, match="just now"):
        repairs.repair_row(import_=import_, shown=shown, turns=turns, person=member)
    assert not DraftChange.objects.exists()


def test_hostile_text_in_a_broken_row_is_shown_as_text(upload: Upload, browser: Client) -> None:
    hostile = "</textarea><script>alert(1)</script>"
    import_ = upload(jsonl(question(1), {"question": hostile}))
    page = page_of(browser, import_)
    assert "<script>alert" not in page
    assert "&lt;/textarea&gt;" in page


def test_another_team_repairs_nothing(
    upload: Upload, client_for: Callable[[User | None], Client], other_member: User
) -> None:
    import_ = upload(jsonl(question(1), NO_ANSWER))
    stranger = client_for(other_member)
    for act in ("repair/", "undo/", "encoding/"):
        assert stranger.post(report(import_) + act).status_code == 404
