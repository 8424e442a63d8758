"""A stronger model that writes GEPA's instructions: offered, priced, held for, sent to the engine, charged as itself."""

import json
from typing import Any

import pytest

from datasets.models import DatasetVersion
from teams.models import Method, Team, User
from tests.training.test_method_settings import filled, settings_of
from training.models import BaseModel, TrainingRun
from training.services import charges, estimate, launch, spec
from training.services.charges import token_prices
from training.services.progress import settings_shown

SMALL = "gpt-4o-mini-2024-07-18"


@pytest.fixture
def bases(settings: Any) -> dict[str, BaseModel]:
    settings.HAS_PROVIDER = True
    return {base.name: base for base in BaseModel.objects.filter(method=Method.DSPY, rehearsal=False)}


@pytest.fixture
def strong(bases: dict[str, BaseModel]) -> str:
    return next(name for name in bases if name != SMALL)


def test_only_gepa_takes_it_and_only_from_the_list(
    team: Team, version: DatasetVersion, bases: dict[str, BaseModel], strong: str
) -> None:
    mine = {"base_model": bases[SMALL].pk, "reflection_model": strong}
    assert settings_of(filled(team, version, Method.DSPY, optimizer="GEPA", **mine))["reflection_model"] == strong
    assert "reflection_model" not in settings_of(filled(team, version, Method.DSPY, **mine))
    same = mine | {"reflection_model": SMALL}
    assert "reflection_model" not in settings_of(filled(team, version, Method.DSPY, optimizer="GEPA", **same))
    assert not filled(
        team, version, Method.DSPY, optimizer="GEPA", **mine | {"reflection_model": "gpt-5-pro"}
    ).is_valid()


def test_it_is_held_for_told_to_the_engine_and_charged_at_its_own_price(
    team: Team, member: User, version: DatasetVersion, bases: dict[str, BaseModel], strong: str
) -> None:
    mine = {"base_model": bases[SMALL].pk, "optimizer": "GEPA", "max_calls": 60}
    plain, chosen = (
        settings_of(filled(team, version, Method.DSPY, **mine, **more)) for more in ({}, {"reflection_model": strong})
    )
    asked: dict[str, Any] = {
        "course": team.course,
        "method": Method.DSPY,
        "base_model": bases[SMALL],
        "dataset_version": version,
    }
    cheap, dear = (estimate.estimate(settings=one, **asked) for one in (plain, chosen))
    assert dear.expected > cheap.expected and dear.most > cheap.most and strong in " ".join(dear.because)
    run: TrainingRun = launch.launch(
        team=team, person=member, method=Method.DSPY, base_model=bases[SMALL], dataset_version=version, settings=chosen,
        seed=17, name="GEPA",
    )  # fmt: skip
    spec.write_order(run)
    written = json.loads(run.file("spec.json").read_text())
    assert written["reflection_model"] == strong and "reflection_model" not in written["settings"]
    assert (
        written["reflection_prices"]["output"]
        == token_prices(course=team.course, model=strong, provider="openai").output.per_million
    )
    lines = [{"call": 1, "most": 9}, {"call": 1, "tokens": [1_000, 0, 100]},
             {"call": 2, "most": 9, "model": strong}, {"call": 2, "tokens": [2_000, 500, 300], "model": strong}]  # fmt: skip
    run.file("usage.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    charge = charges.run_charge(run)
    own, theirs = (token_prices(course=team.course, model=name, provider="openai") for name in (SMALL, strong))
    exact = own.cost(input_tokens=1_000, cached_input_tokens=0, output_tokens=100)
    exact += theirs.cost(input_tokens=2_000, cached_input_tokens=500, output_tokens=300)
    assert charge.cost == exact
    assert (charge.input_tokens, charge.output_tokens) == (3_000, 400)
    assert ("Writes the instructions", strong) in settings_shown(run)


def test_a_model_that_is_not_offered_is_refused_at_launch(
    team: Team, version: DatasetVersion, bases: dict[str, BaseModel]
) -> None:
    chosen = settings_of(filled(team, version, Method.DSPY, base_model=bases[SMALL].pk, optimizer="GEPA"))
    forged = chosen | {"reflection_model": "gpt-5-pro"}
    why = launch.why_not(team=team, method=Method.DSPY, base_model=bases[SMALL], version=version, settings=forged)
    assert why is not None and "gpt-5-pro is not offered" in why
