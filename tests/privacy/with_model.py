"""Rules and name model together, in this process. Only the measurement imports it: loading the model takes seconds."""

from collections.abc import Sequence
from functools import cache

from datasets.checks.privacy import Found, find_in, without_overlaps
from datasets.checks.privacy.model import NameModel


@cache
def _model() -> NameModel:
    return NameModel()


def by_rules_and_model(texts: Sequence[str]) -> list[list[Found]]:
    together = []
    for text, more in zip(texts, _model().find(texts), strict=True):
        together.append(without_overlaps([*find_in(text), *more], len(text)))
    return together
