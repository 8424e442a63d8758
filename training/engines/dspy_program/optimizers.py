"""DSPy's optimisers by name, with settings small enough for a class, and what to do when one stops at the cap."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dspy

from dspy_program import metric
from dspy_program.examples import Turn
from dspy_program.model_needs import fitting
from dspy_program.program import answer_of, as_example
from dspy_program.scoring import Scorer
from dspy_program.search import GepaCandidates, Search
from dspy_program.spec import Settings

# A failed example must never make an optimiser give up: the meter and the provider's health decide that.
_NEVER = 1_000_000
_GEPA_MOST = 60
TRIES_A_DEMO = 4
INSTRUCTION_TOKENS = 1000
WRITERS = frozenset({"MIPROv2", "GEPA", "SIMBA"})  # they have instructions written


@dataclass(frozen=True)
class Job:
    """What an optimiser works with. `calls`: LM calls left, by which GEPA chooses its size. `search` hears of candidates.
    `reflection`: the LM that reflects on mistakes for GEPA, where it is not `lm`."""

    student: Any
    train: Sequence[Turn]
    selection: Sequence[Turn]
    settings: Settings
    scorer: Scorer
    lm: Any
    seed: int
    calls: int
    search: Search
    model: str
    reflection: Any = None

    def trainset(self) -> list[Any]:
        """The turns to learn from, as DSPy examples."""
        return [as_example(turn, self.student.design) for turn in self.train]

    def valset(self) -> list[Any]:
        """The turns to choose by, as DSPy examples."""
        return [as_example(turn, self.student.design) for turn in self.selection]

    def score(self, example: Any, prediction: Any, trace: Any = None) -> float:
        """The metric as DSPy calls it."""
        return self._scored(example, prediction).total

    def _scored(self, example: Any, prediction: Any) -> metric.Score:
        design = self.student.design
        return self.scorer.score(
            example[design.question], answer_of(prediction, design), example[design.answer]
        )

    def feedback(
        self,
        gold: Any,
        pred: Any,
        trace: Any = None,
        pred_name: str | None = None,
        pred_trace: Any = None,
    ) -> Any:
        """The metric as GEPA calls it: a score and what to change."""
        result = self._scored(gold, pred)
        said = (
            f'{metric.advice(result)} The real child said: "{gold[self.student.design.answer]}"'
        )
        return dspy.Prediction(score=result.total, feedback=said)

    def prompt_lm(self) -> Any:
        """The LM that writes instructions: they are longer than a child's answer."""
        return self.lm.copy(
            temperature=1.0, max_tokens=longest_answer(self.model, self.settings.max_tokens)
        )


def longest_answer(model: str, max_tokens: int) -> int:
    """Tokens of the longest answer that a run asks for: instructions, where an optimiser has them written."""
    return max(INSTRUCTION_TOKENS, fitting(model, 1.0, max_tokens)[1])


def optimise(job: Job) -> Any:
    """The optimised copy of the student. What the optimiser raises passes: the caller knows if the cap is why."""
    return _BUILDERS[job.settings.optimizer](job)


def _labeled(job: Job) -> Any:
    found = dspy.LabeledFewShot(k=job.settings.max_labeled_demos).compile(
        job.student, trainset=job.trainset()
    )
    job.search.found(found, score=None)
    return found


def _bootstrap(job: Job) -> Any:
    optimizer = dspy.BootstrapFewShot(
        metric=job.score,
        metric_threshold=job.settings.metric_threshold,
        max_bootstrapped_demos=job.settings.max_bootstrapped_demos,
        max_labeled_demos=job.settings.max_labeled_demos,
        max_errors=_NEVER,
    )
    trainset = job.trainset()
    if job.student.design.layout == "plain":
        # Few answers of a small model are good enough to be shown: it is asked for so many, one after the other.
        trainset = trainset[
            : max(
                TRIES_A_DEMO * job.settings.max_bootstrapped_demos,
                job.settings.max_labeled_demos,
                2,
            )
        ]
    found = optimizer.compile(job.student, trainset=trainset)
    job.search.found(found, score=None)
    return found


def _random_search(job: Job) -> Any:
    optimizer = dspy.BootstrapFewShotWithRandomSearch(
        metric=job.score,
        metric_threshold=job.settings.metric_threshold,
        max_bootstrapped_demos=max(job.settings.max_bootstrapped_demos, 1),
        max_labeled_demos=job.settings.max_labeled_demos,
        num_candidate_programs=job.settings.num_candidates,
        num_threads=job.settings.num_threads,
        max_errors=_NEVER,
    )
    return optimizer.compile(job.student, trainset=job.trainset(), valset=job.valset())


def _mipro(job: Job) -> Any:
    optimizer = dspy.MIPROv2(
        metric=job.score,
        metric_threshold=job.settings.metric_threshold,
        prompt_model=job.prompt_lm(),
        task_model=job.lm,
        auto=None,
        num_candidates=max(job.settings.num_candidates, 2),
        max_bootstrapped_demos=job.settings.max_bootstrapped_demos,
        max_labeled_demos=job.settings.max_labeled_demos,
        num_threads=job.settings.num_threads,
        max_errors=_NEVER,
        seed=job.seed,
    )
    return optimizer.compile(
        job.student,
        trainset=job.trainset(),
        valset=job.valset(),
        num_trials=job.settings.num_trials,
        minibatch=False,
        program_aware_proposer=False,
    )


def _gepa(job: Job) -> Any:
    optimizer = dspy.GEPA(
        metric=job.feedback,
        max_metric_calls=max(len(job.selection) + 4, min(_GEPA_MOST, int(job.calls * 0.8))),
        reflection_lm=job.reflection or job.prompt_lm(),
        num_threads=job.settings.num_threads,
        seed=job.seed,
        gepa_kwargs={"callbacks": [GepaCandidates(job.search)]},
    )
    return optimizer.compile(job.student, trainset=job.trainset(), valset=job.valset())


def _simba(job: Job) -> Any:
    # SIMBA scores its candidates on the whole training set at the end: a few turns keep that within the cap.
    trainset = job.trainset()[: max(6, job.settings.selection_limit)]
    optimizer = dspy.SIMBA(
        metric=job.score,
        bsize=min(len(trainset), 6),
        num_candidates=max(job.settings.num_candidates, 2),
        max_steps=2,
        max_demos=job.settings.max_labeled_demos,
        prompt_model=job.prompt_lm(),
        num_threads=job.settings.num_threads,
    )
    found = optimizer.compile(job.student, trainset=trainset, seed=job.seed)
    # It evaluates in a way of its own, so its candidates are known only now.
    tried = sorted(found.candidate_programs, key=lambda one: one["program"].simba_idx)
    for one in tried:
        job.search.found(one["program"], score=one["score"], of=len(trainset))
    return found


_BUILDERS: Mapping[str, Callable[[Job], Any]] = {
    "LabeledFewShot": _labeled,
    "BootstrapFewShot": _bootstrap,
    "BootstrapFewShotWithRandomSearch": _random_search,
    "MIPROv2": _mipro,
    "GEPA": _gepa,
    "SIMBA": _simba,
}
