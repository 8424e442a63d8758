"""Written-out conversations: `Teacher: …` lines, documents saved as text, and exported chats, as objects with their lines."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from datasets.formats.containers import too_long
from datasets.formats.names import standard_role
from datasets.formats.rows import Limits, Problem, excerpt_of
from datasets.formats.strictjson import JsonFault, decode_utf8
from datasets.formats.transcripts import MOST_TURNS

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_NAME = r"[^\W\d_][\w .'’()\-]{0,39}?"
_SAID = re.compile(rf"^\s*(?:[-*>•]\s+)?\[?\**({_NAME})\**\]?\s*[:：]\**\s*(.*)$")
_SAID_WITH_DASH = re.compile(rf"^\s*\**({_NAME})\**\s+[–—]\s+(.*)$")
_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
_TIME = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:\s?[APap]\.?\s?[Mm]\.?)?"
_STAMP = re.compile(rf"^\s*\[?({_DATE}),?\s+{_TIME}\]?\s*(?:[-–]\s+)?(.*)$", re.DOTALL)
_NOTICE = re.compile(
    r"end-to-end encrypted|created (?:this )?group|changed the (?:subject|group)|joined using|security code",
    re.IGNORECASE,
)
_MEDIA = re.compile(
    r"^(?:<(?:media|image|video|audio|sticker|document|GIF)? ?(?:omitted|attached:.*)>"
    r"|(?:image|video|audio|sticker|document|GIF|Contact card) omitted|<attached: .*>"
    r"|(?:this message was deleted|you deleted this message)\.?)$",
    re.IGNORECASE,
)
_LOOKED_AT = 400  # lines of the start, by which the habits of a text are found out
_MOST_HEADINGS = 3
_LONGEST_HEADING = 80

Objects = Iterator[tuple[int, dict[str, Any] | Problem]]


@dataclass
class Habits:
    """How a text writes its conversations, by its first lines."""

    speakers: Counter[str] = field(default_factory=Counter)
    """Names, as written, that speak a line -> how many of the lines looked at."""
    chat: bool = False
    """Each message begins with its date and time."""
    gap: int = 0
    """Blank lines between two turns of one conversation; more of them end it."""
    questions: Counter[str] = field(default_factory=Counter)
    """Name -> lines with a question mark."""

    @property
    def unknown(self) -> list[str]:
        return [name for name in self.speakers if standard_role(name) is None]

    @property
    def roles(self) -> set[str]:
        return {role for name in self.speakers if (role := standard_role(name))}


def clean_line(line: str) -> str:
    """Without marks that nobody sees, and with plain blanks in place of no-break ones."""
    return _INVISIBLE.sub("", line).replace("\u00a0", " ").replace("\u202f", " ")


def habits_of(head: str) -> Habits:
    """What the start of a text shows of its habits; no speakers where it is no conversation."""
    lines = [clean_line(line) for line in head[:65536].splitlines()[:_LOOKED_AT]]
    filled = [line for line in lines if line.strip()]
    if not filled:
        return Habits()
    stamped = sum(bool(_STAMP.match(line)) for line in filled)
    habits = Habits(chat=stamped >= 2 and stamped >= 0.6 * len(filled))
    for line in filled:
        name, said = _candidate(line, habits.chat)
        if name:
            habits.speakers[name] += 1
            habits.questions[name] += "?" in said
    _keep_speakers(habits, len(filled))
    if not habits.chat:
        habits.gap = _gap_of(lines, habits)
    return habits


def _candidate(line: str, chat: bool) -> tuple[str, str]:
    if chat:
        stamp = _STAMP.match(line)
        line = stamp[2] if stamp else ""
    found = _SAID.match(line) or (None if chat else _SAID_WITH_DASH.match(line))
    return (found[1].strip(), found[2]) if found else ("", "")


def _keep_speakers(habits: Habits, lines: int) -> None:
    """Only names that speak: known ones, and, where they speak most of the lines, those that speak more than once."""
    often = {name for name, count in habits.speakers.items() if count > 1 or standard_role(name)}
    spoken = sum(habits.speakers[name] for name in often)
    known = {name for name in often if standard_role(name)}
    talks = len({standard_role(name) for name in known}) >= 2 and spoken >= 2
    dense = len(often) >= 2 and spoken >= 0.5 * lines
    kept = often if habits.chat or dense else known if talks else set()
    if habits.chat and dense:
        kept = set(habits.speakers)
    habits.speakers = Counter(
        {name: habits.speakers[name] for name in habits.speakers if name in kept}
    )


def _gap_of(lines: list[str], habits: Habits) -> int:
    """The blank lines between two turns, where nearly every turn has some after it, as documents saved as text have."""
    gaps: Counter[int] = Counter()
    blank, spoken = 0, False
    for line in lines:
        if not line.strip():
            blank += 1
            continue
        if _candidate(line, chat=False)[0] in habits.speakers:
            if spoken:
                gaps[blank] += 1
            spoken = True
        blank = 0
    loose = sum(count for gap, count in gaps.items() if gap)
    if not gaps or loose < 0.9 * sum(gaps.values()):
        return 0
    return min(gap for gap in gaps if gap and gaps[gap] >= 0.25 * loose)


def role_of(name: str, habits: Habits, chosen: dict[str, str]) -> str:
    """teacher, student, system or skip; the name itself where nobody knows."""
    if name in chosen:
        return chosen[name]
    role = standard_role(name)
    if role is not None:
        return {"user": "teacher", "assistant": "student"}.get(role, role)
    if habits.unknown == [name] and habits.roles in ({"user"}, {"assistant"}):
        return "student" if habits.roles == {"user"} else "teacher"
    return name


def assumed(habits: Habits, chosen: dict[str, str]) -> Problem | None:
    """The one speaker of two who was taken for the other role, for a person to confirm."""
    unknown = [name for name in habits.unknown if name not in chosen]
    if len(unknown) != 1 or role_of(unknown[0], habits, chosen) == unknown[0]:
        return None
    message = f"“{unknown[0]}” was taken for the {role_of(unknown[0], habits, chosen)}, because the other one is known."
    how = "Accept the rows if that is right; else say who is who."
    return Problem(
        line=1,
        column=None,
        field="",
        code="speaker_assumed",
        severity="warning",
        message=message,
        fix=how,
    )


def suggested_roles(speakers: Counter[str], questions: Counter[str]) -> dict[str, str]:
    """Who is probably who, for a person to correct: known names, and as the teacher whoever asks most."""
    roles = {name: standard_role(name) for name in speakers}
    taught = "user" in roles.values()
    asks = max(
        speakers,
        key=lambda name: (questions[name] / speakers[name], -list(speakers).index(name)),
        default="",
    )
    named = {"user": "teacher", "assistant": "student"}
    suggested = {}
    for name, role in roles.items():
        if role is not None:
            suggested[name] = named.get(role, role)
        else:
            suggested[name] = "teacher" if name == asks and not taught else "student"
    return suggested


def talk_objects(
    lines: Iterator[tuple[int, bytes | None]],
    limits: Limits,
    habits: Habits,
    chosen: dict[str, str],
) -> Objects:
    """One dialogue for each conversation, what is no part of one as problems. `chosen`: name -> role by a person.

    `lines`: number and bytes of each line; None for one that is too long.
    """
    talk = _Talk(limits, habits, chosen)
    for number, raw in lines:
        try:
            line = clean_line(decode_utf8(raw)) if raw is not None else ""
        except JsonFault as fault:
            yield (
                number,
                _problem(number, fault.code, fault.message, fault.fix, column=fault.at + 1),
            )
            continue
        if raw is None:
            long = too_long(limits.max_row_bytes)
            yield number, _problem(number, long.code, long.message, long.fix)
            continue
        yield from talk.take(number, line)
    yield from talk.ended()


class _Talk:
    """A conversation that is being written out, line by line; one that grows too long is given up, not held."""

    def __init__(self, limits: Limits, habits: Habits, chosen: dict[str, str]) -> None:
        self.limits, self.habits, self.chosen = limits, habits, chosen
        self.start = self.size = self.blank = self.headings = 0
        self.begun = self.skipping = False
        self.day = ""
        self.turns: list[tuple[str, list[str]]] = []

    def take(self, number: int, line: str) -> Objects:
        if not line.strip():
            self.blank += 1
            if self.habits.gap == 0 and not self.habits.chat:
                yield from self.ended()
            return
        blank, self.blank = self.blank, 0
        if not line.strip(" \t-=_*#"):
            yield from self.ended()
            return
        if self.habits.gap and blank > self.habits.gap:
            yield from self.ended()
        if self.habits.chat and (stamp := _STAMP.match(line)):
            yield from self._message(number, stamp[1], stamp[2].strip())
            return
        name, said = self._speaker(line)
        if name:
            yield from self._speak(number, name, said)
        elif self.turns or self.skipping:
            self._go_on(line.strip())
        else:
            yield number, self._nobody(number, line)

    def _speaker(self, line: str) -> tuple[str, str]:
        for pattern in (_SAID, _SAID_WITH_DASH):
            found = pattern.match(line)
            name = found[1].strip() if found else ""
            if found and (
                name in self.habits.speakers or name in self.chosen or standard_role(name)
            ):
                return name, found[2].strip()
        return "", ""

    def _message(self, number: int, day: str, text: str) -> Objects:
        found = _SAID.match(text)
        if found is None or _NOTICE.search(text):
            yield (
                number,
                _notice(
                    number,
                    "chat_notice",
                    "This notice of the chat program was passed over.",
                    text,
                ),
            )
            return
        if _MEDIA.match(found[2].strip()):
            yield (
                number,
                _notice(
                    number,
                    "chat_media",
                    "This picture, sound or deleted message was passed over.",
                    text,
                ),
            )
            return
        if day != self.day:
            yield from self.ended()
        self.day = day
        yield from self._speak(number, found[1].strip(), found[2].strip())

    def _speak(self, number: int, name: str, said: str) -> Objects:
        role = role_of(name, self.habits, self.chosen)
        self.begun = True
        self.skipping = role == "skip"
        if self.skipping:
            return
        if self._is_long_enough(role):
            yield from self.ended()
        self.start = self.start if self.turns else number
        self.size += len(said) + 1
        if self._too_long:
            return
        if self.habits.chat and self.turns and self.turns[-1][0] == role:
            self.turns[-1][1].append(said)  # several messages in a row are one turn
        else:
            self.turns.append((role, [said]))

    def _is_long_enough(self, role: str) -> bool:
        """A chat or a document without any break becomes rows of about MOST_TURNS turns that end with the student."""
        loose = self.habits.chat or self.habits.gap
        return (
            bool(loose)
            and len(self.turns) >= MOST_TURNS
            and role == "teacher"
            and self.turns[-1][0] == "student"
        )

    def _go_on(self, said: str) -> None:
        if self.skipping:
            return
        self.size += len(said) + 1
        if not self._too_long:
            self.turns[-1][1].append(said)

    def _nobody(self, number: int, line: str) -> Problem:
        heading = (
            not self.begun
            and self.headings < _MOST_HEADINGS
            and len(line.strip()) <= _LONGEST_HEADING
        )
        if heading:
            self.headings += 1
            return _notice(
                number, "title_line", "This line above the conversation was passed over.", line
            )
        message = "Nobody is named as speaking this line."
        return _problem(
            number, "no_speaker", message, "Begin it with “Teacher:” or “Student:”.", text=line
        )

    @property
    def _too_long(self) -> bool:
        return self.size > self.limits.max_row_bytes

    def ended(self) -> Objects:
        if self._too_long:
            long = too_long(self.limits.max_row_bytes)
            fix = "Put a blank line between two conversations."
            yield self.start, _problem(self.start, long.code, long.message, fix)
        elif self.turns:
            turns = [
                {"role": role, "content": "\n".join(said).strip()} for role, said in self.turns
            ]
            yield self.start, {"dialogue": turns}
        self.turns, self.size, self.skipping = [], 0, False


def _notice(line: int, code: str, message: str, text: str) -> Problem:
    return Problem(
        line=line,
        column=None,
        field="",
        code=code,
        severity="info",
        message=message,
        fix="Nothing to do.",
        excerpt=excerpt_of(text.strip()),
    )


def _problem(
    line: int, code: str, message: str, fix: str, *, column: int | None = None, text: str = ""
) -> Problem:
    return Problem(
        line=line,
        column=column if column and column > 0 else None,
        field="",
        code=code,
        severity="error",
        message=message,
        fix=fix,
        excerpt=excerpt_of(text),
    )
