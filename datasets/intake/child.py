"""Reads a dataset file inside the sandbox: rows in blocks to `rows.blocks`, problems as JSON lines to `problems.jsonl`.

The request has the fields of `Asked`, the answer those of `Read`. Inputs: `upload`, the file; `known`, where there is
one, the blocks of the version before, whose equal rows keep their ids. Rows that are left out go to `broken.jsonl`, as
far as they can be saved, for a person to repair.
"""

import mimetypes
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from datasets import formats
from datasets.intake import broken_rows, problems
from datasets.services.blocks import (
    KnownRows,
    RowIds,
    StoredRow,
    Totals,
    packed,
    read_blocks,
    unpack,
    with_ids,
    write_frame,
)
from teams import sandbox_child

ROWS = "rows.blocks"
PROBLEMS = "problems.jsonl"
BROKEN = "broken.jsonl"
TELL_SECONDS = 0.2
_UNUSED = (
    "numpy",
    "pandas",
    "lxml",
    "PIL",
)  # openpyxl would import them: slow, and a lot of code for hostile input


class Asked(msgspec.Struct, kw_only=True):
    filename: str
    limits: formats.Limits
    mapping: formats.ColumnMapping | None = None
    fixes: list[str] = []
    encoding: str = ""
    has_known: bool = False
    stop_after_seconds: float | None = None
    """Of the processor's time; the rows up to there are kept. None: go on until the sandbox ends it."""


class Read(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    readable: bool
    """False: the reading ended before the file did; a problem says why."""
    recognition: formats.Recognition
    counts: dict[str, int]
    """code -> problems, also those that are not listed."""
    bad_rows: int


def main(request: dict[str, Any], tell: sandbox_child.Tell) -> dict[str, Any]:
    mimetypes.knownfiles = []  # openpyxl would read the system's, which are fenced off
    for name in _UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it then fails as if it were not there
    asked = msgspec.convert(request, Asked)
    ids = RowIds(KnownRows.of(_known_rows()) if asked.has_known else None)
    with _Reading(asked, tell) as reading, Path(ROWS).open("wb") as rows:
        for block in packed(with_ids(reading.good_rows(), ids), Totals()):
            write_frame(rows, block)
    return msgspec.to_builtins(reading.result())  # type: ignore[no-any-return]


def _known_rows() -> Iterator[StoredRow]:
    with sandbox_child.input_file("known") as file:
        for block in read_blocks(file):
            yield from unpack(block.data)


class _Reading:
    """One file on its way through the reader."""

    def __init__(self, asked: Asked, tell: sandbox_child.Tell) -> None:
        self.asked, self.tell = asked, tell
        self.tally = problems.Tally()
        self.recognition = formats.Recognition()
        self.readable = True
        self.told_at = 0.0
        self.broken: list[formats.BrokenRow] = []
        self.broken_size = 0
        self.file = Path(PROBLEMS).open("wb")  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> "_Reading":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()
        with Path(BROKEN).open("wb") as file:
            for row in sorted(self.broken, key=lambda row: (row.line, row.item)):
                broken_rows.write(file, row)

    def _keep_broken(self, row: formats.BrokenRow) -> None:
        size = len(row.raw) + sum(len(said) for _, said in row.turns)
        if (
            len(self.broken) < broken_rows.MOST_KEPT
            and self.broken_size + size <= broken_rows.MOST_CHARACTERS
        ):
            self.broken.append(row)
            self.broken_size += size

    def good_rows(self) -> Iterator[formats.Row | formats.PlainRun]:
        """Ends where the file does, or where it can't be read on: what came before is kept."""
        try:
            yield from self._rows()
        except formats.UnreadableFile as refusal:
            self.readable = False
            self._note(refusal.as_problem())
        except MemoryError:
            if self.asked.stop_after_seconds is None:
                raise
            self.readable = False
            self._note(stopped("memory"))

    def _rows(self) -> Iterator[formats.Row | formats.PlainRun]:
        asked = self.asked
        reader = formats.read(
            sandbox_child.input_file("upload"),
            filename=asked.filename,
            limits=asked.limits,
            mapping=asked.mapping,
            fixes=frozenset(asked.fixes),
            encoding=asked.encoding,
            on_progress=self._progress,
            on_broken=self._keep_broken,
        )
        self.recognition = reader.recognition
        for item in reader.runs():
            if (
                asked.stop_after_seconds is not None
                and time.process_time() > asked.stop_after_seconds
            ):
                self.readable = False
                self._note(
                    stopped("time", after=getattr(item, "line", getattr(item, "first_line", 0)))
                )
                return
            if isinstance(item, formats.Problem):
                self._note(item)
            else:
                yield item

    def _note(self, problem: formats.Problem) -> None:
        kept = problems.storable(problem)
        self.tally.add(kept)
        first_of_its_kind = self.tally.groups[kept.code]["count"] == 1
        if self.tally.total <= problems.MOST_KEPT or first_of_its_kind:
            problems.write_problem(self.file, kept)

    def _progress(self, done: int, total: int, rows: int) -> None:
        if time.monotonic() - self.told_at > TELL_SECONDS or done >= total:
            self.told_at = time.monotonic()
            self.tell({"done": done, "total": total, "rows": rows})

    def result(self) -> Read:
        return Read(
            readable=self.readable,
            recognition=shown(self.recognition),
            counts=self.tally.counts,
            bad_rows=self.tally.bad_rows,
        )


def shown(recognition: formats.Recognition) -> formats.Recognition:
    """The same, no longer than a page shows it: a column's name may be anything."""
    columns = [name for name in recognition.columns[:200] if len(name) <= LONGEST_NAME]
    shapes = dict(list(recognition.shapes.items())[:20])
    return msgspec.structs.replace(
        recognition,
        columns=columns,
        shapes=shapes,
        encoding=recognition.encoding
        if recognition.encoding in formats.ENCODING_NAMES
        else "utf-8",
        encoding_samples={
            name: problems.shortened(text, _LONGEST_SAMPLE)
            for name, text in recognition.encoding_samples.items()
            if name in formats.ENCODING_CHOICES
        },
        samples=_short_texts(recognition.samples, 200),
        speakers=_short_counts(recognition.speakers),
        suggested=_suggestion(recognition.suggested),
        examples={
            code: _example(told)
            for code, told in recognition.examples.items()
            if code in formats.FIXES
        },
    )


LONGEST_NAME = 200
_LONGEST_SAMPLE = 120
_MOST_SPEAKERS = 40


def _short_texts(texts: dict[str, str], most: int) -> dict[str, str]:
    kept = {name: text for name, text in texts.items() if len(name) <= LONGEST_NAME}
    return {name: problems.shortened(kept[name], _LONGEST_SAMPLE) for name in list(kept)[:most]}


def _short_counts(counts: dict[str, int]) -> dict[str, int]:
    kept = {
        problems.clean(name): count
        for name, count in counts.items()
        if len(name) <= LONGEST_NAME
    }
    return {name: kept[name] for name in list(kept)[:_MOST_SPEAKERS]}


def _suggestion(suggested: dict[str, Any]) -> dict[str, Any]:
    """Only what is a mapping, and of no names longer than the page has."""
    try:
        mapping = msgspec.convert(
            {"teacher": "", "student": "", **suggested}, formats.ColumnMapping
        )
    except (msgspec.ValidationError, TypeError):
        return {}
    names = [
        mapping.teacher,
        mapping.student,
        mapping.speaker,
        mapping.utterance,
        mapping.conversation,
    ]
    if any(name and len(name) > LONGEST_NAME for name in names):
        return {}
    speakers = dict(list(mapping.speakers.items())[:_MOST_SPEAKERS])
    given = {"teacher": mapping.teacher, "student": mapping.student, "speaker": mapping.speaker}
    given |= {"utterance": mapping.utterance, "conversation": mapping.conversation}
    kept: dict[str, Any] = {
        name: problems.clean(value) for name, value in given.items() if value
    }
    if speakers:
        kept["speakers"] = {
            problems.clean(name[:LONGEST_NAME]): role[:20] for name, role in speakers.items()
        }
    return kept


def _example(told: list[list[str]]) -> list[list[str]]:
    return [[problems.shortened(text, _LONGEST_SAMPLE) for text in one[:3]] for one in told[:3]]


def stopped(limit: str, after: int = 0) -> formats.Problem:
    """Why reading ended before the file did."""
    place = f" at line {after:,}" if after else ""
    because = {
        "time": f"it takes longer than a file may here; reading stopped{place}",
        "memory": "it takes more memory than a file may here; reading stopped",
        "output": "there is more wrong with it than can be kept; reading stopped",
        "disk": "it grows too large while it is read; reading stopped",
    }
    return formats.Problem(
        line=0,
        column=None,
        field="",
        code=f"stopped_{limit}",
        severity="error",
        message=f"The file was not read to its end, because {because[limit]}. The rows before that are kept.",
        fix="Split the file into smaller ones, or leave out rows and columns that teach nothing new.",
    )
