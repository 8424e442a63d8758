"""Names that are no child's secret, and names that may be: lists for the search for personal data."""

from functools import cache
from pathlib import Path

from second_grade.familiar import given_names

__all__ = ["famous_names", "given_names", "surnames"]
_DATA = Path(__file__).parent / "data"


@cache
def surnames() -> frozenset[str]:
    """Common family names, lower-case."""
    lines = (_DATA / "surnames.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(
        name.lower() for line in lines if not line.startswith("#") for name in line.split()
    )


@cache
def famous_names() -> frozenset[str]:
    """Full names that stand for no real child in the room: of history, books and the news, lower-case."""
    lines = (_DATA / "famous_names.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(
        line.strip().lower() for line in lines if line.strip() and not line.startswith("#")
    )
