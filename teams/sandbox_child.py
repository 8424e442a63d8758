"""The child's half of `teams.sandbox`: `python -I sandbox_child.py <settings>`; the request comes by stdin.

It limits itself before it imports what reads hostile files: a program of its own does this, because the parent has
threads, and Python code between fork and exec is not safe there.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1024 * 1024
OPEN_FILES = 64
_inputs: dict[str, int] = {}

Tell = Callable[[dict[str, Any]], None]


class Refusal(Exception):
    """Refuses what came from outside. `member`: which file in it ("" for the only one), `field`: where in that file,
    `reason`: a sentence that says why and how to fix it.
    """

    def __init__(self, member: str, field: str, reason: str) -> None:
        super().__init__(reason)
        self.member, self.field, self.reason = member, field, reason


class OverLimit(Exception):
    """A limit that the parser itself watches was reached: "memory", "time", "disk" or "output"."""


def input_file(name: str) -> BinaryIO:
    """An input that the parent opened for reading, by the name it gave it. May be opened once."""
    return os.fdopen(_inputs.pop(name), "rb")


def main(settings: dict[str, Any]) -> int:
    """Fence in, then read. What is said on stdout by accident goes to the log."""
    fences = _fence_in(settings)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        text = json.dumps(message, allow_nan=False, ensure_ascii=False)
        answers.write(
            text.encode("utf-8", "replace") + b"\n"
        )  # half characters must not stop the answer
        answers.flush()

    say({"fences": fences})
    _inputs.update(settings["inputs"])
    conclusion = _concluded(settings["module"], lambda told: say({"message": told}))
    say(conclusion)
    return 0 if "result" in conclusion else 1


def _concluded(module: str, tell: Tell) -> dict[str, Any]:
    try:
        request = json.load(sys.stdin)
        return {"result": import_module(module).main(request, tell)}
    except Refusal as refusal:
        return {
            "refused": {
                "member": refusal.member,
                "field": refusal.field,
                "reason": refusal.reason,
            }
        }
    except OverLimit as limit:
        return {"too_big": str(limit)}
    except MemoryError:
        return {"too_big": "memory"}
    except OSError as error:
        if error.errno in _NO_ROOM:
            return {"too_big": _NO_ROOM[error.errno]}
        raise


_NO_ROOM = {27: "disk", 12: "memory"}  # EFBIG, ENOMEM


def _fence_in(settings: dict[str, Any]) -> list[str]:
    import resource

    from teams import sandbox_fences

    limits = settings["limits"]
    signal.signal(
        signal.SIGXFSZ, signal.SIG_IGN
    )  # a write fails instead, and the reader can say why
    sandbox_fences.die_with_parent(settings["parent"])
    memory, file = limits["memory_mb"] * MEGABYTE, limits["file_mb"] * MEGABYTE
    cpu = limits["cpu_seconds"]
    hard = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (file, file),
        resource.RLIMIT_NOFILE: (OPEN_FILES, OPEN_FILES),
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_AS: (memory, memory),
    }
    for kind, values in hard.items():
        resource.setrlimit(kind, values)
    os.nice(max(0, limits["nice"] - os.nice(0)))
    os.umask(0o077)
    packages = [found.parent for found in ROOT.glob("*/__init__.py")]
    for package in packages:
        import_module(
            package.name
        )  # empty; what lies in them is found without looking into the root, which is fenced off
    return sandbox_fences.raise_all(code=packages, scratch=Path.cwd())


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from teams import (
        sandbox_child,  # under its own name, so that `Refusal` is one class for the parser and for us
    )

    sys.exit(sandbox_child.main(json.loads(sys.argv[1])))
