"""How far the demo's story is, in a file of its own in VAR_DIR: it is about this machine, not about the course."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from courseplatform import private_files


@dataclass(frozen=True)
class Progress:
    """`course`: the demo course's id. `doing`: the step that goes on, in words. `stopped`: what was left out, and why."""

    course: int
    done: int
    of: int
    doing: str = ""
    stopped: str = ""

    @property
    def over(self) -> bool:
        return self.done >= self.of


def _file() -> Path:
    return Path(settings.VAR_DIR) / "demo.json"


def read() -> Progress | None:
    """None where there is no demo course, and where the file cannot be read."""
    try:
        return Progress(**json.loads(_file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write(progress: Progress) -> None:
    private_files.write(_file(), json.dumps(asdict(progress)))


def forget() -> None:
    """The demo course is gone, so nothing of its story goes on."""
    _file().unlink(missing_ok=True)


def of_course(course_id: int) -> Progress | None:
    """The progress, where this is the demo course."""
    found = read()
    return found if found is not None and found.course == course_id else None
