"""The fixed teacher questions, put to the provider's base model and to what became of it: priced, held and charged."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.db.models.expressions import CombinedExpression

from teams.models import Dialect, Hold, HoldState
from teams.services.prices import PriceUnknown
from training.launcher import storable
from training.models import InvalidTransition, RunEvent, TrainingRun
from training.services.calls import client
from training.services.calls.client import Answer
from training.services.calls.outcome import CallFailed, Outcome
from training.services.calls.prepare import Message, PreparedCall, prepare_for_model
from training.services.calls.purse import Purse
from training.services.calls.usage import TokenUsage
from training.services.charges import (
    LOST_SAMPLE,
    SAMPLE_ANSWER_TOKENS,
    SAMPLE_QUESTION_TOKENS,
    base_prices,
    run_training_price,
    samples_cost,
    trained_prices,
    with_margin,
)
from training.services.endpoints import NotReady, provider_model
from training.services.questions import SAMPLE_QUESTIONS

ASK_SECONDS = 20.0
BEFORE = "before"  # the stage at which the untrained model is asked


class NotAsked(Exception):
    """No question was asked; the message says why."""


@dataclass(frozen=True)
class _Sample:
    """`stage`: before or after the training."""

    stage: str
    question: str
    call: PreparedCall


def ask_samples(run: TrainingRun, lease: str, *, model: str, trained_tokens: int) -> None:
    """Ask what has not been answered yet, so that a look that was cut off pays nothing twice.

    Asked only out of what is left of the run's hold when `trained_tokens` are paid for. Never fails the run: where a
    price is missing or the provider does not answer, a note says so.
    """
    try:
        wanted = _missing(run, {BEFORE: run.base_model.name, "after": model})
        purse = Purse(_left_for(run, wanted, trained_tokens))
        with client.connected() as web:
            for sample in wanted:
                answer = client.ask(web, sample.call, purse=purse, seconds=ASK_SECONDS)
                _write(run, lease, sample, answer)
    except CallFailed as failed:
        _count_lost(run, sample.call, failed)
        _note(run, _in_words(failed))
    except (PriceUnknown, NotAsked, NotReady) as trouble:
        _note(run, str(trouble))


def _missing(run: TrainingRun, models: dict[str, str]) -> list[_Sample]:
    """By stage, the questions that have no answer yet, prepared. Raises PriceUnknown."""
    line = str(run.result.get("system_prompt") or "")
    system: list[Message] = [{"role": "system", "content": line}] if line else []
    answered = {
        (e.data.get("stage"), e.data.get("question")) for e in run.events.filter(kind="sample")
    }
    wanted = []
    asks_bases = (
        run.base_model.provider is None or run.base_model.provider.dialect != Dialect.AZURE
    )
    for stage, name in models.items():
        if stage == BEFORE and not asks_bases:
            continue  # there the untrained model answers only where somebody deployed it too
        questions = [
            question for question in SAMPLE_QUESTIONS if (stage, question) not in answered
        ]
        if not questions:
            continue
        find = base_prices if stage == BEFORE else trained_prices
        prices = find(run.base_model, course=run.team.course)
        asked = provider_model(run.base_model.provider, name, max_tokens=SAMPLE_ANSWER_TOKENS)
        for question in questions:
            call = prepare_for_model(
                asked, [*system, {"role": "user", "content": question}], prices
            )
            wanted.append(_Sample(stage, question, call))
    return wanted


def _left_for(run: TrainingRun, wanted: list[_Sample], trained_tokens: int) -> int:
    """Micro-dollars that these questions may cost. Raises NotAsked where they may cost more than is left of the hold."""
    if any(with_margin(sample.call.input_tokens) > SAMPLE_QUESTION_TOKENS for sample in wanted):
        raise NotAsked("the rows' system message is longer than what was held for them.")
    most = sum(sample.call.most for sample in wanted)
    held = (
        Hold.objects.filter(key=run.hold_key, state=HoldState.OPEN)
        .values_list("amount", flat=True)
        .first()
        or 0
    )
    trained = run_training_price(run)[0].cost(trained_tokens)
    if trained + samples_cost(run) + most > held:
        raise NotAsked("what was held for the run does not pay for them.")
    return most


def _count_lost(run: TrainingRun, call: PreparedCall, failed: CallFailed) -> None:
    """A question that may be billed though no answer came counts at its most, or as the provider counted it."""
    usage = failed.usage
    if usage is None and failed.outcome is Outcome.LOST:
        usage = TokenUsage(with_margin(call.input_tokens), 0, call.max_tokens, exact=False)
    if usage is not None:
        RunEvent.objects.create(
            run=run, kind=LOST_SAMPLE, data={"model": call.endpoint.model, **usage.counted}
        )


def _in_words(failed: CallFailed) -> str:
    if failed.outcome is Outcome.REFUSED:
        return f"the provider refused ({failed.status})."
    return "the provider did not answer."


def _note(run: TrainingRun, why: str) -> None:
    RunEvent.objects.create(
        run=run, kind="note", data={"message": f"Not all sample questions were asked: {why}"}
    )


def _write(run: TrainingRun, lease: str, sample: _Sample, answer: Answer) -> None:
    used = answer.usage.counted
    with transaction.atomic():
        if not run.write(lease, **_on_top(answer.usage)):
            raise InvalidTransition(f"run {run.pk} is looked at by somebody else")
        said = {
            "stage": sample.stage,
            "question": sample.question,
            "answer": storable(answer.text),
        }
        RunEvent.objects.create(
            run=run, kind="sample", data={**said, "model": sample.call.endpoint.model, **used}
        )
    run.renew(lease)
    run.refresh_from_db(fields=[*used])


def _on_top(usage: TokenUsage) -> dict[str, CombinedExpression]:
    return {
        "input_tokens": F("input_tokens") + usage.input_tokens,
        "cached_input_tokens": F("cached_input_tokens") + usage.cached_input_tokens,
        "output_tokens": F("output_tokens") + usage.output_tokens,
    }
