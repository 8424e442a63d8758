"""Conversions lose nothing, or say what they lose; fixes change nothing but the fault; any bytes give rows or problems."""

import gzip
import json
from io import BytesIO

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from datasets import formats
from datasets.formats import ConversionRefused, Problem, Row, UnreadableFile
from datasets.formats.containers import Splitter

FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30).filter(
    str.strip
)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
extras = st.dictionaries(st.sampled_from(["id", "week", "topic", "author notes", "tools"]), values, max_size=2)
labels = st.dictionaries(st.sampled_from(formats.LABELS), texts.map(str.strip), max_size=3)


@st.composite
def turns(draw, teacher="user", student="assistant", text_key="content", role_key="role"):
    count = draw(st.integers(1, 3))
    said = []
    for _ in range(count):
        said.append({role_key: teacher, text_key: draw(texts)})
        said.append({role_key: student, text_key: draw(texts)})
    return said


@st.composite
def files_of_every_shape(draw):
    kind = draw(
        st.sampled_from(["messages", "dialogue", "instruction", "sharegpt", "question", "preference", "weights"])
    )
    if kind == "dialogue":
        value = {"dialogue": draw(turns("teacher", "student"))}
    elif kind == "sharegpt":
        value = {"conversations": draw(turns("human", "gpt", "value", "from"))}
    elif kind == "instruction":
        value = {"instruction": draw(texts), "input": draw(st.just("") | texts), "output": draw(texts)}
    elif kind == "question":
        value = {"question": draw(texts), "answer": draw(texts)}
    elif kind == "preference":
        said = draw(turns())
        preferred = said[-1]["content"].strip()
        rejected = [{"role": "assistant", "content": draw(texts.filter(lambda text: text.strip() != preferred))}]
        value = {"input": {"messages": said[:-1]}, "preferred_output": said[-1:], "non_preferred_output": rejected}
    else:
        system = [{"role": "system", "content": draw(texts)}] if draw(st.booleans()) else []
        value = {"messages": system + draw(turns())}
        if kind == "weights":
            value["messages"][-1]["weight"] = 1
            value["messages"][-1]["mood"] = draw(texts)
    return {**draw(extras), **value, "metadata": {**draw(labels), **draw(extras)}}


@FAST
@given(files_of_every_shape())
@example({"topic": 0, "dialogue": [{"teacher": "a"}, {"student": "b"}], "metadata": {}})
def test_what_is_said_to_lose_nothing_comes_back_the_same(value):
    row, problems = formats.from_object(value)
    assert row is not None, problems
    kept = 0
    for shape in ("dialogue", "messages", "instruction", "preference"):
        if not formats.losses(row, shape):
            kept += 1
            written = json.loads(next(iter(formats.write([row], shape))))
            back, problems = formats.from_object(written)
            assert back is not None, (shape, written, problems)
            assert formats.fingerprint(back) == formats.fingerprint(row), (shape, written)
            assert back.messages == row.messages and back.labels == row.labels
    assert kept >= 1, "a row must survive in its own shape"


@FAST
@given(files_of_every_shape())
def test_a_row_survives_being_stored(value):
    row, _ = formats.from_object(value)
    assert row is not None
    assert Row.from_dict(json.loads(json.dumps(row.as_dict()))) == row


def test_the_fingerprint_knows_content_and_forgets_place_and_shape():
    one, _ = formats.from_object({"question": "a?", "answer": "b"}, line=1)
    same, _ = formats.from_object(
        {"dialogue": [{"role": "teacher", "content": "a?"}, {"content": "b", "role": "student"}]}, line=9
    )
    other, _ = formats.from_object({"question": "a?", "answer": "b "})
    labelled, _ = formats.from_object({"question": "a?", "answer": "b", "subject": "math"})
    prints = [formats.fingerprint(row) for row in (one, same, other, labelled) if row]
    assert prints[0] == prints[1] and len(set(prints)) == 3
    assert len(formats.version_hash(prints)) == 64 and formats.version_hash(prints) != formats.version_hash(
        prints[::-1]
    )


def test_what_is_lost_is_said_in_words():
    row, _ = formats.from_object(
        {
            "messages": [
                {"role": "system", "content": "You are 7."},
                *_talk(2)[:-1],
                {"role": "assistant", "content": "c", "weight": 1},
            ]
        }
    )
    assert row is not None
    assert formats.losses(row, "messages") == []
    assert formats.losses(row, "dialogue") == ["the description of the bot (system)", "training weights"]
    lost = formats.losses(row, "instruction")
    assert "2 of 4 turns: only the last question and answer stay" in lost


def test_the_unanswered_last_turn_is_left_out_of_messages_and_said():
    row, _ = formats.from_object({"dialogue": [*_talk(1), {"role": "teacher", "content": "Good!"}]})
    assert row is not None
    assert formats.losses(row, "messages") == ["the teacher's last turn, which nobody answers"]
    assert formats.to_shape(row, "messages") == {"messages": _talk(1)}


def test_what_can_not_be_written_is_refused_with_a_reason():
    row, _ = formats.from_object(
        {"messages": [{"role": "system", "content": "x"}, {"role": "assistant", "content": "y"}]}
    )
    assert row is not None
    for shape in ("instruction", "preference", "nonsense"):
        with pytest.raises(ConversionRefused, match=r"\w+ \w+"):
            formats.to_shape(row, shape)


def _talk(count):
    return [{"role": role, "content": f"{role} {n}"} for n in range(count) for role in ("user", "assistant")]


FIXED = {
    "json_trailing_comma": ('{"question": "a,]", "answer": ["b", ], },', '{"question": "a,]", "answer": ["b" ] }'),
    "json_bom": ('\ufeff{"a": 1}', '{"a": 1}'),
    "json_single_quotes": (
        "{'question': 'it\\'s \"a\"', 'answer': None}",
        '{"question": "it\'s \\"a\\"", "answer": null}',
    ),
    "json_python_literal": ('{"a": None, "b": "None", "c": True}', '{"a": null, "b": "None", "c": true}'),
    "json_control_character": ('{"a": "x\ty"}', '{"a": "x\\ty"}'),
    "lone_surrogate": (r'{"a": "\ud83d\ude00 \ud800 \\ud800"}', r'{"a": "\ud83d\ude00 \ufffd \\ud800"}'),
    "null_character": (r'{"a": "x\u0000y \\u0000"}', r'{"a": "xy \\u0000"}'),
    "not_text": ('{"question": 7, "answer": {"text": "b"}}', '{"question": "7", "answer": "b"}'),
    "untrimmed": (
        '{"messages": [{"role": "user", "content": " a "}]}',
        '{"messages": [{"role": "user", "content": "a"}]}',
    ),
    "role_alias": (
        '{"messages": [{"role": "Teacher ", "content": "a"}]}',
        '{"messages": [{"role": "user", "content": "a"}]}',
    ),
    "json_smart_quotes": (
        '{“question”:\u00a0“What does “brave” mean?”, “answer”: “It\u2019s "big"!”}',
        '{"question": "What does “brave” mean?", "answer": "It\u2019s \\"big\\"!"}',
    ),
    "empty_content": (
        '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": " "}]}',
        '{"messages": [{"role": "user", "content": "a"}]}',
    ),
    "same_speaker_twice": (
        '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}',
        '{"messages": [{"role": "user", "content": "a\\nb"}]}',
    ),
    "last_turn_not_student": (
        '{"messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]}',
        '{"messages": [{"role": "assistant", "content": "a"}]}',
    ),
    "weight_on_wrong_role": (
        '{"messages": [{"role": "user", "content": "a", "weight": 1}]}',
        '{"messages": [{"role": "user", "content": "a"}]}',
    ),
}


@pytest.mark.parametrize("code", FIXED)
def test_each_mend_repairs_its_fault_and_nothing_else(code):
    before, after = FIXED[code]
    assert formats.fix(before, code) == after
    assert formats.fix(after, code) is None, "a fixed row has nothing left to fix"


def test_every_mend_is_tried_here_but_the_blank_lines_the_reader_passes_over():
    assert set(FIXED) | {"blank_line"} == set(formats.FIXES)


def test_what_is_not_safe_is_not_fixed():
    for text, code in (
        ("{'a': __import__('os')}", "json_single_quotes"),
        ("{'a': {1, 2}}", "json_single_quotes"),
        ('{"a": 1}', "json_nan"),
        ('{"question": true, "answer": [1]}', "not_text"),
    ):
        assert formats.fix(text, code) is None


def test_rows_are_fixed_on_the_way_in_when_asked_and_it_is_told():
    lines = [
        '{"question": "a", "answer": "b",}',
        '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]}',
        "{'question': 'a', 'answer': 15}",
    ]
    data = "\n".join(lines).encode()
    assert not [item for item in formats.read(BytesIO(data), filename="a.jsonl") if isinstance(item, Row)]
    items = list(formats.read(BytesIO(data), filename="a.jsonl", fixes=formats.FIXES))
    assert [item.line for item in items if isinstance(item, Row)] == [1, 2, 3]
    assert [item.code for item in items if isinstance(item, Problem)] == [
        "fixed_json_trailing_comma",
        "fixed_last_turn_not_student",
        "fixed_json_single_quotes",
        "fixed_not_text",
    ]


def test_every_problem_called_fixable_has_a_fix():
    bad = (
        '{"a": 1,}\n\ufeff{"a": 1}\n\n{\'a\': 1}\n{"a": None}\n{"a": "\t"}\n{"question": "\\ud800", "answer": "b"}\n'
        '{"messages": [{"role": "User", "content": " a", "weight": 1}, {"role": "user", "content": "b"}]}\n'
        '{"messages": [{"role": "user", "content": null}, {"role": "assistant", "content": " "}]}\n'
        '{"question": 1, "answer": "b"}\n{"messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]}\n'
    )
    fixable = [
        i.code for i in formats.read(BytesIO(bad.encode()), filename="a.jsonl") if isinstance(i, Problem) and i.fixable
    ]
    assert len(fixable) >= 10
    assert set(fixable) <= set(formats.FIXES)


NAMES = st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "a", "a.xlsx", "a.jsonl.gz", ".gz"])
pieces = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b",", b"\n", b"\\", b":", b'{"messages": [', b'{"role": "user", "content": "a"}', b"\xff\xfe",
     b"\xef\xbb\xbf", b"\\ud800", b"\x00", b"question,answer\n", b"Teacher: a\nStudent: b\n", b"NaN", b"1e999", b"PK\x03\x04", b"'",
     b'{"question": "a", "answer": "b"}', b"\x1f\x8b\x08\x00", b"\t", b" "]
)  # fmt: skip


def exercised(data: bytes, name: str, fixes) -> None:
    limits = formats.Limits(max_row_bytes=300, max_bytes=5_000)
    try:
        for item in formats.read(BytesIO(data), filename=name, limits=limits, fixes=fixes):
            assert isinstance(item, Row | Problem)
            if isinstance(item, Row):
                formats.fingerprint(item)
                json.dumps(item.as_dict()).encode()
            else:
                assert item.message and item.fix
                assert item.line >= 1 or item.code in ("encoding_guessed", "undecodable")
                json.dumps(item.as_dict()).encode()
    except UnreadableFile as refused:
        assert refused.code and refused.message and refused.fix


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=400) | st.lists(pieces, max_size=25).map(b"".join), NAMES, st.sampled_from([(), formats.FIXES])
)
@example(b"[" * 2000, "a.json", ())
@example(b"!\r!", "a.txt", ())
@example(b'{"a":' * 2000, "a.jsonl", formats.FIXES)
@example(gzip.compress(b"[1,"), "a.json.gz", ())
def test_any_bytes_give_rows_or_problems_or_a_refusal(data, name, fixes):
    exercised(data, name, fixes)


JSONISH = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b",", b"\n", b"\\", b":", b'{"a": "x,]"}', b'"b\\"c"', b" ", b"1", "é".encode(),
     b'\n  {"d": [1, {"e": 2}]}']
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(JSONISH, max_size=30).map(b"".join), st.booleans(), st.integers(1, 7))
@example(b'[1,2]\n\n{"left": "over"}', True, 1)
def test_rows_are_cut_alike_however_the_file_arrives_in_chunks(data, array, size):
    def cut(chunks):
        return [
            (p.line, p.column, p.raw, p.fault and p.fault.code)
            for p in Splitter(iter(chunks), 10_000, array=array).pieces()
        ]

    data = b"[" + data if array else data
    assert cut([data]) == cut([data[start : start + size] for start in range(0, len(data), size)])


@FAST
@given(values)
def test_any_json_value_gives_a_row_or_problems(value):
    exercised(json.dumps(value).encode(), "a.jsonl", ())
    row, problems = formats.from_object(value)
    assert (row is None) == any(problem.severity == "error" for problem in problems)
