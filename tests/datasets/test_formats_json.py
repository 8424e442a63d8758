"""JSON is read strictly: every fault is a line error with its place, never a lost row and never another exception."""

import json
from io import BytesIO
from pathlib import Path

import pytest

from datasets import formats

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SUITE = SHARED / "json_test_suite"
GOOD = '{"messages": [{"role": "user", "content": "What is 8 + 7?"}, {"role": "assistant", "content": "It is 15!"}]}'


def read(data: bytes | str, filename: str = "rows.jsonl", **options):
    data = data.encode() if isinstance(data, str) else data
    return list(formats.read(BytesIO(data), filename=filename, **options))


def rows_of(items):
    return [item for item in items if isinstance(item, formats.Row)]


def errors_of(items):
    return [item for item in items if isinstance(item, formats.Problem) and item.severity == "error"]


def suite(prefix: str) -> list[Path]:
    return sorted(SUITE.glob(f"{prefix}_*.json")) if SUITE.is_dir() else []


needs_suite = pytest.mark.skipif(not SUITE.is_dir(), reason="../shared/data/json_test_suite is not on this machine")


@needs_suite
def test_the_json_suite_has_the_files_we_think_it_has():
    assert len(suite("y")) > 50 and len(suite("n")) > 50


@pytest.mark.parametrize("path", suite("y"), ids=lambda path: path.name)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_valid_json_is_never_called_broken_json(path, suffix):
    if suffix == ".jsonl" and b"\n" in path.read_bytes().strip():
        pytest.skip("a .jsonl row is one line")
    problems = errors_of(read(path.read_bytes(), f"x{suffix}"))
    assert [p.code for p in problems if p.code.startswith("json_")] == []


@pytest.mark.parametrize("path", suite("n"), ids=lambda path: path.name)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_invalid_json_is_refused_as_json(path, suffix):
    items = read(path.read_bytes(), f"x{suffix}")
    assert rows_of(items) == []
    assert any(p.code.startswith("json_") for p in errors_of(items)), items


BROKEN = {
    "json_nan": ('{"question": "a", "answer": NaN}', 29),
    "json_trailing_comma": ('{"question": "a", "answer": "b",}', 32),
    "json_single_quotes": ("{'question': 'a', 'answer': 'b'}", 2),
    "json_truncated": ('{"question": "a", "answer": "b', 31),
    "json_control_character": ('{"question": "a\tb", "answer": "b"}', 16),
    "json_python_literal": ('{"question": "a", "answer": None}', 29),
    "json_two_values": (GOOD + GOOD, len(GOOD) + 1),
    "json_smart_quotes": ("{“question”: “a”}", 2),
    "json_comment": ('{"question": "a", // why', 19),
    "json_bad_escape": (r'{"question": "a\x", "answer": "b"}', 16),
    "duplicate_key": ('{"question": "a", "answer": "b", "answer": "c"}', 34),
    "number_out_of_range": ('{"question": "a", "answer": "b", "id": 1e999}', 40),
    "lone_surrogate": (r'{"question": "a\ud800b", "answer": "b"}', 16),
    "null_character": (r'{"question": "a\u0000b", "answer": "b"}', 16),
}


@pytest.mark.parametrize("code", BROKEN)
def test_each_json_fault_names_its_place_and_keeps_its_neighbours(code):
    text, column = BROKEN[code]
    items = read(f"{GOOD}\n{text}\n{GOOD}\n")
    assert [row.line for row in rows_of(items)] == [1, 3]
    (problem,) = errors_of(items)
    assert (problem.code, problem.line, problem.column) == (code, 2, column)
    assert problem.message and problem.fix


def test_a_bad_byte_is_named_with_its_value_and_column():
    other = '{"question": "déjà", "answer": "a"}\n'.encode()  # most special characters are UTF-8: so is the file
    (problem,) = errors_of(read(other + b'{"question": "caf\xe9", "answer": "b"}\n'))
    assert (problem.code, problem.line, problem.column) == ("json_invalid_utf8", 2, 18)
    assert "0xE9" in problem.message


def test_too_deep_nesting_is_a_line_error():
    items = read('{"a":' * 5000 + "1" + "}" * 5000 + "\n" + GOOD)
    assert [p.code for p in errors_of(items)] == ["json_too_deep"]
    assert len(rows_of(items)) == 1


def test_a_duplicate_key_is_found_however_it_is_spelt():
    for text in (
        '{"messages": [{"role": "user", "role": "system", "content": "a"}, {"role": "assistant", "content": "b"}]}',
        '{"messages": [{"role": "user", "r\\u006fle": "system", "content": "a"}, {"role":"assistant","content":"b"}]}',
        '{"messages" : [{"role":"user","role" : "system","content":"a"},{"role":"assistant","content":"b"}]}',
        '{"messages": [{"role": "user", "role": "system", "content": "he \\":"}, {"role" : "assistant", "content": "b"}]}',
    ):
        assert [p.code for p in errors_of(read(text))] == ["duplicate_key"], text


PLAIN_END = '{"role":"assistant","content":"b"}]}'


@pytest.mark.parametrize(
    "turn",
    [
        '{"role":"user","content":"lost","content":"a"}',
        '{"role":"system","role":"user","content":"a"}',
        '{"role" : "system","role":"user","content":"a"}',
        '{"role" : "system","role":"user","content":"he said \\":"}',
        '{"role"\t: "system","role":"user","content":"a"}',
        '{"role"  \r: "system","role":"user","content":"a"}',
        '{"role":"user","content":"a","con\\u0074ent":"b"}',
    ],
)
def test_a_duplicate_key_is_found_where_the_row_would_else_be_a_plain_chat(turn):
    items = read('{"messages":[' + turn + "," + PLAIN_END)
    assert ([p.code for p in errors_of(items)], rows_of(items)) == (["duplicate_key"], [])


def test_a_plain_chat_with_more_keys_keeps_them():
    (row,) = rows_of(read('{"messages":[{"role":"user","content":"a","name":"Ms. T"},' + PLAIN_END[:-1] + ',"week":3}'))
    assert row.messages[0]["name"] == "Ms. T" and row.extra == {"week": 3}


def test_a_nul_in_a_plain_chat_is_an_error():
    (problem,) = errors_of(read('{"messages":[{"role":"user","content":"a\\u0000"},' + PLAIN_END))
    assert problem.code == "null_character"


def test_a_quote_and_colon_inside_a_text_is_no_duplicate_key():
    text = json.dumps({"question": 'Say "role": now', "answer": '"": ":'})
    assert [row.messages[0]["content"] for row in rows_of(read(text))] == ['Say "role": now']


def test_an_array_goes_on_after_a_broken_row():
    items = read(f'[\n  {GOOD},\n  {{"question": tru, "answer": "x"}},\n  {GOOD}\n]\n', "rows.json")
    assert [row.line for row in rows_of(items)] == [2, 4]
    (problem,) = errors_of(items)
    assert (problem.line, problem.column, problem.code) == (3, 16, "json_syntax")


def test_an_unclosed_row_in_an_array_does_not_take_the_rest_with_it():
    items = read(f'[\n  {GOOD},\n  {{"question": "a", "answer": ["x",\n  {GOOD},\n  {GOOD}\n]\n', "rows.json")
    assert [row.line for row in rows_of(items)] == [2, 4, 5]
    assert [p.line for p in errors_of(items)] == [3]


def test_a_row_that_closes_too_much_does_not_end_the_array():
    items = read(f'[{GOOD},\n{{"question": "a", "answer": "b"}}}},\n{GOOD}]', "rows.json")
    assert [row.line for row in rows_of(items)] == [1, 3]
    assert [p.code for p in errors_of(items)] == ["json_extra_data"]


def test_pretty_printed_objects_one_after_another_are_rows():
    pretty = "\n".join(json.dumps(json.loads(GOOD), indent=2) for _ in range(3))
    items = read(pretty, "rows.jsonl")
    assert [row.line for row in rows_of(items)] == [1, 13, 25]
    assert errors_of(items) == []


def test_a_broken_pretty_printed_object_does_not_take_the_next_with_it():
    good = json.dumps(json.loads(GOOD), indent=2)
    items = read(f'{good}\n{{\n  "question": "a",\n  "answer": "b\n\n{good}\n', "rows.json")
    assert len(rows_of(items)) == 2
    assert errors_of(items)


def test_rows_under_a_key_of_one_big_object_are_found():
    reader = formats.read(BytesIO(f'{{"data": [\n{GOOD},\n{GOOD}\n], "version": 1}}'.encode()), filename="x.json")
    assert [row.line for row in rows_of(reader)] == [2, 3]
    assert reader.recognition.container == "json_array"


def test_an_array_that_is_never_closed_is_told():
    items = read(f"[{GOOD}, {GOOD}", "rows.json")
    assert len(rows_of(items)) == 2
    assert [p.code for p in errors_of(items)] == ["json_truncated"]


def test_a_row_over_the_limit_is_an_error_and_the_next_row_is_read():
    limits = formats.Limits(max_row_bytes=400)
    long = json.dumps({"question": "x" * 5000, "answer": "y"})
    for text, name in ((f"{GOOD}\n{long}\n{GOOD}\n", "a.jsonl"), (f"[\n{GOOD},\n{long},\n{GOOD}\n]", "a.json")):
        items = read(text, name, limits=limits)
        assert "row_too_long" in [p.code for p in errors_of(items)]
        first = 2 if name.endswith(".json") else 1
        assert [row.line for row in rows_of(items)] == [first, first + 2]


def test_blank_lines_are_told_but_not_those_at_the_end():
    items = read(f"{GOOD}\n\n{GOOD}\n\n\n")
    assert [(i.code, i.line) for i in items if isinstance(i, formats.Problem)] == [("blank_line", 2)]


@pytest.mark.skipif(not (SHARED / "strings").is_dir(), reason="../shared/data/strings is not on this machine")
def test_naughty_strings_survive_exactly():
    naughty = [text for text in json.loads((SHARED / "strings" / "blns.json").read_text()) if text.strip()]
    assert len(naughty) > 400
    for ascii_only in (True, False):
        lines = [json.dumps({"question": text, "answer": text}, ensure_ascii=ascii_only) for text in naughty]
        rows = rows_of(read("\n".join(lines)))
        assert [row.messages[0]["content"] for row in rows] == naughty
        assert [row.messages[1]["content"] for row in rows] == naughty
