"""Every kind of file: each is read for what it is, and each that can't be a dataset is refused in its own words."""

import csv
import gzip
import io
import json
import re
import zipfile
from io import BytesIO

import openpyxl
import pytest

from datasets import formats
from datasets.formats import Limits, Problem, Row, UnreadableFile

LINE = '{"question": "What is 8 + 7?", "answer": "It is 15! 😀 é"}'


def rows_of(data: bytes, filename: str, **options) -> list[Row]:
    return [item for item in formats.read(BytesIO(data), filename=filename, **options) if isinstance(item, Row)]


def problems_of(data: bytes, filename: str, **options) -> list[Problem]:
    return [item for item in formats.read(BytesIO(data), filename=filename, **options) if isinstance(item, Problem)]


def refusal(data: bytes, filename: str = "rows.jsonl", **options) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        list(formats.read(BytesIO(data), filename=filename, **options))
    return caught.value


def sheet(*rows) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def zipped(**files: bytes) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_breaks_make_no_difference(encoding, newline):
    text = newline.join([LINE] * 3) + newline
    rows = rows_of(text.encode(encoding), "rows.jsonl")
    assert [(row.line, row.messages[1]["content"]) for row in rows] == [(n, "It is 15! 😀 é") for n in (1, 2, 3)]


def test_a_gzipped_file_is_read_and_said_to_be_compressed():
    reader = formats.read(
        BytesIO(gzip.compress(LINE.encode()) + gzip.compress(b"\n" + LINE.encode())), filename="rows.jsonl.gz"
    )
    assert len([item for item in reader if isinstance(item, Row)]) == 2
    assert reader.recognition.compressed
    assert reader.recognition.sentence() == "JSON lines (utf-8, compressed): 2 × question/answer"


HTML = b"<!DOCTYPE html>\n<html><body>404</body></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
REFUSED = {
    "empty": b"",
    "html_page": HTML,
    "git_lfs_pointer": LFS,
    "pdf": b"%PDF-1.7\n%\xe2\xe3",
    "image": b"\x89PNG\r\n\x1a\n\x00\x00",
    "old_office": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600,
    "zip": zipped(rows__jsonl=LINE.encode()),
    "docx": zipped(word__document=b"<w/>"),
    "zip_damaged": b"PK\x03\x04" + b"\x01" * 400,
    "gz_damaged": gzip.compress(LINE.encode() * 50)[:-20],
    "packed_twice": gzip.compress(gzip.compress(LINE.encode())),
    "binary": bytes(range(256)) * 20,
    "parquet": b"PAR1\x15\x00",
    "database": b"SQLite format 3\x00",
    "xml": b'<?xml version="1.0"?><rows/>',
    "zip_bomb": gzip.compress(b"0" * 40_000_000),
}


@pytest.mark.parametrize("code", REFUSED)
def test_what_is_no_dataset_is_refused_in_its_own_words(code):
    refused = refusal(REFUSED[code])
    assert refused.code == code
    assert refused.message and refused.fix and refused.as_problem().line == 0


def test_each_refusal_has_a_sentence_of_its_own():
    told = {refusal(data).message for data in REFUSED.values()}
    assert len(told) == len(REFUSED)


def test_only_blanks_are_an_empty_file():
    assert refusal(b"\n  \r\n\t\n").code == "empty"


def test_an_xlsx_bomb_is_refused_before_it_is_unpacked():
    bomb = zipped(**{"xl__workbook.xml": b"<x/>", "xl__worksheets__sheet1.xml": b"0" * 60_000_000})
    assert refusal(bomb, "rows.xlsx").code == "zip_bomb"


def test_a_file_over_the_limit_is_refused_with_the_limit_in_the_sentence():
    refused = refusal(LINE.encode() * 40_000, limits=Limits(max_bytes=1024 * 1024))
    assert refused.code == "too_large" and "1 MB" in refused.message


def test_a_sheet_over_its_own_limit_is_refused():
    data = sheet(["question", "answer"], *[["a" * 50, f"b{n}"] for n in range(200)])
    refused = refusal(data, "rows.xlsx", limits=Limits(max_sheet_bytes=5_000))
    assert refused.code == "too_large" and "CSV" in refused.fix


def test_too_many_rows_are_refused():
    assert refusal((LINE + "\n").encode() * 6, limits=Limits(max_rows=5)).code == "too_many_rows"


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(UnreadableFile) as caught:
            formats.read(path, filename="x.jsonl")
        assert caught.value.code == "cannot_open"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_tables_are_read_with_any_separator(delimiter):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["Teacher Prompt", "Student Response", "Subject", "Notes to self"])
    writer.writerow(["What is 8 + 7,\nplease?", 'I said "15"; or | maybe\t16', "math", "check"])
    writer.writerow(["Why is the sky blue?", "Because!", "science", ""])
    rows = rows_of(out.getvalue().encode(), "rows.csv")
    assert [row.line for row in rows] == [2, 4]
    assert rows[0].messages == [
        {"role": "user", "content": "What is 8 + 7,\nplease?"},
        {"role": "assistant", "content": 'I said "15"; or | maybe\t16'},
    ]
    assert rows[0].labels == {"subject": "math"}
    assert rows[0].extra == {"Notes to self": "check"}


def test_columns_nobody_knows_are_offered_for_mapping_by_hand():
    data = b"first bit,second bit,kind\nWhat is 8 + 7?,It is 15!,math\n"
    reader = formats.read(BytesIO(data), filename="rows.csv")
    problems = [item for item in reader if isinstance(item, Problem)]
    assert [(problem.code, problem.severity) for problem in problems] == [
        ("unknown_columns", "warning"),
        ("unknown_shape", "error"),
    ]
    assert reader.recognition.sure == "unsure"
    assert reader.recognition.columns == ["first bit", "second bit", "kind"]
    mapping = formats.ColumnMapping(teacher="first bit", student="second bit", labels={"subject": "kind"})
    (row,) = rows_of(data, "rows.csv", mapping=mapping)
    assert (
        row.prompt() == "What is 8 + 7?" and row.student_text() == ["It is 15!"] and row.labels == {"subject": "math"}
    )


def test_an_open_quote_in_a_table_is_told_at_its_line():
    (problem,) = problems_of(b'question,answer\na,b\n"c,d\ne,f\n', "rows.csv")
    assert (problem.code, problem.line) == ("csv_open_quote", 3)


def test_a_windows_byte_in_a_table_is_read_and_the_guess_is_told():
    data = b"question,answer\ncaf\xe9,b\nc,d\n"
    assert [(p.code, p.severity) for p in problems_of(data, "rows.csv")] == [("encoding_guessed", "info")]
    assert [row.prompt() for row in rows_of(data, "rows.csv")] == ["café", "c"]


def test_a_bad_byte_among_utf_8_spoils_its_own_record_only():
    data = "question,answer\ndéjà vu?,ça\n".encode() + b"caf\xe9,b\n"
    assert [(p.code, p.line) for p in problems_of(data, "rows.csv")] == [("json_invalid_utf8", 3)]
    assert [row.line for row in rows_of(data, "rows.csv")] == [2]


def test_too_many_cells_are_told():
    assert [p.code for p in problems_of(b"question,answer\na,b,c\n", "rows.csv")] == ["csv_cells"]


def test_a_table_with_one_turn_a_line_is_grouped_by_conversation():
    data = b"conversation_id,role,content,subject\n1,teacher,Hi?,math\n1,student,Hello!,math\n2,teacher,A?,\n2,student,B,\n"
    rows = rows_of(data, "rows.csv")
    assert [(row.line, len(row.messages)) for row in rows] == [(2, 2), (4, 2)]
    assert rows[0].labels == {"subject": "math"}


def test_a_cell_with_a_list_of_turns_is_unpacked():
    out = io.StringIO()
    turns = [{"role": "teacher", "content": "Hi?"}, {"role": "student", "content": "Hello!"}]
    csv.writer(out).writerows([["dialogue", "subject"], [json.dumps(turns), "social"]])
    (row,) = rows_of(out.getvalue().encode(), "rows.csv")
    assert [m["content"] for m in row.messages] == ["Hi?", "Hello!"]


def test_an_excel_sheet_is_read_with_its_numbers():
    rows = rows_of(
        sheet(["question", "answer", "difficulty"], ["What is 8 + 7?", 15, 2], [], ["a", "b", None]), "rows.xlsx"
    )
    assert [row.line for row in rows] == [2, 4]
    assert rows[0].student_text() == ["15"] and rows[0].labels == {"difficulty": "2"}


def test_a_formula_that_no_spreadsheet_has_calculated_is_told_by_its_cell():
    data = sheet(["question", "answer"], ["What is 8 + 7?", "=8+7"], ["What is 1 + 1?", "Two!"], ["Sum?", None])
    (told,) = [found for found in problems_of(data, "rows.xlsx") if found.code == "formula_without_value"]
    assert (told.line, told.severity) == (2, "error")
    assert "Cell B2 holds a formula (=8+7)" in told.message and "save it" in told.fix
    items = list(formats.read(BytesIO(data), filename="rows.xlsx"))
    assert [item.line for item in items if isinstance(item, Row)] == [3]


def test_a_formula_with_its_result_is_read_as_the_result():
    with zipfile.ZipFile(BytesIO(sheet(["question", "answer"], ["What is 8 + 7?", "=8+7"]))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    parts[name] = re.sub(rb"<f>8\+7</f><v */>|<f>8\+7</f><v></v>", b"<f>8+7</f><v>15</v>", parts[name])
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    (row,) = rows_of(out.getvalue(), "rows.xlsx")
    assert row.student_text() == ["15"]


def test_a_damaged_sheet_is_refused():
    whole = sheet(["question", "answer"], ["a", "b"])
    bad = zipped(**{"xl__workbook.xml": b"<nonsense", "[Content_Types].xml": b"<x/>"})
    assert refusal(bad, "rows.xlsx").code == "xlsx_damaged"
    assert refusal(whole[: len(whole) // 2], "rows.xlsx").code == "zip_damaged"


def test_a_table_with_a_header_alone_is_refused():
    assert refusal(b"question,answer\n", "rows.csv").code == "empty_table"


def test_a_written_out_conversation_is_read():
    text = """Teacher: What is 8 + 7?
Student: Let me count...
  It is 15!

**Teacher**: Why is the sky blue?
**Student**: Maybe it is paint.
"""
    reader = formats.read(BytesIO(text.encode()), filename="paste.txt")
    rows = [item for item in reader if isinstance(item, Row)]
    assert [(row.line, row.student_text()) for row in rows] == [
        (1, ["Let me count...\nIt is 15!"]),
        (5, ["Maybe it is paint."]),
    ]
    assert (reader.recognition.container, reader.recognition.sure) == ("transcript", "likely")


def test_plain_prose_is_refused_with_what_would_work():
    assert refusal(b"Dear students, welcome to the course.", "notes.txt").code == "plain_text"


def test_json_and_tables_are_recognised_in_a_paste():
    assert len(rows_of(LINE.encode(), "paste.txt")) == 1
    assert len(rows_of(f"[{LINE},{LINE}]".encode(), "paste.txt")) == 2
    assert len(rows_of(b"question\tanswer\na\tb\n", "paste.txt")) == 1


def test_progress_is_told_up_to_the_end():
    told: list[tuple[int, int, int]] = []
    data = (LINE + "\n").encode() * 60_000
    list(formats.read(BytesIO(data), filename="a.jsonl", on_progress=lambda *figures: told.append(figures)))
    assert len(told) >= 3
    assert [figures[0] for figures in told] == sorted(figures[0] for figures in told)
    assert told[-1] == (len(data), len(data), 60_000)


def test_memory_does_not_grow_with_the_file():
    """Peak over a file three times as long stays about the same (measured by tracemalloc, not by the clock)."""
    import tracemalloc

    def peak(count: int, filename: str) -> int:
        lines = [LINE] * count
        text = "[" + ",\n".join(lines) + "]" if filename.endswith(".json") else "\n".join(lines)
        data = BytesIO(text.encode())
        tracemalloc.start()
        for _ in formats.read(data, filename=filename):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    for filename in ("a.jsonl", "a.json"):
        assert peak(20_000, filename) < 1.3 * peak(6_000, filename) + 100_000


def test_a_title_above_the_column_names_is_passed_over_and_told():
    data = b"My dataset,,\n\nquestion,answer,subject\na,b,math\n"
    assert [row.labels for row in rows_of(data, "rows.csv")] == [{"subject": "math"}]
    assert [(p.code, p.severity) for p in problems_of(data, "rows.csv")] == [("title_line", "info")]


@pytest.mark.parametrize("body", [LINE, f"[{LINE}]", json.dumps(json.loads(LINE), indent=2), f"{LINE}\n{LINE}"])
def test_marks_of_a_pasted_code_block_are_passed_over(body):
    text = f"```json\n{body}\n```\n"
    rows = rows_of(text.encode(), "paste.txt")
    assert len(rows) == body.count("question") and rows[0].line == 2
    assert problems_of(text.encode(), "paste.txt") == []


def test_a_table_or_a_conversation_saved_under_a_json_name_is_still_read():
    assert len(rows_of(b"question,answer\na,b\n", "rows.jsonl")) == 1
    assert len(rows_of(b"Teacher: a?\nStudent: b.\n", "rows.json")) == 1


@pytest.mark.parametrize("indent", [None, 2])
def test_every_list_of_an_object_of_lists_is_read(indent):
    value = {"train": [json.loads(LINE)] * 2, "note": "x", "validation": [json.loads(LINE)], "test": []}
    data = json.dumps(value, indent=indent).encode()
    for filename in ("rows.json", "rows.jsonl"):
        assert len(rows_of(data, filename)) == 3
        assert problems_of(data, filename) == []


def test_what_follows_a_wrapped_list_and_is_no_list_of_rows_is_told():
    data = f'{{"data": [{LINE}], "other": {{"rows": [{LINE}]}}}}'.encode()
    assert [p.code for p in problems_of(data, "rows.json")] == ["json_extra_data"]


def test_json_inside_a_json_text_is_unpacked():
    assert len(rows_of(json.dumps(LINE).encode(), "rows.jsonl")) == 1


# Encodings that the file does not state ------------------------------------------------------------------------------

WORDS = (
    "It’s 15!",
    "“brave” – yes",
    "schön",
    "Grüße, 8 € bitte",
    "el niño comió",
    "naïve façade",
    "Ça va?",
    "Um… maybe",
)


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman"])
@pytest.mark.parametrize("words", WORDS)
def test_the_encoding_is_found_by_where_special_characters_stand(words, encoding):
    data = f"question,answer\n{words.replace(',', ';')},Yes!\n".encode(encoding)
    reader = formats.read(BytesIO(data), filename="rows.csv")
    said = [item.prompt() for item in reader if isinstance(item, Row)]
    assert (said, reader.recognition.encoding) == ([words.replace(",", ";")], encoding)


def test_a_person_chooses_the_encoding():
    data = "question,answer\nЧто это?,Кот!\n".encode("cp1251")
    assert [row.prompt() for row in rows_of(data, "rows.csv", encoding="cp1251")] == ["Что это?"]


def test_bytes_that_mean_nothing_in_the_encoding_are_counted_and_told():
    (problem,) = problems_of(b"question,answer\nWhat\x81?,b\n", "rows.csv", encoding="cp1252")
    assert (problem.code, problem.severity) == ("undecodable", "warning")


def test_every_rule_has_a_plain_name():
    """All codes that the readers give away, found in their source."""
    import ast
    from pathlib import Path

    places = {"JsonFault": 0, "UnreadableFile": 0, "report": 1, "add": 1, "_problem": 1, "_notice": 1, "_fault": 1}
    codes = set()
    files = [*Path("datasets/formats").glob("*.py"), *Path("datasets/intake").glob("*.py")]
    for file in [*files, Path("datasets/services/imports.py"), Path("datasets/services/intake.py")]:
        for call in [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]:
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
            if name in places and len(call.args) > places[name]:
                named.append(call.args[places[name]])
            codes |= {
                value.value for value in named if isinstance(value, ast.Constant) and isinstance(value.value, str)
            }
    assert len(codes) > 60
    assert codes - set(formats.RULE_NAMES) == set()
