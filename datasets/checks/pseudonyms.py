"""Findings replaced: the same person gets the same made-up name everywhere in a dataset and in all its versions."""

import re
from collections import defaultdict
from collections.abc import MutableMapping, Sequence

import msgspec

from datasets.checks.privacy import Finding, texts_of
from datasets.checks.privacy.plain_text import plain_text
from datasets.checks.privacy.stand_ins import HAS_STAND_INS, StandIns
from datasets.checks.privacy.vocabulary import is_function_word, is_plain
from datasets.formats import Row

_COMPOUND = re.compile(r"\w+(?:[-'’]\w+)*")
_WORD = re.compile(r"\w+")
_TITLE = re.compile(
    r"^(?:mr|mrs|ms|miss|mx|dr|coach|principal|prof|professor|señora?|senora?)(?:\. ?| )",
    re.IGNORECASE,
)
_NAME_FOLLOWS = re.compile(
    r"(?:'s|’s)|,? (?:is|was|has|had|said|says|asked|went|wants|wanted|likes|liked|loves|can't|did|does|got)\b"
)
_SENTENCE_END = ".?!\n:;"


def pseudonyms(
    rows: Sequence[Row],
    findings: Sequence[Finding],
    *,
    salt: str = "",
    kept: MutableMapping[str, int] | None = None,
) -> list[Row]:
    """New rows in the same order with every finding replaced that has a stand-in; rows that stay as they are, are the same objects.

    A child found by full name is also renamed where only a part of the name stands, in every row. `salt` and `kept`: see
    `StandIns`; with the `kept` of an earlier call everybody keeps the name that they got there.
    """
    stand_ins = StandIns(salt, {} if kept is None else kept)
    replaceable = [finding for finding in findings if finding.kind in HAS_STAND_INS]
    by_row: dict[int, dict[str, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    alone: dict[str, str] = {}
    for finding in replaceable:
        by_row[finding.index][finding.field].append(finding)
        if finding.kind == "name" and finding.severity != "low":
            alone |= _parts(finding.text, stand_ins)
    return [
        _renamed(row, by_row.get(index, {}), alone, stand_ins) for index, row in enumerate(rows)
    ]


def _parts(name: str, stand_ins: StandIns) -> dict[str, str]:
    """What the parts of a full name become where they stand alone: small letters -> the made-up part."""
    given, family = _split(name)
    found = {given.lower(): stand_ins.name("given", given)} if given else {}
    if family:
        found.setdefault(family.lower(), stand_ins.name("family", family))
    return {
        part: made
        for part, made in found.items()
        if len(part) > 2 and not is_function_word(part)
    }


def _split(name: str) -> tuple[str, str]:
    """(given name, family name) of a name without its title; middle names belong to neither."""
    plain = (
        _TITLE.sub("", plain_text(name).text, count=1)
        if _TITLE.match(name)
        else plain_text(name).text
    )
    if "," in plain:
        family, _, given = plain.partition(",")
        return given.strip().split(" ")[0], family.strip()
    words = plain.split()
    if len(words) < 2:
        return (
            ("", words[0]) if _TITLE.match(name) and words else (words[0] if words else "", "")
        )
    return words[0], words[-1]


def _made_up(finding: Finding, stand_ins: StandIns) -> str:
    """The stand-in for a finding, written as the finding is: in capitals, small letters, or the family name first."""
    if finding.kind != "name":
        return stand_ins.thing(
            finding.kind, re.sub(r"\W+", "", plain_text(finding.text).text).lower()
        )
    given, family = _split(finding.text)
    title = _TITLE.match(finding.text)
    made = [
        stand_ins.name(group, part)
        for group, part in (("given", given), ("family", family))
        if part
    ]
    text = (
        ", ".join(reversed(made)) if "," in finding.text and len(made) == 2 else " ".join(made)
    )
    return (title.group() if title else "") + _cased(text, finding.text)


def _cased(made: str, like: str) -> str:
    if like.islower():
        return made.lower()
    return made.upper() if like.isupper() and len(like) > 2 else made


def _renamed(
    row: Row, by_field: dict[str, list[Finding]], alone: dict[str, str], stand_ins: StandIns
) -> Row:
    changed: dict[str, str] = {}
    for field, text in texts_of(row):
        new = _replaced(text, by_field.get(field, []), alone, stand_ins)
        if new != text:
            changed[field] = new
    if not changed:
        return row
    copy = msgspec.convert(msgspec.to_builtins(row), Row)
    for field, text in changed.items():
        _put(copy, field, text)
    return copy


def _replaced(
    text: str, findings: list[Finding], alone: dict[str, str], stand_ins: StandIns
) -> str:
    """The text with its findings and, between them, the names `alone` changed, in one go from left to right."""
    pieces: list[str] = []
    end = 0
    for finding in sorted(findings, key=lambda item: item.start):
        pieces.append(_without_names(text, end, finding.start, alone))
        pieces.append(_made_up(finding, stand_ins))
        end = finding.end
    pieces.append(_without_names(text, end, len(text), alone))
    return "".join(pieces)


def _without_names(text: str, start: int, end: int, alone: dict[str, str]) -> str:
    """`text[start:end]` with words that are one of the names changed; of Emma-Lee, where only Emma is one, the first part."""
    if not alone or start == end:
        return text[start:end]

    def change(found: "re.Match[str]") -> str:
        whole = found.group()
        if whole.lower() in alone:
            return _name_instead(text, found.start(), found.end(), alone)
        return _WORD.sub(
            lambda part: _name_instead(
                text, found.start() + part.start(), found.start() + part.end(), alone
            ),
            whole,
        )

    pieces: list[str] = []
    at = start
    for found in _COMPOUND.finditer(text, start, end):
        pieces += [text[at : found.start()], change(found)]
        at = found.end()
    pieces.append(text[at:end])
    return "".join(pieces)


def _name_instead(text: str, start: int, end: int, alone: dict[str, str]) -> str:
    """The made-up name in place of a word, or the word where it is no name there: `Hope you can meet her`."""
    word = text[start:end]
    made = alone.get(word.lower())
    if made is None:
        return word
    if is_plain(word):
        if not word[0].isupper():
            return word
        before = text[max(0, start - 3) : start].rstrip(" \"'“(")
        begins = not before or before[-1] in _SENTENCE_END
        if begins and not _NAME_FOLLOWS.match(text, end):
            return word
    return _cased(made, word)


def _put(row: Row, field: str, text: str) -> None:
    place, _, key = field.partition(".")
    if place == "labels":
        row.labels[key] = text
    elif place == "extra":
        outer, _, inner = key.partition(".")
        if isinstance(row.extra.get(outer), dict) and not isinstance(row.extra.get(key), str):
            row.extra[outer][inner] = text
        else:
            row.extra[key] = text
    else:
        name, _, index = place.rstrip("]").partition("[")
        messages = {
            "messages": row.messages,
            "preferred_output": row.preferred_output,
            "non_preferred_output": row.non_preferred_output,
        }[name]
        assert messages is not None
        messages[int(index)][key] = text  # type: ignore[literal-required]
