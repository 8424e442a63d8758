"""How long LoRA training takes on this machine: what the engine will do, at the pace it had in recent runs here."""

import math
import platform
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from django.db.models import Q, QuerySet

from datasets.models import DatasetVersion
from datasets.services import model_view, pairs
from datasets.services.reading import stored_rows
from training.models import BaseModel, Hosting, PaceTrial, RunStatus, TrainingRun
from training.services import base_answers, fresh_questions, lora_memory
from training.services.questions import SAMPLE_QUESTIONS

WHOLE = "none"  # of the form's `quantization`: the base in all its bits
RECENT_RUNS = 5
CPU_INFO = Path("/proc/cpuinfo")
COUNTED_ROWS = 3_000
PAIR_HALVES = 2

# Until this machine has measured its own.
START_SECONDS = 8.0
TOKENS_PER_SECOND = 2_000.0
VALIDATION_SPEED = 3  # against training: no gradients
# multiplications for each weight, forward and back; of two busy cores
WORK_PER_TOKEN = 6
WORK_PER_SECOND = 5e10
# each token of an answer reads all weights from memory
ANSWER_TOKENS = 40
BYTES_PER_SECOND = 1e10
ANSWER_SECONDS = 0.2
SAVE_SECONDS = 0.1

# As in the engine's loop.
ASKING_SHARE = 0.1
ASKING_SECONDS = 5.0
VALIDATION_SHARE = 0.3
FEWEST_VALIDATION_ROWS = 100
VERDICT_CANDIDATES = (
    1.5  # adapters that are asked: the best by validation loss, and often the last one too
)
VERDICT_SPEED = 3  # against a sample answer: many are made together


@dataclass(frozen=True)
class Work:
    """What a run asks of its engine: training steps and the tokens in them, tokens read in validation, sample answers, and
    checkpoints. Asked and not charged: the verdict's answers, and as `free_answers` the base's own. `rounds_between`: how
    often sample answers are asked for on the way; the engine leaves out those for which there is no time
    (`Seen.answers_between`)."""

    steps: int
    trained_tokens: int
    validated_tokens: int = 0
    answers: int = 0
    saves: int = 0
    rounds_between: int = 0
    verdict_answers: int = 0
    free_answers: int = 0

    @property
    def charged(self) -> "Work":
        """Without what nobody pays for."""
        return replace(self, verdict_answers=0, free_answers=0)


@dataclass(frozen=True)
class Seen:
    """How fast one run was, in seconds. `start`: loading, keeping the adapter, and all else that does not grow with the work."""

    start: float
    by_step: float
    by_token: float
    by_validated_token: float
    by_answer: float
    by_save: float
    by_verdict_answer: float = 0.0

    def training(self, work: Work) -> float:
        return work.steps * self.by_step + work.trained_tokens * self.by_token

    def beside(self, work: Work) -> float:
        return (
            self.start
            + work.validated_tokens * self.by_validated_token
            + (work.answers + work.free_answers + self.answers_between(work)) * self.by_answer
            + work.saves * self.by_save
            + work.verdict_answers * self.by_verdict_answer
        )

    def answers_between(self, work: Work) -> int:
        """Sample answers on the way, as many as the engine takes the time for (`lora/loop.py`): the first round, and more
        while they take no longer than their share of training."""
        a_round = len(SAMPLE_QUESTIONS) * self.by_answer
        allowed = max(ASKING_SECONDS, ASKING_SHARE * self.training(work))
        fitting = max(1, int(allowed / a_round)) if a_round else work.rounds_between
        return min(work.rounds_between, fitting) * len(SAMPLE_QUESTIONS)

    def seconds(self, work: Work) -> float:
        return self.training(work) + self.beside(work)


@dataclass(frozen=True)
class Pace:
    """What is known of this machine and a base: recent runs, and the machine's own trials while these are few; a guess where
    there are neither. Each estimates the whole work on its own, and the median counts: one disturbed run spoils nothing."""

    seen: tuple[Seen, ...]
    runs: int = 0
    trial: bool = False

    def training(self, work: Work) -> float:
        """Seconds of the training steps alone."""
        return median(one.training(work) for one in self.seen)

    def beside(self, work: Work) -> float:
        """Seconds of everything else."""
        return median(one.beside(work) for one in self.seen)

    def seconds(self, work: Work) -> float:
        """How long the whole work takes."""
        return self.training(work) + self.beside(work)

    def between(self, work: Work) -> tuple[float, float]:
        """How long it would take at the quickest and at the slowest of what was seen."""
        each = [one.seconds(work) for one in self.seen]
        return min(each), max(each)

    def sample_answers(self, work: Work) -> int:
        """How many there will be."""
        return (
            work.answers
            + work.free_answers
            + round(median(one.answers_between(work) for one in self.seen))
        )


def tokens_of(base: BaseModel, version: DatasetVersion) -> int:
    """Tokens of one pass over a version: counted in the base's own template where it is on this machine and that is quick."""
    if is_counted(base, version):
        return _counted(base.name, version.content_hash, version)
    return version.token_estimate


def tokens_in_pairs(base: BaseModel, version: DatasetVersion, system: str = "") -> int:
    """Tokens of one pass over preference rows: each prompt is read with both of its answers. `system`: as `pairs.halves`."""
    if is_counted(base, version):
        return _counted_pairs(base.name, version.content_hash, system, version)
    return PAIR_HALVES * version.token_estimate


def is_counted(base: BaseModel, version: DatasetVersion) -> bool:
    """Whether `tokens_of` counts; otherwise it estimates from the characters."""
    return base.hosting == Hosting.BUNDLED and version.row_count <= COUNTED_ROWS


@lru_cache(maxsize=256)
def _counted(base: str, content_hash: str, version: DatasetVersion) -> int:
    try:
        return model_view.count(stored_rows(version), base)
    except model_view.CanNotShow:
        return version.token_estimate


@lru_cache(maxsize=256)
def _counted_pairs(base: str, content_hash: str, system: str, version: DatasetVersion) -> int:
    try:
        return model_view.count(pairs.halves(version, system), base)
    except model_view.CanNotShow:
        return PAIR_HALVES * version.token_estimate


def machine() -> str:
    """What computes here, in words that change when it does."""
    room = lora_memory.room()
    processor = f"{lora_memory.cores()} x {_processor()}"
    return ", ".join([processor, *(room.gpus if room is not None else ())])


def _processor() -> str:
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def worked_through(base: BaseModel, *, quantization: str) -> "QuerySet[TrainingRun]":
    """LoRA runs on this base, in these bits, that were done in one go: those that tell how fast a machine is."""
    done = TrainingRun.objects.adapters().filter(
        base_model=base, status=RunStatus.SUCCEEDED, attempt=1
    )
    done = done.exclude(imported=True)  # another machine's, or anybody's invention
    in_these_bits = Q(settings__quantization=quantization)
    if quantization == WHOLE:
        in_these_bits |= Q(settings__quantization__isnull=True)
    return done.filter(in_these_bits, training_tokens__gt=0, compute_seconds__gt=0)


def pace_of(base: BaseModel, *, quantization: str) -> Pace:
    """From the last LoRA runs on this base, in these bits, that worked through in one go. Of runs before the trial, which is
    made on the whole base, only those on the same machine count."""
    guess = guessed(base)
    trials = _latest_trials(base) if quantization == WHOLE else []
    done = worked_through(base, quantization=quantization)
    if trials:
        done = done.filter(
            Q(finished_at__gt=trials[0].at) | Q(result__machine=trials[0].machine)
        )
    recent = done.order_by("-finished_at")[:RECENT_RUNS]
    runs = [seen(run.compute_seconds, run.result.get("metrics") or {}, guess) for run in recent]
    known = [run for run in runs if run is not None]
    trials = trials[: RECENT_RUNS - len(known)]
    tried = [
        one
        for trial in trials
        if (one := seen(trial.compute_seconds, trial.metrics, guess)) is not None
    ]
    return Pace((*known, *tried) or (guess,), len(known), trial=bool(tried))


def _latest_trials(base: BaseModel) -> list[PaceTrial]:
    """Newest first: those on the machine of the newest one."""
    trials = PaceTrial.objects.filter(base_model=base, trouble="")
    newest = trials.first()
    return (
        list(trials.filter(machine=newest.machine)[:RECENT_RUNS]) if newest is not None else []
    )


def seen(seconds: float, metrics: dict[str, Any], guess: Seen) -> Seen | None:
    """One run as its engine measured it; None for one that did not measure its steps. What it did nothing of is guessed.

    `seconds`: of the whole run by the clock. `metrics`: of the engine's result.
    """

    def figure(name: str) -> float:
        return float(metrics.get(name) or 0)

    def each(spent: str, count: str, otherwise: float) -> float:
        return figure(spent) / figure(count) if figure(count) else otherwise

    by_step, by_token = figure("seconds_per_step"), figure("seconds_per_token")
    if not by_step and not by_token:
        return None
    steps = by_step * figure("steps") + by_token * figure("tokens")
    by_answer = figure("seconds_per_answer") or each(
        "sample_seconds", "sample_answers", guess.by_answer
    )
    answering = by_answer * figure("sample_answers")
    beside = answering + sum(
        map(figure, ("validation_seconds", "save_seconds", "verdict_seconds"))
    )
    return Seen(
        start=max(0.0, seconds - steps - beside),
        by_step=by_step,
        by_token=by_token,
        by_validated_token=each(
            "validation_seconds", "validation_tokens", guess.by_validated_token
        ),
        by_answer=by_answer,
        by_save=each("save_seconds", "saves", guess.by_save),
        by_verdict_answer=each("verdict_seconds", "verdict_answers", by_answer / VERDICT_SPEED),
    )


def guessed(base: BaseModel) -> Seen:
    """Before anything was measured here: a big base needs more work for each token."""
    speed, answer, shape = TOKENS_PER_SECOND, ANSWER_SECONDS, lora_memory.shape_of(base.weights)
    if shape is not None:
        speed = min(speed, WORK_PER_SECOND / (WORK_PER_TOKEN * shape.parameters))
        answer += ANSWER_TOKENS * lora_memory.FP32 * shape.parameters / BYTES_PER_SECOND
    verdict = answer / VERDICT_SPEED
    return Seen(
        START_SECONDS,
        0.0,
        1 / speed,
        1 / (VALIDATION_SPEED * speed),
        answer,
        SAVE_SECONDS,
        verdict,
    )


def work_of(
    base: BaseModel,
    version: DatasetVersion,
    settings: dict[str, Any],
    *,
    rows: int,
    held_out: int,
) -> Work:
    """What a run with these settings, `rows` to train on and `held_out` to measure with will do if nobody stops it.

    A run on pairs first asks its reference about each of them, once.
    """
    in_pairs, epochs = settings.get("training") == "dpo", int(settings["epochs"])
    system = str(settings.get("system_prompt") or "")
    one_pass = tokens_in_pairs(base, version, system) if in_pairs else tokens_of(base, version)
    reference = math.ceil(one_pass * (rows + held_out) / version.row_count) if in_pairs else 0
    steps = _steps(settings, rows)
    sample_every, save_every = (
        int(settings.get(name) or 0) for name in ("sample_every", "save_every")
    )
    trained = math.ceil(one_pass * rows / version.row_count) * epochs
    goes_on, known = bool(settings.get("starts_from")), base_answers.are_known(base, version)
    return Work(
        steps=steps * epochs,
        trained_tokens=trained,
        validated_tokens=_validated(
            settings, one_pass / version.row_count, steps, trained, held_out
        )
        + reference,
        # Asked at the end; what a run goes on from is asked before it, too.
        answers=(2 if goes_on else 1) * len(SAMPLE_QUESTIONS),
        saves=1 + (steps * epochs // save_every if save_every else 0),
        # In between, but not again at the very end.
        rounds_between=(steps * epochs - 1) // sample_every if sample_every else 0,
        verdict_answers=_verdict_answers(held_out, known=known),
        free_answers=0
        if known or goes_on
        else len(SAMPLE_QUESTIONS),  # the base's, at the start
    )


def _validated(
    settings: dict[str, Any], row_tokens: float, steps: int, trained: int, held_out: int
) -> int:
    """Tokens read in validation. `row_tokens`: of one row; `steps`: of an epoch; `trained`: tokens of the whole training."""
    epochs, every = int(settings["epochs"]), int(settings.get("evaluate_every") or 0)
    validations = 1 + (math.ceil(steps * epochs / every) if every else epochs)
    allowed = max(VALIDATION_SHARE * trained / validations, FEWEST_VALIDATION_ROWS * row_tokens)
    return math.ceil(min(held_out * row_tokens, allowed) * validations)


def _verdict_answers(held_out: int, *, known: bool) -> int:
    """Answers to fresh questions, of the adapters that may be kept and of the base so far as they are not known."""
    candidates = VERDICT_CANDIDATES if held_out else 1
    return round(fresh_questions.COUNT * (candidates + (0.5 if known else 1)))


def _steps(settings: dict[str, Any], rows: int) -> int:
    """Steps of one epoch."""
    batches = math.ceil(rows / int(settings.get("batch_size", 16)))
    return math.ceil(batches / int(settings.get("gradient_accumulation", 1)))
