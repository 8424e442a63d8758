"""Azure and Nebius, as their documentation describes them: what is asked, and that a paid model always ends usable."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from datasets.models import DatasetVersion
from teams.models import Dialect, LedgerEntry, Method, PriceKind, Provider, Team, User
from teams.services import providers
from teams.services.providers import Wanted
from tests.scripted_provider import server as scripted
from tests.training.conftest import SETTINGS
from tests.training.dialect_servers import AzureControl, Nebius, serving
from training import jobs
from training.models import Missing, RunEvent, RunStatus, TrainingRun
from training.providers import openai_api
from training.providers.dialects import shaped
from training.services import cancel, provider_deploys, provider_models
from training.services.endpoints import NotReady, endpoint_for
from training.services.launch import LaunchRefused, launch

pytestmark = pytest.mark.django_db
RESOURCE = "/subscriptions/s-1/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/faculty"
LLAMA = "meta-llama/Meta-Llama-3.1-8B-Instruct"
HTML = "<html>Bad gateway</html>"
Begin = Callable[..., TrainingRun]


@pytest.fixture
def begin(
    team: Team, member: User, instructor: User, version: DatasetVersion, settings: Any, monkeypatch: Any
) -> Begin:
    settings.PROVIDER_PRIVATE_HOSTS, settings.RUN_LEASE_SECONDS = ["127.0.0.1"], 3600
    for name in ("SAFE_RETRIES", "EXTRA_RETRIES"):
        monkeypatch.setattr(openai_api, name, 0)

    def make(wanted: Wanted, model: str, **chosen: Any) -> TrainingRun:
        provider = providers.add(course=team.course, person=instructor, wanted=wanted)
        kinds = (PriceKind.TRAINING, PriceKind.INPUT, PriceKind.OUTPUT)
        prices = {(trained, kind): 1_000_000 for trained in (False, True) for kind in kinds}
        asked = provider_models.WantedModel(model, model, ("openai",), None, "", "a page", date(2026, 1, 1), prices)
        (base,) = provider_models.save(provider=provider, person=instructor, wanted=asked)
        run = launch(
            team=team, person=member, method=Method.OPENAI, base_model=base, dataset_version=version,
            settings=SETTINGS[Method.OPENAI] | chosen, seed=17, name="",
        )  # fmt: skip
        jobs.execute_run(run.pk)
        return again(run)

    return make


def again(run: TrainingRun) -> TrainingRun:
    return TrainingRun.objects.with_related().get(key=run.key)


def look(run: TrainingRun) -> TrainingRun:
    jobs.poll_run(run.pk)
    return again(run)


# --- Azure ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def control(settings: Any) -> Iterator[AzureControl]:
    script = AzureControl()
    with serving(script):
        settings.AZURE_MANAGEMENT_URL = settings.AZURE_LOGIN_URL = script.url
        yield script


@pytest.fixture
def azure(begin: Begin, control: AzureControl, provider: scripted.ScriptedProvider) -> TrainingRun:
    """A run whose job has just succeeded at the data plane, which speaks as OpenAI does; nobody has looked yet."""
    options = {"resource": RESOURCE, "tenant": "tenant-1", "client": "client-1", "sku": "developertier"}
    run = begin(_azure(provider.url, options=options, secret="azure-secret-1"), scripted.BASE)
    assert run.status == RunStatus.WAITING, run.error_message
    provider.faults(clock_ahead=200)
    return run


def _azure(url: str, **more: Any) -> Wanted:
    return Wanted("Faculty", Dialect.AZURE, f"{url}/v1", key=scripted.KEY, **more)


def test_deploying_is_a_state_and_chat_asks_for_the_deployment(azure: TrainingRun, control: AzureControl) -> None:
    run = look(azure)
    assert run.status == RunStatus.DEPLOYING and run.result_model and not run.deployment
    assert not LedgerEntry.objects.exists(), "it is settled when it ends"
    run = look(run)
    assert run.status == RunStatus.DEPLOYING, "the deployment is made, and not ready"
    ((_, path, body, key),) = [one for one in control.asked if one[0] == "PUT"]
    assert path == f"{RESOURCE}/deployments/run-{run.key.hex[:12]}?api-version=2024-10-01" and key == "Bearer arm-token"
    model = {"format": "OpenAI", "name": run.result_model, "version": "1"}
    assert body == {"sku": {"name": "developertier", "capacity": 1}, "properties": {"model": model}}
    control.state = "Succeeded"
    run = look(run)
    assert (run.status, run.missing) == (RunStatus.SUCCEEDED, [])
    assert endpoint_for(run).model == run.deployment == f"run-{run.key.hex[:12]}" != run.result_model
    assert control.times("PUT") == 1 and LedgerEntry.objects.get().delta > 0


@pytest.mark.parametrize(
    ("where", "answers"),
    [
        ("POST /tenant-1", [(401, {"error": "invalid_client"})] * 9),
        ("POST /tenant-1", [(200, HTML)] * 9),
        ("PUT /subscriptions", [(403, {"error": {}})] * 9),
        ("PUT /subscriptions", [(409, {}), (429, {}), (500, HTML)] * 3),
        ("GET /subscriptions", [(500, HTML)] * 9),
        ("GET /subscriptions", [(200, {"properties": {"provisioningState": "Failed"}})] * 9),
        ("GET /subscriptions", [(200, [])] * 9),
    ],
)
def test_whatever_the_deployment_answers_the_paid_model_is_kept_and_deployed_later(
    azure: TrainingRun, control: AzureControl, where: str, answers: list[Any]
) -> None:
    control.spoil[where] = list(answers)
    run = look(look(azure))
    assert run.status == RunStatus.DEPLOYING
    _long_ago(run)
    run = look(run)
    assert (run.status, run.missing) == (RunStatus.SUCCEEDED, [Missing.DEPLOYMENT]), run.error_message
    assert run.result_model and LedgerEntry.objects.get().delta > 0
    with pytest.raises(NotReady, match="paid for"):
        endpoint_for(run)
    control.spoil, control.state = {}, "Succeeded"
    TrainingRun.objects.filter(pk=run.pk).update(missing_next=run.finished_at)
    run = look(run)
    assert run.missing == [] and endpoint_for(run).model == run.deployment


def test_a_job_that_is_gone_while_its_model_is_deployed_takes_nothing_away(
    azure: TrainingRun, control: AzureControl, provider: scripted.ScriptedProvider
) -> None:
    run = look(azure)
    Provider.objects.filter(name="Faculty").update(base_url=f"{provider.url}/nothing")
    control.state = "Succeeded"
    run = look(run)
    assert run.status == RunStatus.SUCCEEDED and run.result_model and run.deployment
    assert LedgerEntry.objects.get().training_tokens == run.training_tokens > 0


def test_cancelling_during_the_deployment_keeps_what_is_paid(
    azure: TrainingRun, control: AzureControl, member: User
) -> None:
    run = look(azure)
    cancel.cancel(run=run, person=member)
    run = look(run)
    assert run.status == RunStatus.SUCCEEDED and run.missing and control.times("PUT") == 0


def test_without_a_right_to_deploy_a_person_is_told_the_name(
    begin: Begin, provider: scripted.ScriptedProvider, control: AzureControl
) -> None:
    run = begin(_azure(provider.url), scripted.BASE)
    provider.faults(clock_ahead=200)
    run = look(look(run))
    assert run.status == RunStatus.SUCCEEDED and run.deployment == provider_deploys.name_of(run)
    notes = str(list(run.events.filter(kind="note").values_list("data", flat=True)))
    assert f"under the name {run.deployment}" in notes and control.asked == []


def test_a_model_that_was_taken_down_is_deployed_again(azure: TrainingRun, control: AzureControl, member: User) -> None:
    """Azure deletes developer deployments after a day."""
    control.state = "Succeeded"
    run = look(look(azure))
    assert run.status == RunStatus.SUCCEEDED
    control.made.clear()
    assert provider_deploys.again(run, person=member)
    run = look(run)
    assert run.missing == [] and control.times("PUT") == 2


# --- Nebius -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def nebius() -> Iterator[Nebius]:
    script = Nebius()
    with serving(script):
        yield script


def _nebius(script: Nebius) -> Wanted:
    return Wanted("Nebius", Dialect.NEBIUS, f"{script.url}/v1", key="nebius-key-1")


def test_nebius_takes_hyperparameters_at_the_top_and_deploys_a_checkpoint(begin: Begin, nebius: Nebius) -> None:
    run = begin(_nebius(nebius), LLAMA)
    assert run.status == RunStatus.WAITING, run.error_message
    assert (
        nebius.jobs[0]["hyperparameters"] == {"n_epochs": 2, "lora": True} and nebius.times("POST /v1/fine_tuning") == 1
    )
    nebius.status = "succeeded"
    run = look(look(run))
    assert run.status == RunStatus.DEPLOYING
    assert nebius.models[0]["source"] == "ftjob-1:ftckpt_1" and nebius.models[0]["base_model"] == LLAMA
    nebius.model_status = "active"
    run = look(run)
    assert run.status == RunStatus.SUCCEEDED and Missing.DEPLOYMENT not in run.missing, run.error_message
    assert endpoint_for(run).model == f"{LLAMA}-LoRa:{provider_deploys.name_of(run)}"
    assert len(nebius.models) == 1 and len(nebius.jobs) == 1
    assert run.provider_files == [], "it deletes no files, so a note says that they stay"
    assert "stay there" in str(list(RunEvent.objects.filter(run=run, kind="note").values_list("data", flat=True)))


def test_a_creation_whose_answer_is_lost_is_found_by_its_training_file(
    begin: Begin, nebius: Nebius, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_api, "ASK_AGAIN_SECONDS", (0.0,))
    real, lost = nebius.reply, list[Any]()

    def swallow(method: str, path: str, body: Any, key: str) -> Any:
        answer = real(method, path, body, key)
        if method == "POST" and path == "/v1/fine_tuning/jobs" and not lost:
            lost.append(answer)
            return 500, HTML
        return answer

    nebius.reply = swallow  # type: ignore[method-assign]
    run = begin(_nebius(nebius), LLAMA)
    assert (run.status, run.provider_job, len(nebius.jobs)) == (RunStatus.WAITING, "ftjob-1", 1)


def test_pairs_are_refused_before_anything_is_held(begin: Begin, nebius: Nebius) -> None:
    with pytest.raises(LaunchRefused, match="no preference pairs"):
        begin(_nebius(nebius), LLAMA, training="dpo")


def test_others_are_asked_as_openai_is() -> None:
    for dialect in (Dialect.OPENAI, Dialect.AZURE, Dialect.COURSE):
        body = shaped(dialect, "supervised", {"n_epochs": 3})
        assert body == {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}}


def _long_ago(run: TrainingRun) -> None:
    moved = RunEvent.objects.filter(run=run, kind="status", data={"status": RunStatus.DEPLOYING})
    moved.update(at=moved.get().at - provider_deploys.PATIENCE - timedelta(minutes=1))
