"""What models cost: prices looked up for a course, charges made of what was measured."""

from dataclasses import dataclass

from teams.models import Confidence, Course, Method, PriceKind
from teams.services.money import Charge, dollars
from teams.services.prices import PriceUnknown, Quote, price_of
from training.models import BaseModel, TrainingRun

PRICE_BOOK_PROVIDER = "openai"  # whose prices apply, the rehearsal's "would have cost" included
REHEARSAL_PROVIDER = "rehearsal"
LOCAL_PROVIDER = "local"
SECONDS_PER_HOUR = 3600
PROGRAM_CALLS_PER_TURN = 2  # a DSPy program asks once more when it cannot read the first answer


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


@dataclass(frozen=True)
class ChatCost:
    """The cost part of a charge for a chat turn; micro-dollars."""

    cost: int
    would_have_cost: int | None
    price_note: str
    confidence: Confidence
    provider: str
    model: str
    rehearsal: bool


def token_prices(*, course: Course, model: str) -> TokenPrices:
    """Prices of asking `model`. A cached token without a price of its own counts as a fresh one. Raises PriceUnknown."""
    asked = price_of(course=course, provider=PRICE_BOOK_PROVIDER, model=model, kind=PriceKind.INPUT)
    answered = price_of(course=course, provider=PRICE_BOOK_PROVIDER, model=model, kind=PriceKind.OUTPUT)
    try:
        cached = price_of(course=course, provider=PRICE_BOOK_PROVIDER, model=model, kind=PriceKind.CACHED_INPUT)
    except PriceUnknown:
        cached = asked
    note = (
        f"{dollars(asked.per_million)} in, {dollars(cached.per_million)} cached, {dollars(answered.per_million)} out for a "
        f"million tokens ({asked.source}, {asked.effective_from})"
    )
    return TokenPrices(asked, cached, answered, note[:300])


def training_price(*, course: Course, model: str) -> tuple[Quote, str]:
    """The price of a training token and its note. Raises PriceUnknown."""
    quote = price_of(course=course, provider=PRICE_BOOK_PROVIDER, model=model, kind=PriceKind.TRAINING)
    return (
        quote,
        f"{dollars(quote.per_million)} for a million training tokens ({quote.source}, {quote.effective_from})"[:300],
    )


def compute_cost(*, course: Course, seconds: float) -> int:
    """Micro-dollars of local training at the course's rate, rounded up."""
    return -(-round(seconds * course.compute_rate) // SECONDS_PER_HOUR)


def provider_name(base_model: BaseModel) -> str:
    """As the ledger and the run's row name it."""
    if base_model.local:
        return LOCAL_PROVIDER
    return REHEARSAL_PROVIDER if base_model.rehearsal else PRICE_BOOK_PROVIDER


def run_charge(run: TrainingRun, *, confidence: Confidence = Confidence.EXACT) -> Charge:
    """The charge for everything that was measured of `run` so far. Raises PriceUnknown."""
    course = run.team.course
    if run.method == Method.LORA:
        price = compute_cost(course=course, seconds=run.compute_seconds)
        note = f"{run.compute_seconds:.0f} s of compute at {dollars(course.compute_rate)} an hour"
    elif run.method == Method.DSPY:
        prices = token_prices(course=course, model=run.base_model.name)
        price = prices.cost(
            input_tokens=run.input_tokens,
            cached_input_tokens=run.cached_input_tokens,
            output_tokens=run.output_tokens,
        )
        note = prices.note
    else:
        quote, note = training_price(course=course, model=run.base_model.name)
        price = quote.cost(run.training_tokens)
    return Charge(
        subject_kind="run",
        subject_id=str(run.key),
        method=Method(run.method),
        provider=provider_name(run.base_model),
        model=run.result_model if run.method == Method.OPENAI and run.result_model else run.base_model.name,
        cost=0 if run.rehearsal else price,
        price_note=note,
        confidence=confidence,
        input_tokens=run.input_tokens,
        cached_input_tokens=run.cached_input_tokens,
        output_tokens=run.output_tokens,
        training_tokens=run.training_tokens,
        compute_seconds=run.compute_seconds,
        rehearsal=run.rehearsal,
        would_have_cost=price if run.rehearsal else None,
        person=run.created_by,
    )


def chat_cost(run: TrainingRun, *, input_tokens: int, cached_input_tokens: int, output_tokens: int) -> ChatCost:
    """What a chat turn with a finished run cost, from the tokens that the provider reported. Raises PriceUnknown."""
    model = run.result_model if run.method == Method.OPENAI else run.base_model.name
    return _chat_cost(run.team.course, run.base_model, model, input_tokens, cached_input_tokens, output_tokens)


def base_chat_cost(
    base_model: BaseModel, *, course: Course, input_tokens: int, cached_input_tokens: int, output_tokens: int
) -> ChatCost:
    """What a chat turn with an untrained base model cost. Raises PriceUnknown."""
    return _chat_cost(course, base_model, base_model.name, input_tokens, cached_input_tokens, output_tokens)


def chat_most(run: TrainingRun, *, input_tokens: int, max_tokens: int) -> int:
    """Micro-dollars to hold for one chat turn: `input_tokens` as estimated by the caller, `max_tokens` of answer.

    A DSPy program adds its instructions and demonstrations to what the teacher says and may ask twice. 0 for LoRA and
    rehearsals. Raises PriceUnknown.
    """
    if run.method == Method.DSPY:
        input_tokens = PROGRAM_CALLS_PER_TURN * (input_tokens + int(run.result.get("prompt_tokens", 0)))
        max_tokens *= PROGRAM_CALLS_PER_TURN
    return chat_cost(run, input_tokens=input_tokens, cached_input_tokens=0, output_tokens=max_tokens).cost


def base_chat_most(base_model: BaseModel, *, course: Course, input_tokens: int, max_tokens: int) -> int:
    """Micro-dollars to hold for one chat turn with an untrained base model. Raises PriceUnknown."""
    return base_chat_cost(
        base_model, course=course, input_tokens=input_tokens, cached_input_tokens=0, output_tokens=max_tokens
    ).cost


def _chat_cost(course: Course, base_model: BaseModel, model: str, asked: int, cached: int, answered: int) -> ChatCost:
    provider = provider_name(base_model)
    if base_model.local:
        return ChatCost(0, None, "answered on this machine: free", Confidence.EXACT, provider, model, rehearsal=False)
    prices = token_prices(course=course, model=model)
    price = prices.cost(input_tokens=asked, cached_input_tokens=cached, output_tokens=answered)
    if base_model.rehearsal:
        return ChatCost(0, price, prices.note, Confidence.EXACT, provider, model, rehearsal=True)
    return ChatCost(price, None, prices.note, Confidence.EXACT, provider, model, rehearsal=False)
