"""A stand-in for both engines: keeps docs/engine-contract.md, learns nothing, and misbehaves when `settings.stub` says so.

`stub`: "works", "refuses" (a `failed` event), "mute" (exit 3 without a word), "dies" (SIGKILL at its first attempt only),
"dies always", "dies at the end" (of its first attempt, after its last checkpoint), "waits" (until SIGTERM, then leaves with
a checkpoint), "waits once" (at its first attempt), "deaf" (ignores SIGTERM), "babbles" (no JSON).

`stub_checkpoint`: keeps a checkpoint every so many steps, as LoRA does, and goes on from it. It counts its `work` like LoRA: what
a killed attempt did after its last checkpoint is in no count.

`stub_result`: what stands in its result besides, as JSON.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

CHECKPOINT = Path("checkpoint") / "checkpoint.json"
TOKENS_OF_STEP, VALIDATION_TOKENS, TOTAL_STEPS = 100, 60, 4


def say(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


def kept() -> dict[str, int]:
    if CHECKPOINT.exists():
        found: dict[str, int] = json.loads(CHECKPOINT.read_text())
        return found
    return dict.fromkeys(("steps", "tokens", "validation_tokens", "answers", "saves"), 0)


def keep(work: dict[str, int]) -> None:
    CHECKPOINT.parent.mkdir(exist_ok=True)
    aside = CHECKPOINT.with_suffix(".tmp")
    aside.write_text(json.dumps(work))
    aside.replace(CHECKPOINT)


def main(artefact: str) -> int:
    spec = json.loads(Path(sys.argv[1]).read_text())
    kind = spec["settings"].get("stub", "works")
    attempts = Path("attempts")
    attempt = int(attempts.read_text()) + 1 if attempts.exists() else 1
    attempts.write_text(str(attempt))
    Path("environment.json").write_text(json.dumps(dict(os.environ)))
    print(f"attempt {attempt} of {kind}", file=sys.stderr, flush=True)
    if kind == "mute":
        return 3
    work = kept()
    if work["steps"]:
        attempt = max(attempt, 2)  # begun on another host, which counted there
    say("started", total_steps=TOTAL_STEPS, versions={"stub": "1"}, from_step=work["steps"], work=work)
    for question in spec["sample_questions"][:1] if not work["steps"] else []:
        work["answers"] += 1
        say("sample", stage="before", step=0, question=question, answer="The answer is <b>23</b>.", work=work)
    if kind == "babbles":
        print("Segmentation fault (core dumped)\x00", flush=True)
        say("sample", stage="before", step=0, question="What?", answer="a\x00b\ud800c")
        say("validation", step=0, loss=float("nan"))
    for step in range(work["steps"] + 1, TOTAL_STEPS + 1):
        work |= {"steps": step, "tokens": TOKENS_OF_STEP * step}
        say(
            "step",
            step=step,
            total_steps=4,
            loss=4.0 / step,
            learning_rate=0.1,
            tokens=TOKENS_OF_STEP * step,
            tokens_per_second=50.0,
            work=work,
        )
        say(
            "calls",
            used=step,
            allowed=9,
            input_tokens=1000 * step,
            cached_input_tokens=10 * step,
            output_tokens=100 * step,
        )
        if (every := spec["settings"].get("stub_checkpoint")) and step % every == 0:
            work["saves"] += 1
            keep(work)
        misbehave(kind, step, attempt)
    if kind == "refuses":
        say("failed", code="diverged", message="The loss became infinite.", fix="Lower the learning rate.")
        return 1
    work["validation_tokens"] += VALIDATION_TOKENS
    say("validation", step=4, loss=1.5, work=work)
    if spec["settings"].get("stub_checkpoint"):
        keep(work | {"validation_tokens": 0})
    if kind == "dies at the end" and attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    work["answers"] += 1
    work["saves"] += 1
    say("score", stage="after", score=0.75, low=0.6, high=0.9, n=8)
    leave(artefact, spec, work)
    say("done")
    return 0


def misbehave(kind: str, step: int, attempt: int) -> None:
    if (step >= 2 and kind == "dies always") or (step == 2 and kind == "dies" and attempt == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if step == 2 and (kind in ("waits", "deaf") or (kind == "waits once" and attempt == 1)):
        signal.signal(signal.SIGTERM, signal.SIG_IGN if kind == "deaf" else lambda *_: sys.exit(143))
        say("note", message="ready")
        while True:
            time.sleep(60)


def leave(artefact: str, spec: dict[str, Any], work: dict[str, int]) -> None:
    path = Path(artefact)
    path.parent.mkdir(exist_ok=True)
    path.write_text("made by the stub")
    odd = ["\x00", "\udfff", float("inf")]
    result = {
        "schema": 1,
        "odd": odd,
        "seed": spec["seed"],
        "metrics": {"tokens_per_second": 50.0},
        "system_prompt": "You are seven.",
        "work": work,
    }
    result |= json.loads(spec["settings"].get("stub_result", "{}"))
    Path("result.json").write_text(json.dumps(result))
