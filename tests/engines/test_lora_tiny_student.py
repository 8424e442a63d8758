"""A team's LoRA on the base that comes with the platform changes how it talks: the loss falls and a child answers."""

import json
import re
from pathlib import Path

import pytest

from tests.engines.conftest import ROOT, LoraRun, engine_environment, row, write_rows

BASE = ROOT / "training" / "base_models" / "tiny-student"
DEMO = ROOT / "courseplatform" / "demo_data" / "lora_instructions.jsonl"
CHILD_MARKS = re.compile(
    r"!|\b(um+|uh|hmm+|ooh|oh|okay|yay|my (mom|dad|teacher|grandma|grandpa|fingers))\b", re.IGNORECASE
)
QUESTIONS = (
    "What is ice?",
    "Why is the sky blue?",
    "What is 9 + 4?",
    "What is a verb?",
    "How are you?",
    "What do bees do?",
    "What is a map?",
    "Is 8 even or odd?",
)


@pytest.mark.engine
def test_a_lora_on_the_demo_rows_gives_the_tiny_student_a_childs_voice(tmp_path: Path, warm_lora: str) -> None:
    demo = [json.loads(line) for line in DEMO.read_text(encoding="utf-8").splitlines()]
    talks = [row(one["instruction"], one["output"]) for one in demo]
    write_rows(tmp_path / "train.jsonl", talks[:120])
    write_rows(tmp_path / "validation.jsonl", talks[120:])
    spec = {
        "schema": 1,
        "run": "tiny-student",
        "seed": 1,
        "train_file": "train.jsonl",
        "validation_file": "validation.jsonl",
        "base_model": str(BASE),
        "sample_questions": QUESTIONS,
        "settings": {"learning_rate": 2e-3, "epochs": 4, "batch_size": 8, "threads": 2},
    }
    run = LoraRun(tmp_path, spec, engine_environment(LORA_WARM_SOCKET=warm_lora))
    engine = run.run()
    metrics = run.result["metrics"]
    assert metrics["validation_loss_after"] < 0.8 * metrics["validation_loss_before"]

    def childlike(stage: str) -> int:
        answers = [event["answer"] for event in engine.named("sample") if event["stage"] == stage]
        assert len(answers) == len(QUESTIONS)
        return sum(CHILD_MARKS.search(answer) is not None for answer in answers)

    assert childlike("after") >= childlike("before") + 4, engine.named("sample")
