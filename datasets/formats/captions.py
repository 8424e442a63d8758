"""Transcripts of meetings (WebVTT as Zoom and Teams save it, SubRip): cues with times, as lines that begin with who speaks.

Sentence by sentence becomes turn by turn: cues of one speaker in a row are one line. A long pause ends a conversation.
"""

import html
import re
from collections.abc import Iterable, Iterator

from datasets.formats.talk import Habits, habits_of
from datasets.formats.telling import nobody_named

Lines = Iterator[tuple[int, bytes | None]]

PAUSE_SECONDS = 60.0
"""Silence after which another conversation begins."""
BREAK = b"---"
"""A line that ends a conversation (`talk`)."""
_STAMP = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{3})"
_TIMES = re.compile(rf"^\s*{_STAMP}\s+-->\s+{_STAMP}")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]{1,80})>")
_TAG = re.compile(r"<[^<>]{0,200}>")
_NAMED = re.compile(r"^\s*([^\W\d_][\w .'’()\-]{0,39}?)\s*:\s+(.+)$", re.DOTALL)
_HEAD_LINES = 3


def is_captions(head: str) -> bool:
    """Whether a text begins as a file of captions does: by its first word, or by the times of its first cue."""
    lines = head.lstrip("\ufeff \t\r\n").splitlines()[:_HEAD_LINES]
    if lines and lines[0].startswith("WEBVTT"):
        return True
    return any(_TIMES.match(line) for line in lines)


def spoken_lines(lines: Iterable[tuple[int, bytes | None]], most_bytes: int) -> Lines:
    """(line number, `Name: what was said`) turn by turn, and BREAK at long pauses. A line that is None was too long, and stays so.

    `most_bytes`: what one turn may hold; a longer one goes on in a line of its own.
    """
    reader = _Cues(most_bytes)
    for number, raw in lines:
        if raw is None:
            yield from reader.flushed()
            yield number, None
            continue
        yield from reader.take(number, raw.decode("utf-8", "surrogateescape"))
    yield from reader.ended()


def spoken_head(head: str, *, most_bytes: int) -> str:
    """The start of a file as `spoken_lines` will give it, to learn its habits from."""
    lines = enumerate((line.encode("utf-8", "surrogateescape") for line in head.splitlines()), 1)
    found = [
        raw.decode("utf-8", "replace")
        for _, raw in spoken_lines(lines, most_bytes=most_bytes)
        if raw
    ]
    return "\n".join(found)


def habits_of_captions(head: str, most_bytes: int) -> Habits:
    """Who speaks in a meeting, which is one long talk. Raises UnreadableFile where no name is said."""
    spoken = spoken_head(head, most_bytes=most_bytes)
    habits = habits_of(spoken)
    if not habits.speakers:  # a short talk: each speaks once or twice
        named = [found for line in spoken.splitlines() if (found := _NAMED.match(line))]
        for found in named:
            habits.speakers[found[1]] += 1
            habits.questions[found[1]] += "?" in found[2]
    if not habits.speakers:
        raise nobody_named()
    habits.chat = True
    return habits


class _Cues:
    """The cue that is being read, and the turn that it belongs to."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.in_cue = False  # notes and styles stand outside of cues
        self.ends = 0.0  # the latest second that was heard
        self.cue: list[str] = []
        self.cue_line = 0
        self.turn: list[str] = []
        self.size = self.turn_line = 0
        self.speaker = ""

    def take(self, number: int, line: str) -> Lines:
        times = _TIMES.match(line)
        if times is not None:
            yield from self._cue_over()
            self.in_cue, self.cue_line = True, number + 1
            yield from self._silence(_seconds(times.groups()[:4]), _seconds(times.groups()[4:]))
        elif not line.strip():
            yield from self._cue_over()
        elif self.in_cue:
            self.cue.append(line.strip())

    def _silence(self, begins: float, ends: float) -> Lines:
        if self.turn and begins - self.ends > PAUSE_SECONDS:
            line = self.turn_line
            yield from self.flushed()
            yield line, BREAK
        self.ends = max(self.ends, ends)

    def _cue_over(self) -> Lines:
        said, self.cue, self.in_cue = " ".join(self.cue), [], False
        if not said:
            return
        speaker, text = _who(said)
        if not text:
            return
        changed = bool(speaker) and speaker != self.speaker
        if (
            changed or self.size + len(text) > self.most_bytes // 4
        ):  # a character is four bytes at most
            yield from self.flushed()
        if not self.turn:
            self.turn_line, self.speaker = self.cue_line, speaker or self.speaker
        self.turn.append(text)
        self.size += len(text) + 1

    def flushed(self) -> Lines:
        """The turn so far, if there is one."""
        if self.turn:
            who = f"{self.speaker}: " if self.speaker else ""
            yield (
                self.turn_line,
                f"{who}{' '.join(self.turn)}".encode("utf-8", "surrogateescape"),
            )
        self.turn, self.size = [], 0

    def ended(self) -> Lines:
        yield from self._cue_over()
        yield from self.flushed()


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return 3600 * hours + 60 * minutes + seconds + thousandths / 1000


def _who(said: str) -> tuple[str, str]:
    """(speaker or "", text): Teams marks the voice, Zoom writes the name before the words."""
    voice = _VOICE.search(said)
    text = html.unescape(_TAG.sub("", said)).strip()
    if voice is not None:
        return _name(html.unescape(voice[1])), text
    named = _NAMED.match(text)
    return (_name(named[1]), named[2].strip()) if named else ("", text)


def _name(given: str) -> str:
    """As a name may stand before a colon (`talk`)."""
    return re.sub(r"[^\w .'’()\-]+", " ", given).strip()[:40].strip()
