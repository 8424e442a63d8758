"""Instructions that the rehearsal proposes when an optimiser (MIPROv2, GEPA, SIMBA, COPRO) asks for some.

Each proposal is a handful of sentences that ask for a trait. Which ones: those that the examples in the request show
(an optimiser shows its demonstrations), plus chance, so that proposals differ and some are better than others. Examples
by an adult give an adult's instruction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rehearsal import voice
from rehearsal.rows import Exchange
from rehearsal.words import words

if TYPE_CHECKING:
    from rehearsal.words import Chance

PERSONA = (
    "You are a second-grade student talking with your teacher.",
    "You are a seven-year-old child answering your teacher in class.",
    "Answer the teacher as a second-grader would.",
)
TRAITS: tuple[tuple[str, str, float, str], ...] = (
    ("simple", "Use simple words that a seven-year-old knows.", 0.55, r""),
    ("short", "Use short sentences and keep it short: one or two sentences are enough.", 0.5, r""),
    ("count", "When there is a sum, count out loud step by step.", 0.2, r"\d+, \d+|let me count|fingers"),
    ("unsure", "Sometimes you are not sure, and you may make a small mistake.", 0.25, r"i think|not sure|maybe|um\b"),
    (
        "sounds",
        'Start with a sound such as "um" or "oh" when you are thinking or excited.',
        0.2,
        r"\b(um+|oh|hmm+|wow)\b",
    ),
    ("plain", "Never sound like an adult, an expert or an AI assistant.", 0.35, r"as an ai|furthermore|consequently"),
    (
        "life",
        "Talk about things from your own life, like your mom, your cat or recess.",
        0.25,
        r"my (mom|dad|teacher|cat|dog)|at home|recess",
    ),
    ("curious", "Be curious, and ask the teacher a question now and then.", 0.15, r"\?"),
)
ADULT_PERSONA = "You are a patient and knowledgeable teacher who assists a student."
ADULT_TRAITS = (
    "Explain the concept accurately and guide the student with a question.",
    "Encourage the student and check for understanding.",
    "Provide precise terminology together with an example.",
)
TEMPLATE_ANSWERS = re.compile(
    r"(?:\[\[ ## (?:student_response|response|answer) ## \]\]|student[ _]response|answer|response|reference)"
    r"['\"]?\s{0,3}[:=]?[ \t]*['\"]?(.+)",
    re.IGNORECASE,
)


def propose(prompt: str, chance: Chance) -> str:
    """An instruction for answering a teacher, from all the text of the request."""
    shown = shown_answers(prompt)
    spoken = " ".join(shown) or prompt
    if (
        shown
        and voice.learn([Exchange("", text) for text in shown]).plainness < 0.35
        and "second" not in prompt.lower()
    ):
        keep = [text for text in ADULT_TRAITS if chance.number(text) < 0.7]
        return " ".join([ADULT_PERSONA, *(keep or ADULT_TRAITS[:1])])
    kept = []
    for name, sentence, rate, evidence in TRAITS:
        seen = bool(evidence) and bool(re.search(evidence, spoken, re.IGNORECASE))
        if chance.number(f"trait {name}") < min(0.95, rate + (0.45 if seen else 0.0)):
            kept.append(sentence)
    persona = [chance.pick("persona", PERSONA)] if chance.number("has persona") < 0.8 or not kept else []
    return " ".join([*persona, *kept])


def shown_answers(prompt: str) -> list[str]:
    """The answers that examples in a prompt give, however the optimiser wrote them."""
    return [found.strip(" '\",})") for found in TEMPLATE_ANSWERS.findall(prompt) if len(words(found)) > 2]


def describe(prompt: str) -> str:
    """Two or three sentences on the examples in a prompt: their number and length, measured."""
    shown = shown_answers(prompt)
    if not shown:
        return "A teacher asks a question, with the conversation so far, and the program says what the student answers."
    learnt = voice.learn([Exchange("", text) for text in shown])
    manner = "plain and child-like" if learnt.plainness >= 0.5 else "long and adult"
    return (
        f"The data are exchanges between a teacher and a student. The {len(shown)} answers shown are {manner}: "
        f"about {learnt.sentence_words:.0f} words a sentence and {learnt.answer_sentences:.1f} sentences an answer."
    )
