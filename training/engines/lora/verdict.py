"""At the end of a run: the candidates answer fresh questions, and the one that is kept is not worse by them.

Candidates are the adapter with the lowest validation loss and, where it is another one, that of the last step. The first is
kept unless the other has more sound answers (changed, words, no loop), or as many and more that read like a second-grader's,
or as many of these, too, and more right sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lora.checkpoint import Tensors
from lora.known_answers import KnownAnswers
from lora.loop import Loop
from lora.sampling import Sampler
from lora.spec import FreshQuestion
from second_grade import verdict


@dataclass(frozen=True)
class Candidate:
    """An adapter that may be kept. `loss`: on the validation rows; None where there are none."""

    step: int
    loss: float | None
    adapter: Tensors | None  # None: as it stands in the model


def choose(
    loop: Loop, sampler: Sampler, known: KnownAnswers, questions: Sequence[FreshQuestion]
) -> tuple[int, list[dict[str, object]]]:
    """Leave the adapter to keep in the model. Gives its step, and what each candidate said, for `result.json`.

    Raises Interrupted when asked to leave; the next attempt asks again.
    """
    asked = [verdict.Asked(one.question, one.total) for one in questions]
    of_base = base_answers(loop, sampler, known, [one.question for one in questions])
    candidates, found, worth = _candidates(loop), [], []
    for candidate in candidates:
        if candidate.adapter is not None:
            loop.state.put_adapter(candidate.adapter)
        with loop.timings.verdict(len(asked)):
            said = sampler.answers(loop.state.model, [one.question for one in asked])
            worth.append(verdict.judge(asked, said, of_base).worth)
        found.append(
            {
                "step": candidate.step,
                "validation_loss": candidate.loss,
                "answers": said,
                "kept": False,
            }
        )
    best = max(range(len(candidates)), key=lambda place: (worth[place], -place))
    kept = candidates[best].adapter
    if kept is not None:
        loop.state.put_adapter(kept)
    found[best]["kept"] = True
    return candidates[best].step, [{**one, "base_answers": of_base} for one in found]


def base_answers(
    loop: Loop, sampler: Sampler, known: KnownAnswers, questions: Sequence[str]
) -> list[str]:
    """What the untrained base says to fresh questions; asked only of what is not known yet."""

    def ask(places: list[int]) -> list[str]:
        with loop.timings.verdict(len(places)), loop.state.model.disable_adapter():
            return sampler.answers(loop.state.model, [questions[place] for place in places])

    return known.answers([sampler.prompt(one) for one in questions], ask)


def _candidates(loop: Loop) -> list[Candidate]:
    """The best by validation loss first: at a draw it stays."""
    progress, state = loop.progress, loop.state
    if state.best is None:
        return [Candidate(progress.step, progress.last_validation, None)]
    best = Candidate(progress.best_step, progress.best_validation, state.best)
    if state.last is None:
        return [best]
    return [best, Candidate(progress.step, progress.last_validation, state.last)]
