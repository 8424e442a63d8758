"""What models cost: prices looked up for a course, charges made of what was measured."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from teams.models import FIRST_PROVIDER, Confidence, Course, Hold, PriceKind, SubjectKind, User
from teams.services.money import Charge, dollars
from teams.services.prices import PriceUnknown, Quote, price_of
from training.models import BaseModel, Missing, TrainingRun
from training.services import call_journal, idle_speed, local_program
from training.services.calls.usage import CountedTokens, TokenUsage
from training.services.method_work import work_of

LOCAL_PROVIDER = "local"
SAMPLE_QUESTION_TOKENS, SAMPLE_ANSWER_TOKENS = 1_500, 120  # most of one sample question asked at a provider
NO_ANSWER = "the most it can have cost, because no answer came"  # as the ledger says it
LOST_SAMPLE = "sample_lost"  # kind of a run's event: a sample question that may be billed though no answer came
NO_PRICE = "all that was held, because the price is gone from the book"  # as the ledger says it
COUNT_MARGIN, COUNT_SLACK = 1.1, 8
PROGRAM_CALLS_PER_TURN = 2  # each step of a DSPy program asks once more when it cannot read the first answer


@dataclass(frozen=True)
class TokenPrices:
    """The prices of one model. `note` names them with source and date, for the ledger."""

    input: Quote
    cached_input: Quote
    output: Quote
    note: str

    def cost(self, *, input_tokens: int, cached_input_tokens: int, output_tokens: int) -> int:
        """Micro-dollars. `input_tokens` counts the cached ones too, as providers report them."""
        fresh = max(0, input_tokens - cached_input_tokens)
        return self.input.cost(fresh) + self.cached_input.cost(cached_input_tokens) + self.output.cost(output_tokens)

    def most(self, *, input_tokens: int, output_tokens: int) -> int:
        """Micro-dollars, whichever of the input tokens the provider had in its memory: that may be the dearer way."""
        asked = self.input.cost(input_tokens), self.cached_input.cost(input_tokens)
        return max(asked) + self.output.cost(output_tokens) + 1  # read in two parts, each is rounded up


@dataclass(frozen=True)
class ChatCost:
    """The cost part of a charge for a chat turn; micro-dollars."""

    cost: int
    price_note: str
    confidence: Confidence
    provider: str
    model: str


def answer_charge(
    price: ChatCost, usage: TokenUsage, *, method: str, subject_kind: SubjectKind, subject_id: str, person: User | None
) -> Charge:
    """The charge for answers of a run; estimated where the provider did not count and a price hangs on it."""
    counted_by_us = price.confidence == Confidence.EXACT and not usage.exact and price.cost
    return Charge(
        subject_kind=subject_kind,
        subject_id=subject_id,
        method=method,
        provider=price.provider,
        model=price.model,
        cost=price.cost,
        price_note=price.price_note,
        confidence=Confidence.ESTIMATED if counted_by_us else price.confidence,
        person=person,
        **usage.counted,
    )


def at_most(charge: Charge, most: int) -> Charge:
    """`charge` for a call whose answer was lost: `most` micro-dollars, as unknown."""
    note = f"{NO_ANSWER}; {charge.price_note}"[:300]
    return replace(charge, cost=most, confidence=Confidence.UNKNOWN, price_note=note)


def token_prices(*, course: Course, model: str, provider: str) -> TokenPrices:
    """Prices of asking `model` of the provider with this code. A cached token without a price of its own counts as a fresh
    one. Raises PriceUnknown."""
    asked = price_of(course=course, provider=provider, model=model, kind=PriceKind.INPUT)
    answered = price_of(course=course, provider=provider, model=model, kind=PriceKind.OUTPUT)
    try:
        cached = price_of(course=course, provider=provider, model=model, kind=PriceKind.CACHED_INPUT)
    except PriceUnknown:
        cached = asked
    note = (
        f"{dollars(asked.per_million)} in, {dollars(cached.per_million)} cached, {dollars(answered.per_million)} out for a "
        f"million tokens ({asked.source}, {asked.effective_from})"
    )
    return TokenPrices(asked, cached, answered, note[:300])


def run_token_prices(run: TrainingRun) -> TokenPrices:
    """Prices of the tokens of a DSPy run: of its model at the provider, or of this machine as at launch. Raises PriceUnknown."""
    if run.base_model.local:
        return local_token_prices(run.idle_speed)
    return base_prices(run.base_model, course=run.team.course)


def base_prices(base: BaseModel, *, course: Course) -> TokenPrices:
    """Prices of asking an untrained model of a provider. Raises PriceUnknown."""
    return token_prices(course=course, model=base.name, provider=provider_name(base))


def trained_prices(base: BaseModel, *, course: Course) -> TokenPrices:
    """Prices of asking what was made of `base` at its provider, whatever the provider calls it. Raises PriceUnknown."""
    return token_prices(course=course, model=trained_name(base), provider=provider_name(base))


def trained_name(base: BaseModel) -> str:
    """Under which the price book has what becomes of `base`."""
    return base.name if base.name.startswith("ft:") else f"ft:{base.name}"


def local_token_prices(stored: dict[str, Any]) -> TokenPrices:
    """Prices of this machine's tokens at the speed and rate in `stored` (`TrainingRun.idle_speed`)."""
    read, written, note = local_program.quotes(stored)
    return TokenPrices(read, read, written, note)


def training_price(*, course: Course, model: str, provider: str) -> tuple[Quote, str]:
    """The price of a training token at the provider with this code, and its note. Raises PriceUnknown."""
    quote = price_of(course=course, provider=provider, model=model, kind=PriceKind.TRAINING)
    return (
        quote,
        f"{dollars(quote.per_million)} for a million training tokens ({quote.source}, {quote.effective_from})"[:300],
    )


def run_training_price(run: TrainingRun) -> tuple[Quote, str]:
    """As `training_price`, of a run at its provider. Raises PriceUnknown."""
    base = run.base_model
    return training_price(course=run.team.course, model=base.name, provider=provider_name(base))


def provider_name(base_model: BaseModel) -> str:
    """As the ledger, the price book and the run's row name it."""
    if base_model.local:
        return LOCAL_PROVIDER
    return base_model.provider.code if base_model.provider is not None else FIRST_PROVIDER


@dataclass(frozen=True)
class Used:
    """What a run used, and its price in micro-dollars."""

    price: int
    note: str
    tokens: CountedTokens
    seconds: float = 0.0
    confidence: Confidence | None = None


def run_charge(run: TrainingRun, *, confidence: Confidence = Confidence.EXACT) -> Charge:
    """The charge for everything that was measured of `run` so far. Raises PriceUnknown."""
    used = work_of(run.method).charge(run)
    return Charge(
        subject_kind=SubjectKind.RUN,
        subject_id=str(run.key),
        method=run.method,
        provider=provider_name(run.base_model),
        model=asked_model(run) or run.base_model.name,
        cost=used.price,
        price_note=used.note[:300],
        confidence=used.confidence or confidence,
        training_tokens=run.training_tokens,
        compute_seconds=round(used.seconds, 3),
        person=run.created_by,
        **used.tokens,
    )


def of_adapter(run: TrainingRun) -> Used:
    """Of training on this machine: the work that was kept, at the speed and rate of its launch."""
    local = idle_speed.cost_of(run)
    note = f"Trained on this platform: {local.note}" if run.is_own_job else local.note
    return Used(local.cost, note, _tokens_of(run), local.seconds, Confidence.EXACT)  # counted, however it ended


def of_program(run: TrainingRun) -> Used:
    """Of a search for a prompt: its calls, each model's at its own prices. Raises PriceUnknown."""
    prices, paid = run_token_prices(run), call_journal.paid_calls(run)
    tokens = _tokens_of(paid)
    if run.base_model.local:
        return _local_program_priced(run, prices, tokens)
    price = _price_by_model(run, prices, paid)
    if paid.lost is None:
        return Used(price, prices.note, tokens)
    note = f"{paid.lost.calls} calls without an answer at the most they can have cost; {prices.note}"
    return Used(price + paid.lost.most, note, tokens, confidence=Confidence.UNKNOWN)


def _price_by_model(run: TrainingRun, prices: TokenPrices, paid: call_journal.PaidCalls) -> int:
    """Micro-dollars of all answered calls, each model's at its own prices. Raises PriceUnknown."""
    names = ("input_tokens", "cached_input_tokens", "output_tokens")
    own = {"input_tokens": paid.input_tokens, "cached_input_tokens": paid.cached_input_tokens}
    own["output_tokens"] = paid.output_tokens
    price = 0
    for model, used in paid.others.items():
        theirs = dict(zip(names, used, strict=True))
        asked = token_prices(course=run.team.course, model=model, provider=provider_name(run.base_model))
        price += asked.cost(**theirs)
        own = {name: max(0, own[name] - theirs[name]) for name in names}
    return price + prices.cost(**own)


def _local_program_priced(run: TrainingRun, prices: TokenPrices, tokens: CountedTokens) -> Used:
    """A call that was lost with a killed attempt cost nobody money; a guessed speed never charges more than the clock."""
    price, note = prices.cost(**tokens), f"Tokens at {prices.note}"
    if run.idle_speed.get("source") == idle_speed.Source.GUESS:
        rate = int(run.idle_speed.get("compute_rate", 0))
        price = min(price, idle_speed.compute_cost(rate=rate, seconds=run.compute_seconds))
    if price > run.most_cost:
        price, note = run.most_cost, f"Charged the most it can cost, for {note}"
    return Used(price, note, tokens, confidence=Confidence.EXACT)


def of_job(run: TrainingRun) -> Used:
    """Of a job at a provider: training tokens and sample questions. Raises PriceUnknown."""
    quote, note = run_training_price(run)
    if run.input_tokens:
        note = f"{note[:180]}, and the sample questions at the prices of asking"
    price, sure = quote.cost(run.training_tokens) + samples_cost(run), None
    if run.events.filter(kind=LOST_SAMPLE).exists():
        note, sure = f"{NO_ANSWER} to a sample question, and {note}", Confidence.UNKNOWN
    elif Missing.TOKENS in run.missing:
        sure = Confidence.ESTIMATED
    return Used(price, note, _tokens_of(run), confidence=sure)


def _tokens_of(used: TrainingRun | call_journal.PaidCalls) -> CountedTokens:
    return {
        "input_tokens": used.input_tokens,
        "cached_input_tokens": used.cached_input_tokens,
        "output_tokens": used.output_tokens,
    }


def samples_cost(run: TrainingRun) -> int:
    """Micro-dollars of the sample questions that were asked at the provider, each model at its own price, those whose answer
    was lost at their most. Raises PriceUnknown."""
    used: dict[str, list[int]] = {}
    for data in run.events.filter(kind__in=("sample", LOST_SAMPLE), data__has_key="input_tokens").values_list(
        "data", flat=True
    ):
        sums = used.setdefault(str(data["model"]), [0, 0, 0])
        for place, name in enumerate(("input_tokens", "cached_input_tokens", "output_tokens")):
            sums[place] += int(data[name])
    total, base = 0, run.base_model
    for model, (asked, cached, answered) in used.items():
        find = base_prices if model == base.name else trained_prices
        prices = find(base, course=run.team.course)
        total += prices.cost(input_tokens=asked, cached_input_tokens=cached, output_tokens=answered)
    return total


def samples_estimate(*, course: Course, base: BaseModel, questions: int) -> tuple[int, int]:
    """(expected, most) micro-dollars of asking the base model and the trained one; (0, 0) where a price is missing, for
    then nothing is asked."""
    try:
        prices = [base_prices(base, course=course), trained_prices(base, course=course)]
    except PriceUnknown:
        return 0, 0
    usual = {"input_tokens": 60 * questions, "cached_input_tokens": 0, "output_tokens": 30 * questions}
    expected = sum(one.cost(**usual) for one in prices)
    each = sum(one.most(input_tokens=SAMPLE_QUESTION_TOKENS, output_tokens=SAMPLE_ANSWER_TOKENS) for one in prices)
    highest = questions * each
    return expected, highest


def chat_prices(run: TrainingRun, *, untrained: bool = False) -> TokenPrices | None:
    """What answers of a finished run cost, or of its base model; None where they are made here. Raises PriceUnknown."""
    if run.base_model.local:
        return None
    find = base_prices if untrained or run.works_here else trained_prices
    return find(run.base_model, course=run.team.course)


def chat_cost(
    run: TrainingRun,
    *,
    input_tokens: int,
    cached_input_tokens: int,
    output_tokens: int,
    prices: TokenPrices | None = None,
) -> ChatCost:
    """What a chat turn with a finished run cost, from the tokens that the provider reported. Raises PriceUnknown.

    `prices`: as `chat_prices` found them; else they are looked up.
    """
    used = (input_tokens, cached_input_tokens, output_tokens)
    if not run.base_model.local:
        prices = prices or chat_prices(run)
    return _chat_cost(run.base_model, asked_model(run), *used, prices=prices)


def base_chat_cost(
    base_model: BaseModel, *, course: Course, input_tokens: int, cached_input_tokens: int, output_tokens: int
) -> ChatCost:
    """What a chat turn with an untrained base model cost. Raises PriceUnknown."""
    prices = None if base_model.local else base_prices(base_model, course=course)
    return _chat_cost(base_model, base_model.name, input_tokens, cached_input_tokens, output_tokens, prices=prices)


def request_tokens(run: TrainingRun, input_tokens: int) -> int:
    """The most that one request to the model may read: what the caller counted, a DSPy program's own prompt, a margin."""
    brought = _whole(run.result.get("prompt_tokens")) if run.trained_with.is_program else 0
    return with_margin(input_tokens + brought)


def chat_most(run: TrainingRun, *, input_tokens: int, max_tokens: int, prices: TokenPrices | None = None) -> int:
    """Micro-dollars to hold for one chat turn: `input_tokens` as counted by the caller, `max_tokens` of answer.

    A DSPy program adds its instructions and demonstrations to what the teacher says and may ask twice. 0 where it is
    answered here. Raises PriceUnknown.
    """
    calls = PROGRAM_CALLS_PER_TURN * run.calls_an_answer if run.trained_with.is_program else 1
    asked = calls * request_tokens(run, input_tokens)
    prices = prices or chat_prices(run)
    if prices is None:
        return 0
    return prices.most(input_tokens=asked, output_tokens=calls * max_tokens)


def program_limits(run: TrainingRun, *, input_tokens: int, max_tokens: int) -> dict[str, Any] | None:
    """What `chat_most` priced, for the program server to keep to, whatever the program says; None for other methods."""
    if not run.trained_with.is_program:
        return None
    return {
        "model": run.base_model.name,
        "max_tokens": max_tokens,
        "calls": PROGRAM_CALLS_PER_TURN * run.calls_an_answer,
        "input_tokens": request_tokens(run, input_tokens),
    }


def with_margin(counted: int) -> int:
    """A provider may count a little otherwise than we do, and frame messages with more."""
    return math.ceil(counted * COUNT_MARGIN) + COUNT_SLACK


def _whole(value: Any) -> int:
    return max(0, value) if isinstance(value, int) else 0


def cost_or_hold(priced: Callable[[], ChatCost], *, run: TrainingRun, hold_key: str) -> ChatCost:
    """What `priced` says. Where it raises PriceUnknown for a price that was there at the hold: the whole hold, as unknown.

    Whoever used the bot is done, and nobody may come to add the price: the money must not stay held until then.
    """
    try:
        return priced()
    except PriceUnknown as unknown:
        held = Hold.objects.values_list("amount", flat=True).get(key=hold_key)
        provider, note = provider_name(run.base_model), f"{NO_PRICE}: {unknown}"[:300]
        return ChatCost(held, note, Confidence.UNKNOWN, provider, asked_model(run))


def asked_model(run: TrainingRun) -> str:
    """The model whose price a chat with a finished run has."""
    return run.base_model.name if run.works_here else run.result_model


def _chat_cost(
    base_model: BaseModel, model: str, asked: int, cached: int, answered: int, *, prices: TokenPrices | None
) -> ChatCost:
    """`prices`: None where it is answered on this machine."""
    provider = provider_name(base_model)
    if prices is None:
        return ChatCost(0, "answered on this machine: free", Confidence.EXACT, provider, model)
    price = prices.cost(input_tokens=asked, cached_input_tokens=cached, output_tokens=answered)
    return ChatCost(price, prices.note, Confidence.EXACT, provider, model)
