"""A stand-in for both engines: keeps the contract of ARCHITECTURE.md, learns nothing, and misbehaves when `settings.stub` says so.

`stub`: "works", "refuses" (a `failed` event), "mute" (exit 3 without a word), "dies" (SIGKILL at its first attempt only),
"dies always", "waits" (until SIGTERM, then leaves with a checkpoint), "waits once" (at its first attempt), "deaf" (ignores
SIGTERM), "babbles" (no JSON).
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def say(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


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
    say("started", total_steps=4, versions={"stub": "1"})
    for question in spec["sample_questions"][:1]:
        say("sample", stage="before", step=0, question=question, answer="The answer is <b>23</b>.")
    if kind == "babbles":
        print("Segmentation fault (core dumped)\x00", flush=True)
        say("sample", stage="before", step=0, question="What?", answer="a\x00b\ud800c")
        say("validation", step=0, loss=float("nan"))
    for step in range(1, 5):
        say(
            "step",
            step=step,
            total_steps=4,
            loss=4.0 / step,
            learning_rate=0.1,
            tokens=100 * step,
            tokens_per_second=50.0,
        )
        say(
            "calls",
            used=step,
            allowed=9,
            input_tokens=1000 * step,
            cached_input_tokens=10 * step,
            output_tokens=100 * step,
        )
        misbehave(kind, step, attempt)
    if kind == "refuses":
        say("failed", code="diverged", message="The loss became infinite.", mend="Lower the learning rate.")
        return 1
    say("validation", step=4, loss=1.5)
    say("score", stage="after", score=0.75, low=0.6, high=0.9, n=8)
    leave(artefact, spec)
    say("done")
    return 0


def misbehave(kind: str, step: int, attempt: int) -> None:
    if step == 2 and (kind == "dies always" or (kind == "dies" and attempt == 1)):
        os.kill(os.getpid(), signal.SIGKILL)
    if step == 2 and (kind in ("waits", "deaf") or (kind == "waits once" and attempt == 1)):
        signal.signal(signal.SIGTERM, signal.SIG_IGN if kind == "deaf" else lambda *_: sys.exit(143))
        say("note", message="ready")
        while True:
            time.sleep(60)


def leave(artefact: str, spec: dict[str, Any]) -> None:
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
    }
    Path("result.json").write_text(json.dumps(result))
