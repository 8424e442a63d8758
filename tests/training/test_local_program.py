"""A team without a provider: DSPy on a base of this machine, chosen, priced, checked, run and talked to here."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from datasets.models import DatasetVersion
from teams.models import LedgerEntry, Method, Team, User
from training.forms import FORMS
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import (
    charges,
    endpoints,
    estimate,
    finish,
    launch,
    local_program,
    lora_memory,
    model_server,
    spec,
    training_time,
)
from training.services.model_server import ServerState

SMALL = "smollm2-135m-instruct"
RATE = 360_000  # micro-dollars an hour: 100 a second


@pytest.fixture
def base(team: Team, monkeypatch: pytest.MonkeyPatch) -> BaseModel:
    """The bundled base, as on a platform where it is installed and in the model server's memory."""
    found = BaseModel.objects.get(method=Method.LORA, name=SMALL)
    found.enabled = True
    found.save()
    team.course.compute_rate = RATE
    team.course.save()
    monkeypatch.setattr(model_server, "state", lambda: ServerState(frozenset({SMALL})))
    return found


@pytest.fixture
def values(version: DatasetVersion) -> dict[str, Any]:
    return {
        "validation_fraction": 0.2, "optimizer": "BootstrapFewShot", "max_calls": 50, "max_bootstrapped_demos": 2,
        "max_labeled_demos": 2, "max_tokens": 80, "temperature": 0.7, "num_threads": 4,
    }  # fmt: skip


def launched(team: Team, person: User, base: BaseModel, version: DatasetVersion, values: dict[str, Any]) -> TrainingRun:
    return launch.launch(
        team=team, person=person, method=Method.DSPY, base_model=base, dataset_version=version, settings=values, seed=17,
        name="Local",
    )  # fmt: skip


def first_offered(team: Team) -> BaseModel:
    first: BaseModel = FORMS[Method.DSPY](team).offered["base_model"][0]
    return first


def test_without_a_key_the_base_on_this_machine_is_the_first_choice(team: Team, base: BaseModel, settings: Any) -> None:
    settings.HAS_PROVIDER = False
    assert first_offered(team) == base
    settings.HAS_PROVIDER = True
    assert first_offered(team).name.startswith("gpt-") and base in FORMS[Method.DSPY](team).offered["base_model"]


def test_the_form_shows_what_it_costs_and_that_no_provider_is_asked(
    client: Client, team: Team, member: User, base: BaseModel, version: DatasetVersion, settings: Any
) -> None:
    settings.HAS_PROVIDER = False
    client.force_login(member)
    page = client.get(reverse("run_new", args=[team.pk, "dspy"])).content.decode()
    assert "No provider is asked" in page and "will be held" in page


def test_a_longer_answer_than_a_small_model_can_keep_up_is_not_asked_for(
    team: Team, base: BaseModel, version: DatasetVersion
) -> None:
    form = FORMS[Method.DSPY](team)
    untouched = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    chosen = FORMS[Method.DSPY](team, untouched | {"dataset_version": version.pk, "base_model": base.pk})
    assert chosen.is_valid(), chosen.errors
    assert chosen.settings()["max_tokens"] == local_program.MOST_ANSWER_TOKENS


def test_it_is_priced_by_tokens_at_the_speed_that_was_stored(
    team: Team, member: User, base: BaseModel, version: DatasetVersion, values: dict[str, Any]
) -> None:
    run = launched(team, member, base, version, values)
    assert run.provider == "local"
    assert 0 < run.expected_cost < run.most_cost
    run.idle_speed = {"written": 0.02, "read": 0.002, "source": "runs", "compute_rate": RATE}
    run.input_tokens, run.output_tokens = 10_000, 1_000
    charge = charges.run_charge(run)
    assert charge.cost == min(10_000 * 0.002 * 100 + 1_000 * 0.02 * 100, run.most_cost)
    assert (charge.provider, charge.confidence) == ("local", "exact")


def test_a_guessed_speed_charges_no_more_than_the_clock(
    team: Team, member: User, base: BaseModel, version: DatasetVersion, values: dict[str, Any]
) -> None:
    run = launched(team, member, base, version, values)
    assert run.idle_speed["source"] == "guess"
    run.input_tokens, run.output_tokens, run.compute_seconds = 1_000_000, 1_000_000, 3.0
    assert charges.run_charge(run).cost == 300


def test_what_the_platform_broke_costs_nothing(
    team: Team, member: User, base: BaseModel, version: DatasetVersion, values: dict[str, Any]
) -> None:
    run = launched(team, member, base, version, values)
    lease = run.claim()
    assert lease is not None
    run.write(lease, input_tokens=1_000, output_tokens=1_000, compute_seconds=60.0)
    run.refresh_from_db()
    finish.fail(run, lease, finish.LOST, **finish.nothing_kept(run))
    assert LedgerEntry.objects.get(key=run.hold_key).delta == 0


def test_its_speed_is_learned_from_runs_on_this_machine_alone(
    team: Team, member: User, base: BaseModel, version: DatasetVersion, values: dict[str, Any]
) -> None:
    guess = local_program.speed_of(base)
    assert not guess.measured
    for machine, seconds in ((training_time.machine(), 30.0), (training_time.machine(), 22.0), ("another", 1.0)):
        run = launched(team, member, base, version, values)
        usage = {"busy_seconds": seconds, "output_tokens": 1_000, "input_tokens": 10_000}
        TrainingRun.objects.filter(pk=run.pk).update(
            status=RunStatus.SUCCEEDED, attempt=1, result={"usage": usage, "machine": machine}
        )
    found = local_program.speed_of(base)
    assert found.measured and found.written == pytest.approx(22.0 / 2_000)


@pytest.mark.parametrize(
    "usage", [None, [], {}, {"busy_seconds": "x"}, {"busy_seconds": 1, "output_tokens": 0, "input_tokens": 1}]
)
def test_a_result_without_figures_teaches_no_speed(usage: Any) -> None:
    assert local_program._of(usage) is None


def why_not(team: Team, base: BaseModel, version: DatasetVersion, values: dict[str, Any]) -> str | None:
    return launch.why_not(team=team, method=Method.DSPY, base_model=base, version=version, settings=values)


def test_a_model_server_that_is_away_is_said_before_the_start(
    team: Team, base: BaseModel, version: DatasetVersion, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert why_not(team, base, version, values) is None
    monkeypatch.setattr(model_server, "state", lambda: None)
    assert "model server" in (why_not(team, base, version, values) or "")


def test_a_base_that_does_not_fit_beside_what_runs_is_refused(
    team: Team, base: BaseModel, version: DatasetVersion, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = lora_memory.Shape(49_152, 576, 30, 1_536, 576, 192, tied=True)
    monkeypatch.setattr(lora_memory, "shape_of", lambda weights: shape)
    monkeypatch.setattr(lora_memory, "room", lambda: lora_memory.Room(400 * 2**20, 2**33))
    assert why_not(team, base, version, values) is None  # it lies in the server's memory already
    monkeypatch.setattr(model_server, "state", lambda: ServerState(frozenset()))
    assert "of memory to answer" in (why_not(team, base, version, values) or "")


@pytest.mark.parametrize("changes", [{"optimizer": "GEPA"}, {"optimizer": "MIPROv2"}, {"judge": "model"}])
def test_what_a_small_model_cannot_do_is_said_before_the_start(
    team: Team, base: BaseModel, version: DatasetVersion, values: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert "too small" in (why_not(team, base, version, values | changes) or "")


def test_the_platform_and_the_engine_know_the_same_optimisers() -> None:
    from dspy_program.spec import LOCAL_OPTIMIZERS

    assert local_program.OPTIMIZERS == LOCAL_OPTIMIZERS


def test_the_engine_is_sent_to_the_model_server_with_the_services_token(
    team: Team, member: User, base: BaseModel, version: DatasetVersion, values: dict[str, Any], settings: Any
) -> None:
    settings.OPENAI_API_KEY = "sk-real"
    run = launched(team, member, base, version, values)
    order = spec.write_order(run)
    written = json.loads(run.file("spec.json").read_text())
    assert (written["local"], written["model"], written["base_url"]) == (True, SMALL, settings.MODEL_SERVER_URL)
    assert order.environment == {"ENGINE_API_KEY": settings.SERVICE_TOKEN}
    assert written["max_cost_microdollars"] == run.most_cost and written["prices"]["output"] > 0


def test_talking_to_the_finished_program_is_free_and_asks_the_program_server(
    team: Team, member: User, base: BaseModel, version: DatasetVersion, values: dict[str, Any], settings: Any
) -> None:
    run = launched(team, member, base, version, values)
    run.status, run.result_model, run.result = RunStatus.SUCCEEDED, f"run-{run.key}", {"prompt_tokens": 300}
    endpoint = endpoints.endpoint_for(run)
    assert (endpoint.base_url, endpoint.provider) == (settings.PROGRAM_SERVER_URL, "local")
    assert charges.chat_most(run, input_tokens=100, max_tokens=80) == 0
    limits = charges.program_limits(run, input_tokens=100, max_tokens=80)
    assert limits is not None and limits["model"] == SMALL


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"data": 3}', b'{"data": [{"loaded": true}]}'])
def test_an_answer_that_is_no_list_of_models_counts_as_none(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    request = httpx.Request("GET", "http://here")
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, content=answer, request=request))
    assert model_server.state() is None


def test_a_price_of_nothing_holds_nothing(
    team: Team, member: User, base: BaseModel, version: DatasetVersion, values: dict[str, Any]
) -> None:
    team.course.compute_rate = 0
    team.course.save()
    found = estimate.estimate(
        course=team.course, method=Method.DSPY, base_model=base, dataset_version=version, settings=values
    )
    assert (found.expected, found.most) == (0, 0) and found.seconds > 0


def test_an_imported_program_on_a_local_base_asks_this_machine(base: BaseModel, settings: Any, tmp_path: Path) -> None:
    from dspy_program import program as engine
    from dspy_program.design import Design
    from dspy_program.examples import Persona

    from training.archives.program import document, read_program

    module = engine.StudentSimulationModel(Persona("none"), Design(layout="plain", reasoning=False))
    made = engine.dump(module, Persona("none"), engine.Serving("other", "https://evil.example/v1", 0.7, 80))
    address = endpoints.public_address(base)
    ours = document(read_program(json.dumps(made).encode()), model=base.name, base_url=address, local=base.local)
    path = tmp_path / "program.json"
    path.write_bytes(ours)
    found = engine.load(path)
    assert found.serving == engine.Serving(SMALL, settings.MODEL_SERVER_URL, 0.7, 80, local=True)
    assert found.design.layout == "plain"
