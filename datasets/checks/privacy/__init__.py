"""Personal data of real children by rule, and how a finding is told. `KINDS` says which kinds there are.

Every text is read in one spelling (`plain_text`), so that capitals, dashes, invisible characters and look-alike letters hide
nothing. A name is what looks like one (`people`): a bare first name in a child's story is no finding; a full name, or a name
introduced as a real pupil's, is. Every repeat in a pattern has a bound, so that the time to search a text grows with its length
and no faster, whatever it says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from datasets.checks.privacy.circumstances import find_circumstances
from datasets.checks.privacy.contact import find_contacts
from datasets.checks.privacy.kinds import KINDS, Found, Kind, Severity
from datasets.checks.privacy.numbers import find_numbers
from datasets.checks.privacy.people import find_people
from datasets.checks.privacy.places import find_places
from datasets.checks.privacy.plain_text import plain_text
from datasets.checks.privacy.stand_ins import is_stand_in
from datasets.formats import Row

__all__ = [
    "KINDS",
    "MOST_OF_A_TEXT",
    "RULES_VERSION",
    "Finding",
    "Found",
    "Kind",
    "Severity",
    "counted",
    "find_in",
    "find_private",
    "texts_of",
]

RULES_VERSION = 2
"""Raised with every change of what the rules find; the measured recall names it."""
MOST_OF_A_TEXT = 100
"""So many findings of one text are listed; the last of them says how many `more` there are."""
_SHORTEST = 4


class Finding(msgspec.Struct, kw_only=True, frozen=True):
    """One piece of personal data. `start` and `end` are character offsets in the text of `field`; `text` is text[start:end].

    `severity` is "high" (identifies a child), "medium" (with other knowledge it does) or "low" (worth a look). `index` is the
    row's place in the sequence, `field` a path in the canonical row such as `messages[1].content` or `labels.source`.
    `more` is on the last finding listed of a text: how many further ones that text has.
    """

    index: int
    line: int
    field: str
    kind: Kind
    excerpt: str
    start: int
    end: int
    text: str
    severity: Severity
    reason: str
    more: int = 0

    def as_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data


def find_private(
    rows: Sequence[Row],
    *,
    most_of_a_text: int | None = MOST_OF_A_TEXT,
    more: Mapping[tuple[int, str], list[Found]] | None = None,
) -> list[Finding]:
    """The findings in every text of the rows, labels and other keys included, in order.

    Of each text `most_of_a_text` at most are listed, or all (None); `counted` tells how many there are with the others. `more`:
    what others than the rules found, by index and field.
    """
    findings: list[Finding] = []
    for index, row in enumerate(rows):
        for field, text in texts_of(row):
            found = find_in(text)
            if more and (index, field) in more:
                inside = [one for one in more[index, field] if 0 <= one[1] < one[2] <= len(text)]
                found = without_overlaps([*found, *inside], len(text))
            listed = found[:most_of_a_text]
            for item in listed:
                findings.append(_finding(item, text, index=index, line=row.line, field=field))
            if len(found) > len(listed):
                findings[-1] = msgspec.structs.replace(
                    findings[-1], more=len(found) - len(listed)
                )
    return findings


def counted(findings: Iterable[Finding]) -> int:
    """How many findings there are, those included that are not listed."""
    return sum(1 + finding.more for finding in findings)


def _finding(found: Found, text: str, *, index: int, line: int, field: str) -> Finding:
    kind, start, end, severity, reason = found
    return Finding(
        index=index,
        line=line,
        field=field,
        kind=kind,
        excerpt=text[max(0, start - 25) : end + 25].replace("\n", " "),
        start=start,
        end=end,
        text=text[start:end],
        severity=severity,
        reason=reason,
    )


def texts_of(row: Row) -> Iterator[tuple[str, str]]:
    """(field, text) of every text in a row; the fields are those that findings name."""
    for index, message in enumerate(row.messages):
        yield f"messages[{index}].content", message["content"]
        if isinstance(message.get("name"), str):
            yield f"messages[{index}].name", message["name"]
    for name, answers in (
        ("preferred_output", row.preferred_output),
        ("non_preferred_output", row.non_preferred_output),
    ):
        for index, message in enumerate(answers or []):
            yield f"{name}[{index}].content", message["content"]
    for label, text in row.labels.items():
        yield f"labels.{label}", text
    for key, value in row.extra.items():
        if isinstance(value, str):
            yield f"extra.{key}", value
        elif isinstance(value, dict):
            yield from (
                (f"extra.{key}.{inner}", text)
                for inner, text in value.items()
                if isinstance(text, str)
            )


def find_in(text: str) -> list[Found]:
    """(kind, start, end, severity, reason) of each finding in one text, in order and without overlaps."""
    if len(text) < _SHORTEST:
        return []
    read = plain_text(text)
    found: list[Found] = []
    for find in (find_contacts, find_numbers, find_places, find_circumstances, find_people):
        for kind, start, end, severity, reason in find(read.text):
            if not is_stand_in(read.text[start:end]):
                found.append((kind, *read.place(start, end), severity, reason))
    return without_overlaps(found, len(text))


_WEIGHT = {"high": 0, "medium": 1, "low": 2}


def without_overlaps(found: list[Found], length: int) -> list[Found]:
    """Of findings that overlap the graver stays, then what is no name, then the longer. `length` is that of the text.

    Characters that are taken are marked, so that each finding is compared with its own place and not with all the others.
    """
    taken = bytearray(length)
    kept: list[Found] = []
    for item in sorted(found, key=_precedence):
        _, start, end, _, _ = item
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\x01" * (end - start)
            kept.append(item)
    return sorted(kept, key=lambda item: item[1])


def _precedence(found: Found) -> tuple[bool, int, int, int]:
    kind, start, end, severity, _ = found
    return kind == "name", _WEIGHT[severity], start - end, start
