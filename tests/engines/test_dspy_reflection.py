"""GEPA with another model for reflection: asked where it should be, priced as itself, within the same caps."""

import json
from pathlib import Path

import pytest
from dspy_program.meter import MILLION, BudgetExceeded, Meter, Prices

from tests.engines.dspy_endpoint import scripted_endpoint
from tests.engines.dspy_runs import PRICES, dspy_run

DEARER = {"input": 2_000_000, "cached_input": 500_000, "output": 8_000_000}


@pytest.mark.engine
def test_the_instructions_are_written_by_the_other_model_at_its_own_price(tmp_path: Path) -> None:
    with scripted_endpoint() as endpoint:
        run = dspy_run(
            tmp_path / "run",
            endpoint,
            settings={"optimizer": "GEPA"},
            reflection_model="gpt-4.1",
            reflection_prices=DEARER,
        ).finish()
        usage = run.result["usage"]
        asked = [request["model"] for request in endpoint.requests]
    assert set(asked) == {"gpt-4o-mini", "gpt-4.1"} and usage["calls"] == len(asked)
    entries = [json.loads(line) for line in (run.folder / "usage.jsonl").read_text().splitlines()]
    by_model = {"": [0, 0, 0], "gpt-4.1": [0, 0, 0]}
    for entry in entries:
        for place, count in enumerate(entry.get("tokens", ())):
            by_model[entry.get("model", "")][place] += count
    own, theirs = Prices(**PRICES), Prices(**DEARER)
    exact = own.of(*by_model[""]) + theirs.of(*by_model["gpt-4.1"])
    assert by_model["gpt-4.1"][0] > 0 and usage["cost_microdollars"] == -(-exact // MILLION)
    assert json.loads((run.folder / "program.json").read_text())["serving"]["model"] == "gpt-4o-mini"


def test_a_run_that_starts_again_counts_each_model_at_its_own_price(tmp_path: Path) -> None:
    def meter() -> Meter:
        others = {"big": Prices(output=10 * MILLION)}
        return Meter(
            max_cost_microdollars=100, prices=Prices(output=MILLION), other_prices=others, journal=tmp_path / "j.jsonl"
        )

    first = meter()
    for model, tokens in ((None, 3), ("big", 4)):
        ticket = first.reserve(input_most=0, output_most=5, model=model)
        first.settle(ticket, input_tokens=0, cached_tokens=0, output_tokens=tokens)
    again = meter()
    assert first.cost_microdollars() == again.cost_microdollars() == 43
    with pytest.raises(BudgetExceeded):
        again.reserve(input_most=0, output_most=6, model="big")
