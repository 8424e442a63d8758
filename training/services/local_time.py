"""How long LoRA training takes on this machine: tokens counted, speed as measured in recent runs."""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

from datasets.models import DatasetVersion
from datasets.services import model_view
from datasets.services.reading import stored_rows
from teams.models import Method
from training.models import BaseModel, Hosting, RunStatus, TrainingRun
from training.services import lora_memory

START_SECONDS = 8.0
TOKENS_PER_SECOND = 2_000.0  # until this machine has measured its own
WORK_PER_TOKEN, WORK_PER_SECOND = 6, 5e10  # multiplications for each weight, forward and back; of two busy cores
RECENT_RUNS = 5
COUNTED_ROWS = 3_000


@dataclass(frozen=True)
class Pace:
    """`around`: seconds beside training: loading, samples, measuring, saving. Training goes at `tokens_per_second`."""

    around: float
    tokens_per_second: float
    measured: bool

    def seconds(self, trained: int) -> float:
        return self.around + trained / self.tokens_per_second


def tokens_of(base: BaseModel, version: DatasetVersion) -> int:
    """Tokens of one pass over a version: counted in the base's own template where it is on this machine and that is quick."""
    if base.hosting == Hosting.BUNDLED and version.row_count <= COUNTED_ROWS:
        return _counted(base.name, version.content_hash, version)
    return version.token_estimate


@lru_cache(maxsize=256)
def _counted(base: str, content_hash: str, version: DatasetVersion) -> int:
    try:
        return model_view.count(stored_rows(version), base)
    except model_view.CanNotShow:
        return version.token_estimate


def pace_of(base: BaseModel) -> Pace:
    """The median of recent LoRA runs on this base that worked through in one go. Their engine measured its training steps."""
    done = TrainingRun.objects.filter(base_model=base, method=Method.LORA, status=RunStatus.SUCCEEDED, attempt=1)
    recent = done.filter(training_tokens__gt=0, compute_seconds__gt=0).order_by("-finished_at")
    measured = [
        (run.compute_seconds, float(seconds), run.training_tokens)
        for run in recent[:RECENT_RUNS]
        if (seconds := (run.result.get("metrics") or {}).get("train_seconds"))
    ]
    if not measured:
        return Pace(START_SECONDS, guessed_speed(base), measured=False)
    around = median(max(0.0, whole - training) for whole, training, _ in measured)
    return Pace(around, median(tokens / training for _, training, tokens in measured), measured=True)


def guessed_speed(base: BaseModel) -> float:
    """Tokens a second before any run was measured: a big base needs more work for each token."""
    shape = lora_memory.shape_of(base.weights)
    if shape is None:
        return TOKENS_PER_SECOND
    return min(TOKENS_PER_SECOND, WORK_PER_SECOND / (WORK_PER_TOKEN * shape.parameters))


def trained_tokens(base: BaseModel, version: DatasetVersion, *, rows: int, epochs: int) -> int:
    return math.ceil(tokens_of(base, version) * rows / version.row_count) * epochs
