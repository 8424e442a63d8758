"""Plain chat rows are read, hashed and stored many at a time; what comes out is what reading one by one gives."""

import io
import json
import zlib
from typing import Any

import msgspec
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import formats
from datasets.models import RowBlock
from datasets.services import blocks, imports, versions

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20).filter(str.strip)
CHAT = st.builds(
    lambda system, pairs: (
        [{"role": "system", "content": system}] * bool(system)
        + [
            {"role": role, "content": said}
            for pair in pairs
            for role, said in zip(("user", "assistant"), pair, strict=True)
        ]
    ),
    st.just("") | TEXT,
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3),
)


def lines(*rows):
    return "\n".join(json.dumps(row) if isinstance(row, dict) else row for row in rows).encode()


def chat(asked, answered="I think… 4!"):
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]}


def read(data, **options):
    """(items with runs taken apart, how many rows came in runs)."""
    items: list[Any] = []
    in_runs = 0
    for item in formats.read(io.BytesIO(data), filename="rows.jsonl", **options).runs():
        if isinstance(item, formats.PlainRun):
            in_runs += len(item)
            items += item.rows()
        else:
            items.append(item)
    return items, in_runs


@given(st.lists(CHAT, min_size=1, max_size=8))
def test_a_run_says_and_hashes_what_its_rows_do(chats):
    data = lines(*({"messages": messages} for messages in chats))
    items, _ = read(data)
    rows = [item for item in items if isinstance(item, formats.Row)]
    assert [row.messages for row in rows] == chats
    assert [row.line for row in rows] == list(range(1, len(chats) + 1))
    for item in formats.read(io.BytesIO(data), filename="rows.jsonl").runs():
        if isinstance(item, formats.PlainRun):
            assert [digest.hex() for digest in formats.plain_digests(item)] == [
                formats.fingerprint(row) for row in item.rows()
            ]


TURN_TEXT = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "",
            " ",
            " a",
            "a\n",
            "a\u00a0",
            "\ufeffa",
            "\x1f",
            'a": b',
            'a\\": b',
            '"',
            "\\",
            "a\\",
            "{",
            "}\n{",
            "\x00",
            "\ud800",
            "x" * 41,
        ]
    ),
)
TURN = st.one_of(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool", "User"]), "content": TURN_TEXT}
    ),
    st.fixed_dictionaries({"content": TURN_TEXT, "role": st.sampled_from(["user", "assistant"])}),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": TURN_TEXT | st.none() | st.just(3), "weight": st.just(0)}
    ),
)
ROW = st.one_of(
    st.fixed_dictionaries({"messages": CHAT}),
    st.fixed_dictionaries({"messages": st.lists(TURN, max_size=6)}),
    st.fixed_dictionaries({"messages": CHAT, "note": TURN_TEXT}),
    st.fixed_dictionaries({"question": TEXT, "answer": TEXT}),
)
SEPARATORS = st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : "), (",\r", "\t:"), (",\t", ":\r")])
WRITTEN = st.builds(
    lambda row, separators, plain: json.dumps(row, separators=separators, ensure_ascii=not plain),
    ROW, SEPARATORS, st.booleans(),
)  # fmt: skip
DAMAGE = st.sampled_from(
    [
        ('"role"', '"role":"user","role"'), ('"content"', '"content":"x","content"'), ('"content"', '"content" '),
        ('"content"', '"conten\\u0074"'), ("{", "{ "), ("}", " }"), ("}", "}}"), ("[", "[["), ("]", ""), ('"', "'"),
        ("messages", "messages\\u0000"), ("}", "}\n{"), ("}", "}\r\n"), ("", "\ufeff"), ("", "\n"), ("", " "), (":", "::"),
    ]
)  # fmt: skip
LINE = WRITTEN | st.builds(lambda text, change: text.replace(*change, 1), WRITTEN, DAMAGE)
SMALL = formats.Limits(max_turns=5, max_turn_chars=40, max_row_bytes=400)


@settings(max_examples=60, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_whatever_the_lines_are_the_fast_way_says_stores_and_hashes_what_the_long_way_does(texts, line_end):
    data = line_end.join(texts).encode("utf-8", "surrogatepass")

    def both_ways():
        return read(data, limits=SMALL)[0]

    fast = outcome(both_ways)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats.reader.Reader, "_plain_run", lambda *_: None)
        slow = outcome(both_ways)
    assert fast == slow
    for item in runs_of(data):
        rows = list(item.rows())
        assert [digest.hex() for digest in formats.plain_digests(item)] == [formats.fingerprint(row) for row in rows]
        assert stored(item) == stored(*rows)


def outcome(reading):
    try:
        return reading()
    except formats.UnreadableFile as refusal:
        return refusal.code, str(refusal)


def runs_of(data):
    try:
        return [
            item
            for item in formats.read(io.BytesIO(data), filename="rows.jsonl", limits=SMALL).runs()
            if isinstance(item, formats.PlainRun)
        ]
    except formats.UnreadableFile:
        return []


def stored(*items):
    totals = blocks.Totals()
    made = [block.content_hash for block in blocks.packed(blocks.with_ids(items, blocks.RowIds()), totals)]
    return made, totals.content_hash, totals.rows, totals.turns, totals.characters, dict(totals.shapes)


def test_the_fingerprint_of_a_plain_row_is_what_it_was_when_the_first_versions_were_stored():
    run = next(iter(formats.read(io.BytesIO(lines(chat("What is 2 + 2?"))), filename="rows.jsonl").runs()))
    assert isinstance(run, formats.PlainRun)
    assert [digest.hex() for digest in formats.plain_digests(run)] == [
        "ac6e8e8f93401fa4d1c0d2c7c2ac125ff21659e26fc6c7a5969ce45bd2542012"
    ]


@pytest.mark.parametrize(
    "odd",
    [
        '{"messages": [{"role": "user", "content": "a", "content": "b"}, {"role": "assistant", "content": "c"}]}',
        '{"messages": [{"role" :"user", "content": "a", "content": "b"}, {"role": "assistant", "content": "c"}]}',
        '{"messages": [{"role": "user", "content": "a\\u0000"}, {"role": "assistant", "content": "c"}]}',
        '{"messages": [{"role": "user", "content": "\\ud800"}, {"role": "assistant", "content": "c"}]}',
        '{"messages": [{"role": "user", "content": NaN}, {"role": "assistant", "content": "c"}]}',
        '{"messages": [{"role": "user", "content": "a"}]}',
        '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]} {}',
        '{"messages": [{"role": "user", "content": "a"},',
    ],
)
def test_one_bad_line_among_many_is_told_and_takes_no_other_with_it(odd):
    good = [chat(f"What is {number} + 1?") for number in range(40)]
    items, in_runs = read(lines(*good[:20], odd, *good[20:]))
    problems = [item for item in items if isinstance(item, formats.Problem) and item.severity == "error"]
    rows = [item for item in items if isinstance(item, formats.Row)]
    assert [problem.line for problem in problems] == [21]
    assert [row.line for row in rows] == [*range(1, 21), *range(22, 42)] and in_runs == 40


def test_a_row_over_two_lines_beside_two_rows_on_one_is_not_taken_for_two_good_lines():
    one = json.dumps(chat("a"))
    items, _ = read(f"{one}\n{one[:13]}\n{one[13:]}\n{one}{one}\n{one}".encode())
    bad = {item.line for item in items if isinstance(item, formats.Problem) and item.severity == "error"}
    assert [item.line for item in items if isinstance(item, formats.Row)] == [1, 5] and bad == {2, 3, 4}


@pytest.mark.parametrize(
    "said", ['He said "a": b', "a :) b", 'tab\tand "c"\t: d', "back\\slash", "a\u2028b", "ends with \\"]
)
def test_signs_that_look_like_keys_cost_no_row(said):
    items, _ = read(lines(chat(said), chat("b")))
    assert [item.prompt() for item in items] == [said, "b"]


def test_blank_lines_and_the_limit_of_rows_are_told_between_runs():
    items, _ = read(lines(chat("a"), "", chat("b")) + b"\n\n")
    assert [(type(item).__name__, item.line) for item in items] == [("Row", 1), ("Problem", 2), ("Row", 3)]
    reader = formats.read(
        io.BytesIO(lines(*(chat(f"{n}") for n in range(9)))), filename="a.jsonl", limits=formats.Limits(max_rows=5)
    )
    with pytest.raises(formats.UnreadableFile, match="more than 5 rows"):
        list(reader)
    assert reader.rows == 5


def test_equal_rows_of_a_run_get_ids_of_their_own(team, member):
    rows = [chat("a"), chat("b"), chat("a")]
    version = accepted(team, member, lines(*rows))
    ids = [row["id"] for row in versions.rows(version)]
    assert len(set(ids)) == 3 and ids[2].startswith(ids[0]) and ids[2].endswith("-2")


def test_a_run_is_stored_as_the_same_rows_given_one_by_one_are(team, member):
    rows = [chat(f"What is {number} + 1?") for number in range(blocks.BLOCK_ROWS + 5)]
    version = accepted(team, member, lines(*rows))
    single = versions.create_version(
        dataset=versions.create_dataset(team=team, name="Single", person=member),
        rows=[formats.Row(line=line, messages=row["messages"]) for line, row in enumerate(rows, 1)],
        shape="messages",
        person=member,
        note="",
        source_name="",
    )
    assert single.content_hash == version.content_hash and single.token_estimate == version.token_estimate
    assert RowBlock.objects.filter(team=team).count() == 2  # shared by both: the same bytes, the same ids


def test_a_block_compressed_as_blocks_once_were_is_still_read(team, member):
    version = accepted(team, member, lines(chat("What is 2 + 2?")))
    before = list(versions.rows(version))
    block = RowBlock.objects.get(team=team)
    old = zlib.compress(b"".join(msgspec.json.encode(row) for row in blocks.unpack(bytes(block.rows))), 1)
    RowBlock.objects.filter(pk=block.pk).update(rows=old)
    assert list(versions.rows(version)) == before


def accepted(team, member, data):
    import_ = imports.import_file(
        team=team, dataset=None, name="Rows", file=SimpleUploadedFile("rows.jsonl", data), person=member
    )
    assert import_.version is not None, import_.problem_groups
    return import_.version
