"""A dataset file may be anything. It is read outside the web process, within limits, and refused in one sentence."""

import gzip
import json
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import django_rq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from rq import SimpleWorker

from datasets import formats
from datasets.models import DatasetVersion, Import, ImportStatus
from datasets.services import imports, intake
from teams import sandbox
from teams.models import Team
from tests.datasets.conftest import jsonl, question
from tests.security import sheets

Upload = Callable[..., Import]
KEPT_OF_AN_IMPORT = {"upload", "rows.blocks", "problems.jsonl.gz", "broken.jsonl.gz"}
BROKEN = '{"instruction": "What is 1 plus 1?", "output": '


@pytest.fixture(autouse=True)
def nothing_left_behind(settings: Any) -> Any:
    """No scratch folder stays, and no file lies outside the import's folder."""
    yield
    var = Path(settings.VAR_DIR)
    assert not list((var / "sandbox").glob("*"))
    folders = {"imports", "sandbox", "runs", "media"}
    assert {path.name for path in var.iterdir()} <= folders
    assert {path.name for path in var.glob("imports/*/*")} <= KEPT_OF_AN_IMPORT


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: Any) -> None:
    """What needs more than an honest file of this size is ended, and then not read at once: the tests see it waiting."""
    monkeypatch.setattr(intake, "AT_ONCE_MB", 200)


def told(import_: Import, code: str) -> str:
    """The sentence of the report for a problem; the test fails where there is none."""
    groups = {group["code"]: group["message"] for group in import_.problem_groups}
    assert code in groups, groups
    return str(groups[code])


# Excel ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("culprit", "file"),
    [
        ("xl/sharedStrings.xml", {"strings": sheets.strings("&h;", prologue=sheets.BOMB)}),
        ("xl/worksheets/sheet1.xml", {"sheet": sheets.sheet(sheets.row(1, "&h;"), prologue=sheets.BOMB)}),
        ("xl/styles.xml", {"styles": f'{sheets.BOMB}<styleSheet xmlns="{sheets.MAIN}">&h;</styleSheet>'}),
        ("docProps/core.xml", {"docProps__core.xml": f"{sheets.BOMB}<x>&h;</x>"}),
        ("xl/sharedStrings.xml", {"strings": sheets.strings("&h;", prologue=sheets.OUTSIDE)}),
        ("xl/sharedStrings.xml", {"strings": sheets.strings("&h;", prologue=sheets.BOMB).encode("utf-16")}),
    ],
)
def test_a_sheet_that_declares_entities_is_refused_by_the_name_of_its_member(
    upload: Upload, browser: Client, culprit: str, file: dict[str, Any]
) -> None:
    content = sheets.xlsx(**file)
    assert len(content) < 4000
    import_ = upload(content, "week1.xlsx")
    assert import_.status == ImportStatus.UNREADABLE
    assert told(import_, "xlsx_entities").startswith(f"{culprit} in the Excel file declares XML entities")
    page = browser.get(f"/teams/{import_.team_id}/datasets/imports/{import_.key}/")
    assert page.status_code == 200 and culprit in page.content.decode()


def test_a_cell_far_away_does_not_make_a_million_rows(upload: Upload) -> None:
    far = '<row r="1048576"><c r="A1048576" t="inlineStr"><is><t>What is 1 plus 1?</t></is></c>'
    far += '<c r="B1048576" t="inlineStr"><is><t>It is 2!</t></is></c></row>'
    content = sheets.xlsx(sheet=sheets.sheet(sheets.HEADER, sheets.GOOD, far, dimension="A1:XFD1048576"))
    import_ = upload(content, "sparse.xlsx")
    assert (import_.status, import_.good_rows) == (ImportStatus.ACCEPTED, 2)


@pytest.mark.parametrize("number", ["0", "-5", "1048577", "99999999999999999999", "1e400", "NaN"])
def test_a_row_that_no_sheet_can_have_is_refused(upload: Upload, number: str) -> None:
    bad = f'<row r="{number}"><c t="inlineStr"><is><t>x</t></is></c></row>'
    import_ = upload(sheets.xlsx(sheet=sheets.sheet(bad)), "rows.xlsx")
    assert import_.status == ImportStatus.UNREADABLE
    told(import_, "xlsx_damaged")


def test_a_cell_in_the_last_column_is_refused_and_the_rows_before_are_offered(upload: Upload) -> None:
    wide = '<row r="3"><c r="XFD3" t="inlineStr"><is><t>x</t></is></c></row>'
    import_ = upload(sheets.xlsx(sheet=sheets.sheet(sheets.HEADER, sheets.GOOD, wide)), "wide.xlsx")
    assert (import_.status, import_.good_rows) == (ImportStatus.READY, 1)
    assert told(import_, "too_many_columns").startswith("Line 3 has a cell in column 16,384")


def test_a_sheet_that_unpacks_to_too_much_is_refused_by_its_member(upload: Upload) -> None:
    content = sheets.xlsx(sheet=b" " * (65 * 1024**2) + sheets.sheet(sheets.HEADER, sheets.GOOD).encode())
    import_ = upload(content, "big.xlsx")
    assert import_.status == ImportStatus.UNREADABLE
    assert {group["code"] for group in import_.problem_groups} <= {"zip_bomb", "too_large"}


def test_a_member_that_lies_about_its_size_is_not_believed(upload: Upload) -> None:
    content = bytearray(sheets.xlsx(strings=sheets.strings("x" * 20_000_000)))
    with zipfile.ZipFile(BytesIO(content)) as archive:
        real = archive.getinfo("xl/sharedStrings.xml").file_size
    at = content.rfind(struct.pack("<I", real))
    content[at : at + 4] = struct.pack("<I", 100)
    import_ = upload(bytes(content), "liar.xlsx")
    assert import_.status == ImportStatus.UNREADABLE


def test_a_sheet_of_very_many_members_is_refused(upload: Upload) -> None:
    many = {f"xl__media__{number}.png": b"" for number in range(1200)}
    import_ = upload(sheets.xlsx(**many), "members.xlsx")
    assert "members; 1,000 is the limit here" in told(import_, "too_many_members")


def test_links_to_other_files_are_not_followed(upload: Upload) -> None:
    outside = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    rels = (
        '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{outside}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{outside}/externalLink" Target="file:///etc/passwd" TargetMode="External"/>'
        f'<Relationship Id="rId3" Type="{outside}/worksheet" Target="../../../../etc/passwd"/></Relationships>'
    )
    workbook = (
        f'<?xml version="1.0"?><workbook xmlns="{sheets.MAIN}" xmlns:r="{outside}"><sheets>'
        '<sheet name="Rows" sheetId="1" r:id="rId1"/><sheet name="Other" sheetId="2" r:id="rId3"/></sheets>'
        '<externalReferences><externalReference r:id="rId2"/></externalReferences></workbook>'
    )
    import_ = upload(sheets.xlsx(rels=rels, workbook=workbook), "links.xlsx")
    assert (import_.status, import_.good_rows) == (ImportStatus.ACCEPTED, 1)


# tables and text ------------------------------------------------------------------------------------------------------


def test_a_header_of_very_many_columns_is_refused(upload: Upload) -> None:
    import_ = upload(b",".join([b"question"] * 100_000) + b"\nx,y\n", "wide.csv")
    assert told(import_, "too_many_columns") == "Line 1 has a cell in column 100,000; 1,000 is the limit here."


def test_a_record_of_very_many_cells_is_one_problem_and_the_rows_around_it_are_offered(upload: Upload) -> None:
    wide = ",".join(['"x"'] * 100_000)
    import_ = upload(
        f"question,answer\nWhat is 2 plus 2?,It is 4!\n{wide}\nWhat is 3 plus 3?,It is 6!\n".encode(), "w.csv"
    )
    assert (import_.status, import_.good_rows, import_.bad_rows) == (ImportStatus.READY, 2, 1)
    told(import_, "too_many_columns")


def test_a_record_that_never_ends_is_cut_at_the_limit_of_a_row(upload: Upload, monkeypatch: Any) -> None:
    monkeypatch.setattr(intake, "limits", lambda: formats.Limits(max_row_bytes=10_000))
    cells = '"x\nx",' * 5000  # each cell ends, the record does not
    import_ = upload(f"question,answer\nWhat is 2 plus 2?,It is 4!\n{cells}".encode(), "endless.csv")
    assert (import_.status, import_.good_rows) == (ImportStatus.READY, 1)
    told(import_, "row_too_long")


@pytest.mark.parametrize(
    "turns",
    [
        '[{"role": "teacher", "content": NaN}, {"role": "student", "content": "x"}]',
        '[{"role": "teacher", "content": "x", "n": 123456789012345678901234567890}, {"role": "student", "content": "x"}]',
        '[{"role": "teacher", "content": "\\ud800"}, {"role": "student", "content": "x"}]',
        '[{"role": "teacher", "content": "\\u0000"}, {"role": "student", "content": "x"}]',
        '[{"role": "teacher", "content": "x", "n": '
        + "[" * 500
        + "]" * 500
        + '}, {"role": "student", "content": "x"}]',
        "[" * 100_000,
    ],
)
def test_json_in_a_cell_is_read_as_strictly_as_in_a_file(upload: Upload, browser: Client, turns: str) -> None:
    cell = turns.replace('"', '""')
    import_ = upload(f'id,dialogue\n1,"{cell}"\n'.encode(), "cells.csv")
    assert import_.status in (ImportStatus.READY, ImportStatus.UNREADABLE)
    assert import_.good_rows == 0
    assert browser.get(f"/teams/{import_.team_id}/datasets/imports/{import_.key}/").status_code == 200


@pytest.mark.parametrize(
    "line",
    [
        "[" * 1_000_000,
        '{"a":' * 100_000,
        '{"instruction": "x", "output": ' + "9" * 100_000 + "}",
        '{"instruction": "x", "output": 1e999}',
        '{"instruction": "x", "output": -Infinity}',
        '{"instruction": "' + "x" * 1_500_000 + '", "output": "y"}',
        '{"' + "k" * 500_000 + '": 1}',
        "{" + ", ".join(f'"{n}": 1' for n in range(50_000)) + "}",
        '{"messages": [' + "1," * 100_000 + "1]}",
    ],
)
def test_a_hostile_line_is_one_bad_row_among_good_ones(upload: Upload, browser: Client, line: str) -> None:
    import_ = upload(jsonl(question(1), line, question(2)))
    assert (import_.status, import_.good_rows) == (ImportStatus.READY, 2)
    page = browser.get(f"/teams/{import_.team_id}/datasets/imports/{import_.key}/")
    assert page.status_code == 200
    assert len(page.content) < 300_000


def test_a_file_of_line_ends_is_read_without_holding_each(upload: Upload) -> None:
    content = jsonl(question(1)) + b"\n" * 1_500_000 + jsonl(question(2))
    import_ = upload(content)
    assert import_.good_rows == 2
    more = told(import_, "blank_line")
    assert more
    problems = gzip.decompress(import_.problems_path.read_bytes()).decode()
    assert "1,499,899 blank lines after it" in problems


def test_a_conversation_without_an_end_is_given_up_not_held(upload: Upload) -> None:
    endless = "Teacher: What is 1 plus 1?\nStudent: It is 2!\n" + "and more\n" * 200_000
    good = "Teacher: What is 2 plus 2?\nStudent: It is 4!\n"
    import_ = upload((good + "\n" + endless + "\n" + good).encode(), "talk.txt")
    assert (import_.status, import_.good_rows) == (ImportStatus.READY, 2)
    told(import_, "row_too_long")


def test_mending_takes_linear_time() -> None:
    hostile = '{"a": ' + '\\"' * 100_000
    assert formats.fix(hostile, "json_trailing_comma") is None
    assert formats.fix(hostile, "json_python_literal") is None
    assert formats.fix('{"a": "True, ]", "b": True,}', "json_trailing_comma") == '{"a": "True, ]", "b": True}'
    assert formats.fix('{"a": "True", "b": True}', "json_python_literal") == '{"a": "True", "b": true}'


# problems -------------------------------------------------------------------------------------------------------------


def test_many_problems_are_counted_and_not_all_listed(upload: Upload, browser: Client, monkeypatch: Any) -> None:
    import_ = upload(jsonl(question(1), *["{x"] * 30_000, question(2)))
    assert (import_.good_rows, import_.bad_rows) == (2, 30_000)
    assert "30,000 problems; all are counted, and the first 20,000 are listed" in told(import_, "problems_not_listed")
    listed = gzip.decompress(import_.problems_path.read_bytes()).count(b"\n")
    assert listed == 20_001
    page = browser.get(f"/teams/{import_.team_id}/datasets/imports/{import_.key}/").content.decode()
    assert "30,000" in page and "Keep the 2 good rows" in page


def test_a_file_of_nothing_but_problems_is_not_read_to_its_end(upload: Upload, monkeypatch: Any) -> None:
    monkeypatch.setattr(intake, "limits", lambda: formats.Limits(max_problems=1000))
    import_ = upload(jsonl(question(1), *["{x"] * 5000, question(2)))
    assert (import_.status, import_.good_rows) == (ImportStatus.READY, 1)
    assert told(import_, "too_many_problems").startswith("The file has more than 1,000 problems")


# who reads, when ------------------------------------------------------------------------------------------------------


def test_this_process_never_reads_the_file(upload: Upload, monkeypatch: Any) -> None:
    def read_here(*_: Any, **__: Any) -> None:
        raise AssertionError("read in the web process")

    monkeypatch.setattr(formats, "read", read_here)
    monkeypatch.setattr("datasets.formats.reader.Reader.__init__", read_here)
    assert upload(jsonl(question(1))).status == ImportStatus.ACCEPTED
    assert upload(sheets.xlsx(), "sheet.xlsx").status == ImportStatus.ACCEPTED


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_file_is_kept_and_read(upload: Upload, monkeypatch: Any) -> None:
    seen: list[tuple[str, bool]] = []
    opened, keep = sandbox.opened, imports._keep

    def watched_open(*args: Any, **more: Any) -> Any:
        seen.append(("read", connection.in_atomic_block))
        return opened(*args, **more)

    def watched_keep(*args: Any) -> None:
        seen.append(("keep", connection.in_atomic_block))
        keep(*args)

    monkeypatch.setattr(sandbox, "opened", watched_open)
    monkeypatch.setattr(imports, "_keep", watched_keep)
    assert upload(jsonl(question(1), question(2))).status == ImportStatus.ACCEPTED
    assert seen == [("keep", False), ("read", False)]


def work() -> None:
    queue = django_rq.get_queue("files")
    SimpleWorker([queue], connection=queue.connection, serializer=queue.serializer).work(burst=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_server")
@pytest.mark.parametrize("why", ["slow", "no place", "big version before"])
def test_what_a_page_would_wait_for_is_left_to_the_worker(
    upload: Upload, browser: Client, monkeypatch: Any, why: str
) -> None:
    name = "rows.jsonl"
    if why == "slow":
        monkeypatch.setattr(intake, "AT_ONCE_SECONDS", 0.0)
        import_ = upload(jsonl(question(1), question(2)), name)
    elif why == "no place":
        with intake._at_once, intake._at_once:
            import_ = upload(jsonl(question(1), question(2)), name)
    else:
        first = upload(jsonl(question(1)), name)
        monkeypatch.setattr(intake, "AT_ONCE_KNOWN_ROWS", 0)
        assert first.version is not None
        file = SimpleUploadedFile(name, jsonl(question(1), question(2)))
        browser.post(f"/teams/{first.team_id}/datasets/{first.version.dataset_id}/upload/", {"file": file})
        import_ = Import.objects.order_by("-id")[0]
    assert import_.status == ImportStatus.WAITING
    page = browser.get(f"/teams/{import_.team_id}/datasets/imports/{import_.key}/").content.decode()
    assert "Checking every row" in page
    work()
    import_.refresh_from_db()
    assert (import_.status, import_.good_rows) == (ImportStatus.ACCEPTED, 2)


def test_a_team_has_few_files_at_work_at_once(browser: Client, team: Team, settings: Any) -> None:
    for number in range(imports.MOST_AT_WORK):
        Import.objects.create(team=team, name=f"{number}", filename="x.jsonl", size=1)
    for address in ("new/", "samples/dspy_dialogues/"):
        file = SimpleUploadedFile("rows.jsonl", jsonl(question(1)))
        answer = browser.post(f"/teams/{team.pk}/datasets/{address}", {"file": file}, follow=True)
        assert "3 files of your team are being checked" in answer.content.decode()
    assert Import.objects.count() == imports.MOST_AT_WORK
    assert not list(Path(settings.VAR_DIR).glob("imports/*"))


def test_two_who_have_a_file_checked_at_the_same_time_start_it_once(upload: Upload) -> None:
    import_ = upload(jsonl(question(1), BROKEN))
    mine, theirs = Import.objects.get(pk=import_.pk), Import.objects.get(pk=import_.pk)
    imports.check(import_=mine)
    with pytest.raises(imports.NotReady):
        imports.check(import_=theirs)


def test_the_command_reads_in_the_sandbox_too(tmp_path: Path, capsys: Any) -> None:
    bomb, good = tmp_path / "bomb.xlsx", tmp_path / "good.jsonl"
    bomb.write_bytes(sheets.xlsx(strings=sheets.strings("&h;", prologue=sheets.BOMB)))
    good.write_bytes(jsonl(question(1), BROKEN))
    with pytest.raises(SystemExit) as ended:
        call_command("check_dataset", str(bomb), str(good), "--json")
    assert ended.value.code == 2
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["problems"][0]["code"] == "xlsx_entities"
    assert (second["good_rows"], second["rows"]) == (1, 2)


def test_a_version_has_the_rows_that_the_sandbox_gave(upload: Upload) -> None:
    """What is proven is also what is kept: hash, numbers and shape are this process's own."""
    import_ = upload(jsonl(*map(question, range(600))))
    version = DatasetVersion.objects.get()
    assert (version.row_count, version.turn_count, version.shape) == (600, 600, "instruction")
    rows = [formats.from_object(question(number))[0] for number in range(600)]
    assert version.content_hash == formats.version_hash(formats.fingerprint(row) for row in rows if row)
    assert import_.content_hash == version.content_hash
