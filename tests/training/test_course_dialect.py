"""Another installation of this platform as a provider: played by this one's own `/v1`, with the key of a team elsewhere.

What it is asked is not scripted: a real upload, a real job that is priced and held there, a real run that a worker trains.
"""

from datetime import date
from typing import Any

import pytest

from datasets.models import DatasetVersion
from teams.models import BudgetAccount, Course, Dialect, LedgerEntry, Method, PriceKind, Team, User
from teams.services import providers
from teams.services.providers import Wanted
from tests import factories
from tests.training.conftest import SETTINGS
from tests.training.test_endpoint import new_key, web
from training import jobs
from training.models import ApiFile, BaseModel, FineTuningJob, RunStatus, TrainingRun
from training.providers.openai_api import FineTuning, ProviderRefused
from training.services import cancel, deployments, provider_models, provider_trial
from training.services.endpoints import endpoint_for
from training.services.launch import launch

__all__ = ["web"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("stub_engines"),
    pytest.mark.timeout(300),
]
BASE = "tiny-student"
DOLLAR = 1_000_000


@pytest.fixture
def neighbour() -> User:
    return factories.make_person("Nora Neighbour")


@pytest.fixture
def elsewhere(other_course: Course, neighbour: User) -> Team:
    """A team of another course stands for the other installation: it shares nothing with ours but the database."""
    other_course.compute_rate = 36 * DOLLAR
    other_course.save()
    return factories.make_team(other_course, "Neighbours", neighbour)


@pytest.fixture
def base(team: Team, elsewhere: Team, neighbour: User, instructor: User, web: str, settings: Any) -> BaseModel:
    """The neighbours' base model, as our instructor entered it."""
    settings.PROVIDER_PRIVATE_HOSTS, settings.RUN_LEASE_SECONDS = ["127.0.0.1"], 3600
    key = new_key(elsewhere, neighbour, trains=True)
    wanted = Wanted("Neighbours", Dialect.COURSE, web, key=key)
    provider = providers.add(course=team.course, person=instructor, wanted=wanted)
    kinds = (PriceKind.TRAINING, PriceKind.INPUT, PriceKind.OUTPUT)
    prices = {(trained, kind): DOLLAR for trained in (False, True) for kind in kinds}
    asked = provider_models.WantedModel(BASE, BASE, (Method.OPENAI,), None, "", "a page", date(2026, 1, 1), prices)
    (made,) = provider_models.save(provider=provider, person=instructor, wanted=asked)
    return made


def test_it_says_that_it_can_be_asked(base: BaseModel) -> None:
    assert base.provider is not None
    found = provider_trial.look(base.provider)
    assert found.well and "fine-tuning jobs can be asked for" in found.said


def test_a_run_is_trained_by_a_worker_there_and_paid_on_both_sides(
    base: BaseModel, team: Team, member: User, version: DatasetVersion, elsewhere: Team
) -> None:
    chosen: dict[str, Any] = SETTINGS[Method.OPENAI]
    run = launch(
        team=team, person=member, method=Method.OPENAI, base_model=base, dataset_version=version, settings=chosen,
        seed=17, name="",
    )  # fmt: skip
    jobs.execute_run(run.pk)
    job = FineTuningJob.objects.get()
    assert job.run.team == elsewhere and job.run.method == Method.LORA and job.run.settings["epochs"] == 2
    assert "still" not in jobs.poll_run(run.pk) and _now(run).status == RunStatus.WAITING

    jobs.execute_run(job.run.pk)
    jobs.poll_run(run.pk)

    done = _now(run)
    assert done.status == RunStatus.SUCCEEDED, (done.error_code, done.error_message)
    assert deployments.deployed(elsewhere, done.result_model) == job.run
    assert endpoint_for(done).model == done.result_model
    assert done.training_tokens > 0 and done.result["checkpoints"]
    assert done.events.filter(kind="step").exists(), "its curve is told by the events of the job there"
    assert done.missing == [] or done.missing == ["page"], done.missing
    assert not ApiFile.objects.filter(deleted_at=None).exists(), "the rows are deleted there when the job has ended"
    ours = LedgerEntry.objects.get(account__team=team)
    assert ours.provider == base.provider.code and ours.delta > 0  # type: ignore[union-attr]
    assert LedgerEntry.objects.filter(account__team=elsewhere).exists(), "and they paid for the work"
    assert BudgetAccount.objects.get(team=elsewhere).held == 0


def test_a_cancelled_run_is_cancelled_there(base: BaseModel, team: Team, member: User, version: DatasetVersion) -> None:
    chosen: dict[str, Any] = SETTINGS[Method.OPENAI]
    run = launch(
        team=team, person=member, method=Method.OPENAI, base_model=base, dataset_version=version, settings=chosen,
        seed=17, name="",
    )  # fmt: skip
    jobs.execute_run(run.pk)
    cancel.cancel(run=_now(run), person=member)
    jobs.poll_run(run.pk)
    assert _now(run).status == RunStatus.CANCELLED
    assert FineTuningJob.objects.get().run.status == RunStatus.CANCELLED


def test_a_key_that_may_not_train_there_is_refused_in_words(
    base: BaseModel, elsewhere: Team, neighbour: User, web: str
) -> None:
    key = new_key(elsewhere, neighbour, trains=False)
    service = FineTuning(base_url=web, api_key=key)
    with pytest.raises(ProviderRefused):
        service.create_job_once("some-key", {"model": BASE, "training_file": "file-none"})


def _now(run: TrainingRun) -> TrainingRun:
    return TrainingRun.objects.with_related().get(pk=run.pk)
