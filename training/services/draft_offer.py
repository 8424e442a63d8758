"""What a drafting would ask for and what that costs, before anything is held."""

from dataclasses import dataclass
from functools import partial

from datasets import formats
from datasets.models import DatasetVersion
from datasets.services import privacy
from datasets.services.blocks import StoredRow
from datasets.services.reading import stored_rows
from training.services import writers
from training.services.calls.prepare import PreparedCall
from training.services.calls.usage import TokenUsage
from training.services.charges import TokenPrices
from training.services.writers import Exchange, NoWriter, Writer

FEWEST_EXAMPLES = 3
MOST_EXAMPLES = 20
MOST_ROWS = 20
SPARE_CALLS = (
    2  # held for beside those that are wanted: a try that got no answer may be charged for
)
USUAL_ROW_TOKENS = 60


class DraftingRefused(Exception):
    """It was not started; the message says why and what to do."""


@dataclass(frozen=True)
class Offer:
    """What a drafting would ask for, and micro-dollars: the most that it can cost, which is held, and what it probably costs."""

    writer: Writer
    examples: list[Exchange]
    most: int
    expected: int


def example_of(row: StoredRow | formats.Row) -> Exchange | None:
    """The last question and answer of a row; None for a row that has none, or is a preference pair."""
    spoken = [message for message in row.messages if message["role"] in ("user", "assistant")]
    roles = [message["role"] for message in spoken[-2:]]
    if roles != ["user", "assistant"] or row.preferred_output is not None:
        return None
    asked, said = spoken[-2]["content"].strip(), spoken[-1]["content"].strip()
    return Exchange(asked, said) if asked and said else None


def examples_in(version: DatasetVersion, row_ids: list[str]) -> list[Exchange]:
    """Of these rows, in the order of the version."""
    wanted = set(row_ids)
    found = (example_of(row) for row in stored_rows(version) if row.id in wanted)
    return [one for one in found if one is not None]


def offer(
    *,
    version: DatasetVersion,
    row_ids: list[str],
    writer: str,
    wanted: int,
    topic: str,
    among: list[Writer] | None = None,
) -> Offer:
    """What it would cost, before anything is held. `among`: the team's writers, where they were looked up before.

    Raises DraftingRefused, PriceUnknown, NotReady.
    """
    if not 1 <= wanted <= MOST_ROWS:
        raise DraftingRefused(
            f"Ask for 1 to {MOST_ROWS} rows at a time: somebody has to read each of them."
        )
    try:
        one = writers.writer(version.dataset.team, writer, among)
    except NoWriter as gone:
        raise DraftingRefused(str(gone)) from gone
    refusal = privacy.cloud_refusal(version) if one.leaves else None
    if refusal is not None:
        raise DraftingRefused(
            f"{refusal} A writer on this platform sees the examples without that."
        )
    examples = examples_in(version, row_ids)
    if not FEWEST_EXAMPLES <= len(examples) <= MOST_EXAMPLES:
        raise DraftingRefused(
            f"Choose {FEWEST_EXAMPLES} to {MOST_EXAMPLES} examples that hold a question and an answer; "
            f"{len(examples)} of your choice do."
        )
    prices = None if one.model is None else one.model.prices(version.dataset.team.course)
    calls = calls_for(
        one, examples, prices, topic=topic, seed=version.content_hash, wanted=wanted
    )
    most = sum(call.most for call in calls) + SPARE_CALLS * max(call.most for call in calls)
    expected = sum(
        call.cost(TokenUsage(call.input_tokens, 0, USUAL_ROW_TOKENS, exact=False))
        for call in calls
    )
    return Offer(one, examples, most, min(expected, most))


def calls_for(
    one: Writer,
    examples: list[Exchange],
    prices: TokenPrices | None,
    *,
    topic: str,
    seed: str,
    wanted: int,
) -> list[PreparedCall]:
    make = partial(writers.call_for, one, examples, prices=prices, topic=topic, seed=seed)
    return [make(position=position) for position in range(wanted)]


def row_of(question: str, answer: str, system: str = "") -> formats.Row:
    said: list[formats.Message] = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    if system:
        said.insert(0, {"role": "system", "content": system})
    return formats.Row(line=0, messages=said)
