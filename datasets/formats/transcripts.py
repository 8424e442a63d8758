"""Recorded talk: a turn a record (`Speaker`, `Utterance`), or a whole conversation in one cell (`Teacher: …|EOM|Student: …`)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from datasets.formats.names import (
    TURN_GROUPS,
    TURN_SPEAKERS,
    TURN_TEXTS,
    plain_key,
    standard_role,
)
from datasets.formats.rows import ColumnMapping, Problem

MOST_TURNS = 20
"""A lesson without conversations of its own becomes rows of about so many turns; each ends with the student."""
_BREAK = re.compile(r"\s*\|EOM\|\s*|\s*<EOM>\s*|\s*\[EOM\]\s*")
_SAID = re.compile(r"^\s*\**([^:：\n]{1,40}?)\**\s*[:：]\s*(.*)$", re.DOTALL)

Objects = Iterator[tuple[int, dict[str, Any] | Problem]]


@dataclass(frozen=True)
class TurnTable:
    """Which columns of a table with a turn a record hold what. `group`: the conversation; None where all is one lesson."""

    speaker: str
    text: str
    group: str | None
    teachers: frozenset[str] = frozenset()
    """Small letters. Where it names somebody, everybody else is the student."""
    speakers: dict[str, str] = field(default_factory=dict)
    """Name -> teacher, student, system or skip, as a person said."""

    def role(self, said_by: str) -> str:
        if said_by.strip() in self.speakers:
            return self.speakers[said_by.strip()]
        if not self.teachers:
            return plain_role(said_by)
        return "teacher" if said_by.strip().lower() in self.teachers else "student"


def plain_role(said_by: str) -> str:
    """teacher, student or system for a known speaker; else the name itself, for the reader to complain of."""
    return {"user": "teacher", "assistant": "student"}.get(standard_role(said_by) or "", said_by)


def turn_table(names: list[str], mapping: ColumnMapping | None = None) -> TurnTable | None:
    """The table's columns, said by a person or known by name; None where a record is more than a turn."""
    if mapping is not None and mapping.teacher:
        return None
    if mapping is not None and mapping.speaker and mapping.utterance:
        teachers = frozenset(name.strip().lower() for name in mapping.teachers)
        return TurnTable(
            mapping.speaker, mapping.utterance, mapping.conversation, teachers, mapping.speakers
        )
    by_name = {plain_key(name): name for name in names}
    speaker = next((by_name[name] for name in TURN_SPEAKERS if name in by_name), None)
    text = next((by_name[name] for name in TURN_TEXTS if name in by_name), None)
    if speaker is None or text is None:
        return None
    group = next((by_name[name] for name in TURN_GROUPS if name in by_name), None)
    # Two columns called `role` and `text` alone can be anything; `speaker` and `utterance` are a transcript's.
    if group is None and plain_key(speaker) == "role":
        return None
    return TurnTable(
        speaker, text, group, speakers=mapping.speakers if mapping is not None else {}
    )


def grouped_turns(objects: Objects, table: TurnTable) -> Objects:
    """One object a conversation; turns of one conversation stand together. Without conversations: pieces of a lesson."""
    lesson = _Lesson(table)
    for line, item in objects:
        if isinstance(item, Problem):
            yield line, item
            continue
        yield from lesson.take(line, item)
    yield from lesson.ended()


class _Lesson:
    def __init__(self, table: TurnTable) -> None:
        self.table = table
        self.start, self.current = 0, None
        self.turns: list[dict[str, Any]] = []
        self.rest: dict[str, Any] = {}

    def take(self, line: int, item: dict[str, Any]) -> Objects:
        table = self.table
        group = item.get(table.group) if table.group else None
        role = table.role(str(item.get(table.speaker) or ""))
        if role == "skip":
            return
        text = item.get(table.text)
        if self.turns and (group != self.current if table.group else self._is_long_enough(role)):
            yield from self.ended()
        if not self.turns:
            self.start, self.current = line, group
            if table.group:
                left_out = (table.speaker, table.text, "turn", "turn_id")
                self.rest = {key: value for key, value in item.items() if key not in left_out}
        if table.group is None and not (isinstance(text, str) and text.strip()):
            return  # a pause or a picture in a lesson
        if (
            table.group is None
            and self.turns
            and self.turns[-1]["role"] == role
            and isinstance(text, str)
        ):
            self.turns[-1]["content"] += f" {text}"  # sentence by sentence
        else:
            self.turns.append({"role": role, "content": text})

    def _is_long_enough(self, role: str) -> bool:
        ended_by_student = standard_role(str(self.turns[-1]["role"])) == "assistant"
        return (
            len(self.turns) >= MOST_TURNS and ended_by_student and standard_role(role) == "user"
        )

    def ended(self) -> Objects:
        if self.turns:
            yield self.start, {**self.rest, "messages": self.turns}
        self.turns, self.rest = [], {}


def turns_in_cell(text: str) -> list[tuple[str, str]] | None:
    """(speaker, what is said) of each turn of a conversation in one text; None where it is no such text."""
    pieces = [piece for piece in _BREAK.split(text) if piece.strip()]
    if len(pieces) < 2:
        return None
    turns: list[tuple[str, str]] = []
    for piece in pieces:
        said = _SAID.match(piece)
        if said is None:
            return None
        turns.append((said[1].strip(), said[2].strip()))
    return turns


def speakers_of(
    turns: list[tuple[str, str]], report: Callable[..., None], path: str
) -> list[dict[str, str]]:
    """The turns with roles. Where one of two speakers is known, the other is the other; that is told, for a person to confirm."""
    names = list(dict.fromkeys(name for name, _ in turns))
    roles = {name: standard_role(name) for name in names}
    unknown = [name for name in names if roles[name] is None]
    known = {role for role in roles.values() if role}
    if len(unknown) == 1 and known in ({"user"}, {"assistant"}):
        other = "student" if known == {"user"} else "teacher"
        message = (
            f"“{unknown[0][:40]}” was taken for the {other}, because the other one is known."
        )
        report(
            path,
            "speaker_assumed",
            message,
            "Accept if that is right; else write who speaks.",
            severity="warning",
        )
        return [
            {"role": other if name == unknown[0] else plain_role(name), "content": said}
            for name, said in turns
        ]
    return [{"role": plain_role(name), "content": said} for name, said in turns]
