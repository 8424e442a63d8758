"""Rows, curves and results from outside: each into the fields that the platform reads, and no other."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, BinaryIO

import msgspec
from msgspec import Meta

from datasets import formats
from datasets.services.blocks import RowIds, StoredRow, Totals, packed, with_ids, write_frame
from teams.sandbox_child import Refusal
from training.archives.manifest import EVENTS

MOST_ROWS = 200_000
MOST_EVENTS = 50_000
LONGEST_LINE = 1_000_000
LONGEST_TEXT = 4_000
LONGEST_ROW_ID = 40  # as what is said of single rows is kept
EVENT_KINDS = ("step", "validation", "sample", "score")
SHOWN = (
    "loss",
    "total_steps",
    "learning_rate",
    "stage",
    "question",
    "answer",
    "score",
    "low",
    "high",
    "n",
    "failed",
    "measure",
    "reward_accuracy",
    "reward_margin",
    "reward_chosen",
    "reward_rejected",
)
KEPT_RESULT = (
    "system_prompt",
    "instructions",
    "demos",
    "examples",
    "versions",
    "data_sha256",
    "stopped",
    "hyperparameters",
    "metrics",
)
TABLES = ("demos", "examples")
MOST_SHOWN = 200
MOST_PROMPT = 20_000
MOST_DEPTH = 8
MOST_NODES = 20_000
OF_THE_OTHER_MACHINE = (
    "tokens_per_second",
    "seconds_per_step",
    "seconds_per_token",
    "train_seconds",
    "load_seconds",
    "validation_seconds",
    "sample_seconds",
    "seconds_per_answer",
    "save_seconds",
    "wall_seconds",
    "peak_memory_mb",
)
Step = Annotated[int, Meta(ge=0, lt=2**31)]


class Event(msgspec.Struct, frozen=True):
    """One point of a curve, one answer or one score. A field that is named here comes in, cut to its length."""

    kind: str
    step: Step | None
    data: dict[str, Any]


def write_rows(lines: Iterable[bytes], member: str, out: BinaryIO) -> Totals:
    """Each row through the reader of uploads; the good ones as stored blocks in `out`. Raises Refusal for a bad one."""
    totals = Totals()
    for block in packed(with_ids(_rows(lines, member), RowIds()), totals):
        write_frame(out, block)
    return totals


def _rows(lines: Iterable[bytes], member: str) -> Iterator[formats.Row]:
    known: set[str] = set()
    for number, line in enumerate(lines, start=1):
        try:
            row = msgspec.json.decode(line, type=StoredRow)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
            raise Refusal(
                member, f"line {number}", f"It is not a row of this platform: {wrong}."
            ) from wrong
        if wrong_row := trouble_with(row):
            raise Refusal(member, f"line {number}", wrong_row)
        if row.id in known:
            raise Refusal(member, f"line {number}", "Another row has the same id.")
        known.add(row.id)
        yield row


def trouble_with(row: StoredRow) -> str:
    """Why this is no row that an upload could have made; empty where it is one."""
    plain = formats.Row(**{name: getattr(row, name) for name in formats.Row.__struct_fields__})
    try:
        read, problems = formats.from_object(formats.to_shape(plain, row.shape), line=row.line)
    except (
        formats.ConversionRefused,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as wrong:
        return f"It is not a row of this platform ({wrong})."
    if read is None or read.messages != row.messages:
        return problems[0].message if problems else "It reads differently here."
    if not 0 < len(row.id) <= LONGEST_ROW_ID or not row.id.isprintable():
        return f"Its id is empty or longer than {LONGEST_ROW_ID} characters."
    return ""


def events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Curve points, answers and scores, each with the fields that the pages read and no other. Raises Refusal."""
    for number, line in enumerate(lines, start=1):
        try:
            event = msgspec.json.decode(line, type=Event)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
            raise Refusal(
                EVENTS, f"line {number}", f"It is not an event of a run: {wrong}."
            ) from wrong
        if event.kind not in EVENT_KINDS:
            raise Refusal(
                EVENTS,
                f"line {number}",
                f"“{event.kind[:40]}” is not an event that a run archive may bring.",
            )
        data = {name: small(event.data[name]) for name in SHOWN if name in event.data}
        yield Event(event.kind, event.step, data)


def small(value: Any) -> Any:
    """A text or a number that every database and page can hold; None for anything else."""
    if isinstance(value, str):
        return storable_text(value[:LONGEST_TEXT])
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    return value if isinstance(value, float) and math.isfinite(value) else None


def storable_text(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def bounded(value: Any, *, longest: int = MOST_PROMPT) -> Any:
    """JSON data as it is, where it is small and flat enough for any page and database. Raises ValueError with a reason."""
    left = MOST_NODES

    def copy(one: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > MOST_DEPTH or left < 0:
            raise ValueError(
                f"it is nested deeper than {MOST_DEPTH}, or has more than {MOST_NODES:,} values"
            )
        if isinstance(one, dict):
            return {
                storable_text(str(name)[:300]): copy(item, depth + 1)
                for name, item in one.items()
            }
        if isinstance(one, list):
            return [copy(item, depth + 1) for item in one]
        if isinstance(one, str):
            return storable_text(one[:longest])
        return small(one)

    return copy(value, 0)


def result(said: dict[str, Any], *, seed: int) -> dict[str, Any]:
    """What the pages and the chat read of a result. Speeds belong to the machine that made it: they would spoil estimates.

    Raises ValueError.
    """
    kept = bounded({name: said[name] for name in KEPT_RESULT if name in said})
    for name in ("system_prompt", "instructions"):
        if name in kept:
            kept[name] = str(kept[name] or "")
    for name in TABLES:
        if name in kept:
            kept[name] = _table(kept[name])
    if "metrics" in kept:
        metrics = kept["metrics"] if isinstance(kept["metrics"], dict) else {}
        kept["metrics"] = {
            name: small(metrics[name]) for name in metrics if name not in OF_THE_OTHER_MACHINE
        }
    return {**kept, "schema": 1, "seed": seed, "imported": True}


def _table(said: Any) -> list[dict[str, Any]]:
    rows = [row for row in said if isinstance(row, dict)] if isinstance(said, list) else []
    return [
        {str(name): small(value) for name, value in row.items()} for row in rows[:MOST_SHOWN]
    ]


def as_line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode() + b"\n"
