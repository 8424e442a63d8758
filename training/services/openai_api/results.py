"""A job's result file: its curve as the table that OpenAI gives out, coded in base64 as OpenAI does. Made when asked for."""

import base64
import csv
import io
from collections import defaultdict
from typing import Any

from training.models import FineTuningJob, TrainingRun
from training.services.openai_api.shapes import Shape, seconds

COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
START = "file-result-"
PURPOSE = "fine-tune-results"


def public_id(job: FineTuningJob) -> str:
    """What a program calls it."""
    return f"{START}{job.key.hex}"


def table(run: TrainingRun) -> bytes:
    """CSV in OpenAI's columns. Accuracies stay empty: the engine measures losses."""
    losses: dict[int, dict[str, Any]] = defaultdict(dict)
    for event in run.events.filter(kind__in=("step", "validation"), step__isnull=False):
        column = "train_loss" if event.kind == "step" else "valid_loss"
        losses[event.step or 0][column] = event.data.get("loss")
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for step in sorted(losses):
        writer.writerow({"step": step, **losses[step]})
    return text.getvalue().encode()


def content(job: FineTuningJob) -> bytes:
    """As it is sent."""
    return base64.b64encode(table(job.run))


def describe(job: FineTuningJob) -> Shape:
    """The file in OpenAI's shape."""
    return {
        "id": public_id(job),
        "object": "file",
        "bytes": len(content(job)),
        "created_at": seconds(job.run.finished_at or job.created_at),
        "filename": "step_metrics.csv",
        "purpose": PURPOSE,
        "status": "processed",
    }
