"""The method OpenAI where no provider is configured: a job of this platform's own service, trained as a LoRA run."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from datasets.models import DatasetVersion
from teams.models import BudgetAccount, Course, Hold, LedgerEntry, Method, Team, User
from tests.training.conftest import Launch
from tests.training.test_dpo import preferences
from tests.training.test_endpoint import client_of, new_key, web
from training import jobs as worker
from training.forms import FORMS
from training.models import BaseModel, FineTuningJob, RunStatus, TrainingRun
from training.services import bundle, cancel, queue, reconcile
from training.services.endpoints import endpoint_for
from training.services.launch import launch
from training.services.openai_api import job_settings
from training.services.progress import settings_shown

__all__ = ["web"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stub_engines")]


@pytest.fixture(autouse=True)
def no_provider(settings: Any, course: Course) -> None:
    """As on a fresh installation; computing costs 36 dollars an hour."""
    settings.HAS_PROVIDER = False
    settings.RUN_LEASE_SECONDS = 3600
    course.compute_rate = 36_000_000
    course.save()


@pytest.fixture
def base() -> BaseModel:
    return BaseModel.objects.get(name="tiny-student", method=Method.LORA)


@pytest.fixture
def filled(version: DatasetVersion, base: BaseModel) -> dict[str, Any]:
    """The form as a person sends it who changed nothing but the base."""
    form = FORMS[Method.OPENAI](version.dataset.team)
    return form.untouched() | {"base_model": base.pk, "dataset_version": version.pk, "validation_fraction": "0.2"}


@pytest.fixture
def here(team: Team, member: User, filled: dict[str, Any]) -> Launch:
    """Starts a run with the OpenAI form; `changes` are its fields."""

    def make(**changes: Any) -> TrainingRun:
        form = FORMS[Method.OPENAI](team, filled | changes)
        assert form.is_valid(), form.errors
        chosen = form.cleaned_data
        return launch(
            team=team, person=member, method=Method.OPENAI, base_model=chosen["base_model"],
            dataset_version=chosen["dataset_version"], settings=form.settings(), seed=chosen["seed"], name=chosen["name"],
        )  # fmt: skip

    return make


def test_with_no_provider_the_form_offers_the_bases_of_this_platform_first(
    team: Team, settings: Any, base: BaseModel
) -> None:
    form = FORMS[Method.OPENAI](team)
    assert form.has_base and all(one.local for one in form.offered["base_model"])
    assert all(one.local for one in FORMS[Method.DSPY](team).offered["base_model"]), "DSPy asks these bases too"
    settings.HAS_PROVIDER = True
    offered = FORMS[Method.OPENAI](team).offered["base_model"]
    assert not offered[0].local and base in offered, "with a provider its models come first, and what is here stays"


def test_the_page_says_before_launch_who_trains_and_what_the_price_is_made_of(
    team: Team, member: User, client_for: Any, filled: dict[str, Any]
) -> None:
    page = client_for(member).get(f"/teams/{team.pk}/runs/new/openai/").content.decode()
    assert "this platform is the service" in page and "No row leaves" in page
    said = FORMS[Method.OPENAI](team, filled)
    assert said.is_valid() and "Adapts" in said.settings_sentence()
    advice = (
        client_for(member)
        .get(f"/teams/{team.pk}/runs/new/openai/", filled, headers={"HX-Request": "true"})
        .content.decode()
    )
    assert "Trained on this platform: no provider is asked" in advice
    assert "for a million training tokens, made of the computing time" in advice
    assert "OpenAI asks" in advice and "gpt-4o-mini" in advice


def test_it_is_one_run_one_hold_one_charge_and_one_job(here: Launch, team: Team, member: User) -> None:
    run = here(n_epochs="2", learning_rate_multiplier="1", suffix="ada")
    assert (run.method, run.provider) == (Method.OPENAI, "local")
    assert run.settings["epochs"] == 2 and run.settings["asked"]["batch_size"] == "auto"
    hold = Hold.objects.get()
    assert (hold.key, hold.amount) == (run.hold_key, run.most_cost) and run.most_cost > 0

    assert queue.place_of(run) is not None, "it waits for the training slot, not for a provider"
    worker.execute_run(run.pk)

    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED and run.result_model == f"run-{run.key}"
    assert TrainingRun.objects.count() == 1, "the job is no second run of the team"
    entry = LedgerEntry.objects.get()
    assert (entry.key, entry.provider, entry.model, entry.method) == (run.hold_key, "local", "tiny-student", "openai")
    assert entry.price_note.startswith("Trained on this platform") and entry.delta > 0
    assert BudgetAccount.objects.get(team=team).held == 0
    assert any(path.startswith("adapter/") for path in run.artifacts.values_list("path", flat=True))


def test_half_the_multiplier_is_half_the_recommended_rate(here: Launch) -> None:
    usual = here().settings["learning_rate"]
    assert here(learning_rate_multiplier="1").settings["learning_rate"] == pytest.approx(usual / 2)


def test_what_a_base_cannot_be_trained_with_is_said_beside_the_field(
    team: Team, filled: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_settings, "HIGHEST_RATE", 0.01)
    form = FORMS[Method.OPENAI](team, filled | {"learning_rate_multiplier": "100"})
    assert not form.is_valid()
    assert "may be at most" in form.errors["learning_rate_multiplier"][0]


def test_the_form_opens_again_as_it_was_filled_in(here: Launch) -> None:
    run = here(n_epochs="3", suffix="ada")
    again = FORMS[run.form].initial_from(run)
    assert (again["n_epochs"], again["batch_size"], again["suffix"]) == (3, "auto", "ada")
    assert ("Batch size, as asked for", "auto") in settings_shown(run)


def test_it_answers_at_the_model_server_with_what_it_was_trained_with(here: Launch, settings: Any) -> None:
    run = here()
    worker.execute_run(run.pk)
    run.refresh_from_db()
    found = endpoint_for(run)
    assert (found.base_url, found.model, found.provider) == (settings.MODEL_SERVER_URL, f"run-{run.key}", "local")
    settings.HAS_PROVIDER = True  # a key was set since: the bot is still here
    assert endpoint_for(run).base_url == settings.MODEL_SERVER_URL


def test_a_killed_worker_hands_it_on_and_one_worker_is_enough(here: Launch) -> None:
    first, second = here(), here()
    assert first.claim()
    assert queue.place_of(second).running == 1  # type: ignore[union-attr]
    TrainingRun.objects.filter(pk=first.pk).update(lease_until="2020-01-01T00:00Z")
    assert reconcile.reconcile().handed_on == [first.pk]
    for _ in range(2):  # the one training worker
        worker.execute_run(first.pk)
    assert {run.status for run in TrainingRun.objects.all()} == {RunStatus.SUCCEEDED}


def test_a_waiting_one_that_is_cancelled_gets_its_hold_back(here: Launch, team: Team, member: User) -> None:
    run = here()
    cancel.cancel(run=run, person=member)
    assert run.status == RunStatus.CANCELLED and BudgetAccount.objects.get(team=team).held == 0
    assert not LedgerEntry.objects.exists()


@pytest.fixture
def program(team: Team, member: User, web: str) -> Iterator[openai.OpenAI]:
    with client_of(web, new_key(team, member, trains=True)) as made:
        yield made


def test_a_program_of_the_team_sees_the_same_job(here: Launch, program: openai.OpenAI) -> None:
    run = here(suffix="ada")
    worker.execute_run(run.pk)
    listed = list(program.fine_tuning.jobs.list())
    assert [one.id for one in listed] == [run.api_job.public_id]
    job = program.fine_tuning.jobs.retrieve(listed[0].id)
    assert (job.status, job.model, job.validation_file) == ("succeeded", "tiny-student", None)
    assert job.training_file.startswith("file-")
    assert job.fine_tuned_model is not None and job.fine_tuned_model.startswith("ft:tiny-student:maple:ada:")
    events = [event.message for event in program.fine_tuning.jobs.list_events(job.id)]
    assert events[0] == "The job has successfully completed"
    assert job.fine_tuned_model in [model.id for model in program.models.list()]


def test_a_key_that_does_not_fine_tune_reaches_no_bot_that_nobody_deployed(
    here: Launch, team: Team, member: User, web: str
) -> None:
    run = here()
    worker.execute_run(run.pk)
    name = FineTuningJob.objects.get(run=run).model
    with client_of(web, new_key(team, member)) as chats:
        assert name not in [model.id for model in chats.models.list()]
        with pytest.raises(openai.NotFoundError):
            chats.chat.completions.create(model=name, messages=[{"role": "user", "content": "Hi"}])


def test_pairs_are_trained_on_here_too(team: Team, here: Launch) -> None:
    version = preferences(team)
    run = here(training="dpo", dataset_version=version.pk)
    assert run.is_preference and run.form == "openai"
    worker.execute_run(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED
    row = json.loads(run.file("train.jsonl").read_text().splitlines()[0])
    assert row.keys() >= {"input", "preferred_output"}, "the engine reads pairs"


def test_its_archive_is_that_of_the_adapter_that_it_left(here: Launch) -> None:
    run = here()
    worker.execute_run(run.pk)
    run.refresh_from_db()
    said = bundle.manifest(run)
    assert said["method"] == "lora" and "asked" not in said["settings"]
