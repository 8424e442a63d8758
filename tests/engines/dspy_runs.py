"""DSPy runs for tests: a folder with rows and spec, started as the launcher starts an engine."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dspy_program import serve, upstreams

from tests.engines.conftest import engine_environment
from tests.engines.dspy_endpoint import ScriptedEndpoint

SERVICE_TOKEN = "service-token"
PRICES = {"input": 150_000, "cached_input": 75_000, "output": 600_000}
SAID = [
    ("What happens to water when it gets cold?", "It gets hard like ice!"),
    ("What is 2 plus 3?", "Um, I think it is 5."),
    ("Why is the sky blue?", "I don't know. Maybe the sun made it blue?"),
    ("What do plants need?", "They need the sun and water, my mom says."),
]


def dialogue(number: int) -> dict[str, Any]:
    question, answer = SAID[number % len(SAID)]
    said = [f"{question} ({number})", answer, f"Why, {number}?", "Because my teacher said so."]
    spoken = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
    return {"id": f"row-{number}", "messages": [{"role": "system", "content": "You are Mia, seven."}, *spoken]}


@dataclass
class DspyRun:
    """One run: its folder, its spec, and once `finish`ed its exit code, events and log."""

    folder: Path
    spec: dict[str, Any]
    key: str = "sk-scripted"
    code: int = -1
    events: list[dict[str, Any]] = field(default_factory=list)
    log: str = ""

    def start(self) -> subprocess.Popen[str]:
        (self.folder / "spec.json").write_text(json.dumps(self.spec), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "dspy_program.optimize", "spec.json"],
            cwd=self.folder,
            env=engine_environment(ENGINE_API_KEY=self.key),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> "DspyRun":
        with self.start() as process:
            out, self.log = process.communicate(timeout=300)
        self.code = process.returncode
        self.events = [json.loads(line) for line in out.splitlines()]
        return self

    def named(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event]

    @property
    def notes(self) -> str:
        return " ".join(one["message"] for one in self.named("note"))

    @property
    def failed(self) -> dict[str, Any]:
        assert self.code == 1, self.log
        (event,) = self.named("failed")
        return event

    @property
    def result(self) -> dict[str, Any]:
        assert self.code == 0, (self.events, self.log)
        loaded: dict[str, Any] = json.loads((self.folder / "result.json").read_text(encoding="utf-8"))
        return loaded


def dspy_run(
    folder: Path, endpoint: ScriptedEndpoint, *, settings: dict[str, Any] | None = None, **spec: Any
) -> DspyRun:
    """A run of nine dialogues with three held out, against `endpoint`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, numbers in (("train.jsonl", range(9)), ("validation.jsonl", range(9, 12))):
        lines = [json.dumps(dialogue(number)) + "\n" for number in numbers]
        (folder / name).write_text("".join(lines), encoding="utf-8")
    full = {
        "schema": 1,
        "run": "r1",
        "seed": 3,
        "train_file": "train.jsonl",
        "validation_file": "validation.jsonl",
        "settings": {"max_calls": 120, **(settings or {})},
        "sample_questions": ["What is ice?"],
        "model": "gpt-4o-mini",
        "base_url": endpoint.url,
        "prices": PRICES,
        **spec,
    }
    return DspyRun(folder, full)


def program_server(
    runs: Path, *, api_key: str = "sk-scripted", base_url: str = "", model_server: str = ""
) -> serve.ProgramServer:
    """The program server over `runs`, as an application of this process."""
    asked = upstreams.Upstreams(
        api_key=api_key,
        service_token=SERVICE_TOKEN,
        base_url=base_url,
        allowed=frozenset({serve.OPENAI}),
        model_server=model_server,
    )
    return serve.ProgramServer(serve.Programs(runs), asked, SERVICE_TOKEN)
