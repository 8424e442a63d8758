"""What can be saved of a row that was left out: its text, and its turns as far as they can be told, for a person to repair."""

import json
import re
from collections.abc import Sequence
from typing import Any

from datasets.formats.names import (
    CONTENT_KEYS,
    PAIRS,
    ROLE_KEYS,
    SYSTEM_KEYS,
    TURN_LISTS,
    plain_key,
    standard_role,
)
from datasets.formats.rows import BrokenRow, ColumnMapping

LONGEST_RAW = 4_000
LONGEST_TURN = 20_000
MOST_TURNS = 40
_LOOKED_AT = 100_000
_KEY_AND_TEXT = re.compile(r'"([^"\\\n]{1,60})"\s{0,20}:\s{0,20}"((?:[^"\\]|\\.)*)', re.DOTALL)
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"'})
_TEACHER_KEYS = frozenset(name for teacher, _, _ in PAIRS for name in teacher)
_STUDENT_KEYS = frozenset(name for _, student, _ in PAIRS for name in student)

Turns = list[tuple[str, str]]


def of_value(value: Any, *, line: int, item: int, mapping: ColumnMapping | None) -> BrokenRow:
    """From a row that is JSON, or a record of a table, but breaks a rule."""
    raw = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return _broken(line, item, raw, _turns_of(value, mapping))


def of_text(text: str, *, line: int, item: int) -> BrokenRow:
    """From a row that is no JSON: every key with a text that can be made out."""
    found = _KEY_AND_TEXT.findall(text[:_LOOKED_AT].translate(_CURLY))
    turns: Turns = []
    speaker = ""
    for key, escaped in found:
        said, name = _unescaped(escaped), plain_key(key)
        if name in ROLE_KEYS:
            speaker = standard_role(said) or ""
        elif name in CONTENT_KEYS and speaker:
            turns.append((speaker, said))
            speaker = ""
        elif role := _role_of_key(name):
            turns.append((role, said))
    return _broken(line, item, text, turns)


def of_cells(
    cells: Sequence[Any], names: list[str], *, line: int, mapping: ColumnMapping | None
) -> BrokenRow:
    """From a record with too many cells or a fault: the cells beyond the last name belong to it, a separator between."""
    texts = [str(cell) for cell in cells]
    raw = " | ".join(texts)
    if names and len(texts) > len(names):
        texts = [
            *texts[: len(names) - 1],
            ", ".join(text.strip() for text in texts[len(names) - 1 :]),
        ]
    record = dict(zip(names, texts, strict=False))
    return _broken(line, 0, raw, _turns_of(record or texts, mapping))


def _broken(line: int, item: int, raw: str, turns: Turns) -> BrokenRow:
    kept = [(role, _clean(said)[:LONGEST_TURN]) for role, said in turns[:MOST_TURNS]]
    return BrokenRow(line=line, item=item, raw=_clean(raw)[:LONGEST_RAW], turns=kept)


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _unescaped(escaped: str) -> str:
    try:
        return str(json.loads(f'"{escaped}"', strict=False))
    except ValueError:
        return escaped


def _role_of_key(name: str) -> str:
    if name in SYSTEM_KEYS:
        return "system"
    if name in _TEACHER_KEYS:
        return "user"
    return "assistant" if name in _STUDENT_KEYS else ""


def _turns_of(value: Any, mapping: ColumnMapping | None) -> Turns:
    if isinstance(value, dict):
        return _of_object(value, mapping)
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return _of_list(value)
    if isinstance(value, list):
        return _in_turn([item for item in value if isinstance(item, str)])
    return _in_turn([value]) if isinstance(value, str) else []


def _of_object(value: dict[str, Any], mapping: ColumnMapping | None) -> Turns:
    if mapping is not None and mapping.teacher and mapping.student:
        named = (
            (mapping.system, "system"),
            (mapping.teacher, "user"),
            (mapping.student, "assistant"),
        )
        return [
            (role, _text(value.get(key))) for key, role in named if key and _text(value.get(key))
        ]
    for key, item in value.items():
        if plain_key(key) in TURN_LISTS and isinstance(item, list):
            return _of_list(item)
    turns = [
        (role, _text(item))
        for key, item in value.items()
        if (role := _role_of_key(plain_key(key)))
    ]
    if not turns:
        return _in_turn([item for item in value.values() if isinstance(item, str)])
    return sorted(turns, key=lambda turn: ("system", "user", "assistant").index(turn[0]))


def _of_list(items: list[Any]) -> Turns:
    turns: Turns = []
    for item in items:
        if not isinstance(item, dict):
            turns.append((_next_role(turns), _text(item)))
            continue
        said_by = next((item[key] for key in ROLE_KEYS if key in item), "")
        role = standard_role(said_by) if isinstance(said_by, str) else None
        content = next(
            (item[key] for key in CONTENT_KEYS if key in item and item[key] is not said_by), ""
        )
        turns.append(
            (
                role if role in ("system", "user", "assistant") else _next_role(turns),
                _text(content),
            )
        )
    return turns


def _in_turn(texts: list[str]) -> Turns:
    turns: Turns = []
    for text in texts:
        turns.append((_next_role(turns), text))
    return turns


def _next_role(turns: Turns) -> str:
    return "assistant" if turns and turns[-1][0] == "user" else "user"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    )
