"""A scripted job lives as OpenAI's does, by the clock alone, and outlives the process that serves it."""

import base64
import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.scripted_provider.server import BASE, ScriptedProvider, child_rows, started

HOUR = ("--allow-faults", "--job-seconds", "3600")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedProvider]:
    with started(tmp_path_factory.mktemp("jobs"), *HOUR) as running:
        yield running


@pytest.fixture
def scripted(shared: ScriptedProvider) -> ScriptedProvider:
    shared.faults(reset=True)
    return shared


def later(scripted: ScriptedProvider, seconds: float) -> None:
    """Moves the provider's clock to so many seconds after the real one."""
    scripted.faults(clock_ahead=seconds)


def test_a_job_goes_through_openais_states_in_order(scripted: ScriptedProvider) -> None:
    job = scripted.job()
    seen = []
    for seconds in (0, 500, 1000, 3400, 3700):
        later(scripted, seconds)
        now = scripted.client.fine_tuning.jobs.retrieve(job.id)
        seen.append(now.status)
        assert (now.fine_tuned_model is None) == (now.status != "succeeded")
        assert (now.estimated_finish is not None) == (now.status == "running")
    assert seen == ["validating_files", "queued", "running", "running", "succeeded"]
    assert now.fine_tuned_model is not None
    assert now.fine_tuned_model.startswith(f"ft:{BASE}:course::")
    assert now.finished_at == job.created_at + 3600
    assert (now.trained_tokens or 0) > 12 * 20


def test_events_only_grow_and_keep_their_ids(scripted: ScriptedProvider) -> None:
    job = scripted.job()
    before: list[str] = []
    for seconds in (0, 500, 1500, 2500, 3700):
        later(scripted, seconds)
        page = scripted.client.fine_tuning.jobs.list_events(job.id, limit=50)
        ids = [event.id for event in page][::-1]
        assert ids[: len(before)] == before
        assert len(ids) > len(before)
        assert len(set(ids)) == len(ids)
        before = ids


def steps(scripted: ScriptedProvider, job_id: str) -> list[dict[str, str]]:
    """The result file of a finished job, read as the platform reads OpenAI's: base64 of a CSV."""
    job = scripted.client.fine_tuning.jobs.retrieve(job_id)
    content = scripted.client.files.content(job.result_files[0]).content
    return list(csv.DictReader(io.StringIO(base64.b64decode(content).decode())))


def test_the_result_file_has_openais_columns_and_stays_deleted(scripted: ScriptedProvider) -> None:
    job = scripted.job(hyperparameters={"n_epochs": 2, "batch_size": 5})
    later(scripted, 3700)
    found = steps(scripted, job.id)
    assert list(found[0]) == ["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"]
    assert [int(step["step"]) for step in found] == list(range(1, 2 * math.ceil(12 / 5) + 1))
    name = scripted.client.fine_tuning.jobs.retrieve(job.id).result_files[0]
    scripted.client.files.delete(name)
    scripted.client.fine_tuning.jobs.retrieve(job.id)
    with pytest.raises(openai.NotFoundError):
        scripted.client.files.retrieve(name)


def test_checkpoints_are_the_last_three_epochs_and_answer(scripted: ScriptedProvider) -> None:
    job = scripted.job(hyperparameters={"n_epochs": 5}, suffix="ada")
    assert not scripted.client.fine_tuning.jobs.checkpoints.list(job.id).data
    later(scripted, 3700)
    points = scripted.client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [point.step_number for point in points] == [60, 48, 36]
    done = scripted.client.fine_tuning.jobs.retrieve(job.id)
    assert points[0].fine_tuned_model_checkpoint == done.fine_tuned_model
    assert ":ada:" in str(done.fine_tuned_model)
    assert scripted.ask(points[-1].fine_tuned_model_checkpoint, "What is ice?")


def test_a_cancelled_job_stays_cancelled_and_makes_no_model(scripted: ScriptedProvider) -> None:
    job = scripted.job()
    later(scripted, 1500)
    cancelled = scripted.client.fine_tuning.jobs.cancel(job.id)
    assert cancelled.status == "cancelled"
    later(scripted, 5000)
    after = scripted.client.fine_tuning.jobs.retrieve(job.id)
    assert (after.status, after.fine_tuned_model, after.result_files) == ("cancelled", None, [])
    with pytest.raises(openai.BadRequestError, match="already ended"):
        scripted.client.fine_tuning.jobs.cancel(job.id)


def test_a_paused_job_waits_and_goes_on(scripted: ScriptedProvider) -> None:
    job = scripted.job()
    later(scripted, 1500)
    assert scripted.web.post(f"/v1/fine_tuning/jobs/{job.id}/pause").json()["status"] == "paused"
    later(scripted, 9000)
    assert scripted.web.get(f"/v1/fine_tuning/jobs/{job.id}").json()["status"] == "paused"
    assert scripted.web.post(f"/v1/fine_tuning/jobs/{job.id}/resume").json()["status"] == "running"
    later(scripted, 9000 + 2200)
    assert scripted.web.get(f"/v1/fine_tuning/jobs/{job.id}").json()["status"] == "succeeded"


def test_jobs_are_found_by_their_metadata(scripted: ScriptedProvider) -> None:
    wanted = scripted.job(metadata={"run": "r-17", "team": "ada"})
    scripted.job(metadata={"run": "r-18", "team": "ada"})
    found = scripted.client.fine_tuning.jobs.list(metadata={"run": "r-17"}).data
    assert [job.id for job in found] == [wanted.id]
    assert len(scripted.client.fine_tuning.jobs.list(metadata={"team": "ada"}, limit=1).data) == 1
    both = [job.id for job in scripted.client.fine_tuning.jobs.list(metadata={"team": "ada"}, limit=1)]
    assert len(both) == 2
    assert both[1] == wanted.id


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        ({"model": "gpt-9"}, "does not exist"),
        ({"hyperparameters": {"n_epochs": 51}}, "<= 50"),
        ({"hyperparameters": {"batch_size": "big"}}, "batch_size"),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 3}}}}, "<= 2"),
        ({"method": {"type": "reinforcement"}}, "reinforcement"),
        ({"suffix": "x" * 65}, "<= 64"),
        ({"metadata": {f"key{n}": "v" for n in range(17)}}, "16 pairs"),
        ({"metadata": {"run": "v" * 513}}, "<= 512"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_wrong_setting_is_refused_and_starts_nothing(
    scripted: ScriptedProvider, wanted: dict[str, Any], word: str
) -> None:
    file = scripted.upload(child_rows(12))
    before = len(list(scripted.client.fine_tuning.jobs.list()))
    answer = scripted.web.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": file, **wanted})
    assert answer.status_code in (400, 404)
    assert word in answer.json()["error"]["message"]
    assert len(list(scripted.client.fine_tuning.jobs.list())) == before


def test_a_killed_provider_goes_on_with_its_jobs_files_models_and_faults(tmp_path: Path) -> None:
    with started(tmp_path, *HOUR) as first:
        file = first.upload(child_rows(24))
        job = first.client.fine_tuning.jobs.create(model=BASE, training_file=file, metadata={"run": "r1"})
        first.faults(clock_ahead=1500)
        told = [event.id for event in first.client.fine_tuning.jobs.list_events(job.id, limit=100)]
        first.client.files.delete(file)
        first.kill()
    with started(tmp_path, *HOUR) as second:
        assert second.client.fine_tuning.jobs.retrieve(job.id).status == "running"
        again = [event.id for event in second.client.fine_tuning.jobs.list_events(job.id, limit=100)]
        assert again[-len(told) :] == told
        second.faults(clock_ahead=3700)
        model = second.client.fine_tuning.jobs.list(metadata={"run": "r1"}).data[0].fine_tuned_model
        assert second.ask(str(model), "What is ice?")
        second.kill()
    with started(tmp_path) as third:
        assert third.web.get("/faults").status_code == 404
        assert third.client.fine_tuning.jobs.retrieve(job.id).status == "validating_files", "the clock fault is off"
