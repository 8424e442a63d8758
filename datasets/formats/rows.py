"""What a reader yields: rows, problems, and the refusal of a whole file. No Django, no reading here."""

from collections.abc import Iterable
from typing import Any, Literal, NotRequired, TypedDict

import msgspec

from datasets.formats.encodings import ENCODING_NAMES

Shape = Literal["dialogue", "messages", "instruction", "preference"]
Severity = Literal["error", "warning", "info"]
LABELS = ("subject", "difficulty", "emotion", "misconception", "special_case", "source")
ROLES = ("system", "user", "assistant", "tool")


class Message(TypedDict):
    """One turn. The teacher speaks as `user`, the second-grader as `assistant`."""

    role: str
    content: str
    weight: NotRequired[int]
    name: NotRequired[str]
    tool_calls: NotRequired[list[Any]]
    tool_call_id: NotRequired[str]
    function_call: NotRequired[dict[str, Any]]


class Row(msgspec.Struct, kw_only=True):
    """One accepted training row in the canonical form, whatever shape it came in.

    `line` is where the row starts in its file (1-based; the sheet's row for tables). `shape` is the shape it came in.
    `labels` holds only keys of `LABELS`, each a non-empty string. `extra` keeps every key that has no place of its own.
    `input_suffix`: an instruction row's `input`, which also ends the first user turn (so that the way back loses
    nothing). Preference rows: `messages` is the prompt and the preferred answer; both answers are kept in their own
    fields as well.
    """

    line: int
    messages: list[Message]
    shape: Shape = "messages"
    labels: dict[str, str] = {}
    extra: dict[str, Any] = {}
    input_suffix: str = ""
    preferred_output: list[Message] | None = None
    non_preferred_output: list[Message] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row as plain JSON-able data, every field present; `Row.from_dict` is its inverse."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Row":
        """A row from `as_dict`'s result; raises `msgspec.ValidationError` where the data is not one."""
        return msgspec.convert({"shape": "messages", **data}, cls)

    def prompt(self) -> str:
        """The first thing the teacher says, or the empty string."""
        return next((m["content"] for m in self.messages if m["role"] == "user"), "")

    def student_text(self) -> list[str]:
        """Everything the student says, a string a turn."""
        return [m["content"] for m in self.messages if m["role"] == "assistant" and m["content"]]


class Problem(msgspec.Struct, kw_only=True, frozen=True):
    """One thing wrong at one place. An `error` means that its row was not yielded; warnings and infos keep the row.

    `line` is 1-based (0: the file as a whole); `column` is 1-based in characters or None; `field` is a path such as
    `messages[2].content` or the empty string; `fixable` says that `fix` (or `read(fixes={code})`) repairs it safely.
    """

    line: int
    column: int | None
    field: str
    code: str
    severity: Severity
    message: str
    fix: str
    excerpt: str = ""
    fixable: bool = False
    item: int = 0
    """Which item of a JSON list the row is, 1-based; 0 where the file is no list."""

    def as_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data


class BrokenRow(msgspec.Struct, kw_only=True, frozen=True):
    """A row that was left out, with what could be saved of it, for a person to repair.

    `raw` is its text as it stands in the file (shortened), `turns` are [role, text] as far as they can be told.
    """

    line: int
    item: int
    raw: str
    turns: list[tuple[str, str]]


class Limits(msgspec.Struct, kw_only=True, frozen=True):
    """How much of a file is accepted. The page states these; every breach is an error with the figure in it."""

    max_bytes: int = 512 * 1024 * 1024
    """Of the text itself, after unpacking."""
    max_sheet_bytes: int = 64 * 1024 * 1024
    """Of an Excel file, unpacked: its texts lie in memory while it is read."""
    max_row_bytes: int = 1024 * 1024
    max_rows: int = 1_000_000
    max_turns: int = 200
    max_turn_chars: int = 200_000
    max_depth: int = 32
    max_unpack_ratio: int = 200
    """A compressed file that grows by more than this (and past 16 MB) is refused as a bomb."""
    max_columns: int = 1000
    """Of a table: its widest record."""
    max_members: int = 1000
    """Of an Excel file, which is a zip of many files."""
    max_problems: int = 500_000
    """A file with more of them is not read to its end: it is not what it was taken for."""


class ColumnMapping(msgspec.Struct, kw_only=True, frozen=True):
    """Which columns (or keys) a person said hold what, for tables and flat objects with unusual names.

    Either `teacher` and `student`, or, of a table with a turn a record, `speaker`, `utterance` and `teachers`, the names of
    those who teach: everybody else is the student. `context` is added to the teacher's turn as an instruction's `input` is.
    """

    teacher: str = ""
    student: str = ""
    speaker: str | None = None
    utterance: str | None = None
    conversation: str | None = None
    teachers: list[str] = []
    speakers: dict[str, str] = {}
    """Name of a speaker, as written -> teacher, student, system or skip (what they say is left out)."""
    header: bool | None = None
    """Whether a table's first line names its columns; None: found out."""
    system: str | None = None
    context: str | None = None
    labels: dict[str, str] = {}
    """label name (one of `LABELS`) -> column"""


class Recognition(msgspec.Struct, kw_only=True):
    """What the file turned out to be. Final once the reader is exhausted; good enough for a page after the first
    row.
    """

    container: str = ""
    """jsonl | json_array | json_objects | csv | tsv | xlsx | transcript"""
    encoding: str = "utf-8"
    compressed: bool = False
    shapes: dict[str, int] = {}
    """recognised near shape (e.g. `sharegpt`, `question/answer`, `messages`) -> rows"""
    sure: Literal["certain", "likely", "unsure"] = "certain"
    encoding_sure: Literal["certain", "likely", "unsure"] = "certain"
    encoding_samples: dict[str, str] = {}
    """encoding -> a line with special characters as it reads there; empty where the encoding is certain."""
    speakers: dict[str, int] = {}
    """Names that speak and whose role nobody knows, or that was assumed -> lines looked at."""
    suggested: dict[str, Any] = {}
    """Fields of `ColumnMapping` that probably fit, for a person to confirm."""
    samples: dict[str, str] = {}
    """Column -> the first thing that stands in it."""
    header: bool = True
    """Whether the table's first line names its columns."""
    examples: dict[str, list[list[str]]] = {}
    """Code of a repair -> [place, before, after] of the first rows that it would change or has changed."""
    columns: list[str] = []
    """Column or key names where a person has to map them by hand (sure == "unsure"), and always for tables."""

    def sentence(self) -> str:
        """What was recognised, for a person."""
        told = ", ".join(f"{count} × {name}" for name, count in self.shapes.items()) or "no rows"
        packed = ", compressed" if self.compressed else ""
        encoding = (
            self.encoding
            if self.encoding.startswith("utf")
            else ENCODING_NAMES.get(self.encoding, self.encoding)
        )
        return (
            f"{CONTAINER_NAMES.get(self.container, self.container)} ({encoding}{packed}): {told}"
        )


CONTAINER_NAMES = {
    "jsonl": "JSON lines",
    "json_array": "a JSON array",
    "json_objects": "JSON objects one after another",
    "csv": "comma-separated table",
    "tsv": "tab-separated table",
    "xlsx": "Excel sheet",
    "transcript": "written-out conversation",
}


class UnreadableFile(Exception):
    """The file as a whole can't be read. `code` names why, `message` says it in a sentence, `fix` what to do."""

    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(f"{message} {fix}")
        self.code, self.message, self.fix = code, message, fix

    def as_problem(self) -> Problem:
        """The refusal in the form of a problem with the whole file (line 0)."""
        return Problem(
            line=0,
            column=None,
            field="",
            code=self.code,
            severity="error",
            message=self.message,
            fix=self.fix,
        )


class RowFault(Exception):
    """Raised inside the reader to give up one row; carries its problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(p.code for p in self.problems))


def excerpt_of(text: str, at: int = 0, width: int = 60) -> str:
    """At most `width` characters around `at`, in one line, with an ellipsis where something was cut."""
    start = max(0, at - width // 2)
    piece = (
        text[start : start + width].replace("\n", " ").replace("\r", " ").replace("\x00", "␀")
    )
    return ("…" if start else "") + piece + ("…" if start + width < len(text) else "")
