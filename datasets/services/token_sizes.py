"""How many tokens a version's rows have for each model that could learn from them, by that model's own tokenizer."""

from collections.abc import Iterator, Sequence
from typing import Any

from datasets.services import model_view, openai_tokens
from datasets.services.blocks import StoredRow

OVER_SHOWN = 50
OPENAI_MODELS = "gpt-4.1 and gpt-4o"


def measure(rows: Sequence[tuple[int, StoredRow]], row_count: int) -> list[dict[str, Any]]:
    """A figure for each model: {"method", "model", "total", "mean", "largest", "context", "over": [row number…],
    "over_count", "scaled"}, or {"method", "model", "refusal"} where it can't be counted.

    `rows` are (row number from 1, row): all of a version's `row_count` rows, or an even sample; totals are then scaled up
    and `scaled` says so.
    """
    return [*_local(rows, row_count), _openai(rows, row_count)]


def _local(rows: Sequence[tuple[int, StoredRow]], row_count: int) -> Iterator[dict[str, Any]]:
    for base in model_view.base_models():
        named = {"method": "lora", "model": base}
        try:
            sizes = model_view.sizes((row for _, row in rows), base)
        except model_view.CanNotShow as refused:
            yield named | {"refusal": str(refused)}
        else:
            yield named | _figures(rows, sizes, row_count, model_view.context_of(base))


def _openai(rows: Sequence[tuple[int, StoredRow]], row_count: int) -> dict[str, Any]:
    named = {"method": "openai", "model": OPENAI_MODELS}
    try:
        sizes = model_view.openai_sizes(row for _, row in rows)
    except openai_tokens.TokenTableMissing as missing:
        return named | {"refusal": str(missing)}
    return named | _figures(rows, sizes, row_count, model_view.OPENAI_CONTEXT)


def _figures(
    rows: Sequence[tuple[int, StoredRow]],
    sizes: Sequence[int],
    row_count: int,
    context: int | None,
) -> dict[str, Any]:
    total, share = sum(sizes), row_count / len(sizes)
    over = [
        number
        for (number, _), size in zip(rows, sizes, strict=True)
        if context is not None and size > context
    ]
    return {
        "total": round(total * share),
        "mean": round(total / len(sizes), 1),
        "largest": max(sizes),
        "context": context,
        "over": over[:OVER_SHOWN],
        "over_count": round(len(over) * share),
        "scaled": len(sizes) < row_count,
    }
