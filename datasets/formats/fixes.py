"""Repairs that can't change what a row says. Each is pure; text fixes take and give the JSON text of one row."""

import ast
import json
import re
from collections.abc import Callable
from typing import Any

from datasets.formats.names import TURN_LISTS, standard_role

FIXES: dict[str, str] = {
    "json_trailing_comma": "deletes commas after the last item",
    "json_bom": "deletes the invisible byte order mark",
    "json_single_quotes": "rewrites single-quoted (Python) rows as JSON",
    "json_smart_quotes": "writes straight quotes where curly ones stand around keys and texts; those inside texts stay",
    "json_python_literal": "rewrites True, False and None as JSON",
    "json_control_character": r"writes raw line breaks and tabs inside strings as \n and \t",
    "lone_surrogate": "puts � where half a character stood",
    "null_character": "deletes NUL characters",
    "blank_line": "deletes blank lines between rows",
    "role_alias": "writes speaker names in the standard way",
    "not_text": "writes a number, or the one text inside an object, as text",
    "empty_content": "deletes turns that say nothing",
    "same_speaker_twice": "joins turns of one speaker that follow one another",
    "last_turn_not_student": "deletes the teacher's turn at the end that nobody answers",
    "untrimmed": "deletes blanks around what is said",
    "weight_on_wrong_role": "deletes training weights that aren't on a student's turn",
}
"""code -> what the repair does; every problem with `fixable` has its code here."""

# A string that never ends goes on to the end of the text: tried again at each of its quotes, it would take quadratic time.
_STRING = r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)'
_TOKENS = re.compile(_STRING + r"|,(?=\s*(?:[\]}]|$))", re.DOTALL)
_ESCAPED_SURROGATE = re.compile(
    r"\\\\|(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_ESCAPED_NUL = re.compile(r"(\\\\)|\\u0000|\x00")


def fix(text: str, code: str) -> str | None:
    """The row's JSON text with the problem `code` repaired, or None where this repair does not apply to it."""
    if code in _TEXT_FIXES:
        fixed = _TEXT_FIXES[code](text)
        return None if fixed == text else fixed
    if code not in VALUE_FIXES:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    repaired = VALUE_FIXES[code](value)
    return None if repaired == value else json.dumps(repaired, ensure_ascii=False)


def _drop_trailing_commas(text: str) -> str:
    return _TOKENS.sub(
        lambda found: "" if found.group().startswith(",") else found.group(), text
    )


def _python_to_json(text: str) -> str | None:
    """A Python literal as JSON; None unless it is built of what JSON has, so that nothing changes its meaning."""
    try:
        value = ast.literal_eval(text.strip())
        return (
            json.dumps(value, ensure_ascii=False, allow_nan=False) if _is_json(value) else None
        )
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    return value is None or isinstance(value, str | bool | int | float)


_LITERAL_TOKENS = re.compile(_STRING + r"|\b(?:True|False|None)\b", re.DOTALL)
_LITERALS = {"True": "true", "False": "false", "None": "null"}


def _literals_to_json(text: str) -> str:
    return _LITERAL_TOKENS.sub(lambda found: _LITERALS.get(found.group(), found.group()), text)


def _escape_controls(text: str) -> str | None:
    try:
        return json.dumps(json.loads(text, strict=False), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _replace_surrogates(text: str) -> str:
    return _ESCAPED_SURROGATE.sub(
        lambda found: found.group() if found.group(1) or found.group() == "\\\\" else "\\ufffd",
        text,
    )


_CURLY = frozenset("“”„‟«»")
_CURLY_SINGLE = frozenset("‘’‚")


def straight_quotes(text: str) -> str | None:
    """Curly quotes around keys and texts as straight ones, no-break blanks between them as blanks.

    A quote ends a text only where a comma, a colon or a bracket follows; None unless the result is JSON.
    """
    followers = _next_characters(text)
    out: list[str] = []
    closers: frozenset[str] = frozenset()
    escaped = False
    for char, follower in zip(text, followers, strict=True):
        if not closers:
            if char == '"' or char in _CURLY or char in _CURLY_SINGLE:
                closers = _closers_of(char)
                char = '"'
            elif char.isspace():
                char = char if char in " \t\r\n" else " "
        elif escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char in closers and follower in ",:}]":
            closers = frozenset()
            char = '"'
        elif char == '"':
            char = '\\"'
        out.append(char)
    straight = "".join(out)
    try:
        json.loads(straight)
    except (ValueError, RecursionError):
        return None
    return straight


def _closers_of(opener: str) -> frozenset[str]:
    if opener == '"':
        return frozenset('"')
    return _CURLY_SINGLE if opener in _CURLY_SINGLE else _CURLY | {'"'}


def _next_characters(text: str) -> list[str]:
    """For each character the next one that is no blank; a closing bracket's place where the text ends."""
    following, ahead = [], "}"
    for char in reversed(text):
        following.append(ahead)
        if not char.isspace():
            ahead = char
    following.reverse()
    return following


_TEXT_FIXES: dict[str, Callable[[str], str | None]] = {
    "json_trailing_comma": _drop_trailing_commas,
    "json_bom": lambda text: text.lstrip("\ufeff"),
    "json_single_quotes": _python_to_json,
    "json_smart_quotes": straight_quotes,
    "json_python_literal": _literals_to_json,
    "json_control_character": _escape_controls,
    "lone_surrogate": _replace_surrogates,
    "null_character": lambda text: _ESCAPED_NUL.sub(lambda found: found.group(1) or "", text),
}


def _over_turns(
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> Callable[[Any], Any]:
    """A change of a list of turns as a change of the row that holds it (other rows stay as they are)."""

    def repair(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for key in TURN_LISTS:
            turns = value.get(key)
            if isinstance(turns, list) and all(isinstance(turn, dict) for turn in turns):
                return {**value, key: change(turns)}
        return value

    return repair


def _content_key(turn: dict[str, Any]) -> str:
    return next((key for key in ("content", "value", "text") if key in turn), "content")


def _is_student(turn: dict[str, Any]) -> bool:
    return str(turn.get("role", turn.get("from", ""))).strip().lower() in (
        "assistant",
        "gpt",
        "student",
    )


def _join_same_speaker(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    joined: list[dict[str, Any]] = []
    for turn in turns:
        key = _content_key(turn)
        before = joined[-1] if joined else None
        same = before is not None and {k: v for k, v in before.items() if k != key} == {
            k: v for k, v in turn.items() if k != key
        }
        if (
            before is not None
            and same
            and isinstance(before.get(key), str)
            and isinstance(turn.get(key), str)
        ):
            joined[-1] = {**before, key: before[key] + "\n" + turn[key]}
        else:
            joined.append(turn)
    return joined


def _drop_last_teacher_turns(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = list(turns)
    while kept and not _is_student(kept[-1]):
        kept.pop()
    return kept or turns


def _drop_empty(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def says_something(turn: dict[str, Any]) -> bool:
        content = turn.get(_content_key(turn))
        return (
            bool(content.strip() if isinstance(content, str) else content)
            or "tool_calls" in turn
        )

    return [turn for turn in turns if says_something(turn)]


def _drop_weights(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        t if _is_student(t) else {k: v for k, v in t.items() if k != "weight"} for t in turns
    ]


def as_text(value: Any) -> str | None:
    """A number as its digits, an object with a single text in it as that text; None where neither is plain."""
    if isinstance(value, bool | list) or value is None:
        return None
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        texts = [item for item in value.values() if isinstance(item, str)]
        return texts[0] if len(texts) == 1 and len(value) == 1 else None
    return value if isinstance(value, str) else None


def _contents_as_text(value: Any) -> Any:
    if isinstance(value, dict) and not any(
        isinstance(value.get(key), list) for key in TURN_LISTS
    ):
        return {
            k: v if isinstance(v, str | dict) and k in ("metadata", "labels") else _text_or(v)
            for k, v in value.items()
        }
    return _over_turns(
        lambda turns: [{**t, _content_key(t): _text_or(t.get(_content_key(t)))} for t in turns]
    )(value)


def _text_or(value: Any) -> Any:
    text = as_text(value)
    return value if text is None else text


def _trim(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            k: v.strip() if k == _content_key(t) and isinstance(v, str) else v
            for k, v in t.items()
        }
        for t in turns
    ]


def _standard_roles(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**t, "role": standard_role(t["role"]) or t["role"]}
        if isinstance(t.get("role"), str)
        else t
        for t in turns
    ]


VALUE_FIXES: dict[str, Callable[[Any], Any]] = {
    "not_text": _contents_as_text,
    "empty_content": _over_turns(_drop_empty),
    "same_speaker_twice": _over_turns(_join_same_speaker),
    "last_turn_not_student": _over_turns(_drop_last_teacher_turns),
    "untrimmed": _over_turns(_trim),
    "weight_on_wrong_role": _over_turns(_drop_weights),
    "role_alias": _over_turns(_standard_roles),
}
"""Repairs of the parsed row; the reader uses these for table rows too."""
