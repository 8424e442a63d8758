"""What an optimiser has tried so far: each candidate with its instruction, its parent, its score and what it had cost by then."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any

from dspy.utils.callback import BaseCallback

from dspy_program.program import StudentSimulationModel

MOST_CANDIDATES = 100
MOST_INSTRUCTION = 3_500  # characters that are told of one candidate's instruction
FEWEST_TURNS = 4  # an evaluation on fewer turns is a sample on the way (GEPA draws three), no candidate's score


@dataclass(frozen=True)
class Candidate:
    """One program that was tried. `number` counts from 1; `parent`: the number of the one it was made of, None for the
    first. `score` 0..1 on `of` turns of the selection, None where nothing was scored. `calls` and `cost_microdollars`:
    of the whole run by then. `best`: the best score so far.
    """

    number: int
    parent: int | None
    score: float | None
    of: int
    instructions: str
    demos: int
    calls: int
    cost_microdollars: int
    best: bool


Spent = Callable[[], tuple[int, int]]
"""Calls and micro-dollars by now."""


class Search(BaseCallback):  # type: ignore[misc]  # DSPy ships no types
    """Hears of every evaluation, remembers the best program, counts program calls that failed, and tells of candidates.

    `tell` gets each new one; at most `MOST_CANDIDATES` of a run. With `names_parents` the optimiser tells its candidates
    itself (`GepaCandidates`), and an evaluation alone is not taken for one.
    """

    def __init__(
        self, *, tell: Callable[[Candidate], None], spent: Spent, turns: int = FEWEST_TURNS
    ) -> None:
        self.best: Any = None
        self.failed_examples = 0
        self.fewest = min(turns, FEWEST_TURNS)
        self.names_parents = False
        self.told: list[Candidate] = []
        self._tell, self._spent = tell, spent
        self._best_score = float("-inf")
        self._evaluated: dict[str, Any] = {}
        self._modules: set[str] = set()
        self._lock = threading.Lock()

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Note which calls are calls of the student program."""
        if isinstance(instance, StudentSimulationModel):
            self._modules.add(call_id)

    def on_module_end(
        self, call_id: str, outputs: Any, exception: BaseException | None = None
    ) -> None:
        """Count a failed call."""
        if call_id in self._modules:
            self._modules.discard(call_id)
            self.failed_examples += exception is not None

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Note which program is evaluated."""
        self._evaluated[call_id] = inputs.get("program")

    def on_evaluate_end(
        self, call_id: str, outputs: Any, exception: BaseException | None = None
    ) -> None:
        """Keep the program with the best score so far, and tell of it."""
        program = self._evaluated.pop(call_id, None)
        if (
            exception is not None
            or outputs is None
            or program is None
            or len(outputs.results) < self.fewest
        ):
            return
        if outputs.score > self._best_score:
            self._best_score, self.best = outputs.score, program
        if not self.names_parents:
            self.found(program, score=outputs.score / 100, of=len(outputs.results))

    def found(self, program: Any, *, score: float | None, of: int = 0) -> None:
        """A candidate of an optimiser that does not say what it was made of: the likest before it is its parent."""
        instructions = instructions_of(program)
        self.tell(
            instructions,
            score=score,
            of=of,
            demos=demos_of(program),
            parent=self._likest(instructions),
        )

    def tell(
        self, instructions: str, *, score: float | None, of: int, demos: int, parent: int | None
    ) -> None:
        """Tell of a candidate, unless there were too many."""
        with self._lock:
            if len(self.told) >= MOST_CANDIDATES:
                return
            calls, cost = self._spent()
            before = max(
                (one.score for one in self.told if one.score is not None), default=float("-inf")
            )
            candidate = Candidate(
                len(self.told) + 1,
                parent,
                score,
                of,
                instructions,
                demos,
                calls,
                cost,
                best=(score or 0.0) > before,
            )
            self.told.append(candidate)
            self._tell(candidate)

    def _likest(self, instructions: str) -> int | None:
        if not self.told:
            return None
        words = instructions.split()
        likeness = [
            SequenceMatcher(None, one.instructions.split(), words).ratio() for one in self.told
        ]
        return self.told[likeness.index(max(likeness))].number


class GepaCandidates:
    """GEPA's own news: it knows the parents of each candidate."""

    def __init__(self, search: Search, demos: int = 0) -> None:
        self._search, self._demos = search, demos
        search.names_parents = True

    def on_valset_evaluated(self, event: Any) -> None:
        """GEPA counts its candidates from 0; a candidate of two parents is shown beside the first."""
        parents = [parent for parent in event.get("parent_ids") or () if parent is not None]
        known = parents[0] + 1 if parents and parents[0] < len(self._search.told) else None
        self._search.tell(
            joined(list(event["candidate"].values())),
            score=float(event["average_score"]),
            of=int(event["num_examples_evaluated"]),
            demos=self._demos,
            parent=known,
        )


def instructions_of(program: Any) -> str:
    """The instruction of each step of a program."""
    return joined(
        [str(predictor.signature.instructions) for _, predictor in program.named_predictors()]
    )


def joined(instructions: Sequence[str]) -> str:
    """Instructions of several steps as one text, cut to what is told."""
    return "\n\n——\n\n".join(instructions)[:MOST_INSTRUCTION]


def demos_of(program: Any) -> int:
    """Demonstrations in all steps of a program."""
    return sum(len(predictor.demos) for _, predictor in program.named_predictors())


def as_event(candidate: Candidate) -> dict[str, Any]:
    """The values of the `candidate` event."""
    return asdict(candidate)
