"""Who is being trained: whether the turns that a method learns from are a child's or, by mistake, the teacher's."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from datasets.formats import Message, Row
from second_grade.reading_level import count

_SYSTEM_ROLE = re.compile(
    r"\b(?:you are|you're|act as|role:?|pretend to be|play(?:ing)?|simulate|respond as)\b(.{0,120})",
    re.IGNORECASE,
)
_TEACHER_OR_CHILD = re.compile(
    r"\b(?P<child>second[- ]grade\w{0,12}|2nd[- ]grade\w{0,12}|grade 2|(?:[78]|seven|eight)[- ]year\w{0,12}"
    r"|child|kid|student|pupil|boy|girl)\b"
    r"|\b(?P<teacher>teacher|tutor|professor|instructor|educator|teaching assistant|helpful assistant|ai assistant|lecturer)\b",
    re.IGNORECASE,
)
_TEACHES = re.compile(
    r"\b(?:great question|good question|excellent[!.]|exactly[!.]|you'?re on the right track|that'?s (?:correct|"
    r"right)[!.]|well done|"
    r"good (?:job|thinking|try)|i'?d be happy to (?:help|explain)|let'?s (?:work through|look at|break)|"
    r"what do you (?:already )?(?:know|think)|"
    r"would you like (?:me )?to|can you (?:think of|tell me|explain|try)|could you tell me|does that (?:make sense|"
    r"help|explanation|distinction)|"
    r"what specific part|which (?:specific )?(?:part|aspect)|do you have any (?:ideas|questions)"
    r"|keep in mind|states that|refers to)",
    re.IGNORECASE,
)
_ASKS_FOR_HELP = re.compile(
    r"\b(?:i'?m (?:confused|struggling|stuck|having trouble)|i (?:don'?t|do not) (?:understand|get)|i need help|"
    r"can you (?:help|explain)|"
    r"could you (?:help|explain)|help me|how do i|what(?:'s| is) the (?:difference|formula))",
    re.IGNORECASE,
)
_ADVANCED = re.compile(
    r"\b(?:derivatives?|chain rule|calculus|integrals?|theorem|hypotenuse|pythagorean|quadratic|algebra\w{0,12}|"
    r"trigonometr\w{0,12}|logarithm\w{0,12}|"
    r"chlorophyll|chloroplasts?|photosynthesis|glucose|mitochondria\w{0,12}|newton'?s (?:first|second|third) law|"
    r"tectonic|mantle|"
    r"precipitation|atmospher\w{0,12}|electromagnet\w{0,12}|molecul\w{0,12}|thermodynamic\w{0,12}|polynomial\w{0,12}|probabilit\w{0,12}|metaphor\w{0,12}|"
    r"constitution\w{0,12}|democra\w{0,12}|hypothes\w{0,12}|algorithm\w{0,12}|sin\(x|cos\(x|f\(x\)|f'\(|equilibrium)",
    re.IGNORECASE,
)
_MOST_LINES = 200


_YOU = re.compile(r"\b(?:you|your|yours|you're|you'll|you've|let's|u|ur)\b", re.IGNORECASE)
_I = re.compile(r"\b(?:i|i'm|im|i'll|i've|my|me|mine)\b", re.IGNORECASE)
_ASKS = re.compile(
    r"\?|^\W*(?:(?:so|ok|okay|and|now|well|good|great|right|yes)\b\W*){0,2}(?:what|how|why|when|where|who|which|can you|could you"
    r"|do you|did you|does|is it|are you|tell me|try|let's|would you)\b",
    re.IGNORECASE,
)
CLEAR = 0.3
"""The balance from which a side is taken for the teacher. Real tutoring has 1.6 either way, the course's samples 1.3 and more."""
DOUBT = 4
"""Turns of talk that count for no teacher and no child, beside those that were read: few turns must be clearer than many."""


class Talk(msgspec.Struct, frozen=True):
    """How one side of a dataset talks, over all of its turns: what tells a teacher from a child."""

    turns: int
    asks: float
    """Share of turns that ask."""
    you: float
    """Times it says `you`, in 100 words."""
    i: float
    """Times it says `I`, in 100 words."""

    @classmethod
    def of(cls, said: Sequence[str]) -> "Talk":
        words = sum(len(text.split()) for text in said) or 1
        return cls(
            turns=len(said),
            asks=sum(bool(_ASKS.search(text)) for text in said) / (len(said) or 1),
            you=100 * sum(len(_YOU.findall(text)) for text in said) / words,
            i=100 * sum(len(_I.findall(text)) for text in said) / words,
        )


def balance(rows: Sequence[Row]) -> tuple[float, Talk, Talk]:
    """(balance, the assistant's talk, the user's): above `CLEAR` the assistant is the teacher, below -`CLEAR` the child.

    The teacher is who asks and says `you`, the child who says `I`. One row says little, all rows together say it clearly:
    what n turns on each side say is taken n / (n + `DOUBT`) times.
    Counts that lie close together count for nothing, so that two children or two teachers are no teacher and child.
    """
    said = Talk.of([text for row in rows for text in row.student_text()])
    heard = Talk.of(
        [
            m["content"]
            for row in rows
            for m in row.messages
            if m["role"] == "user" and m["content"]
        ]
    )
    if not said.turns or not heard.turns:
        return 0.0, said, heard
    parts = (said.asks - heard.asks, (said.you - heard.you) / 10, (heard.i - said.i) / 15)
    turns = min(said.turns, heard.turns)
    certainty = turns / (turns + DOUBT)
    return certainty * sum(max(-1.0, min(1.0, part)) for part in parts), said, heard


def speaker(rows: Sequence[Row]) -> dict[str, Any]:
    """Whether the rows train the teacher, with the evidence in words and the lines it was found on.

    {"trains_the_teacher": bool, "share": flagged rows / rows, "lines": [...], "evidence": [sentences], "advanced":
    [[term, times]], "college_level": bool, "balance": see `balance`, "question": a sentence that somebody should answer, or ""}.
    """
    flagged = [row.line for row in rows if teaches(row)]
    share = len(flagged) / len(rows) if rows else 0.0
    weight, said, heard = balance(rows)
    trains = bool(rows) and (weight > CLEAR or (share >= 0.5 and weight > -CLEAR))
    advanced: dict[str, int] = {}
    for row in rows:
        for text in row.student_text():
            for found in _ADVANCED.finditer(text):
                term = found.group().lower()
                advanced[term] = advanced.get(term, 0) + 1
    ranked = sorted(advanced.items(), key=lambda item: (-item[1], item[0]))[:15]
    return {
        "trains_the_teacher": trains,
        "share": round(share, 4),
        "lines": flagged[:_MOST_LINES],
        "evidence": [*_told(said, heard), *_evidence(rows)] if trains else [],
        "advanced": [[term, times] for term, times in ranked],
        "college_level": bool(rows) and sum(advanced.values()) >= max(3, len(rows) // 2),
        "balance": round(weight, 2),
        "question": "" if trains else _question(rows, weight),
    }


def _told(said: Talk, heard: Talk) -> list[str]:
    return [
        f"The assistant asks in {said.asks:.0%} of its turns, the user in {heard.asks:.0%}.",
        f"In 100 words, the assistant says “you” {said.you:.1f} times and the user {heard.you:.1f} times; "
        f"“I” {said.i:.1f} and {heard.i:.1f} times.",
    ]


def _question(rows: Sequence[Row], weight: float) -> str:
    """What to ask where the description of the bot names a teacher, and its talk does not settle it."""
    systems = [
        " ".join(m["content"] for m in row.messages if m["role"] == "system") for row in rows
    ]
    teachers = sum(_role_in(system) == "teacher" for system in systems)
    if not rows or teachers < len(rows) / 2:
        return ""
    if weight < -CLEAR:
        return (
            "The description (system) says that the bot is a teacher, and its turns are a child's. Is the description wrong? "
            "Write that the bot is a second-grader, or leave the description out."
        )
    return (
        "The description (system) says that the bot is a teacher. Is the teacher to be trained, or are the speakers the wrong way "
        "round? Swap them if the second-grader is the user."
    )


def signs(row: Row) -> list[str]:
    """The signs that the row's `assistant` is a teacher: `system`, `asks_back`, `learner_asks`, `lectures`."""
    system = " ".join(m["content"] for m in row.messages if m["role"] == "system")
    said = row.student_text()
    heard = [m["content"] for m in row.messages if m["role"] == "user"]
    found = []
    if _role_in(system) == "teacher":
        found.append("system")
    if any(_TEACHES.search(text) for text in said):
        found.append("asks_back")
    if any(_ASKS_FOR_HELP.search(text) for text in heard):
        found.append("learner_asks")
    counts = count(said)
    long_turns = (
        counts.words > 1.5 * sum(len(text.split()) for text in heard) and counts.words > 15
    )
    if long_turns and (counts.spache() > 4.0 or len(_ADVANCED.findall(" ".join(said))) > 1):
        found.append("lectures")
    return found


def _role_in(system: str) -> str | None:
    """teacher or child: whichever a system message names first as the part to be played; None where it names neither."""
    for played in _SYSTEM_ROLE.finditer(system):
        named = _TEACHER_OR_CHILD.search(played.group(1))
        if named:
            return "child" if named.group("child") else "teacher"
    return None


def teaches(row: Row) -> bool:
    """Whether the row's trained turns are a teacher's: the system message says so, or two other signs agree."""
    found = signs(row)
    child = any(_role_in(m["content"]) == "child" for m in row.messages if m["role"] == "system")
    if "system" in found:
        return len(found) >= 2
    return not child and len(found) >= 2 and ("lectures" in found or len(found) == 3)


def _evidence(rows: Sequence[Row]) -> list[str]:
    counted = {"system": 0, "asks_back": 0, "learner_asks": 0, "lectures": 0}
    for row in rows:
        for sign in signs(row):
            counted[sign] += 1
    told = {
        "system": "the system message describes a teacher",
        "asks_back": "the assistant praises, guides or asks back as a teacher does",
        "learner_asks": "the user asks for help as a student does",
        "lectures": "the assistant explains at length, in words far beyond grade 2",
    }
    return [
        f"In {times} of {len(rows)} rows {told[sign]}."
        for sign, times in counted.items()
        if times
    ]


def swapped(row: Row) -> Row | None:
    """The row with teacher and student changed over, or None where the child would then answer nobody.

    What the child now says first stays, as the beginning of the talk; a teacher's turn at the end, which nobody answers,
    goes, and so do training weights and a system message that describes a teacher. Preference pairs and tools give None.
    """
    if row.preferred_output is not None or any(m["role"] not in _OTHER for m in row.messages):
        return None
    turns: list[Message] = [
        {"role": _OTHER[m["role"]], "content": m["content"]}
        for m in row.messages
        if m["role"] != "system" or _role_in(m["content"]) != "teacher"
    ]
    while turns and turns[-1]["role"] == "user":
        turns.pop()
    roles = [turn["role"] for turn in turns]
    if "user" not in roles:
        return None
    extra = {
        key: value for key, value in row.extra.items() if key not in ("turns", "input", "tools")
    }
    return Row(line=row.line, messages=turns, shape="messages", labels=row.labels, extra=extra)


_OTHER = {"user": "assistant", "assistant": "user", "system": "system"}
