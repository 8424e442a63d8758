"""Personal data of real children by rule: names, phones, e-mails, addresses, schools, numbers, birth dates.

Precision first: a bare first name in a child's story is no finding; a full name, or a name introduced as a real pupil, is.
Every repeat in a pattern has a bound, so that the time to search a text grows with its length and no faster, whatever it says.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from datasets.checks.words import famous_names, given_names, surnames
from datasets.formats import Row

Kind = Literal["name", "phone", "email", "address", "school", "id_number", "birthdate"]

Severity = Literal["high", "medium", "low"]
Found = tuple[Kind, int, int, Severity, str]
"""(kind, start, end, severity, reason)"""

MOST_OF_A_TEXT = 100
"""So many findings of one text are listed; the last of them says how many `more` there are."""

_NAME = r"[A-Z][a-zà-öø-ÿ]{1,30}(?:[-'’][A-Z][a-zà-öø-ÿ]{1,30})?"
_PATTERNS: tuple[tuple[Kind, re.Pattern[str], str], ...] = (
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}(?![\w@])"), "an e-mail address"),
    (
        "id_number",
        re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"),
        "a social security number",
    ),
    (
        "id_number",
        re.compile(
            r"\b(?:(?:student|pupil|lunch|school|state|library|passport|medicaid|insurance) ?(?:id|number|no\.?|card|#|pin)"
            r"|SSN|SSID|ID(?: number| no\.?|#))\s{0,3}(?:(?:is|:|#|=|was)\s{0,3})?(?:#\s{0,3})?"
            r"([A-Z]{0,3}-?\d[\d-]{3,12}\d)\b",
            re.IGNORECASE,
        ),
        "a pupil's number",
    ),
    (
        "phone",
        re.compile(
            r"(?<![\w.+-])(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"
            r"|(?<!\w)\+\d{1,3}(?:[ .-]?\d{2,4}){2,5}(?!\w)"
        ),
        "a telephone number",
    ),
    (
        "phone",
        re.compile(
            r"\b(?:phone|cell|call (?:me|him|her|us|mom|dad)|text (?:me|him|her)|number is|reach (?:me|him|her))\b"
            r"[^.?!\d]{0,25}(\d{3}[ .-]?\d{4}|\d{10})\b",
            re.IGNORECASE,
        ),
        "a telephone number",
    ),
    (
        "address",
        re.compile(
            r"\b\d{1,5} (?:[NSEW]\.? |(?:North|South|East|West) )?(?:[A-Z][\w'’.-]{1,30} |\d{1,3}(?:st|nd|rd|th) ){1,3}"
            r"(?:Street|St|Avenue|Ave|Road|Rd|Drive|Dr|Lane|Ln|Court|Ct|Boulevard|Blvd|Way|Place|Pl|Circle|Cir|Terrace|Ter|"
            r"Parkway|Pkwy|Highway|Hwy)\b\.?"
            r"(?:,? (?:Apt|Apartment|Unit|#)\.? ?\w{1,10})?"
            r"(?:,? [A-Z][a-z]{1,30}(?: [A-Z][a-z]{1,30})?,? [A-Z]{2}(?: \d{5})?)?"
        ),
        "a street address",
    ),
    ("address", re.compile(r"\b(?:P\.? ?O\.? Box) \d{1,6}\b", re.IGNORECASE), "a post box"),
    (
        "school",
        re.compile(
            rf"\b(?!(?:My|Our|The|This|That|Your|Her|His|Their|In|At|An?|Is|For|To|From|And|Old|New) )"
            rf"(?:(?:St\.|Saint|Mount|Mt\.|Fort|Lake|{_NAME}) ){{1,3}}"
            rf"(?:(?:Elementary|Montessori)(?: School| Academy)?|(?:Primary|Middle|Grade|Charter|Magnet|High) (?:School|Academy)"
            rf"|Academy|School District|Unified School District|ISD)\b|\bP\.?S\.? \d{{1,3}}\b"
        ),
        "a school",
    ),
    (
        "birthdate",
        re.compile(
            r"\b(?:birthday|birth ?date|date of birth|born|d\.?o\.?b\.?)\b[^.?!\d]{0,20}"
            r"((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.? \d{1,2}(?:st|nd|rd|th)?(?:,? \d{4})?"
            r"|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}"
            r"|\d{4}-\d{2}-\d{2})",
            re.IGNORECASE,
        ),
        "a date of birth",
    ),
)
_STAND_IN = re.compile(
    r"555-01\d\d|person\d{1,9}@school\.example|\d{1,9} Example Street|Example School(?: \d{1,9})?|ID-EXAMPLE-\d{1,9}"
    r"|some day in spring"
)
"""What `pseudonyms` writes: nobody has such a number or address, so it is not found again."""
_WORTH_A_LOOK = re.compile(r"[\d@]|School|Elementary|Montessori|Academy|ISD")
_FULL_NAME = re.compile(rf"\b({_NAME})(?: [A-Z]\.)? ({_NAME})\b")
_REAL_CHILD = re.compile(
    rf"\b(?i:my (?:student|pupil|son|daughter|child)|(?:our|a|the|this) (?:student|pupil)"
    rf"|(?:student|pupil)(?:'s)? name(?: is)?|in my class)"
    rf"(?:,| is| was| named| called|:){{0,4}} ({_NAME}(?: {_NAME})?)"
)
_SELF_FULL = re.compile(rf"\b(?i:my (?:full |last |whole )?name is|i am called|i'?m) ({_NAME} {_NAME})\b")
_TITLED = re.compile(rf"\b((?:Mr|Mrs|Ms|Miss|Mx|Dr|Coach|Principal)\.? (?:{_NAME} )?({_NAME}))\b")
_NOT_A_NAME_AFTER = frozenset(
    ("day", "island", "state", "street", "city", "lake", "river", "park", "green", "may", "long", "art")
)
_STORY_TITLES = frozenset(("johnson", "smith", "green", "brown", "teacher"))


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


def find_private(rows: Sequence[Row], *, most_of_a_text: int | None = MOST_OF_A_TEXT) -> list[Finding]:
    """The findings in every text of the rows, labels and other keys included, in order.

    Of each text `most_of_a_text` at most are listed, or all (None); `counted` tells how many there are with the others.
    """
    findings: list[Finding] = []
    for index, row in enumerate(rows):
        for field, text in texts_of(row):
            found = find_in(text)
            listed = found[:most_of_a_text]
            for item in listed:
                findings.append(_finding(item, text, index=index, line=row.line, field=field))
            if len(found) > len(listed):
                findings[-1] = msgspec.structs.replace(findings[-1], more=len(found) - len(listed))
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
            yield from ((f"extra.{key}.{inner}", text) for inner, text in value.items() if isinstance(text, str))


def find_in(text: str) -> list[Found]:
    """(kind, start, end, severity, reason) of each finding in one text, in order and without overlaps."""
    if len(text) < 4:
        return []
    found: list[Found] = []
    if _WORTH_A_LOOK.search(text):
        for kind, pattern, reason in _PATTERNS:
            for match in pattern.finditer(text):
                group = 1 if pattern.groups and match.group(1) else 0
                if _STAND_IN.fullmatch(match.group(group).strip()):
                    continue
                severity: Literal["high", "medium"] = "medium" if kind == "school" else "high"
                found.append((kind, match.start(group), match.end(group), severity, f"This looks like {reason}."))
    found.extend(_people(text))
    return _without_overlaps(found, len(text))


def _people(text: str) -> Iterator[Found]:
    for match in _REAL_CHILD.finditer(text):
        if match.group(1).split()[0].lower() in given_names():
            yield "name", match.start(1), match.end(1), "high", "A real pupil seems to be named."
    for match in _SELF_FULL.finditer(text):
        if match.group(1).split()[0].lower() in given_names() and match.group(1).lower() not in famous_names():
            yield "name", match.start(1), match.end(1), "high", "Someone gives a full name."
    for match in _FULL_NAME.finditer(text):
        first, last = match.group(1).lower(), match.group(2).lower().split("-")[0]
        known = first in given_names() and last in surnames() and f"{first} {last}" not in famous_names()
        if known and not _is_place(text, match.end()):
            yield "name", match.start(), match.end(), "high", "This looks like a full name."
    for match in _TITLED.finditer(text):
        last = match.group(2).lower()
        if last in surnames() and last not in _STORY_TITLES:
            yield "name", match.start(1), match.end(1), "low", "A grown-up is named; check that it is no real teacher."


def _is_place(text: str, end: int) -> bool:
    following = re.match(r"\s+([A-Za-z]+)", text[end : end + 24])
    return bool(following and following.group(1)[:1].isupper() and following.group(1).lower() in _NOT_A_NAME_AFTER)


def _without_overlaps(found: list[Found], length: int) -> list[Found]:
    """Of findings that overlap the graver stays, then the longer. `length` is that of the text.

    Characters that are taken are marked, so that each finding is compared with its own place and not with all the others.
    """
    weight = {"high": 0, "medium": 1, "low": 2}
    taken = bytearray(length)
    kept: list[Found] = []
    for item in sorted(found, key=lambda item: (weight[item[3]], item[1] - item[2], item[1])):
        _, start, end, _, _ = item
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\x01" * (end - start)
            kept.append(item)
    return sorted(kept, key=lambda item: item[1])
