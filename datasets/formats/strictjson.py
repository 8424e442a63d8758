"""Strict JSON: one text in, one value out, or one fault that says where, why and how to fix it.

The fast path is msgspec; what it can't see (duplicate keys, NUL, huge numbers, depth) is found by counting keys and
walking the value, and only a suspicious text pays for the slow path, which finds the place of the fault.
"""

import json
import re
from typing import Any, NoReturn

import msgspec

_decode = msgspec.json.Decoder().decode
_SPACED_KEY = re.compile(rb'"[ \t\r\n]+:')
_NUL_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000|\x00")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_BOM = "\ufeff"
_LITERALS = re.compile(r"(True|False|None|undefined|nil)\b")
_SMART = "“”„‟‘’‚«»"
BIGGEST_INTEGER = 2**63 - 1


class JsonFault(Exception):
    """Why a text is no acceptable JSON. `at` is the character offset in the text as decoded; -1 where unknown."""

    def __init__(
        self, code: str, at: int, message: str, fix: str, *, fixable: bool = False
    ) -> None:
        super().__init__(message)
        self.code, self.at, self.message, self.fix, self.fixable = (
            code,
            at,
            message,
            fix,
            fixable,
        )


def parse(raw: bytes, *, max_depth: int) -> Any:
    """The value of one JSON text (UTF-8 bytes, no BOM). Raises `JsonFault`."""
    try:
        value = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _parse_slowly(raw, max_depth)
    if _is_suspicious(raw, value, max_depth):
        return _parse_slowly(raw, max_depth)
    return value


def _is_suspicious(raw: bytes, value: Any, max_depth: int) -> bool:
    """True where the fast path may have swallowed something.

    Keys followed at once by a colon are counted in the text and in the value. A quote and colon inside a string only
    raises the count in the text (suspicious, so the slow path decides); a key with blanks before its colon would
    lower it, so that is looked for first. Equal counts then prove that no key was written twice.
    """
    if b"\\u0000" in raw or (
        (b" :" in raw or b"\t:" in raw or b"\n:" in raw or b"\r:" in raw)
        and _SPACED_KEY.search(raw)
    ):
        return True
    keys = _count_keys(value, max_depth)
    return keys < 0 or keys != raw.count(b'":')


def _count_keys(value: Any, depth: int) -> int:
    """Keys in all objects of the value; negative where it is too deep or holds too big a number."""
    kind = type(value)
    if kind is dict:
        total = len(value)
        children = value.values()
    elif kind is list:
        total, children = 0, value
    else:
        return -1 if kind is int and abs(value) > BIGGEST_INTEGER else 0
    if depth <= 0:
        return -1
    for child in children:
        if type(child) is not str and child is not None:
            inside = _count_keys(child, depth - 1)
            if inside < 0:
                return -1
            total += inside
    return total


def decode_utf8(raw: bytes) -> str:
    """The text of UTF-8 bytes, or a `JsonFault` naming the byte that breaks it."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        at = len(raw[: error.start].decode("utf-8"))
        raise JsonFault(
            "json_invalid_utf8",
            at,
            f"Byte 0x{raw[error.start]:02X} at byte {error.start + 1} of the row is not UTF-8 text.",
            "Save the file again as UTF-8 (in Excel: “CSV UTF-8”; in an editor: Save with encoding).",
        ) from None


def _parse_slowly(raw: bytes, max_depth: int) -> Any:
    text = decode_utf8(raw)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_int=_int,
            parse_float=_float,
        )
    except _Found as found:
        raise _place(found, text) from None
    except json.JSONDecodeError as error:
        raise explain(error, text) from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    if _depth_exceeds(value, max_depth):
        raise _too_deep(max_depth)
    _refuse_bad_characters(text, value)
    return value


class _Found(Exception):
    def __init__(self, code: str, literal: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.code, self.literal, self.message, self.fix = code, literal, message, fix


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Found(
            "duplicate_key",
            json.dumps(twice, ensure_ascii=False),
            f"The key {twice!r} is there twice in one object, so one of its values would be lost.",
            "Keep one of them, or rename the other.",
        )
    return result


def _no_constant(literal: str) -> NoReturn:
    raise _Found(
        "json_nan",
        literal,
        f"{literal} is not JSON.",
        "Write a number, or null, or leave the key out.",
    )


def _int(literal: str) -> int:
    if len(literal) > 19 and (len(literal) > 20 or abs(int(literal)) > BIGGEST_INTEGER):
        raise _Found(
            "number_out_of_range",
            literal,
            f"The number {literal[:24]}… is too big to keep exactly.",
            'Put it in quotes ("…") if it is an id, or shorten it.',
        )
    return int(literal)


def _float(literal: str) -> float:
    value = float(literal)
    if value in (float("inf"), float("-inf")):
        raise _Found(
            "number_out_of_range",
            literal,
            f"The number {literal[:24]} is too big.",
            "Write a smaller number.",
        )
    return value


def _place(found: _Found, text: str) -> JsonFault:
    first = text.find(found.literal)
    at = text.find(found.literal, first + 1) if found.code == "duplicate_key" else first
    return JsonFault(found.code, at if at >= 0 else first, found.message, found.fix)


def _too_deep(max_depth: int) -> JsonFault:
    return JsonFault(
        "json_too_deep",
        -1,
        f"Lists and objects lie more than {max_depth} deep in one another.",
        "A row is one object with a list of turns; take it out of the lists around it.",
    )


def _depth_exceeds(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return depth <= 0 or any(_depth_exceeds(child, depth - 1) for child in children)


def _refuse_bad_characters(text: str, value: Any) -> None:
    if "\\u" not in text:
        return
    written = json.dumps(value, ensure_ascii=False)
    try:
        written.encode("utf-8")
    except UnicodeEncodeError:
        found = _first_lone_surrogate(text)
        raise JsonFault(
            "lone_surrogate",
            found,
            "Half of a two-part character (a lone surrogate) stands alone; no text can hold it.",
            "Write the character itself again; the one-click fix puts � in its place.",
            fixable=True,
        ) from None
    if "\\u0000" in text and "\\u0000" in json.dumps(value):
        found_nul = _NUL_ESCAPE.search(text)
        raise JsonFault(
            "null_character",
            found_nul.start() if found_nul else -1,
            "There is a NUL character (U+0000) in the text; databases and tokenizers refuse it.",
            "Remove it; the one-click fix does.",
            fixable=True,
        )


def _first_lone_surrogate(text: str) -> int:
    matches = list(_SURROGATE.finditer(text))
    index = 0
    while index < len(matches):
        here = matches[index]
        high = here.group()[3] in "89abAB"
        following = matches[index + 1] if index + 1 < len(matches) else None
        paired = (
            high
            and following
            and following.start() == here.end()
            and following.group()[3] in "cdefCDEF"
        )
        if not paired:
            return here.start()
        index += 2
    return -1


def explain(error: json.JSONDecodeError, text: str) -> JsonFault:
    """What a JSON error means to a person who wrote the row."""
    at, rest, before = error.pos, text[error.pos :], text[: error.pos].rstrip()
    if text.startswith(_BOM):
        return JsonFault(
            "json_bom",
            0,
            "An invisible byte order mark stands before the row (two files were put together).",
            "Delete the invisible character; the one-click fix does.",
            fixable=True,
        )
    if rest[:1] in ("}", "]") and before.endswith(","):
        return _trailing_comma(len(before) - 1)
    if error.msg.startswith("Extra data"):
        return _extra_data(at, rest)
    if error.msg.startswith("Invalid control character") and text[at] in "\r\n":
        message = r"A line ends inside a string: its closing quote is missing, or the break must be written as \n."
        return JsonFault(
            "json_control_character",
            at,
            message,
            'Close the quote ("), or join the lines.',
            fixable=True,
        )
    if error.msg.startswith("Invalid control character"):
        return JsonFault(
            "json_control_character",
            at,
            f"A raw control character (U+{ord(text[at]):04X}) stands inside a string.",
            r"Write a line break as \n and a tab as \t; the one-click fix does.",
            fixable=True,
        )
    if error.msg.startswith("Unterminated string") or not rest.strip():
        return JsonFault(
            "json_truncated",
            len(text.rstrip()),
            "The row ends too early: a quote or bracket is still open.",
            "Finish the row, or delete it; a row must be on one line in a .jsonl file.",
        )
    return _explain_by_character(error, rest, at)


def _explain_by_character(error: json.JSONDecodeError, rest: str, at: int) -> JsonFault:
    if rest[0] == "'":
        fix = 'Use double quotes ("); the one-click fix rewrites the row. Python’s json.dumps writes them.'
        return JsonFault(
            "json_single_quotes", at, "Strings are in single quotes.", fix, fixable=True
        )
    if rest[0] in _SMART:
        return JsonFault(
            "json_smart_quotes",
            at,
            f"A curly quote {rest[0]} stands where JSON needs a straight one.",
            'Type " instead; the one-click fix does.',
            fixable=True,
        )
    if _LITERALS.match(rest):
        word = rest.split(",")[0].split("}")[0].split("]")[0].strip()[:12]
        return JsonFault(
            "json_python_literal",
            at,
            f"{word} is Python, not JSON.",
            "Write true, false or null.",
            fixable=True,
        )
    if rest.startswith(("//", "/*", "#")):
        return JsonFault("json_comment", at, "JSON has no comments.", "Delete the comment.")
    if "escape" in error.msg:
        return JsonFault(
            "json_bad_escape",
            at,
            "A backslash is followed by something JSON doesn't know.",
            r"Write a backslash itself as \\, a character by number as \u and four hexadecimal digits.",
        )
    return JsonFault(
        "json_syntax",
        at,
        f"{error.msg}, but {rest[:1]!r} is there.",
        "Compare the place with a row that works.",
    )


def _trailing_comma(at: int) -> JsonFault:
    fix = "Delete the comma; the one-click fix does."
    return JsonFault(
        "json_trailing_comma", at, "There is a comma after the last item.", fix, fixable=True
    )


def _extra_data(at: int, rest: str) -> JsonFault:
    if rest.strip() == ",":
        return _trailing_comma(at)
    if rest[:1] in ("{", "["):
        return JsonFault(
            "json_two_values",
            at,
            "A second row begins on the same line.",
            "Put each row on its own line.",
        )
    return JsonFault(
        "json_extra_data",
        at,
        "Something follows after the row has ended.",
        "Delete what follows the row.",
    )
