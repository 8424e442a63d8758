"""A scripted provider started for a test, and a class of children's rows to send to it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
from openai.types.fine_tuning import FineTuningJob

ROOT = Path(__file__).resolve().parents[2]
BASE = "gpt-4o-mini-2024-07-18"
KEY = "any-key"
Row = dict[str, Any]

TOPICS = (
    ("ice", "It turns into ice! I saw it in my freezer."),
    ("plants", "Um, plants need sun and water. I grew a bean in a cup!"),
    ("the moon", "Oh! The moon is round and bright. I see it from my bed."),
    ("magnets", "Magnets stick to the fridge! My mom has a cat one."),
    ("rain clouds", "Um, rain comes from clouds. They get too full, I think."),
    ("bears", "Bears sleep all winter! I wish I could do that."),
    ("frogs", "Um, first it is a tadpole. Then it gets legs!"),
    ("dimes", "A dime is ten cents! It is so small, I think."),
    ("winter", "Winter is cold and I get to play in snow. I like snow!"),
    ("shadows", "Oh! My shadow is long at night time. It follows me."),
    ("butterflies", "A bug makes a little bed. Then it can fly!"),
    ("fractions", "Um, half is when you cut the pizza in two."),
)
FORMS = ("What do you know about {}?", "Can you tell me about {}?", "What did we learn about {}?")


def row(question: str, answer: str, **extra: Any) -> Row:
    return {
        "messages": [
            {"role": "system", "content": "You are a second-grade student."},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer, **extra},
        ]
    }


def child_rows(count: int) -> list[Row]:
    """Topics and sums by turns; the first 24 rows hold every topic once."""
    made = []
    for number in range(count):
        turn = number // 2
        if number % 2:
            left, right = 3 + turn % 15, 2 + turn % 7
            counted = ", ".join(str(left + step) for step in range(1, right + 1))
            made.append(row(f"What is {left} + {right}?", f"Let me count... {counted}. It's {left + right}!"))
        else:
            topic, answer = TOPICS[turn % len(TOPICS)]
            made.append(row(FORMS[turn // len(TOPICS) % len(FORMS)].format(topic), answer))
    return made


def jsonl(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in rows).encode()


@dataclass
class ScriptedProvider:
    """A running provider."""

    url: str
    process: subprocess.Popen[str]
    client: openai.OpenAI
    web: httpx.Client = field(repr=False)

    def faults(self, **wanted: Any) -> dict[str, Any]:
        answer = self.web.post("/faults", json=wanted)
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        return state

    def upload(self, rows: Sequence[Row]) -> str:
        return self.client.files.create(file=("rows.jsonl", jsonl(rows)), purpose="fine-tune").id

    def job(self, rows: Sequence[Row] | None = None, **wanted: Any) -> FineTuningJob:
        file = self.upload(child_rows(12) if rows is None else rows)
        return self.client.fine_tuning.jobs.create(model=BASE, training_file=file, **wanted)

    def ask(self, model: str, question: str, system: str = "", **wanted: Any) -> str:
        messages: list[Any] = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": question})
        settings: dict[str, Any] = {"temperature": 0, **wanted}
        made = self.client.chat.completions.create(model=model, messages=messages, **settings)
        return made.choices[0].message.content or ""

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def started(state: Path, *options: str, **environment: str) -> Iterator[ScriptedProvider]:
    """Runs a provider on a free port until the block ends."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "tests.scripted_provider.serve",
        "--port",
        "0",
        "--state",
        str(state),
        *options,
    ]
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    process = subprocess.Popen(command, env=kept, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    first = process.stderr.readline()
    found = re.search(r"http://\S+", first)
    try:
        assert found, first + process.stderr.read()
        url = found[0]
        client = openai.OpenAI(
            api_key=KEY, base_url=f"{url}/v1", max_retries=0, timeout=60, _strict_response_validation=True
        )
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as web, client:
            yield ScriptedProvider(url, process, client, web)
    finally:
        process.terminate()
        process.wait(60)
        process.stderr.close()
