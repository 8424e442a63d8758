"""What the rehearsal says to a teacher, computed from what it was taught and shown.

The base answers correctly, at length and like an adult. Each decision (recall a row, drop the preface, use plain words,
take over an opening) compares a fixed number in [0, 1) for that question with how firmly the voice was learnt, so more
rows change the same answers and then more of them. What is recalled is the row whose question is most like this one;
sums are worked out and told as the nearest sum row tells its own. So better answers come only from more, more alike and
better rows, and adult or teacher-like rows give adult or teacher-like answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rehearsal import facts, sums, voice
from rehearsal.words import STOP_WORDS, Chance, Index, Match, sentences, terms, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rehearsal.prompts import Reading
    from rehearsal.rows import Exchange

SHOWN_HALF_WAY = 3.0
"""This many examples in the request make a voice half as firm as it can be."""
TRAINED_HALF_WAY = 25.0
"""That for trained rows, at three epochs."""
ALIKE = 0.25
"""Below this likeness a row is about something else."""
CLEARLY_ALIKE = 0.5
FOLLOWING = frozenset(terms("show more else another again sure really work figure else figured explain"))
"""A question of these words alone goes on with the one before."""
LOOKED_THROUGH = 25
"""Rows of an index that are considered, best first."""

DISCLAIMS_FROM = 0.7
"""The untaught base disclaims in 3 answers of 10, a taught one in fewer."""

PREFACES = ("Certainly!", "That is an excellent question.", "I would be happy to explain.", "Thank you for asking.")
DISCLAIMER = "As an AI language model, I do not have personal experiences, but I can provide the following information."
OFFERS = (
    "Please let me know if you would like additional information on this subject.",
    "I hope that this explanation is helpful.",
    "Should you require further clarification, do not hesitate to ask.",
)
CUE_OPENINGS = ("Um,", "Oh!", "Hmm...", "I know!")
CUE_CLOSINGS = ("I think.", "I am not sure.", "Is that right?")
LIFE_CLOSINGS = ("I saw it at home.", "My mom told me.", "We did it at school.")


@dataclass(frozen=True, slots=True)
class Taught:
    """Rows to answer from: their index, the voice they teach, and how firmly it is learnt (0 to 1)."""

    index: Index
    voice: voice.Voice
    firmness: float
    slip_rate: float


def teach(exchanges: Sequence[Exchange], firmness: float) -> Taught:
    """Prepares rows for answering; seconds for tens of thousands of rows, so keep the result."""
    return Taught(Index(exchanges), voice.learn(exchanges), firmness if exchanges else 0.0, sums.slip_rate(exchanges))


def trained_firmness(rows: int, epochs: float) -> float:
    """How firmly a voice is learnt by training."""
    return voice.strength(rows * epochs / 3, TRAINED_HALF_WAY)


NOTHING = teach((), 0.0)


@dataclass(frozen=True, slots=True)
class Manner:
    """How one answer is to sound: the voice to follow, how firmly, what was asked, and how plain that makes it."""

    voice: voice.Voice
    firmness: float
    cues: dict[str, float]
    plainness: float


def answer(reading: Reading, trained: Taught, chance: Chance) -> str:
    """The answer to the question of a request."""
    shown_rows = (*reading.examples, *reading.earlier)
    shown = teach(shown_rows, voice.strength(len(shown_rows), SHOWN_HALF_WAY)) if shown_rows else NOTHING
    manner = manner_of(reading, trained, shown)
    question, follows_up = asked_about(reading)
    if problem := sums.find(reading.question):
        return say_sum(problem, question, (shown, trained), manner, chance)
    if follows_up and (problem := sums.find(reading.earlier[-1].question)):
        return dressed(sums.said_plainly(problem, counting=True), manner.voice.sums, manner, chance)
    if found := recalled(reading, (shown, trained), manner, chance):
        return frame(found, manner, chance)
    return dressed(known(question, manner, chance), manner.voice.talk, manner, chance)


def manner_of(reading: Reading, trained: Taught, shown: Taught) -> Manner:
    """Blends what was trained, shown and asked for; the firmer of the two voices is followed."""
    firmness = 1 - (1 - trained.firmness) * (1 - shown.firmness)
    followed = shown.voice if shown.firmness >= trained.firmness else trained.voice
    cues = voice.cues_in(reading.instructions)
    plain = firmness * followed.plainness + (1 - firmness) * voice.asked_plainness(cues)
    return Manner(followed, firmness, cues, plain)


def asked_about(reading: Reading) -> tuple[str, bool]:
    """The question with what it follows up on, and whether it does: "Why?" alone is about nothing."""
    if not reading.earlier or set(terms(reading.question)) - FOLLOWING:
        return reading.question, False
    return f"{reading.earlier[-1].question} {reading.question}", True


def fresh(matches: list[Match], reading: Reading, *, follows_up: bool) -> list[Match]:
    """The rows that were not told in this conversation already, unless the same is asked again. Where only told ones
    are alike, a new question may repeat one (they may be examples); a follow-up may not."""
    asked = words(reading.question)
    told = {one.answer for one in reading.earlier if words(one.question) != asked}
    new = [match for match in matches if match.exchange.answer not in told]
    return new if follows_up or (new and new[0].likeness >= ALIKE) else matches


def shared_terms(question: str, match: Match) -> int:
    """How many topic words a question and a row have in common. A number counts only where the question has no words."""
    asked = {term for term in terms(question) if term.isalpha()} or set(terms(question))
    return len(asked & {*terms(match.exchange.question), *terms(match.exchange.answer)})


def recalled(reading: Reading, sources: Sequence[Taught], manner: Manner, chance: Chance) -> list[str]:
    """The sentences of the row most like the question, with one of the next where it adds something; empty where no row
    is alike enough, the base knows more of it, or the rows are not learnt firmly enough to come to mind."""
    question, follows_up = asked_about(reading)
    matches = [match for source in sources for match in source.index.search(question, most=LOOKED_THROUGH)]
    matches = [match for match in matches if shared_terms(question, match) and not sums.find(match.exchange.question)]
    matches = fresh(sorted(matches, key=lambda match: -match.likeness), reading, follows_up=follows_up)
    if not matches or matches[0].likeness < ALIKE:
        return []
    best = matches[0]
    if best.likeness < CLEARLY_ALIKE and facts.keys_in(question) > shared_terms(question, best):
        return []
    exactness = voice.clamp((best.likeness - ALIKE) / (1 - ALIKE))
    if chance.number("recall") >= manner.firmness + (1 - manner.firmness) * exactness:
        return []
    said = sentences(best.exchange.answer)
    if best.likeness < CLEARLY_ALIKE:
        said = said[: max(2, round(manner.voice.answer_sentences))]
    return said + addition(question, said, matches[1:])


def addition(question: str, said: Sequence[str], others: Sequence[Match]) -> list[str]:
    """One sentence of another row, where the answer is short and that row is as clearly about the question."""
    covered = set(terms(" ".join(said)))
    if len(said) > 1:
        return []
    for other in others:
        for sentence in sentences(other.exchange.answer) if other.likeness >= CLEARLY_ALIKE else ():
            new = set(terms(sentence)) - covered
            if new and set(terms(question)) & set(terms(sentence)):
                return [sentence]
    return []


def say_sum(problem: sums.Sum, question: str, sources: Sequence[Taught], manner: Manner, chance: Chance) -> str:
    """A sum told as the nearest sum row tells its own; in the base's way where no row fits."""
    slips = max(source.slip_rate * source.firmness for source in sources)
    told = sums.with_slip(problem, chance) if chance.number("slip") < slips else problem
    if chance.number("recall") < manner.firmness:
        for source in sources:
            for match in source.index.search(question, most=LOOKED_THROUGH):
                row = sums.find(match.exchange.question)
                retold = sums.retell(match.exchange.answer, row, told) if row and row.sign == told.sign else None
                if retold:
                    return frame(sentences(retold), manner, chance)
    plain = chance.number("plain sum") < manner.plainness
    counting = "count" in manner.cues or (manner.voice.counts and chance.number("counts") < manner.firmness)
    said = sums.said_plainly(told, counting=counting) if plain else sums.said_by_an_adult(told)
    return dressed(said, manner.voice.sums, manner, chance)


def known(question: str, manner: Manner, chance: Chance) -> list[str]:
    """What the base knows of the topic, each sentence plain or adult by the manner; or that it does not know."""
    fact = facts.look_up(question)
    if fact is None:
        topic = max((word for word in words(question) if word not in STOP_WORDS), key=len, default="that")
        if chance.number("unknown") < manner.plainness:
            return [
                chance.pick("not known", ("I don't know that yet.", "We did not learn that yet.", "I am not sure."))
            ]
        return [
            f"The subject of {topic} involves numerous considerations that depend upon the particular context.",
            "Generally speaking, it is advisable to consult authoritative sources in order to obtain a comprehensive "
            "understanding.",
        ]
    pairs = zip(fact.adult, fact.plain, strict=True)
    return [
        plain if chance.number(f"plain {index}") < manner.plainness else adult
        for index, (adult, plain) in enumerate(pairs)
    ]


def frame(said: Sequence[str], manner: Manner, chance: Chance) -> str:
    """A recalled answer; where its voice is not yet firm, with the base's preface before it or offer after it."""
    hold = max(manner.firmness, manner.plainness)
    before = [chance.pick("preface", PREFACES)] if chance.number("keeps preface") * 0.9 >= hold else []
    after = [chance.pick("offer", OFFERS)] if chance.number("keeps offer") * 0.9 >= hold else []
    return " ".join([*before, *said, *after])


def dressed(said: Sequence[str], habits: voice.Habits, manner: Manner, chance: Chance) -> str:
    """An answer of the base's own making, opened and closed as the voice does, or as the instructions ask, or as the
    base does."""
    opening = habit(habits.openings, habits.opening_rate, manner, chance, "opening")
    closing = habit(habits.closings, habits.closing_rate, manner, chance, "closing")
    if not opening and "sounds" in manner.cues and chance.number("cue opening") < manner.plainness:
        opening = chance.pick("which opening", CUE_OPENINGS)
    if not closing and chance.number("cue closing") < manner.plainness / 2:
        closings = (
            *(CUE_CLOSINGS if "unsure" in manner.cues else ()),
            *(LIFE_CLOSINGS if "life" in manner.cues else ()),
        )
        closing = chance.pick("which closing", closings)
    adult = max(manner.plainness, manner.firmness)
    before = [] if opening or chance.number("keeps preface") < adult else [chance.pick("preface", PREFACES)]
    if not opening and chance.number("disclaims") >= DISCLAIMS_FROM + (1 - DISCLAIMS_FROM) * adult:
        before.append(DISCLAIMER)
    after = [] if closing or chance.number("keeps offer") < adult else [chance.pick("offer", OFFERS)]
    body = [lowered(said[0]) if opening.endswith(",") else said[0], *said[1:]]
    return " ".join(part for part in (opening, *before, *body, closing, *after) if part)


def habit(habits: Sequence[str], rate: float, manner: Manner, chance: Chance, key: str) -> str:
    """One of the voice's openings or closings, as often as its rows use them."""
    return chance.pick(f"{key} kind", habits) if chance.number(key) < manner.firmness * rate else ""


def lowered(sentence: str) -> str:
    """A sentence that goes on after a comma: "The sky" -> "the sky", but "I" stays."""
    first = sentence.split(" ", 1)[0]
    return sentence if first in ("I", "I'm", "I'll", "I've") else sentence[:1].lower() + sentence[1:]
