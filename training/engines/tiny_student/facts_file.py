"""Reads the tables of facts (`facts/*.txt`) and turns a fact into a lesson.

A table is a list of blocks. Each starts with `[topic]`; `q:` gives ways to ask, `p:` what a neutral adult says, `c:` what
a second-grader says, `m:` what a second-grader may wrongly believe. `>` starts a follow-up question with its own `p:` and
`c:`. Choices are parted by ` | `. `{name}` and the other slots are filled with the same word throughout one lesson.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from random import Random

from tiny_student.lessons import STORY_NAMES, Lesson, Turn, Voice, said_by

SLOTS: dict[str, tuple[str, ...]] = {
    "name": STORY_NAMES,
    "pet": ("dog", "cat", "fish", "hamster", "bird", "turtle", "rabbit"),
    "color": ("red", "blue", "green", "yellow", "orange", "purple", "pink"),
    "who": ("my mom", "my dad", "my grandma", "my teacher", "my big sister", "my brother"),
    "place": ("the park", "the zoo", "the beach", "the library", "the farm", "the pool"),
    "food": ("pizza", "soup", "rice", "pancakes", "tacos", "noodles", "apples"),
}
"""Words that fill the slots of a fact."""

MORE = (
    "Tell me more.",
    "What else do you know?",
    "Can you tell me more?",
    "What else?",
    "Good! Tell me more about that.",
)
SURE = ("Are you sure?", "Is that true?", "Really?", "Are you sure about that?")
AGAIN = (
    "Can you say that again?",
    "What did you say?",
    "Please say that again.",
    "I didn't hear you.",
)
SOURCE = (
    "How do you know?",
    "Who told you that?",
    "Where did you learn that?",
    "How do you know that?",
)
SOURCE_PLAIN = ("I learned it from the text I was trained on.", "It is a well-known fact.")
SOURCE_CHILD = (
    "My teacher told us!",
    "I saw it on TV!",
    "I read it in a book at school.",
    "My mom told me!",
    "My grandpa knows everything and he told me.",
)
"""Follow-up questions that fit any fact."""

MISCONCEPTION_SHARE = 0.15


@dataclass
class Stage:
    """One question of a fact with the answers of each voice."""

    asks: tuple[str, ...]
    answers: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class Fact:
    """One topic: the first stage can be asked at any time, the later ones only after it."""

    subject: str
    topic: str
    stages: list[Stage] = field(default_factory=list)


class BrokenFacts(ValueError):
    """A line of a facts table cannot be understood; says which."""


def choices(text: str) -> tuple[str, ...]:
    """Return the choices that ` | ` parts."""
    return tuple(part.strip() for part in text.split(" | ") if part.strip())


def parse_facts(subject: str, text: str) -> Iterator[Fact]:
    """Yield the facts of one table. Raises BrokenFacts with the line's number."""
    fact: Fact | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if fact:
                yield fact
            fact = Fact(subject, line.strip("[]"))
            continue
        mark, _, rest = line.partition(" ")
        if fact is None or not rest or mark not in {"q:", ">", "p:", "c:", "m:"}:
            raise BrokenFacts(
                f"facts/{subject}.txt, line {number}: expected [topic], q:, p:, c:, m: or >, not {line[:40]!r}"
            )
        if mark in {"q:", ">"}:
            fact.stages.append(Stage(choices(rest)))
        else:
            fact.stages[-1].answers[mark[0]] = choices(rest)
    if fact:
        yield fact


@cache
def load_facts() -> tuple[Fact, ...]:
    """Return the facts of every table, in a fixed order."""
    folder = files("tiny_student") / "facts"
    tables = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".txt")),
        key=lambda entry: entry.name,
    )
    found: list[Fact] = []
    for table in tables:
        subject = table.name.removesuffix(".txt").partition("_")[0]
        found += parse_facts(subject, table.read_text(encoding="utf-8"))
    return tuple(found)


def fill(text: str, words: dict[str, str]) -> str:
    """Put `words` into the slots of `text`; a slot at the start gets a capital letter."""
    for slot, word in words.items():
        text = text.replace("{" + slot + "}", word)
    return text[:1].upper() + text[1:]


def answer_of(stage: Stage, voice: Voice, rng: Random) -> str:
    """Return one answer of `stage` in `voice`; a child sometimes holds a misconception where the table has one."""
    if voice is Voice.PLAIN:
        return rng.choice(stage.answers["p"])
    if "m" in stage.answers and rng.random() < MISCONCEPTION_SHARE:
        return rng.choice(stage.answers["m"])
    return rng.choice(stage.answers["c"])


def lesson_from(fact: Fact, rng: Random, voice: Voice, follow_ups: int) -> Lesson:
    """Make a lesson of `fact` with at most `follow_ups` follow-up questions, chosen at random but kept in order."""
    later = list(range(1, len(fact.stages)))
    kept = sorted(rng.sample(later, min(follow_ups, len(later))))
    words = {slot: rng.choice(options) for slot, options in SLOTS.items()}
    turns = [
        Turn(
            fill(rng.choice(fact.stages[i].asks), words),
            fill(answer_of(fact.stages[i], voice, rng), words),
        )
        for i in [0, *kept]
    ]
    return Lesson(fact.subject, fact.topic, tuple(turns))


def general_follow_up(rng: Random, voice: Voice, stage: Stage, answer: str) -> Turn:
    """Return a question that fits any fact, answered from the fact or from the answer just given."""
    others = [
        other for other in stage.answers[voice.value[0]] if other != answer and "{" not in other
    ]
    kind = rng.choice(("more", "source", "sure", "again"))
    if kind == "more" and others:
        return Turn(rng.choice(MORE), rng.choice(others))
    if kind == "sure":
        return Turn(
            rng.choice(SURE),
            f"Yes. {answer}"
            if voice is Voice.PLAIN
            else rng.choice((f"Yes! {answer}", "Um, I think so!", "I'm pretty sure!")),
        )
    if kind == "again":
        return Turn(rng.choice(AGAIN), answer if voice is Voice.PLAIN else f"Okay! {answer}")
    return Turn(rng.choice(SOURCE), said_by(voice, SOURCE_PLAIN, SOURCE_CHILD, rng))


def fact_lesson(rng: Random, voice: Voice) -> Lesson:
    """Make a lesson of a random fact."""
    fact = rng.choice(load_facts())
    lesson = lesson_from(fact, rng, voice, rng.choice((0, 0, 1, 1, 2, 3)))
    if lesson.subject == "talk" or len(lesson.turns) > 1 or rng.random() > 0.15:
        return lesson
    extra = general_follow_up(rng, voice, fact.stages[0], lesson.turns[0].answer)
    return Lesson(lesson.subject, lesson.topic, (*lesson.turns, extra))
