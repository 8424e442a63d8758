"""Every setting that a form offers reaches the engine as the engine means it; what equals its default is left out."""

import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from datasets.models import DatasetVersion
from teams.models import Method, Team, User
from training.forms import FORMS
from training.forms.dspy import WEIGHTS
from training.forms.lora import USUAL
from training.models import BaseModel, TrainingRun
from training.services import estimate, finish, lora_memory, program_size
from training.services.progress import settings_shown

Launch = Callable[..., TrainingRun]


@pytest.fixture(autouse=True)
def a_provider(settings: Any) -> None:
    settings.HAS_PROVIDER = True


def filled(team: Team, version: DatasetVersion, method: Method, **changes: Any) -> Any:
    base = BaseModel.objects.offered(team.course, method).order_by("id").first()
    form = FORMS[method](team)
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    values |= {"preset": "own"} if method == Method.LORA else {}
    values |= {"dataset_version": version.pk, "base_model": base.pk if base else None, "validation_fraction": "0.2"}
    return FORMS[method](team, {name: value for name, value in (values | changes).items() if value is not None})


def settings_of(form: Any) -> dict[str, Any]:
    assert form.is_valid(), form.errors
    found: dict[str, Any] = form.settings()
    return found


def test_the_engines_know_every_setting_of_the_forms(team: Team, version: DatasetVersion) -> None:
    from dspy_program.spec import Settings as DspySettings
    from lora.spec import Settings as LoraSettings

    lora = settings_of(
        filled(team, version, Method.LORA, gradient_accumulation=2, warmup_ratio=0.1, weight_decay=0.01,
               precision="fp32", gradient_checkpointing="on")
    )  # fmt: skip
    dspy = settings_of(filled(team, version, Method.DSPY, judge="model", weight_persona=50))
    assert set(lora) - {"validation_fraction"} <= set(LoraSettings.__struct_fields__)
    assert set(dspy) - {"validation_fraction"} <= set(DspySettings.__struct_fields__)
    assert {"gradient_accumulation", "precision", "gradient_checkpointing"} < set(lora)


def test_defaults_of_form_and_engine_are_the_same(team: Team, version: DatasetVersion) -> None:
    import msgspec
    from dspy_program.metric import DEFAULT_WEIGHTS, JUDGE_WEIGHT
    from lora.spec import Settings as LoraSettings

    engine = msgspec.to_builtins(LoraSettings())
    assert {name: engine[name] for name in USUAL} == USUAL
    assert {name: value / 100 for name, value in WEIGHTS.items()} == dict(DEFAULT_WEIGHTS)
    assert JUDGE_WEIGHT == 0.3
    assert not set(USUAL) & set(settings_of(filled(team, version, Method.LORA)))
    untouched = settings_of(filled(team, version, Method.DSPY))
    assert not {"judge", "metric_weights"} & set(untouched)


def test_weights_of_the_score_are_the_teams_own(team: Team, version: DatasetVersion, start: Launch) -> None:
    chosen = settings_of(filled(team, version, Method.DSPY, weight_answers=0, weight_reading=60))
    assert chosen["metric_weights"] == {"answers": 0.0, "reading": 0.6}
    run = start(Method.DSPY, settings=chosen)
    assert ("Weights of the score", "reading 0.6, answers 0") in settings_shown(run)
    again = FORMS[Method.DSPY].initial_from(run)
    assert (again["weight_reading"], again["weight_answers"]) == (60, 0)
    zero = {f"weight_{part}": 0 for part in WEIGHTS}
    assert "at least one must count" in str(filled(team, version, Method.DSPY, **zero).errors)
    judged = filled(team, version, Method.DSPY, judge="model", **zero)
    assert settings_of(judged)["judge"] == "model"


def test_a_judge_is_in_the_price(team: Team, version: DatasetVersion) -> None:
    base = BaseModel.objects.get(method=Method.DSPY, name="gpt-4o-mini-2024-07-18")

    def estimated(**changes: Any) -> tuple[int, int]:
        settings = settings_of(filled(team, version, Method.DSPY, max_calls=1_000, **changes))
        size = program_size.program_size(base=base, version=version, settings=settings, seed=17)
        found = estimate.estimate(
            course=team.course, method=Method.DSPY, base_model=base, dataset_version=version, settings=settings
        )
        return size.calls, found.expected

    (calls, price), (judged_calls, judged_price) = estimated(), estimated(judge="model")
    assert judged_calls > calls * 1.4
    assert judged_price > price * 1.3


def test_fewer_bits_need_their_package_and_no_gpu(
    team: Team, version: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lora_memory, "room", lambda: lora_memory.Room(8 * 2**30, 8 * 2**30))
    monkeypatch.delitem(sys.modules, "bitsandbytes", raising=False)  # hidden where a test has imported the engine
    assert settings_of(filled(team, version, Method.LORA, quantization="4bit"))["quantization"] == "4bit"
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    assert "bitsandbytes, which is not installed" in str(filled(team, version, Method.LORA, quantization="8bit").errors)
    assert filled(team, version, Method.LORA, quantization="none").is_valid()


def test_a_program_shows_its_demonstrations_and_every_held_out_turn(
    start: Launch, team: Team, member: User, client_for: Callable[[User | None], Client]
) -> None:
    run = start(Method.DSPY)
    turn = {"teacher_prompt": "What is 2 + 3?", "reference": "It is 5!", "before": "<b>Five</b> units.", "after": "Um, 5!",
            "score_before": 0.31, "score_after": 0.87}  # fmt: skip
    result = {"instructions": "Be seven.", "demos": [{"teacher_prompt": "Hi?", "student_response": "Hi!"}],
              "examples": [turn]}  # fmt: skip
    finish.succeed(run, str(run.claim()), result=result | {"prompt_tokens": 10}, result_model=f"run-{run.key}")
    html = client_for(member).get(reverse("run_detail", args=[team.pk, run.number])).content.decode()
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "1 demonstration, shown to the model" in page
    assert "1 held-out turn, before and after" in page
    assert "&lt;b&gt;Five&lt;/b&gt; units. 0.31" in page
    assert "Um, 5! 0.87" in page


@pytest.mark.parametrize(("ending", "said"), [("kept_early", "Stopped and kept:"), ("stopped_early", "Stopped early")])
def test_a_run_that_ended_early_says_so(
    start: Launch, team: Team, member: User, client_for: Callable[[User | None], Client], ending: str, said: str
) -> None:
    run = start()
    finish.succeed(run, str(run.claim()), result={"stopped": ending}, result_model=f"run-{run.key}")
    assert said in client_for(member).get(reverse("run_detail", args=[team.pk, run.number])).content.decode()


def test_the_specs_of_both_engines_take_what_a_form_sends(team: Team, version: DatasetVersion, start: Launch) -> None:
    from dspy_program.spec import read_spec

    from training.services import spec

    chosen = settings_of(filled(team, version, Method.DSPY, judge="model", weight_length=0))
    order = spec.write_order(start(Method.DSPY, settings=chosen))
    read, unknown = read_spec(order.folder / "spec.json")
    assert unknown == []
    assert read.weights["length"] == 0
    assert read.weights["judge"] == 0.3
    assert json.loads((order.folder / "spec.json").read_text())["settings"]["judge"] == "model"
