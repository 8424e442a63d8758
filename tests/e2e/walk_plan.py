"""A walk as a list of steps, drawn from a seed, read back from what a failure printed, and made shorter."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One thing that she does, or that goes wrong while she does two more."""

    act: str
    seed: int

    def __str__(self) -> str:
        return f"{self.act}:{self.seed}"


def parse(said: str) -> list[Step]:
    """Steps from what a failure printed: `choose:12 expire:7`."""
    pairs = [one.split(":") for one in said.split()]
    return [Step(act, int(seed)) for act, seed in pairs]


def plan(seed: int, steps: int, acts: tuple[str, ...]) -> list[Step]:
    draw = random.Random(seed)
    return [Step(draw.choice(acts), draw.randrange(10**6)) for _ in range(steps)]


def shortest(fails: Callable[[list[Step]], bool], steps: list[Step]) -> list[Step]:
    """Steps left out one after the other, as long as what is left still fails."""
    for number in range(len(steps) - 1, -1, -1):
        fewer = steps[:number] + steps[number + 1 :]
        if fewer and fails(fewer):
            steps = fewer
    return steps
