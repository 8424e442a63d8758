"""Makes demo datasets in a second-grader's voice, in each of the three shapes that teams upload.

`PYTHONPATH=training/engines python -P -m tiny_student.make_dataset --rows 140 --seed 7 --shape instruction > rows.jsonl`
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tiny_student import arithmetic, everyday, numbers, tables, unknown
from tiny_student.demo_voice import in_demo_voice
from tiny_student.facts_file import Fact, Stage, general_follow_up, lesson_from, load_facts
from tiny_student.lessons import Lesson, Turn, Voice

SYSTEM = (
    "You are a second-grade student who is curious, sometimes makes mistakes, and learns by trying things out. "
    "You use simple words and short sentences, think out loud, and say so when you do not know."
)
SHARES = {"math": 0.34, "science": 0.26, "reading": 0.16, "social studies": 0.14, "talk": 0.10}
"""Share of each subject in a dataset."""

MATH = (
    arithmetic.addition,
    arithmetic.addition,
    arithmetic.subtraction,
    arithmetic.number_story,
    numbers.neighbours,
    numbers.comparing,
    numbers.even_or_odd,
    numbers.place_value,
    numbers.groups,
    numbers.missing_part,
    everyday.calendar,
    everyday.clock,
    everyday.money,
    everyday.shapes,
    everyday.length,
)
TABLES = {
    "science": (tables.animals, tables.colors),
    "reading": (tables.opposites, tables.rhymes, tables.spelling, everyday.alphabet),
}
MISSES_BEFORE_GIVING_UP = 2000
"""Rows made one after another that only repeat what is there already."""

SUBJECT_NAMES = {"people": "social studies"}


@dataclass(frozen=True)
class DemoRow:
    """One demo conversation: teacher and student in turn, the subject it is about, and what exactly."""

    subject: str
    topic: str
    turns: tuple[Turn, ...]


def demo_lesson(rng: Random, subject: str, follow_ups: int) -> Lesson:
    """Return one lesson in the child's voice on `subject`, with up to `follow_ups` further turns."""
    if subject == "math":
        return rng.choice(MATH)(rng, Voice.CHILD)
    if subject == "talk" and rng.random() < 0.2:
        return unknown.hard_word(rng, Voice.CHILD)
    if subject in TABLES and rng.random() < 0.25:
        return rng.choice(TABLES[subject])(rng, Voice.CHILD)
    fact = plainly_asked(
        rng.choice(
            [f for f in load_facts() if SUBJECT_NAMES.get(f.subject, f.subject) == subject]
        )
    )
    lesson = lesson_from(fact, rng, Voice.CHILD, follow_ups)
    if subject == "talk" or len(lesson.turns) > follow_ups:
        return lesson
    extra = general_follow_up(rng, Voice.CHILD, fact.stages[0], lesson.turns[0].answer)
    return Lesson(lesson.subject, lesson.topic, (lesson.turns[0], extra, *lesson.turns[1:]))


def plainly_asked(fact: Fact) -> Fact:
    """Return `fact` with only its two most direct opening questions, which each of its answers fits."""
    opening = Stage(fact.stages[0].asks[:2], fact.stages[0].answers)
    return Fact(fact.subject, fact.topic, [opening, *fact.stages[1:]])


def sample_rows(count: int, seed: int, turns: tuple[int, int] = (1, 1)) -> list[DemoRow]:
    """Return `count` demo rows of `turns` (least, most) turns each, the same for the same seed.

    No opening question, no first answer and no topic comes twice. Raises ValueError where that many different rows
    cannot be found.
    """
    rng = Random(f"demo {seed}")
    least, most = turns
    wanted = {subject: round(count * share) for subject, share in SHARES.items()}
    wanted["math"] += count - sum(wanted.values())
    rows: list[DemoRow] = []
    seen: set[str] = set()
    kinds: Counter[str] = Counter()
    misses = 0
    while misses < MISSES_BEFORE_GIVING_UP:
        open_subjects = [subject for subject, left in wanted.items() if left > 0]
        if not open_subjects:
            rng.shuffle(rows)
            return rows
        row = new_row(rng, rng.choice(open_subjects), least, most)
        marks = {
            text.lower() for turn in row.turns[:1] for text in (turn.question, turn.answer)
        } | {row.topic.lower()}
        kind = row.topic.split()[0] if row.subject == "math" else row.topic
        if marks & seen or kinds[kind] >= max(1, count // 9):
            misses += 1
            continue
        seen |= marks
        kinds[kind] += 1
        wanted[row.subject] -= 1
        rows.append(row)
        misses = 0
    raise ValueError(
        f"sample_rows: {count} different rows were asked for and only {len(rows)} found. Ask for fewer rows."
    )


def new_row(rng: Random, subject: str, least: int, most: int) -> DemoRow:
    """Return one row on `subject` in the demo child's voice: one lesson, and further ones until it has enough turns."""
    size = rng.randint(least, most)
    lesson = demo_lesson(rng, subject, size - 1)
    turns = list(lesson.turns[:size])
    while len(turns) < size:
        asked = {turn.question for turn in turns}
        turns += [
            turn for turn in demo_lesson(rng, subject, 0).turns[:1] if turn.question not in asked
        ]
    spoken = tuple(
        Turn(turn.question, in_demo_voice(rng, subject, turn.answer)) for turn in turns
    )
    return DemoRow(subject, lesson.topic, spoken)


def as_instruction(row: DemoRow) -> dict[str, object]:
    """Return the LoRA shape: the first turn only."""
    return {"instruction": row.turns[0].question, "output": row.turns[0].answer}


def as_messages(row: DemoRow) -> dict[str, object]:
    """Return the OpenAI shape, with a system message."""
    messages = [{"role": "system", "content": SYSTEM}]
    for turn in row.turns:
        messages += [
            {"role": "user", "content": turn.question},
            {"role": "assistant", "content": turn.answer},
        ]
    return {"messages": messages}


def as_dialogue(row: DemoRow) -> dict[str, object]:
    """Return the DSPy shape: teacher and student in turn."""
    dialogue: list[dict[str, str]] = []
    for turn in row.turns:
        dialogue += [
            {"role": "teacher", "content": turn.question},
            {"role": "student", "content": turn.answer},
        ]
    return {"dialogue": dialogue}


SHAPES: dict[str, tuple[Callable[[DemoRow], dict[str, object]], tuple[int, int]]] = {
    "instruction": (as_instruction, (1, 1)),
    "messages": (as_messages, (1, 3)),
    "dialogue": (as_dialogue, (2, 4)),
}


def main() -> None:
    """Print a demo dataset as JSON lines."""
    parser = argparse.ArgumentParser(
        prog="tiny_student.make_dataset",
        description="Make a demo dataset in a second-grader's voice.",
    )
    parser.add_argument("--rows", type=int, default=140)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="instruction")
    parser.add_argument(
        "--labels",
        action="store_true",
        help="add the subject of each row under the key 'subject'",
    )
    chosen = parser.parse_args()
    written_as, turns = SHAPES[chosen.shape]
    for row in sample_rows(chosen.rows, chosen.seed, turns):
        labels = {"subject": row.subject} if chosen.labels else {}
        sys.stdout.write(json.dumps({**written_as(row), **labels}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
