"""The engine imports nothing of the platform, and nobody imports an engine: what both must know is one file, linked."""

from pathlib import Path

import pytest

TRAINING = Path(__file__).parents[2] / "training"


@pytest.mark.parametrize(
    ("ours", "engines"), [("program_design.py", "design.py"), ("model_needs.py", "model_needs.py")]
)
def test_both_sides_have_the_same_file(ours: str, engines: str) -> None:
    """An editor or a `sed -i` that follows no links would leave two files that are the same only for now."""
    link = TRAINING / "engines" / "dspy_program" / engines
    assert link.is_symlink() and link.resolve() == TRAINING / ours
