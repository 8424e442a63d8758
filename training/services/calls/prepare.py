"""One question to a bot, priced and sent as the same thing: whoever asks prepares it here, holds `most`, sends `body`."""

from dataclasses import dataclass, field, replace
from typing import Any

from training.models import TrainingRun
from training.services import charges
from training.services.calls.usage import TokenUsage
from training.services.charges import LOCAL_PROVIDER, TokenPrices
from training.services.endpoints import ChatEndpoint
from training.services.tokens import count_messages, count_text

Message = dict[str, str]
SMALL_VOCABULARY_FACTOR = (
    1.7  # 1,024 pieces where OpenAI has 200,000: measured on the guide's dialogues
)


@dataclass(frozen=True)
class PreparedCall:
    """`input_tokens` as counted here, `most` micro-dollars that the request below can cost. `limits`: of a DSPy program.

    `prices`: None where nobody pays: the answer is made here.
    """

    endpoint: ChatEndpoint
    messages: list[Message]
    max_tokens: int
    input_tokens: int
    most: int = 0
    limits: dict[str, Any] | None = None
    prices: TokenPrices | None = None
    decoding: dict[str, Any] = field(default_factory=dict)
    """Sampling that a program chose instead of the bot's own: no part of the price."""

    def body(self, *, stream: bool) -> dict[str, Any]:
        """The request as JSON. One answer: `n` is never sent."""
        streamed = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        limits = {} if self.limits is None else {"limits": self.limits}
        asked = {
            "model": self.endpoint.model,
            "messages": self.messages,
            "temperature": self.endpoint.temperature,
            "max_tokens": self.max_tokens,
        }
        return {**asked, **self.decoding, **limits, **streamed}

    def cost(self, usage: TokenUsage) -> int:
        """Micro-dollars that an answer cost."""
        return 0 if self.prices is None else self.prices.cost(**usage.counted)

    def at_most(self) -> TokenUsage:
        """What stands beside a charge for an answer that was lost: all that was asked, and the longest answer."""
        return TokenUsage(self.input_tokens, 0, self.max_tokens, exact=False)

    def counted_here(self, text: str) -> TokenUsage:
        """Our own count, where the provider did not tell; `text` is what came of the answer.

        A DSPy program sends its own prompt too and thinks before it speaks, which nobody saw: the most it may read, and
        its longest answer, stand for that.
        """
        answered = count_text(text)
        if self.limits is None:
            return TokenUsage(self.input_tokens, 0, answered, exact=False)
        return TokenUsage(
            self.limits["input_tokens"], 0, max(answered, self.max_tokens), exact=False
        )


def prepare(
    run: TrainingRun,
    endpoint: ChatEndpoint,
    messages: list[Message],
    *,
    untrained: bool = False,
    max_tokens: int | None = None,
    later_input: int = 0,
    prices: TokenPrices | None = None,
) -> PreparedCall:
    """`untrained`: the run's base model is asked. `max_tokens`: fewer than the bot's own longest answer.

    `later_input`: tokens that will stand in the messages and are not known yet. `prices`: of the run's answers, where they
    were looked up before. Raises PriceUnknown.
    """
    call = unpriced(
        run,
        endpoint,
        messages,
        untrained=untrained,
        max_tokens=max_tokens,
        later_input=later_input,
    )
    prices = prices or charges.chat_prices(run, untrained=untrained)
    if prices is None:
        return call
    asked = call.input_tokens + later_input
    if untrained:
        most = prices.most(
            input_tokens=charges.with_margin(asked), output_tokens=call.max_tokens
        )
    else:
        most = charges.chat_most(
            run, input_tokens=asked, max_tokens=call.max_tokens, prices=prices
        )
    return replace(call, most=most, prices=prices)


def prepare_for_model(
    endpoint: ChatEndpoint, messages: list[Message], prices: TokenPrices
) -> PreparedCall:
    """A question to a model of the provider that is no team's bot (`endpoints.provider_model`)."""
    counted = count_messages(messages)
    asked = charges.with_margin(counted)
    most = prices.most(input_tokens=asked, output_tokens=endpoint.max_tokens)
    return PreparedCall(endpoint, messages, endpoint.max_tokens, counted, most, prices=prices)


def unpriced(
    run: TrainingRun,
    endpoint: ChatEndpoint,
    messages: list[Message],
    *,
    untrained: bool = False,
    max_tokens: int | None = None,
    later_input: int = 0,
) -> PreparedCall:
    """As `prepare`, with `most` 0: to count what was asked before, where the price may be gone."""
    longest = answer_tokens(endpoint)
    longest = longest if max_tokens is None else min(longest, max_tokens)
    counted = input_tokens(endpoint, messages)
    limits = None
    if not untrained:
        limits = charges.program_limits(
            run, input_tokens=counted + later_input, max_tokens=longest
        )
    return PreparedCall(endpoint, messages, longest, counted, limits=limits)


def answer_tokens(endpoint: ChatEndpoint) -> int:
    """The longest answer asked for: at most a third of the model's memory, so that the talk so far has room."""
    return min(endpoint.max_tokens, endpoint.context_tokens // 3)


def input_tokens(endpoint: ChatEndpoint, messages: list[Message]) -> int:
    """An estimate from above of what the bot reads."""
    return stretched(endpoint, count_messages(messages))


def stretched(endpoint: ChatEndpoint, counted: int) -> int:
    """Tokens as OpenAI counts them, stretched for the small vocabularies of local models."""
    return (
        counted
        if endpoint.provider != LOCAL_PROVIDER
        else round(counted * SMALL_VOCABULARY_FACTOR)
    )
