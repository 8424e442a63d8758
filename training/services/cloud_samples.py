"""The fixed teacher questions, put to the provider's base model and to what became of it: priced, held and charged."""

from django.db import transaction
from django.db.models import F

from teams.models import Hold, HoldState
from teams.services.prices import PriceUnknown
from training.models import InvalidTransition, RunEvent, TrainingRun
from training.providers.openai_api import FineTuning, ProviderAway, ProviderRefused, Reply
from training.services import tokens
from training.services.charges import (
    LOST_SAMPLE,
    SAMPLE_ANSWER_TOKENS,
    SAMPLE_QUESTION_TOKENS,
    samples_cost,
    token_prices,
    training_price,
)
from training.services.questions import SAMPLE_QUESTIONS


def ask_samples(run: TrainingRun, lease: str, provider: FineTuning, *, model: str, trained_tokens: int) -> None:
    """Ask what has not been answered yet, so that a look that was cut off pays nothing twice.

    Asked only out of what is left of the run's hold when `trained_tokens` are paid for. Never fails the run: where a
    price is missing or the provider does not answer, a note says so.
    """
    prompt = str(run.result.get("system_prompt") or "")
    answered = {(e.data.get("stage"), e.data.get("question")) for e in run.events.filter(kind="sample")}
    wanted = [
        (stage, name, question)
        for stage, name in (("before", run.base_model.name), ("after", model))
        for question in SAMPLE_QUESTIONS
        if (stage, question) not in answered
    ]
    try:
        _refuse_unpriced(run, prompt, [name for _, name, _ in wanted], trained_tokens)
        for stage, name, question in wanted:
            reply = _ask(run, provider, name, prompt, question)
            _write(run, lease, stage, name, question, reply)
    except (PriceUnknown, ProviderAway, ProviderRefused) as trouble:
        message = f"Not all sample questions were asked: {trouble}"
        RunEvent.objects.create(run=run, kind="note", data={"message": message})


def _ask(run: TrainingRun, provider: FineTuning, model: str, prompt: str, question: str) -> Reply:
    """Raises ProviderAway, ProviderRefused. A call that may be billed though no answer came counts at its most."""
    try:
        return provider.ask(model=model, system_prompt=prompt, question=question, max_tokens=SAMPLE_ANSWER_TOKENS)
    except ProviderAway as away:
        if away.maybe_done:
            most = {
                "input_tokens": SAMPLE_QUESTION_TOKENS,
                "cached_input_tokens": 0,
                "output_tokens": SAMPLE_ANSWER_TOKENS,
            }
            RunEvent.objects.create(run=run, kind=LOST_SAMPLE, data={"model": model, **most})
        raise


def _refuse_unpriced(run: TrainingRun, prompt: str, wanted: list[str], trained_tokens: int) -> None:
    """Raises PriceUnknown or ProviderRefused where the answers of `wanted` models would not be paid for by the hold."""
    course = run.team.course
    prices = {name: token_prices(course=course, model=name) for name in wanted}
    if tokens.count_text(prompt) > SAMPLE_QUESTION_TOKENS // 2:
        raise ProviderRefused(
            "too_long", "the rows' system message is longer than what was held for them.", "Talk to the run instead."
        )
    if run.rehearsal:
        return
    most = sum(
        prices[name].most(input_tokens=SAMPLE_QUESTION_TOKENS, output_tokens=SAMPLE_ANSWER_TOKENS) for name in wanted
    )
    held = Hold.objects.filter(key=run.hold_key, state=HoldState.OPEN).values_list("amount", flat=True).first() or 0
    trained = training_price(course=course, model=run.base_model.name)[0].cost(trained_tokens)
    if trained + samples_cost(run) + most > held:
        raise ProviderRefused(
            "not_held_for", "what was held for the run does not pay for them.", "Talk to the run instead."
        )


def _write(run: TrainingRun, lease: str, stage: str, model: str, question: str, reply: Reply) -> None:
    used = {
        "input_tokens": reply.input_tokens or SAMPLE_QUESTION_TOKENS,  # a server that does not count
        "cached_input_tokens": min(reply.cached_input_tokens, reply.input_tokens),
        "output_tokens": reply.output_tokens or tokens.count_text(reply.text),
    }
    with transaction.atomic():
        if not run.write(lease, **{name: F(name) + count for name, count in used.items()}):
            raise InvalidTransition(f"run {run.pk} is looked at by somebody else")
        data = {"stage": stage, "question": question, "answer": reply.text, "model": model, **used}
        RunEvent.objects.create(run=run, kind="sample", data=data)
    run.renew(lease)
    run.refresh_from_db(fields=[*used])
