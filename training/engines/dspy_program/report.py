"""What a finished run leaves for people to read: `result.json`."""

import sys
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from dspy_program import metric
from dspy_program.design import as_data
from dspy_program.evaluate import Measured, Outcome
from dspy_program.examples import Data
from dspy_program.spec import Spec


def versions() -> dict[str, str]:
    """What ran: Python, DSPy, and the libraries its optimisers lean on."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, **{name: version(name) for name in ("dspy", "optuna", "gepa")}}


def report(
    spec: Spec, data: Data, document: dict[str, Any], before: Measured, after: Measured
) -> dict[str, Any]:
    """The result's keys that follow from data, program (`document`, as in `program.json`) and the two measurements."""
    predictor = next(iter(document["state"].values()))
    return {
        "schema": 1,
        "versions": versions(),
        "seed": spec.seed,
        "data_sha256": data.sha256,
        "optimizer": spec.settings.optimizer,
        "model": spec.model,
        "metrics": {
            "before": asdict(before.summary) if before.summary else None,
            "after": asdict(after.summary) if after.summary else None,
            "weights": dict(spec.weights),
            "measure": metric.MEASURE,
            "judge": spec.model if spec.settings.judge == "model" else None,
        },
        "design": as_data(spec.design),
        "turns": {
            "train": len(data.train),
            "selection": len(data.selection),
            "heldout": len(data.heldout),
        },
        "instructions": predictor["signature"]["instructions"],
        "demos": predictor["demos"],
        "examples": [
            _compare(first, second)
            for first, second in zip(before.outcomes, after.outcomes, strict=True)
        ],
    }


def _compare(before: Outcome, after: Outcome) -> dict[str, Any]:
    return {
        "row_id": before.turn.row_id,
        "conversation_history": before.turn.conversation_history,
        "teacher_prompt": before.turn.teacher_prompt,
        "reference": before.turn.student_response,
        "before": before.answer,
        "after": after.answer,
        "score_before": before.score.total if before.score else None,
        "score_after": after.score.total if after.score else None,
        "parts_before": dict(before.score.parts) if before.score else None,
        "parts_after": dict(after.score.parts) if after.score else None,
        "error_before": before.error,
        "error_after": after.error,
    }
