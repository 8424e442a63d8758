"""Plain chat rows are read, hashed and stored many at a time; what comes out is what reading one by one gives."""

import io
import json
import zlib
from typing import Any

import msgspec
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given
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
