"""Fine-tune a second-grader through an OpenAI-compatible API, and talk to it.

    pip install openai
    export OPENAI_BASE_URL=https://course.example.edu/v1   # the course platform; without it: OpenAI itself
    export OPENAI_API_KEY=sk-course-…                      # from your team's endpoint page
    python openai_finetune.py training.jsonl validation.jsonl --model smollm2-135m-instruct

Each line of a file is one conversation:
{"messages": [{"role": "system", …}, {"role": "user", …}, {"role": "assistant", …}]}
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from openai import OpenAI

Row = dict[str, Any]

ENDED = ("succeeded", "failed", "cancelled")


def check(path: Path) -> list[Row]:
    """Read the rows, so that a mistake is found here and not after the upload."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        row = json.loads(line)
        if row["messages"][-1]["role"] != "assistant":
            sys.exit(
                f"{path}, line {number}: the last message must be the child's (role assistant)."
            )
        rows.append(row)
    return rows


def upload(client: OpenAI, path: Path) -> str:
    """Send a file and wait until it is read."""
    with path.open("rb") as file:
        sent = client.files.create(file=file, purpose="fine-tune")
    done = client.files.wait_for_processing(sent.id)
    if done.status == "error":
        sys.exit(f"{path}: {done.status_details}")
    print(f"{path}: {done.id}, {done.bytes} bytes")
    return done.id


def wait(client: OpenAI, job_id: str, every: float) -> str:
    """Print what happens until the job has ended. Returns the model's name."""
    seen: set[str] = set()
    while True:
        job = client.fine_tuning.jobs.retrieve(job_id)
        events = client.fine_tuning.jobs.list_events(job_id, limit=100).data
        for event in reversed(events):
            if event.id not in seen:
                seen.add(event.id)
                print(event.message)
        if job.status in ENDED:
            break
        time.sleep(every)
    if job.fine_tuned_model is None:
        reason = job.error.message if job.error else ""
        sys.exit(f"The job has {job.status}. {reason}")
    return job.fine_tuned_model


def talk(client: OpenAI, model: str, system: list[Any], questions: list[str]) -> None:
    """A talk of several turns: each question is asked with all that was said before."""
    messages: list[Any] = list(system)
    for question in questions:
        messages.append({"role": "user", "content": question})
        answer = client.chat.completions.create(model=model, messages=messages, max_tokens=60)
        said = answer.choices[0].message.content or ""
        messages.append({"role": "assistant", "content": said})
        print(f"Teacher: {question}\nChild:   {said}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("training", type=Path)
    arguments.add_argument("validation", type=Path, nargs="?")
    arguments.add_argument(
        "--model", required=True, help="a base model: client.models.list() names them"
    )
    arguments.add_argument("--suffix", default="second-grader")
    arguments.add_argument("--epochs", type=int, help="without it the service chooses")
    arguments.add_argument(
        "--every", type=float, default=5.0, help="seconds between two looks at the job"
    )
    chosen = arguments.parse_args()

    client = OpenAI()
    rows = check(chosen.training)
    files: Row = {"training_file": upload(client, chosen.training)}
    if chosen.validation:
        check(chosen.validation)
        files["validation_file"] = upload(client, chosen.validation)
    hyperparameters = {"n_epochs": chosen.epochs or "auto"}
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}
    job = client.fine_tuning.jobs.create(
        model=chosen.model, suffix=chosen.suffix, method=method, **files
    )
    print(f"Job {job.id}")
    model = wait(client, job.id, chosen.every)
    print(f"Model {model}")
    system = [message for message in rows[0]["messages"] if message["role"] == "system"]
    talk(
        client,
        model,
        system,
        ["What is 15 + 8?", "How did you find that out?", "What did you do at recess?"],
    )


if __name__ == "__main__":
    main()
