"""One word, one meaning: words that were given up for the field's own do not come back into code, pages and documents."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = ("second_grade", "teams", "datasets", "training", "evaluation", "courseplatform")

GIVEN_UP = {
    r"\blocal_time\b": "training_time: “local time” reads as a time zone",
    r"\bpace[ _]trial\b": "speed trial",
    r"\bclass (Alone|Together)\b|\bfirst_only\b|\bstart_alike\b|group\.agreed\(": (
        "SingleProcess, ProcessGroup, on_leader, sync_parameters, broadcast"
    ),
    r"\bwarm[ _]parent\b": "preload server",
    r"\b(services\.outlets|courseplatform\.(lost_pages|fleet))\b": ("live_answers, error_pages, worker_status"),
    r"\b[Mm]end(s|ed|ing)?\b|_mend\b|\bmended_|MENDS": "fix, suggested fix",
    r"[Rr]eckon|[Ff]oretell|[Ff]oretold": "estimate, estimated",
    r"\bfinish\.give_up\b": "finish.requeue_or_fail",
    r"\.borrow\(|\.give_back\(": "lease_for_poll, release_lease",
    r"waits for work|[Ss]tranded runs|>Look again<": "idle, recover stuck runs, Refresh",
}
"""A pattern of what nobody says any more, and what is said instead."""

READS_OLD_DATA = "# an earlier name"
"""A line that reads what an earlier version wrote may say its word."""


def files() -> list[Path]:
    code = [path for package in CODE for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]
    pages = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "courseplatform" / "static").glob("*.js")]
    found = [*code, *pages, *(ROOT / "docs").rglob("*.md")]
    assert len(code) > 400 and len(pages) > 150
    return [path for path in found if not path.is_symlink()]


def saying(pattern: str, paths: list[Path]) -> list[str]:
    """The places where it is said, `file:line`."""
    said = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if said.search(line) and READS_OLD_DATA not in line
    ]


@pytest.mark.parametrize("pattern", GIVEN_UP)
def test_a_word_that_was_given_up_does_not_come_back(pattern: str) -> None:
    assert saying(pattern, files()) == [], f"say: {GIVEN_UP[pattern]}"


@pytest.mark.parametrize(
    "planted",
    [
        "from training.services import local_time",
        "group.agreed(True)",
        "<p>Nobody waits for work.</p>",
        "Mend it.",
        "run.error_mend",
    ],
)
def test_a_planted_word_is_found(planted: str, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(f"\n{planted}\n")
    found = [place for pattern in GIVEN_UP for place in saying(pattern, [tmp_path / "planted.py"])]
    assert found == ["planted.py:2"]
