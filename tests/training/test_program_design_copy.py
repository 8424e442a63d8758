"""The engine imports nothing of the platform, and nobody imports an engine: what both must know is one file, linked."""

from pathlib import Path

import pytest

TRAINING = Path(__file__).parents[2] / "training"


@pytest.mark.parametrize(
    ("ours", "engines"), [("program_design.py", "design.py"), ("model_needs.py", "model_needs.py")]
)
def test_both_sides_have_the_same_file(ours: str, engines: str) -> None:
    assert (TRAINING / ours).read_bytes() == (TRAINING / "engines" / "dspy_program" / engines).read_bytes()
