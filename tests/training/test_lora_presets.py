"""Settings that suit rows and base without anybody thinking about them, and the guide's beside them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from datasets.models import DatasetVersion
from datasets.services.base_folders import TINY
from teams.models import Course, Method, Team, User
from training.forms import FORMS
from training.models import BaseModel, Hosting, TrainingRun
from training.services import lora_presets

pytestmark = pytest.mark.django_db
ClientFor = Callable[[User | None], Client]


def a_base(tmp_path: Path, course: Course, **config: Any) -> BaseModel:
    """A model folder of the operator's, as far as presets read it."""
    (tmp_path / "config.json").write_text(json.dumps(config))
    return BaseModel.objects.create(
        course=course, method=Method.LORA, name=str(tmp_path), label="Ours", hosting=Hosting.HUGGING_FACE
    )


@pytest.mark.parametrize(
    ("config", "rate"),
    [
        ({"hidden_size": 576, "model_type": "llama"}, 1.3e-3),
        ({"hidden_size": 896, "model_type": "qwen2"}, 5.3e-4),
        ({"hidden_size": 2000, "model_type": "mistral"}, 5e-4),
        ({"hidden_size": 768, "model_type": "gpt2"}, 8.1e-4),
        ({"hidden_size": "wide"}, 5e-4),
        ({}, 5e-4),
    ],
)
def test_a_wider_base_learns_at_a_smaller_rate(
    tmp_path: Path, course: Course, config: dict[str, Any], rate: float
) -> None:
    assert lora_presets.learning_rate(a_base(tmp_path, course, **config)) == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize("rows", [1, 10, 40, 96, 100, 140, 500, 3_000, 100_000])
def test_few_rows_are_read_more_often_in_smaller_batches(tmp_path: Path, course: Course, rows: int) -> None:
    found = lora_presets.recommended(a_base(tmp_path, course, hidden_size=576, model_type="llama"), rows)
    steps = -(-rows // found["batch_size"]) * found["epochs"]
    assert 2 <= found["epochs"] <= 5
    if rows >= 80:
        assert steps >= 100
    assert found["target_modules"] == lora_presets.EVERY_LAYER


def test_what_was_measured_for_our_own_base_counts_more() -> None:
    found = lora_presets.recommended(BaseModel.objects.get(name=TINY), 100)
    assert (found["learning_rate"], found["epochs"]) == (0.0007, 4)


def sent(team: Team, version: DatasetVersion, **more: Any) -> dict[str, Any]:
    """What the page sends for the first base that is offered."""
    base = BaseModel.objects.offered(team.course, Method.LORA).order_by("id")[0]
    form = FORMS[Method.LORA](team)
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    values |= {"dataset_version": version.pk, "base_model": base.pk} | more
    return {name: value for name, value in values.items() if value is not None}


def test_a_preset_decides_its_settings_whatever_the_fields_say(team: Team, version: DatasetVersion) -> None:
    form = FORMS[Method.LORA](team, sent(team, version, preset="guide", rank=99, epochs="many"))
    assert form.is_valid(), form.errors
    chosen = form.settings()
    assert chosen["rank"] == 8
    assert chosen["alpha"] == 32
    assert chosen["target_modules"] == ["q_proj", "v_proj"]
    assert chosen["dropout"] == 0.05
    assert "preset" not in chosen
    own = FORMS[Method.LORA](team, sent(team, version, preset="own", rank=99))
    assert own.is_valid(), own.errors
    assert own.settings()["rank"] == 99


def test_choosing_a_preset_keeps_name_dataset_and_seed(
    team: Team, member: User, version: DatasetVersion, client_for: ClientFor
) -> None:
    client, path = client_for(member), reverse("run_new", args=[team.pk, "lora"])
    advice = client.get(path, sent(team, version, preset="guide"), headers={"HX-Request": "true"}).content.decode()
    assert "Adapts q_proj, v_proj; rank 8, alpha 32, dropout 0.05" in advice
    client.post(path, sent(team, version, preset="guide", name="By the guide", seed=5))
    run = TrainingRun.objects.for_team(team).latest("id")
    assert (run.name, run.dataset_version, run.seed, run.settings["rank"]) == ("By the guide", version, 5, 8)


def test_the_recommended_settings_follow_the_chosen_rows(tmp_path: Path, team: Team, version: DatasetVersion) -> None:
    base = a_base(tmp_path, team.course, hidden_size=576, model_type="llama")
    values = sent(team, version, preset="recommended", base_model=base.pk)
    form = FORMS[Method.LORA](team, values)
    assert form.is_valid(), form.errors
    assert form.settings()["learning_rate"] == 1.3e-3
    assert "every linear layer" in form.settings_sentence()


@pytest.mark.parametrize(
    "wrong", [{"dataset_version": "9" * 30}, {"base_model": "x"}, {"validation_fraction": "nan"}, {"rows_share": "-3"}]
)
def test_nonsense_beside_a_preset_is_refused_by_its_field(
    team: Team, version: DatasetVersion, wrong: dict[str, str]
) -> None:
    form = FORMS[Method.LORA](team, sent(team, version, preset="recommended") | wrong)
    assert not form.is_valid()
    assert set(wrong) <= set(form.errors)


def test_a_dspy_preset_keeps_what_stands_in_the_form(
    team: Team, member: User, version: DatasetVersion, client_for: ClientFor, settings: Any
) -> None:
    settings.HAS_PROVIDER = True
    path = reverse("run_new", args=[team.pk, "dspy"])
    kept: dict[str, Any] = {"preset": "quick", "name": "Mine & yours", "dataset_version": version.pk}
    page = client_for(member).get(path, kept, headers={"HX-Request": "true"}).content.decode()
    assert 'value="Mine &amp; yours"' in page
    assert f'<option value="{version.pk}" selected' in page
    assert 'name="max_calls" value="60"' in page
