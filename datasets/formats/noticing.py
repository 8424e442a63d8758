"""What the reader notices on its way beside rows and problems: examples of repairs, broken rows, speakers, columns."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

from datasets.formats import salvage
from datasets.formats.columns import LOOKED_AT, samples, suggested_mapping
from datasets.formats.fixes import VALUE_FIXES, fix
from datasets.formats.names import (
    CLASSROOM_ROLES,
    ROLE_KEYS,
    TURN_LISTS,
    plain_key,
    standard_role,
)
from datasets.formats.rows import BrokenRow, ColumnMapping, Problem, Recognition
from datasets.formats.tables import known_columns
from datasets.formats.talk import Habits, suggested_roles
from datasets.formats.telling import unknown_columns
from datasets.formats.transcripts import TurnTable

MOST_EXAMPLES = 3
MOST_SPEAKERS = 40
EXAMPLE_WIDTH = 70

Objects = Iterator[tuple[int, Any]]


class Noticed:
    """Collects into the recognition; broken rows go to `on_broken` where somebody wants them."""

    def __init__(
        self,
        recognition: Recognition,
        mapping: ColumnMapping | None,
        on_broken: Callable[[BrokenRow], None] | None,
    ) -> None:
        self.recognition, self.mapping, self.on_broken = recognition, mapping, on_broken

    # examples of repairs ---------------------------------------------------------------------------------------------

    def text_example(self, code: str, text: str, line: int, item: int) -> None:
        """How the repair `code` changes a row's text."""
        if self._wants_example(code) and (repaired := fix(text[:20_000], code)) is not None:
            self._example(code, text[:20_000], repaired, line, item)

    def value_examples(self, value: Any, problems: list[Problem], line: int, item: int) -> None:
        """How each repair that the problems offer changes a row."""
        for code in {problem.code for problem in problems if problem.fixable}:
            if code in VALUE_FIXES and self._wants_example(code):
                before = json.dumps(value, ensure_ascii=False, default=str)
                after = json.dumps(VALUE_FIXES[code](value), ensure_ascii=False, default=str)
                self._example(code, before, after, line, item)

    def _wants_example(self, code: str) -> bool:
        return len(self.recognition.examples.get(code, ())) < MOST_EXAMPLES

    def _example(self, code: str, before: str, after: str, line: int, item: int) -> None:
        if before != after:
            place = f"item {item}" if item else f"line {line}"
            shown = [place, *around_the_change(before, after)]
            self.recognition.examples.setdefault(code, []).append(shown)

    # broken rows -----------------------------------------------------------------------------------------------------

    def broken_value(self, value: Any, line: int, item: int) -> None:
        if self.on_broken is not None:
            self.on_broken(salvage.of_value(value, line=line, item=item, mapping=self.mapping))

    def broken_text(self, text: str, line: int, item: int) -> None:
        if self.on_broken is not None:
            self.on_broken(salvage.of_text(text, line=line, item=item))

    def broken_cells(self, cells: list[Any], names: list[str], line: int) -> None:
        if self.on_broken is not None:
            self.on_broken(salvage.of_cells(cells, names, line=line, mapping=self.mapping))

    # speakers and columns --------------------------------------------------------------------------------------------

    def unknown_speakers(self, problems: list[Problem]) -> None:
        """Names in JSON rows that nobody knows."""
        for problem in problems:
            name = problem.excerpt
            known = (
                name in self.recognition.speakers
                or len(self.recognition.speakers) < MOST_SPEAKERS
            )
            if problem.code == "unknown_role" and name and known:
                self.recognition.speakers[name] = self.recognition.speakers.get(name, 0) + 1
                self.recognition.suggested.setdefault("speakers", {}).setdefault(name, "student")

    def habits(self, habits: Habits) -> None:
        """Who speaks in a written-out conversation."""
        names = habits.speakers.most_common(MOST_SPEAKERS)
        self.recognition.speakers = dict(names)
        self.recognition.suggested = {
            "speakers": suggested_roles(Counter(dict(names)), habits.questions)
        }

    def table(self, columns: list[str], objects: Objects) -> Objects:
        """The same records; the first of them have been looked at for what the columns hold."""
        start = list(islice(objects, LOOKED_AT))
        records = [item for _, item in start if isinstance(item, dict)]
        self.recognition.samples = samples(columns, records)
        if self.mapping is None and not known_columns({plain_key(name) for name in columns}):
            self.recognition.suggested = suggested_mapping(columns, records)
        return chain(start, objects)

    def turn_table(self, turns: TurnTable, objects: Objects) -> Objects:
        """The same records of a table with a turn a record; who speaks is noted where somebody is unknown."""
        start = list(islice(objects, LOOKED_AT))
        spoken: Counter[str] = Counter()
        questions: Counter[str] = Counter()
        for _, item in start:
            name = str(item.get(turns.speaker) or "").strip() if isinstance(item, dict) else ""
            if name:
                spoken[name] += 1
                questions[name] += "?" in str(item.get(turns.text) or "")
        if any(
            standard_role(turns.role(name)) is None and turns.role(name) != "skip"
            for name in spoken
        ):
            few = Counter(dict(spoken.most_common(MOST_SPEAKERS)))
            self.recognition.speakers = dict(few)
            columns = {
                "speaker": turns.speaker,
                "utterance": turns.text,
                "conversation": turns.group,
            }
            self.recognition.suggested = {**columns, "speakers": suggested_roles(few, questions)}
        return chain(start, objects)

    def unknown_columns(self, columns: list[str], line: int) -> Problem:
        self.recognition.sure = "unsure"
        return unknown_columns(columns, named=self.recognition.header, line=line)


def around_the_change(before: str, after: str) -> tuple[str, str]:
    """The pieces of two texts around the first place where they differ."""
    same = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        same += 1
    start = max(0, same - EXAMPLE_WIDTH // 2)
    return _piece(before, start), _piece(after, start)


def _piece(text: str, start: int) -> str:
    cut = text[start : start + EXAMPLE_WIDTH].replace("\x00", "␀")
    shown = ("…" if start else "") + cut + ("…" if start + EXAMPLE_WIDTH < len(text) else "")
    return shown.encode("utf-8", "replace").decode("utf-8")


def with_speakers(value: Any, speakers: dict[str, str]) -> Any:
    """A JSON row in which the names that a person knows are teacher, student or system; turns of `skip` are left out."""
    if not speakers or not isinstance(value, dict):
        return value
    for key, turns in value.items():
        if plain_key(key) in TURN_LISTS and isinstance(turns, list):
            renamed = [_renamed(turn, speakers) for turn in turns]
            return {**value, key: [turn for turn in renamed if turn is not None]}
    return value


def _renamed(turn: Any, speakers: dict[str, str]) -> Any:
    if not isinstance(turn, dict):
        return turn
    for key in ROLE_KEYS:
        name = turn.get(key)
        if isinstance(name, str) and name in speakers:
            role = speakers[name]
            return (
                None
                if role == "skip"
                else {**turn, key: role if role in CLASSROOM_ROLES else "system"}
            )
    return turn
