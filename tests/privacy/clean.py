"""Talk in which nobody real can be recognised: the platform's own rows and, where it is there, real chat tutoring (Bridge, MIT)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BRIDGE = ROOT.parent / "shared" / "data" / "transcripts" / "bridge_train.json"
COURSE = ROOT.parent / "shared" / "data" / "course"
_TURN_LISTS = ("c_h", "c_r", "c_r_", "c_revision")


def own_talk() -> list[str]:
    """The utterances of the personas in `tests/data` and of the samples that the platform ships."""
    said: list[str] = []
    for path in sorted((ROOT / "tests" / "data" / "personas").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            said += line.split("\t")
    for path in sorted((ROOT / "courseplatform" / "demo_data").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            said += texts_in(json.loads(line))
    return _once(said)


def bridge_talk() -> list[str]:
    """What real tutors and children wrote, and the answers that teachers proposed; nothing where the file is not there."""
    if not BRIDGE.exists():
        return []
    said = [
        turn["text"] for row in json.loads(BRIDGE.read_text()) for key in _TURN_LISTS for turn in row.get(key) or []
    ]
    return _once(said)


def course_talk() -> list[str]:
    """The course's own samples; nothing where they are not there."""
    said: list[str] = []
    for path in sorted(COURSE.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                said += texts_in(json.loads(line))
    return _once(said)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_in(item)


def _once(said: list[str]) -> list[str]:
    return [text for text in dict.fromkeys(said) if text.strip()]
