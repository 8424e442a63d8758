"""Losses that are measured, not drawn: a small n-gram language model learns the training answers step by step.

The model is a trigram over o200k tokens, each order smoothed by the one below (Dirichlet smoothing), the lowest by a
prior on token rank (byte-pair ranks follow frequency, so p ~ 1 / (rank + 200)). At each step the batch's loss and
accuracy are measured BEFORE the batch is learnt, as a training loss is; validation rows are measured without being
learnt. So the loss falls faster on rows that resemble each other, and validation falls only where training rows help.
Figures are nats a token; they are this model's, not a transformer's.

For DPO the loss is the real one, -log sigmoid(beta x (gain on preferred - gain on rejected)), with gain = log p(model)
- log p(prior).
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rehearsal import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rehearsal.rows import Row

PRIOR_SHIFT = 200
PRIOR_NORM = math.log((tokens.VOCABULARY + PRIOR_SHIFT) / PRIOR_SHIFT)
SMOOTHING = (300.0, 12.0, 3.0)
"""Strength, in tokens, of the lower order in unigram, bigram and trigram."""

START = -1
END = tokens.VOCABULARY
MAX_LEARNT_TOKENS = 1_500_000
"""About six seconds of work on one core; longer files are measured on every k-th row, and the job says so in an event.
"""
VALIDATIONS = 10
AUTO_MULTIPLIER = 1.8
"""The learning rate multiplier at which one token counts as one; also what "auto" is, as for OpenAI's small models."""
CONTEXT_WINDOW = 65_536


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a job trains with, all resolved (no "auto")."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: float


@dataclass(frozen=True, slots=True)
class Step:
    """One training step as OpenAI reports it; validation figures are None where none were taken."""

    step: int
    train_loss: float
    train_accuracy: float
    valid_loss: float | None
    valid_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """All steps of a job. `every` is k where only every k-th row was measured (1 = all)."""

    steps: list[Step]
    epoch_ends: list[int]
    every: int

    def as_json(self) -> dict[str, object]:
        """Plain lists and numbers, for the database."""
        return asdict(self)


class TrigramModel:
    """Counts of tokens after the two before them, with smoothing; learns with a weight per token."""

    def __init__(self) -> None:
        self.counts: tuple[dict[tuple[int, ...], float], ...] = tuple(defaultdict(float) for _ in range(3))
        self.totals: dict[tuple[int, ...], float] = defaultdict(float)
        self.best: dict[tuple[int, ...], tuple[int, float]] = {}

    def probability(self, before: tuple[int, int], token: int) -> float:
        """p(token | the two tokens before it)."""
        chance = 1 / ((token + PRIOR_SHIFT) * PRIOR_NORM)
        for order, strength in enumerate(SMOOTHING):
            context = before[2 - order :]
            seen = self.counts[order].get((*context, token), 0.0)
            chance = (seen + strength * chance) / (self.totals.get(context, 0.0) + strength)
        return chance

    def guess(self, before: tuple[int, int]) -> int:
        """The likeliest next token: the most counted one after the longest context that was seen."""
        for order in (2, 1, 0):
            if found := self.best.get(before[2 - order :]):
                return found[0]
        return 0

    def learn(self, sequence: Sequence[int], weight: float) -> None:
        """Adds one answer's tokens."""
        before = (START, START)
        for token in sequence:
            for order in range(3):
                context = before[2 - order :]
                count = self.counts[order][(*context, token)] + weight
                self.counts[order][(*context, token)] = count
                self.totals[context] += weight
                if count > self.best.get(context, (0, 0.0))[1]:
                    self.best[context] = (token, count)
            before = (before[1], token)

    def measure(self, sequence: Sequence[int]) -> tuple[float, int]:
        """(sum of -log p in nats, tokens guessed right) over one answer."""
        before = (START, START)
        loss, right = 0.0, 0
        for token in sequence:
            loss -= math.log(self.probability(before, token))
            right += self.guess(before) == token
            before = (before[1], token)
        return loss, right


@dataclass(frozen=True, slots=True)
class Lesson:
    """A row as token ids: what to say, and what not to say (empty outside DPO)."""

    wanted: tuple[tuple[int, ...], ...]
    rejected: tuple[tuple[int, ...], ...]

    def size(self) -> int:
        """Tokens that are learnt."""
        return sum(map(len, self.wanted))


def lessons_of(rows: Sequence[Row]) -> list[Lesson]:
    """Rows to token ids, each answer closed by an end mark."""
    return [
        Lesson(
            wanted=tuple((*tokens.encode(e.answer), END) for e in row.exchanges),
            rejected=tuple((*tokens.encode(e.rejected), END) for e in row.exchanges if e.rejected),
        )
        for row in rows
    ]


def score(model: TrigramModel, prior: TrigramModel, lessons: Sequence[Lesson], beta: float) -> tuple[float, float]:
    """(loss, accuracy) of the model on some lessons: per token for supervised rows, per row for preference rows."""
    loss, right, size = 0.0, 0, 0
    for lesson in lessons:
        wanted = [model.measure(sequence) for sequence in lesson.wanted]
        if lesson.rejected:
            margin = sum(prior.measure(s)[0] for s in lesson.wanted) - sum(part[0] for part in wanted)
            margin -= sum(prior.measure(s)[0] - model.measure(s)[0] for s in lesson.rejected)
            loss += math.log1p(math.exp(-min(beta * margin, 30.0))) if beta * margin > -30 else -beta * margin
            right += margin > 0
            size += 1
        else:
            loss += sum(part[0] for part in wanted)
            right += sum(part[1] for part in wanted)
            size += lesson.size()
    return round(loss / max(size, 1), 5), round(right / max(size, 1), 5)


def train(training: Sequence[Row], validation: Sequence[Row], settings: Hyperparameters) -> Curve:
    """Learns the rows as the settings say and returns every step's measured loss."""
    lessons, checks = lessons_of(training), lessons_of(validation)
    work = settings.n_epochs * sum(lesson.size() for lesson in lessons) + VALIDATIONS * sum(c.size() for c in checks)
    every = max(1, math.ceil(work / MAX_LEARNT_TOKENS))
    checks = checks[::every]
    per_epoch = math.ceil(len(lessons) / settings.batch_size)
    total = per_epoch * settings.n_epochs
    checked_at = {per_epoch * (epoch + 1) for epoch in range(settings.n_epochs)}
    checked_at |= {max(1, round(total * part / VALIDATIONS)) for part in range(1, VALIDATIONS + 1)}
    model, prior = TrigramModel(), TrigramModel()
    steps = []
    for number in range(1, total + 1):
        start = (number - 1) % per_epoch * settings.batch_size
        batch = lessons[start : start + settings.batch_size]
        batch = batch[::every] if len(batch) > 1 else batch
        loss, accuracy = score(model, prior, batch, settings.beta)
        for lesson in batch:
            for sequence in lesson.wanted:
                model.learn(sequence, settings.learning_rate_multiplier / AUTO_MULTIPLIER)
        checked = score(model, prior, checks, settings.beta) if checks and number in checked_at else (None, None)
        steps.append(Step(number, loss, accuracy, *checked))
    return Curve(steps, [per_epoch * (epoch + 1) for epoch in range(settings.n_epochs)], every)


def trained_tokens(rows: Sequence[Row], epochs: int) -> int:
    """Tokens OpenAI bills for: every message of every row (cut at the context window), times the epochs."""
    each = (tokens.count_messages(row.messages) - tokens.REPLY_PRIMING for row in rows)
    return epochs * sum(min(count, CONTEXT_WINDOW) for count in each)
