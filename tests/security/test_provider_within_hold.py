"""OpenAI runs: the job that is made and the questions that are asked afterwards cost no more than the run's hold."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import F

from teams.models import BudgetAccount, Hold, LedgerEntry, Method, Price, PriceKind, Team
from tests import factories
from tests.security.recording_provider import Recorder, answered_of, asked_of
from tests.training.conftest import real_queue
from training.models import RunStatus, TrainingRun
from training.providers.jobs import ProviderJob
from training.providers.openai_api import FineTuning
from training.services import charges, cloud, estimate, finish, tokens
from training.services.cloud_samples import ask_samples

__all__ = ["real_queue"]
pytestmark = pytest.mark.django_db
Launch = Callable[..., TrainingRun]


class Provider(FineTuning):
    """Takes files and makes jobs, and writes down what it was asked to make."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []
        self.uploaded: list[str] = []

    def hurried(self, seconds: float = 0) -> FineTuning:
        return self

    def find_job(self, run_key: str, *, file_id: str = "") -> ProviderJob | None:
        return None

    def refuse_if_closed(self, model: str) -> None:
        return None

    def shutdown_date(self, model: str) -> None:
        return None

    def upload(self, path: Any, name: str) -> str:
        self.uploaded.append(name)
        return f"file-{len(self.uploaded)}"

    def create_job_once(self, run_key: str, body: Any) -> ProviderJob:
        self.made.append(dict(body))
        return ProviderJob("job-1", "running", 0, "", None, (), "", "", {})


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Provider:
    settings.OPENAI_API_KEY = "sk-test"
    made = Provider()
    monkeypatch.setattr(cloud, "provider_for", lambda run: made)
    return made


def begun(run: TrainingRun) -> tuple[TrainingRun, str]:
    lease = run.claim()
    assert lease is not None
    return TrainingRun.objects.with_related().get(pk=run.pk), lease


@pytest.mark.parametrize("epochs", ["auto", 1, 7])
@pytest.mark.parametrize("training", ["supervised"])
def test_a_job_costs_no_more_than_its_hold(start: Launch, provider: Provider, epochs: Any, training: str) -> None:
    run, lease = begun(start(Method.OPENAI, settings={"n_epochs": epochs, "training": training}))
    cloud.start(run, lease)
    (body,) = provider.made
    asked = body["method"][training]["hyperparameters"]["n_epochs"]
    assert isinstance(asked, int), "the provider chooses nothing that is paid for"
    assert body["model"] == run.base_model.name
    trained = tokens.count_training_file(run.folder / "train.jsonl") * asked
    price, _ = charges.training_price(course=run.team.course, model=run.base_model.name, provider="openai")
    assert price.cost(trained) <= Hold.objects.get(key=run.hold_key).amount == run.most_cost


def test_rows_of_very_different_length_are_held_for_at_their_longest(
    start: Launch, provider: Provider, team: Team
) -> None:
    rows = factories.child_rows(19)
    rows.append({"messages": [
        {"role": "user", "content": "Tell me a story."},
        {"role": "assistant", "content": "Once there was a cat. " * 2_000},
    ]})  # fmt: skip
    skewed = factories.make_dataset_version(team, rows, name="Skewed")
    for seed in range(4):
        run, lease = begun(
            start(Method.OPENAI, dataset_version=skewed, seed=seed, settings={"validation_fraction": 0.5})
        )
        cloud.start(run, lease)
        run.refresh_from_db()
        assert run.status == RunStatus.WAITING, run.error_message


def test_a_job_that_became_dearer_than_its_hold_is_not_made(start: Launch, provider: Provider, team: Team) -> None:
    run, lease = begun(start(Method.OPENAI))
    Price.objects.filter(kind=PriceKind.TRAINING).update(per_million=F("per_million") * 3)
    cloud.start(run, lease)
    run.refresh_from_db()
    assert (run.status, run.error_code) == (RunStatus.FAILED, "dearer_than_held")
    assert provider.made == [] and provider.uploaded == []
    account = BudgetAccount.objects.get(team=team)
    assert (account.spent, account.held) == (0, 0)


def waiting(run: TrainingRun) -> tuple[TrainingRun, str]:
    TrainingRun.objects.filter(pk=run.pk).update(
        status=RunStatus.WAITING, provider_job="job-1", started_at=run.created_at
    )
    found = TrainingRun.objects.with_related().get(pk=run.pk)
    lease = found.lease_for_poll()
    assert lease is not None
    return found, lease


def test_sample_questions_are_asked_out_of_the_hold(start: Launch, recorder: Recorder) -> None:
    run, lease = waiting(start(Method.OPENAI))
    trained = estimate.size_of(run.dataset_version).tokens
    model = f"ft:{run.base_model.name}:course::x"
    ask_samples(run, lease, model=model, trained_tokens=trained)
    assert len(recorder.requests) == 10 and {body["model"] for body in recorder.requests} == {
        run.base_model.name,
        model,
    }
    for body in recorder.requests:
        assert body["max_tokens"] == charges.SAMPLE_ANSWER_TOKENS and body.get("n") in (None, 1)
        assert asked_of(body) <= charges.SAMPLE_QUESTION_TOKENS
    TrainingRun.objects.filter(pk=run.pk).update(training_tokens=trained)
    run.refresh_from_db()
    finish.succeed(run, lease, result={}, result_model=model)
    entry = LedgerEntry.objects.get(key=run.hold_key)
    assert 0 < entry.delta <= run.most_cost and entry.beyond_hold == 0
    assert entry.output_tokens == sum(map(answered_of, recorder.requests))


def test_sample_questions_that_the_hold_does_not_pay_for_are_not_asked(start: Launch, recorder: Recorder) -> None:
    """The trained model's price was added after launch, or training took more tokens than it was held for."""
    run, lease = waiting(start(Method.OPENAI))
    ask_samples(run, lease, model=f"ft:{run.base_model.name}:course::x", trained_tokens=10**9)
    assert recorder.requests == []
    assert "does not pay for them" in run.events.filter(kind="note").get().data["message"]
