"""How somebody talks: learnt from rows, or asked for in instructions."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rehearsal import sums
from rehearsal.words import sentences, terms, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rehearsal.rows import Exchange

STARTERS = re.compile(
    r"(um+|uh+|hm+|oh+|ooh+|wow|well|yay|yes|yeah|okay|ok|let me (think|count|see)|i know|"
    r"i think|my (teacher|mom|dad|grandma)|"
    r"great|excellent|certainly|of course|that's (right|correct|a)|good (question|job))\b",
    re.IGNORECASE,
)
ENDERS = re.compile(
    r"(i think|i like|i saw|i love|is that|that's why|that is why|right\?|maybe|can (i|we|you)|would you|"
    r"do you|let me know|let's|"
    r"i'm not sure|i am not sure|what do you|could you|does that|keep|feel free)",
    re.IGNORECASE,
)
HABIT_WORDS = 5
CLOSING_WORDS = 14
KEPT_HABITS = 8
GENERIC = frozenset(terms("right sure maybe think like question try again help now"))
"""Closings of these words fit any topic; others must have followed two topics to be a habit."""
LEAKS = re.compile(r"as an ai|language model|artificial intelligence|i am an assistant|i'm an assistant", re.IGNORECASE)

CUES: tuple[tuple[str, float, str], ...] = (
    ("child", 0.32, r"second[- ]grad|2nd[- ]grad|grade 2|(7|8|seven|eight)[- ]years?[- ]old|\bchild|\bkid"),
    (
        "simple",
        0.13,
        r"simple (word|language|vocab|talk)|easy words|small words|plain words|age[- ]appropriate|little words",
    ),
    (
        "short",
        0.13,
        r"short (sentence|answer|repl)|brief|(two|three|2|3) (short )?sentences|one sentence|keep it short",
    ),
    ("count", 0.06, r"\bcount|fingers|step[- ]by[- ]step|out loud"),
    ("unsure", 0.08, r"mistake|not sure|unsure|misconception|mix(es)? (things )?up|i don't know|maybe"),
    ("sounds", 0.08, r"\bum\b|\bhmm\b|\boh\b|excited|exclamation|enthusias|wiggly"),
    (
        "plain",
        0.13,
        r"(never|not|avoid|don't|no)[^.]{0,40}(adult|grown|big word|formal|\bai\b|teacher|expert|lectur|assistant)",
    ),
    (
        "life",
        0.08,
        r"(own|daily|every ?day) (life|experience)|my (mom|dad|teacher|cat|dog)|at home|family|playground|recess",
    ),
    ("curious", 0.05, r"curious|wonder|ask[^.]{0,20}question"),
)
MOST_CUES = 0.85


@dataclass(frozen=True, slots=True)
class Habits:
    """Few-word openings and closings, commonest first, and the share of answers that have one."""

    openings: tuple[str, ...] = ()
    closings: tuple[str, ...] = ()
    opening_rate: float = 0.0
    closing_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Voice:
    """How answers sound. `plainness` runs from 0 (an adult's text) to 1 (a second-grader's); lengths are means; sums
    have habits of their own, and `counts` says whether they are mostly counted out."""

    plainness: float
    sentence_words: float
    answer_sentences: float
    talk: Habits
    sums: Habits
    counts: bool


NEUTRAL = Voice(0.0, 18.0, 4.0, Habits(), Habits(), counts=False)


def clamp(value: float) -> float:
    """The value, kept within 0 and 1."""
    return max(0.0, min(1.0, value))


def plainness(texts: Sequence[str]) -> float:
    """0 to 1: short sentences (9 words or fewer: plain; 17: not) and short words (3.9 letters: plain; 5: not), half
    each."""
    count = sum(len(sentences(text)) for text in texts)
    spoken = [word for text in texts for word in words(text) if not word.isdigit()]
    if not spoken or not count:
        return 0.0
    length = sum(map(len, spoken)) / len(spoken)
    return 0.5 * clamp((17 - len(spoken) / count) / 8) + 0.5 * clamp((5.0 - length) / 1.1)


def learn(exchanges: Sequence[Exchange]) -> Voice:
    """The voice of some answers; NEUTRAL where there are none."""
    if not exchanges:
        return NEUTRAL
    answers = [exchange.answer for exchange in exchanges]
    count = max(1, sum(len(sentences(answer)) for answer in answers))
    solved = [exchange for exchange in exchanges if sums.find(exchange.question)]
    talked = [exchange for exchange in exchanges if not sums.find(exchange.question)]
    return Voice(
        plainness=plainness(answers),
        sentence_words=sum(len(words(answer)) for answer in answers) / count,
        answer_sentences=count / len(answers),
        talk=habits(talked),
        sums=habits(solved),
        counts=2 * sum(bool(sums.COUNTING.search(one.answer)) for one in solved) > len(solved),
    )


def habits(exchanges: Sequence[Exchange]) -> Habits:
    """What some answers open and close with."""
    if not exchanges:
        return Habits()
    openings = Counter(filter(None, (opening_of(exchange) for exchange in exchanges)))
    topics: dict[str, set[str]] = defaultdict(set)
    closings: Counter[str] = Counter()
    for exchange in exchanges:
        if last := closing_of(exchange):
            closings[last] += 1
            topics[last].add(" ".join(sorted(terms(exchange.question))))
    for last, about in topics.items():
        if len(about) < 2 and set(terms(last)) - GENERIC:
            del closings[last]
    return Habits(
        openings=tuple(text for text, _ in openings.most_common(KEPT_HABITS)),
        closings=tuple(text for text, _ in closings.most_common(KEPT_HABITS)),
        opening_rate=openings.total() / len(exchanges),
        closing_rate=closings.total() / len(exchanges),
    )


def opening_of(exchange: Exchange) -> str:
    """The few words an answer starts with, where they are a habit rather than content; else ""."""
    found = re.match(r"[^.!?,…]{1,30}(?:\.{3}|[,.!?…])", exchange.answer)
    if not found or len(words(found[0])) > HABIT_WORDS or not STARTERS.match(found[0]):
        return ""
    about = set(terms(exchange.question))
    alone = found.end() >= len(exchange.answer.strip())
    return "" if alone or about & set(terms(found[0])) or re.search(r"\d", found[0]) else found[0]


def closing_of(exchange: Exchange) -> str:
    """The last sentence of an answer, where it is a habit rather than content; else ""."""
    parts = sentences(exchange.answer)
    last = parts[-1] if len(parts) > 1 else ""
    if not ENDERS.match(last) or len(words(last)) > CLOSING_WORDS or re.search(r"\d", last):
        return ""
    return "" if set(terms(exchange.question)) & set(terms(last)) else last


def cues_in(instructions: str) -> dict[str, float]:
    """What instructions ask of the voice: cue name -> weight."""
    return {name: weight for name, weight, pattern in CUES if re.search(pattern, instructions, re.IGNORECASE)}


def asked_plainness(cues: dict[str, float]) -> float:
    """How plain instructions alone make an answer (0 to 0.85): instructing is weaker than showing."""
    return min(MOST_CUES, sum(cues.values()))


def strength(count: float, half_way: float) -> float:
    """How firmly a voice is learnt from some rows (0 to 1); 0.5 at `half_way` rows."""
    return 1 - math.pow(0.5, count / half_way)
