"""Puts lessons together into whole conversations: the training text of the base model."""

from collections.abc import Callable
from random import Random
from typing import TypedDict

from tiny_student import arithmetic, everyday, facts_file, memory, numbers, tables, unknown
from tiny_student.lessons import Lesson, LessonMaker, Voice
from tiny_student.voices import chatty, child_system, framed, plain_system


class Message(TypedDict):
    """One message of a chat."""

    role: str
    content: str


MAKERS: tuple[tuple[float, LessonMaker], ...] = (
    (30.0, arithmetic.addition),
    (18.0, arithmetic.subtraction),
    (7.0, arithmetic.number_story),
    (1.0, arithmetic.three_numbers),
    (2.0, numbers.neighbours),
    (1.5, numbers.counting),
    (1.5, numbers.comparing),
    (1.0, numbers.even_or_odd),
    (1.5, numbers.place_value),
    (1.5, numbers.groups),
    (1.0, numbers.missing_part),
    (2.0, everyday.calendar),
    (1.5, everyday.clock),
    (2.0, everyday.money),
    (4.0, memory.remembering),
    (1.5, tables.opposites),
    (2.0, tables.rhymes),
    (2.0, tables.spelling),
    (1.0, tables.colors),
    (2.0, tables.animals),
    (0.7, tables.legs),
    (1.5, tables.kinds),
    (2.5, everyday.shapes),
    (1.0, everyday.length),
    (1.0, everyday.alphabet),
    (3.0, unknown.grown_up_question),
    (48.0, facts_file.fact_lesson),
)
"""What is talked about, and how often."""

CHATTY_SHARE = 0.3
"""Share of the child's answers with an opener ("Ooh!") or a closer ("My mom says so.")."""

LESSONS_PER_TALK = (1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 6)

ASKS = {
    "nothing": (0.52, 0.03),
    "plain system": (0.11, 0.01),
    "child system": (0.27, 0.95),
    "child question": (0.10, 0.95),
}
"""How a conversation is set up: (share of conversations, share of those in the child's voice)."""


def random_lesson(rng: Random, voice: Voice) -> Lesson:
    """Make one lesson of any kind."""
    weights = [weight for weight, _ in MAKERS]
    makers: list[Callable[[Random, Voice], Lesson]] = [maker for _, maker in MAKERS]
    return rng.choices(makers, weights)[0](rng, voice)


def conversation(rng: Random) -> list[Message]:
    """Make one conversation: perhaps a system message, then user and assistant in turn."""
    asked = rng.choices(list(ASKS), [share for share, _ in ASKS.values()])[0]
    voice = Voice.CHILD if rng.random() < ASKS[asked][1] else Voice.PLAIN
    messages: list[Message] = []
    name: str | None = None
    if asked == "plain system":
        messages.append({"role": "system", "content": plain_system(rng)})
    elif asked == "child system":
        text, name = child_system(rng)
        messages.append({"role": "system", "content": text})
    for _ in range(rng.choice(LESSONS_PER_TALK)):
        messages += said(rng, random_lesson(rng, voice), voice, asked == "child question", name)
    return messages


def said(
    rng: Random, lesson: Lesson, voice: Voice, ask_for_child: bool, name: str | None
) -> list[Message]:
    """Return the messages of one lesson; a child that was given a name answers with that name."""
    messages: list[Message] = []
    for place, turn in enumerate(lesson.turns):
        question = (
            framed(rng, turn.question, voice, ask_for_child) if place == 0 else turn.question
        )
        answer = turn.answer
        if name and lesson.topic == "name" and place == 0:
            answer = rng.choice(
                (
                    f"I'm {name}! What's your name?",
                    f"My name is {name}!",
                    f"I'm {name} and I'm in second grade!",
                )
            )
        if voice is Voice.CHILD:
            answer = chatty(rng, answer, CHATTY_SHARE)
        messages += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    return messages


def conversations(seed: int, count: int) -> list[list[Message]]:
    """Return `count` conversations, the same for the same seed."""
    rng = Random(seed)
    return [conversation(rng) for _ in range(count)]
