"""DSPy's optimisers by name, with settings small enough for a class, and what to do when one stops at the cap."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dspy
from dspy.utils.callback import BaseCallback

from dspy_program import metric
from dspy_program.examples import Turn
from dspy_program.program import StudentSimulationModel, as_example
from dspy_program.scoring import Scorer
from dspy_program.spec import Settings

# A failed example must never make an optimiser give up: the meter and the provider's health decide that.
_NEVER = 1_000_000
_GEPA_MOST = 60
INSTRUCTION_TOKENS = 1000


class Watch(BaseCallback):  # type: ignore[misc]  # DSPy ships no types
    """Remembers the best program an optimiser evaluated, and counts its program calls that failed."""

    def __init__(self) -> None:
        self.best: Any = None
        self.failed_examples = 0
        self._best_score = float("-inf")
        self._evaluated: dict[str, Any] = {}
        self._modules: set[str] = set()

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Note which calls are calls of the student program."""
        if isinstance(instance, StudentSimulationModel):
            self._modules.add(call_id)

    def on_module_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """Count a failed call."""
        if call_id in self._modules:
            self._modules.discard(call_id)
            self.failed_examples += exception is not None

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Note which program is evaluated."""
        self._evaluated[call_id] = inputs.get("program")

    def on_evaluate_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """Keep the program with the best score so far."""
        program = self._evaluated.pop(call_id, None)
        if exception is None and outputs is not None and outputs.score > self._best_score:
            self._best_score, self.best = outputs.score, program


@dataclass(frozen=True)
class Job:
    """What an optimiser works with. `calls`: LM calls left, by which GEPA chooses its size."""

    student: Any
    train: Sequence[Turn]
    selection: Sequence[Turn]
    settings: Settings
    scorer: Scorer
    lm: Any
    seed: int
    calls: int

    def trainset(self) -> list[Any]:
        """The turns to learn from, as DSPy examples."""
        return [as_example(turn) for turn in self.train]

    def valset(self) -> list[Any]:
        """The turns to choose by, as DSPy examples."""
        return [as_example(turn) for turn in self.selection]

    def score(self, example: Any, prediction: Any, trace: Any = None) -> float:
        """The metric as DSPy calls it."""
        answer = str(prediction.student_response)
        return self.scorer.score(example.teacher_prompt, answer, example.student_response).total

    def feedback(
        self, gold: Any, pred: Any, trace: Any = None, pred_name: str | None = None, pred_trace: Any = None
    ) -> Any:
        """The metric as GEPA calls it: a score and what to change."""
        result = self.scorer.score(gold.teacher_prompt, str(pred.student_response), gold.student_response)
        said = f'{metric.advice(result)} The real child said: "{gold.student_response}"'
        return dspy.Prediction(score=result.total, feedback=said)

    def prompt_lm(self) -> Any:
        """The LM that writes instructions: they are longer than a child's answer."""
        return self.lm.copy(temperature=1.0, max_tokens=longest_answer(self.settings.max_tokens))


def longest_answer(max_tokens: int) -> int:
    """Tokens of the longest answer that a run asks for: instructions, where an optimiser has them written."""
    return max(INSTRUCTION_TOKENS, max_tokens)


def optimise(job: Job) -> Any:
    """The optimised copy of the student. What the optimiser raises passes: the caller knows if the cap is why."""
    return _BUILDERS[job.settings.optimizer](job)


def _labeled(job: Job) -> Any:
    return dspy.LabeledFewShot(k=job.settings.max_labeled_demos).compile(job.student, trainset=job.trainset())


def _bootstrap(job: Job) -> Any:
    optimizer = dspy.BootstrapFewShot(
        metric=job.score,
        metric_threshold=job.settings.metric_threshold,
        max_bootstrapped_demos=job.settings.max_bootstrapped_demos,
        max_labeled_demos=job.settings.max_labeled_demos,
        max_errors=_NEVER,
    )
    return optimizer.compile(job.student, trainset=job.trainset())


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
        reflection_lm=job.prompt_lm(),
        num_threads=job.settings.num_threads,
        seed=job.seed,
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
    return optimizer.compile(job.student, trainset=trainset, seed=job.seed)


_BUILDERS: Mapping[str, Callable[[Job], Any]] = {
    "LabeledFewShot": _labeled,
    "BootstrapFewShot": _bootstrap,
    "BootstrapFewShotWithRandomSearch": _random_search,
    "MIPROv2": _mipro,
    "GEPA": _gepa,
    "SIMBA": _simba,
}
