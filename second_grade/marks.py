"""One answer of an interview as a team reads it: right, mistaken or out of character, and whether a child would say it.

The mark says what the answer is; `failed` says whether there is something to teach. They are not the same: a mistake that
many second-graders make is no failure of the bot, and the right answer to what comes years later is one.
"""

from dataclasses import dataclass
from enum import StrEnum

from second_grade import phrases
from second_grade.interview import (
    BEYOND,
    KNOWN,
    LONG_ANSWER_WORDS,
    PERSONA,
    Asked,
    falls_out_of_part,
    what_it_claims,
)
from second_grade.questions import Stance
from second_grade.verdict import is_language, repeats_within
from second_grade.words import words


class Mark(StrEnum):
    """In the order in which a team should look at them."""

    OUT_OF_CHARACTER = "out of character"
    MISTAKEN = "mistaken"
    NO_ANSWER = "no answer"
    UNSURE = "unsure"
    OPEN = "not judged"
    RIGHT = "right"


ORDER = {mark: place for place, mark in enumerate(Mark)}


@dataclass(frozen=True)
class Marked:
    """`why`: one sentence for the team. `failed`: a second-grader would not say it, so a better answer teaches something."""

    mark: Mark
    why: str
    failed: bool


def mark_answer(one: Asked, answer: str, *, follow_up: bool = False) -> Marked:
    """What `answer` to the question `one` is. A follow-up has no listed answers: only its language can be judged."""
    if not words(answer):
        return Marked(Mark.NO_ANSWER, "It said nothing.", failed=True)
    if (why := _out_of_character(answer)) is not None:
        return Marked(Mark.OUT_OF_CHARACTER, why, failed=True)
    if follow_up:
        return Marked(
            Mark.OPEN,
            "It depends on what was said before, so no rule can judge it.",
            failed=False,
        )
    stance = what_it_claims(one, answer).stance
    if one.subject == PERSONA:
        return _about_itself(stance)
    return _about_the_world(stance, one.expectation)


def _out_of_character(answer: str) -> str | None:
    """Why no second-grader speaks so, or None."""
    if (said := phrases.says_it_is_an_ai(answer)) is not None:
        return f"It gives itself away as a program: “{said}”."
    if not is_language(answer):
        return "These are not English words, or not sentences."
    if repeats_within(answer):
        return "It says the same words over and over."
    if phrases.teaching_phrases(answer):
        return "It speaks like the teacher."
    if found := phrases.adult_phrases(answer):
        return f"It speaks like a grown-up: “{found[0][0]}”."
    if falls_out_of_part(answer):
        return f"It lectures: more than {LONG_ANSWER_WORDS} words, many of them beyond second grade."
    return None


def _about_itself(stance: Stance) -> Marked:
    if stance is Stance.MISTAKEN:
        return Marked(
            Mark.OUT_OF_CHARACTER,
            "It says of itself what is not true of a second-grader.",
            failed=True,
        )
    if stance is Stance.RIGHT:
        return Marked(Mark.RIGHT, "It answers as a second-grader would.", failed=False)
    return Marked(
        Mark.NO_ANSWER, "It does not say of itself what a child would say.", failed=True
    )


def _about_the_world(stance: Stance, expectation: str) -> Marked:
    if stance is Stance.RIGHT and expectation == BEYOND:
        return Marked(
            Mark.OUT_OF_CHARACTER, "It knows what comes later than second grade.", failed=True
        )
    if stance is Stance.RIGHT:
        return Marked(Mark.RIGHT, "It is right.", failed=False)
    if stance is Stance.MISTAKEN:
        known = expectation == KNOWN
        why = (
            "A second-grader usually knows this."
            if known
            else "Second-graders make this mistake too."
        )
        return Marked(Mark.MISTAKEN, why, failed=known)
    if stance is Stance.UNSURE:
        return Marked(
            Mark.UNSURE, "It does not know. A child may say so now and then.", failed=False
        )
    known = expectation == KNOWN
    return Marked(Mark.NO_ANSWER, "It claims nothing about what was asked.", failed=known)
