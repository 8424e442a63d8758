"""What a DSPy run on a local base costs: the tokens that it read and wrote, at this machine's speed.

As with LoRA's work (`docs/adr/0005-local-work-has-a-price.md`), speed and rate are chosen at launch and stored on the run,
so the form's price and the charge use the same figures, and no load of other teams raises a charge.
"""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from teams.models import Course, Method
from teams.services.money import dollars
from teams.services.prices import PER_MILLION, Quote
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import lora_memory, model_server, training_time

READS = 0.1  # a token that is read takes about a tenth of the time of one that is written: they are read many at once
AT_ONCE = 2.0  # several answers at a time are written this much quicker than one by one
QUICKEST_OF = 20
SECONDS_PER_HOUR = 3600
SERVER_BYTES = 300 * 2**20  # beside the weights: what the server keeps of a conversation
FP32 = 4
OPTIMIZERS = frozenset(
    {"LabeledFewShot", "BootstrapFewShot", "BootstrapFewShotWithRandomSearch"}
)
"""Those that ask the model for nothing but a child's answers; as `dspy_program.spec` has them, a test compares."""
MOST_ANSWER_TOKENS = 120
"""A small model that is let go on rambles; its prompt and answer must fit its memory."""


@dataclass(frozen=True)
class TokenSpeed:
    """Seconds of this machine for one token that a base writes, and one that it reads. `measured`: runs here told."""

    written: float
    read: float
    measured: bool

    def stored(self, course: Course) -> dict[str, Any]:
        """For the run's row: with the course's rate."""
        return {
            "written": self.written,
            "read": self.read,
            "source": "runs" if self.measured else "guess",
            "compute_rate": course.compute_rate,
        }

    def seconds(self, *, asked: int, answered: int) -> float:
        return asked * self.read + answered * self.written


def speed_of(base: BaseModel) -> TokenSpeed:
    """The quickest of the last runs on this base on this machine; a guess by the base's size before there is one."""
    done = TrainingRun.objects.filter(
        base_model=base,
        method=Method.DSPY,
        status=RunStatus.SUCCEEDED,
        imported=False,
        attempt=1,
        result__machine=training_time.machine(),
    )
    usages = [run.result.get("usage") for run in done.order_by("-finished_at")[:QUICKEST_OF]]
    found = [speed for usage in usages if (speed := _of(usage)) is not None]
    if not found:
        written = _guess(base)
        return TokenSpeed(written, written * READS, measured=False)
    return min(found, key=lambda one: one.written)


def _of(usage: Any) -> TokenSpeed | None:
    """By what an engine measured: seconds in which it asked, tokens that it read and wrote."""
    if not isinstance(usage, dict):
        return None
    seconds, written, read = (
        usage.get(name) for name in ("busy_seconds", "output_tokens", "input_tokens")
    )
    if not (
        isinstance(seconds, int | float) and isinstance(written, int) and isinstance(read, int)
    ):
        return None
    if seconds <= 0 or written <= 0 or read < 0:
        return None
    each = seconds / (written + READS * read)
    return TokenSpeed(each, each * READS, measured=True)


def _guess(base: BaseModel) -> float:
    """Each token of an answer reads all weights from memory."""
    answer: float = training_time.guessed(base).by_answer
    return answer / training_time.ANSWER_TOKENS / AT_ONCE


def quotes(stored: dict[str, Any]) -> tuple[Quote, Quote, str]:
    """(read, written, note): the price of a million tokens at the speed and rate that a run's row has."""
    rate = int(stored.get("compute_rate", 0))
    today = timezone.localdate()

    def quote(seconds: float) -> Quote:
        return Quote(
            round(seconds * PER_MILLION * rate / SECONDS_PER_HOUR), "this machine", today
        )

    note = (
        f"this machine's own speed, at {dollars(rate)} an hour"
        if rate
        else "local models are free in this course"
    )
    return quote(float(stored.get("read", 0))), quote(float(stored.get("written", 0))), note


def refusal(base: BaseModel, settings: dict[str, Any]) -> str | None:
    """Why this run can't be asked of a base on this machine now, with what to do; None when it can."""
    if (
        str(settings.get("optimizer")) not in OPTIMIZERS
        or settings.get("judge", "none") != "none"
    ):
        return (
            f"{base} is too small to write instructions or to judge answers. Choose BootstrapFewShot, LabeledFewShot or "
            "random search, and no model as judge; or choose a provider’s model."
        )
    state = model_server.state()
    if state is None:
        return (
            "The model server of this platform does not answer, so no local model can be asked. Wait a minute and try "
            "again; your instructor can see it on the queue page."
        )
    shape, room = lora_memory.shape_of(base.weights), lora_memory.room()
    if base.name in state.loaded or shape is None or room is None:
        return None
    needed = shape.parameters * FP32 + SERVER_BYTES
    if needed <= room.free:
        return None
    return (
        f"{base} needs about {lora_memory.in_words(needed)} of memory to answer, and this machine has "
        f"{lora_memory.in_words(room.free)} free now. Choose a smaller base model, or try again when less is running."
    )
