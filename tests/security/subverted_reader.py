"""The reader of datasets, taken over by the file that it reads: the file's name says what it does. Runs in the sandbox."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from datasets import formats
from datasets.intake import child
from datasets.services.blocks import Block, NamedRows, StoredRow, Totals, packed, write_frame
from teams import sandbox_child

READ: dict[str, Any] = {
    "readable": True,
    "recognition": msgspec.to_builtins(formats.Recognition(container="jsonl", shapes={"messages": 1})),
    "counts": {},
    "bad_rows": 0,
}
PROBLEM = {
    "line": 1,
    "column": None,
    "field": "",
    "code": "x",
    "severity": "error",
    "message": "m",
    "fix": "n",
    "excerpt": "",
    "fixable": False,
}


def main(request: dict[str, Any], tell: sandbox_child.Tell) -> dict[str, Any]:
    Path(child.PROBLEMS).touch()
    good("a", "b")
    attack = request["filename"].removesuffix(".jsonl")
    return globals()[attack](tell) or READ


def row(row_id: str, **changed: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": f"What is {row_id}?"}, {"role": "assistant", "content": "It is that!"}]
    return {"line": 1, "messages": said, "id": row_id, **changed}


def keep(*rows: dict[str, Any], count: int | None = None, text: bytes | None = None, name: str = "") -> None:
    text = b"\n".join(json.dumps(one).encode() for one in rows) if text is None else text
    data = zstandard.ZstdCompressor().compress(text)
    digest = name or hashlib.sha256(text).hexdigest()
    with Path(child.ROWS).open("wb") as file:
        write_frame(file, Block(digest, len(rows) if count is None else count, data))


def good(*ids: str) -> None:
    keep(*(row(row_id) for row_id in ids))


def nothing_wrong(tell):
    pass


def answers_with_paths(tell):
    return {**READ, "rows_path": "/etc/passwd"}


def answers_with_wrong_types(tell):
    return {**READ, "bad_rows": "many"}


def answers_with_huge_numbers(tell):
    write_problems(PROBLEM)
    return {**READ, "counts": {"x": 10**30}, "bad_rows": 10**30}


def counts_below_nothing(tell):
    write_problems(PROBLEM)
    return {**READ, "counts": {"x": -5, "__class__": 7}, "bad_rows": -5}


def recognises_too_much(tell):
    names = {f"\u202e<script>{number}" * 50: 2**60 for number in range(2000)}
    recognition = {**READ["recognition"], "shapes": names, "columns": ["c" * 5000, "\x00\u202e"] * 300}
    return {**READ, "recognition": recognition}


def tells_nonsense(tell):
    for told in (
        {},
        {"done": -1},
        {"done": 10**40, "total": "x", "rows": None},
        {"rows": 2**60, "done": 1, "total": 0},
    ):
        tell(told)


def tells_without_end(tell):
    for _ in range(15_000):
        tell({"done": 9, "total": 9, "rows": 9})


def refuses_with_markup(tell):
    raise sandbox_child.Refusal("<script>alert(1)</script>", "\u202e\x00", "reason\n" * 10_000)


def links_instead_of_rows(tell):
    Path(child.ROWS).unlink()
    Path(child.ROWS).symlink_to("/etc/passwd")


def leaves_no_rows(tell):
    Path(child.ROWS).unlink()


def leaves_rubbish(tell):
    Path(child.ROWS).write_bytes(b"\xff" * 5000)


def breaks_off(tell):
    Path(child.ROWS).write_bytes(Path(child.ROWS).read_bytes()[:-5])


def wrong_hash(tell):
    keep(row("a"), name="0" * 64)


def wrong_count(tell):
    keep(row("a"), count=2)


def too_many_in_a_block(tell):
    keep(*(row(f"r{number}") for number in range(300)))


def empty_block(tell):
    keep(count=1, text=b"")


def a_bomb(tell):
    """32 MB of blanks in a few KB."""
    keep(count=1, text=b" " * (32 * 1024 * 1024))


def a_block_of_hidden_size(tell):
    text = json.dumps(row("a")).encode()
    data = zstandard.ZstdCompressor(write_content_size=False).compress(text)
    with Path(child.ROWS).open("wb") as file:
        write_frame(file, Block(hashlib.sha256(text).hexdigest(), 1, data))


def a_block_that_claims_terabytes(tell):
    Path(child.ROWS).write_bytes(struct.pack(">32sHI", b"0" * 32, 1, 2**32 - 1) + b"x")


def same_id_twice(tell):
    good("a", "a")


def an_id_too_long(tell):
    good("a" * 41)


def an_id_with_controls(tell):
    good("a\x1b[2J")


def no_id(tell):
    keep({key: value for key, value in row("a").items() if key != "id"})


def a_role_that_is_none(tell):
    keep(row("a", messages=[{"role": "root", "content": "x"}, {"role": "assistant", "content": "x"}]))


def no_student(tell):
    keep(row("a", messages=[{"role": "user", "content": "x"}]))


def nul(tell):
    keep(row("a", extra={"note": "x\x00"}))


def a_turn_too_long(tell):
    keep(row("a", messages=[{"role": "user", "content": "x" * 200_001}, {"role": "assistant", "content": "x"}]))


def too_deep(tell):
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    keep(row("a", extra={"note": deep}))


def a_number_too_big(tell):
    keep(text=json.dumps(row("a", extra={"note": 10**60})).encode(), count=1)


def an_unknown_label(tell):
    keep(row("a", labels={"__proto__": "x"}))


def half_characters(tell):
    keep(text=json.dumps(row("a")).encode().replace(b"that!", b"\\ud800!"), count=1)


def write_problems(*told: Any) -> None:
    lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in told]
    Path(child.PROBLEMS).write_bytes(b"\n".join(lines) + b"\n")


def problems_of_no_kind(tell):
    write_problems({**PROBLEM, "code": "../../etc"})


def problems_that_are_none(tell):
    write_problems(b"[1, 2", b"\xff")


def a_problem_without_an_end(tell):
    write_problems(b'{"line": 1, "message": "' + b"x" * 200_000)


def very_many_kinds_of_problem(tell):
    write_problems(*({**PROBLEM, "code": f"x{number}"} for number in range(5000)))


def very_many_problems(tell):
    write_problems(*([PROBLEM] * 100_000))


def a_problem_with_a_huge_text(tell):
    write_problems({**PROBLEM, "message": "\u202e" * 3000, "line": 2**53, "column": 2**60})


def links_instead_of_problems(tell):
    Path(child.PROBLEMS).unlink()
    Path(child.PROBLEMS).symlink_to("/etc/passwd")


def keeps_two_blocks_and_eats_memory(tell):
    keep_honestly(300)
    kept = []
    while True:
        kept.append(bytearray(8 * 1024 * 1024))


def keeps_two_blocks_and_crashes(tell):
    keep_honestly(300)
    raise RuntimeError("\x1b[2J a bug, or not")


def keep_honestly(count: int) -> None:
    rows = [StoredRow(**row(f"r{number}")) for number in range(count)]
    named = [NamedRows.of(one, formats.fingerprint(one)) for one in rows]
    with Path(child.ROWS).open("wb") as file:
        for block in packed(named, Totals()):
            write_frame(file, block)
        file.write(b"half a block")
