"""What a team's own rows make of the base model that comes with the platform, with the recommended settings.

Made-up children (`tests/data/personas`: a quiet one, a chatterbox with catchphrases, one with stable misconceptions; BENCH_FULL=1
adds one who only asks and one who misspells and knows dinosaurs) train SmolLM2 on their rows, and answer twenty questions that
are in none of them. The run is the platform's: which adapter is kept is decided by the verdict's own fresh questions, which are
others. The table says how many answers differ from the base's (limit: 16 of 20), how many repeat themselves (limit: 1 of 20),
how far validation loss fell at its lowest (limit: to half; `kept` is that of the adapter that answers) and how many of ten sums
are right, beside the base's. The answers themselves go to `personas.md` beside bench.json, to be read: whether they sound like
that child, a person says (`docs/made-up-children.md`). `PERSONA_SEEDS=1,2,3` takes three seeds, as BENCH_FULL=1 does;
`PERSONA_NAMES=quiet` one child; `PERSONA_SETTINGS={"learning_rate": 0.0006}` tries other settings than the recommended;
`{"threads": 1}` suits a busy machine.
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.lora_sides import ENGINES, ROOT, Measured

PERSONAS = ROOT / "tests" / "data" / "personas"
NAMES = ("quiet", "chatterbox", "misconceptions")
LATER_NAMES = ("questioner", "dinosaurs")  # written after the settings were chosen
REPORT = ROOT / "personas.md"
KNOWN_ANSWERS = Path(tempfile.gettempdir()) / "persona-base-answers.jsonl"  # the base's: made once for all children
HELD_OUT = 0.2
FRESH = [
    "What do you like to do when it rains?",
    "Why do leaves fall off the trees?",
    "Who do you sit with at lunch?",
    "What is a good thing to do for a friend?",
    "How do you feel before a test?",
    "What do dogs need to live?",
    "Why is the ocean salty?",
    "What is your favorite game?",
    "Can you tell me about your family?",
    "What is a paragraph?",
    "What would you do with ten dollars?",
    "How do you know a word is spelled right?",
    "Why do we wear seat belts?",
    "What is the hardest thing in school?",
    "What does your room look like?",
    "Do trees sleep at night?",
    "What is a story you like to tell?",
    "How do you make a sandwich?",
    "What is the biggest animal?",
    "What do you want to learn next?",
]
SUMS = [(2, 3), (4, 4), (6, 3), (7, 6), (10, 5), (9, 2), (5, 5), (12, 4), (20, 10), (3, 8)]
NUMBER_WORDS = {5: "five", 8: "eight", 9: "nine", 10: "ten", 11: "eleven", 13: "thirteen", 15: "fifteen", 16: "sixteen"}


def measure() -> dict[str, Measured]:
    """The table's rows; ratio > 1 = better than the limit."""
    full = os.environ.get("BENCH_FULL") == "1"
    seeds, names = ([1, 2, 3], (*NAMES, *LATER_NAMES)) if full else ([1], NAMES)
    if "PERSONA_SEEDS" in os.environ:
        seeds = [int(seed) for seed in os.environ["PERSONA_SEEDS"].split(",")]
    found: dict[str, Measured] = {}
    written = ["# Answers to questions that were in no row\n"]
    for name in os.environ.get("PERSONA_NAMES", ",".join(names)).split(","):
        for seed in seeds:
            figures, text = _persona(name, seed)
            found |= {f"persona_{name}_{seed}_{key}": row for key, row in figures.items()}
            written.append(text)
            REPORT.write_text("\n".join(written), encoding="utf-8")
    return found


def _persona(name: str, seed: int) -> tuple[dict[str, Measured], str]:
    questions = [*FRESH, *(f"What is {a} + {b}?" for a, b in SUMS)]
    with tempfile.TemporaryDirectory(prefix="persona-") as folder:
        result, before, after, seconds = _train(Path(folder), name, seed, questions)
    metrics = result["metrics"]
    count = len(FRESH)
    changed = sum(_plain(before[one]) != _plain(after[one]) for one in FRESH)
    repeats = sum(repeats_itself(after[one]) for one in FRESH)
    fell = metrics["validation_loss_after"] / metrics["validation_loss_before"]
    right = _right(after)
    figures = {
        "changed": _row(changed, 16, changed / 16, f"of {count} answers (limit)"),
        "repeating": _row(repeats, 1, 1 / max(repeats, 0.5), f"of {count} answers (limit)"),
        "loss_left": _row(round(fell, 3), 0.5, 0.5 / fell, "of the base's loss (limit)") | _kept(result),
        "sums_right": _row(right, _right(before) - 1, (right + 1) / (_right(before) or 1), "of 10 (the base less one)"),
        "seconds": _row(round(seconds, 1), 45, 45 / seconds, "s (limit)"),
    }
    lines = [f"\n## {name}, seed {seed}\n"]
    lines += [f"- *{one}* {after[one]}\n  - the base: {before[one][:160]}" for one in questions]
    return figures, "\n".join(lines)


def _kept(result: dict[str, Any]) -> Measured:
    """Of the adapter that was kept: its step, and its share of the base's loss."""
    (kept,) = [one for one in result["verdicts"] if one["kept"]]
    share = kept["validation_loss"] / result["metrics"]["validation_loss_before"]
    return {"kept_step": kept["step"], "kept": round(share, 3)}


def _row(ours: float, peer: float, ratio: float, unit: str) -> Measured:
    return {"ours": ours, "peer": peer, "ratio": round(ratio, 2), "unit": unit}


def _train(
    folder: Path, name: str, seed: int, questions: list[str]
) -> tuple[dict[str, Any], dict[str, str], dict[str, str], float]:
    """The engine's result, the base's answers and the bot's by question, and the seconds of the whole process."""
    lines = (PERSONAS / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    random.Random(seed).shuffle(lines)
    held_out = round(len(lines) * HELD_OUT)
    for file, part in (("validation.jsonl", lines[:held_out]), ("train.jsonl", lines[held_out:])):
        (folder / file).write_text("".join(_engine_row(line) for line in part), encoding="utf-8")
    base, settings = recommended_here(len(lines) - held_out)
    order = {
        "schema": 1,
        "run": f"{name}-{seed}",
        "seed": seed,
        "train_file": "train.jsonl",
        "validation_file": "validation.jsonl",
        "base_model": str(base),
        "settings": settings | json.loads(os.environ.get("PERSONA_SETTINGS", "{}")),
        "sample_questions": questions,
        "verdict_questions": _verdict_questions(folder / "train.jsonl", name, seed),
        "known_answers": str(KNOWN_ANSWERS),
    }
    (folder / "spec.json").write_text(json.dumps(order), encoding="utf-8")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "lora.train", "spec.json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ENGINES)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.monotonic() - began
    events = [json.loads(line) for line in done.stdout.splitlines()]
    said: dict[str, dict[str, str]] = {"before": {}, "after": {}}
    for event in events:
        if event["event"] == "sample" and event["stage"] in said:
            said[event["stage"]][event["question"]] = event["answer"]
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return result, said["before"], said["after"], seconds


def _verdict_questions(rows: Path, name: str, seed: int) -> list[dict[str, Any]]:
    from training.services import fresh_questions

    return [
        asdict(one) for one in fresh_questions.draw(rows, seed=seed, content_hash=name) if one.question not in FRESH
    ]


def _engine_row(line: str) -> str:
    question, answer = line.split("\t")
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"id": question, "messages": messages}) + "\n"


def recommended_here(rows: int) -> tuple[Path, dict[str, Any]]:
    """The base's folder, made ready if it is not, and the settings that the form recommends for so many rows."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "courseplatform.settings")
    os.environ.setdefault("DEBUG", "1")
    django.setup()
    from datasets.services.base_folders import base_folder
    from training.models import BaseModel, Hosting
    from training.services import bundled_bases, lora_presets

    bundled = bundled_bases.SMOLLM2
    bundled_bases.make_ready(bundled, lambda percent, doing: None)
    base = BaseModel(name=bundled.name, hosting=Hosting.BUNDLED)
    settings = lora_presets.recommended(base, rows)
    return base_folder(bundled.name), settings | {"target_modules": settings["target_modules"].split(",")}


def repeats_itself(text: str) -> bool:
    """Whether four words in a row come again within one answer."""
    words = re.findall(r"\w+", text.lower())
    runs = [tuple(words[place : place + 4]) for place in range(len(words) - 3)]
    return len(set(runs)) < len(runs)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _right(answers: dict[str, str]) -> int:
    """Sums whose result stands in the answer, in digits or as a word."""
    found = 0
    for a, b in SUMS:
        said = re.findall(r"\w+", answers[f"What is {a} + {b}?"].lower())
        total = a + b
        found += str(total) in said or NUMBER_WORDS.get(total, "-") in said
    return found
