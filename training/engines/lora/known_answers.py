"""The base's own answers, kept beside each other in a file: the same base, asked the same in the same way, says the same.

One JSON object a line, only ever added to, so that two runs at once lose nothing. The key is a hash of the exact prompt, of how
it was asked and of the libraries that computed it; no prompt is kept. The platform names a file for each base's content, and
none where the prompt holds a team's own words.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

MOST_BYTES = 8 * 2**20  # some 20,000 answers


class KnownAnswers:
    """What is known of a base. `path` None: nothing, and nothing is kept."""

    def __init__(self, path: Path | None, how: Mapping[str, object]) -> None:
        """`how`: everything besides the prompt that an answer hangs on."""
        self.path, self.how = path, json.dumps(how, sort_keys=True)
        self._answers = _read(path) if path is not None else {}

    def key(self, prompt: str) -> str:
        """Under which the answer to a prompt is kept."""
        return hashlib.sha256(f"{self.how}\n{prompt}".encode()).hexdigest()

    def missing(self, prompts: Sequence[str]) -> list[int]:
        """The places of those prompts whose answer is not known."""
        return [
            place
            for place, prompt in enumerate(prompts)
            if self.key(prompt) not in self._answers
        ]

    def answers(
        self, prompts: Sequence[str], ask: Callable[[list[int]], list[str]]
    ) -> list[str]:
        """The answer to each prompt. `ask`: gives those to the prompts at these places, which are not known yet."""
        wanted = self.missing(prompts)
        made = ask(wanted) if wanted else []
        new = {
            self.key(prompts[place]): answer for place, answer in zip(wanted, made, strict=True)
        }
        self._answers |= new
        if self.path is not None and new:
            _add(self.path, new)
        return [self._answers[self.key(prompt)] for prompt in prompts]


def _read(path: Path) -> dict[str, str]:
    """A line that was cut off by a crash is skipped."""
    found: dict[str, str] = {}
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            kept = json.loads(line)
            found[str(kept["key"])] = str(kept["answer"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _add(path: Path, answers: Mapping[str, str]) -> None:
    if path.exists() and path.stat().st_size > MOST_BYTES:
        return
    lines = "".join(
        json.dumps({"key": key, "answer": answer}) + "\n" for key, answer in answers.items()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())
