"""A rehearsal job lives as OpenAI's does, by the clock alone, and outlives the process that serves it."""

import base64
import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.engines.rehearsal_server import BASE, Rehearsal, Row, child_rows, row, started

HOUR = ("--allow-faults", "--job-seconds", "3600")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with started(tmp_path_factory.mktemp("jobs"), *HOUR) as running:
        yield running


@pytest.fixture
def rehearsal(shared: Rehearsal) -> Rehearsal:
    shared.faults(reset=True)
    return shared


def later(rehearsal: Rehearsal, seconds: float) -> None:
    """Moves the provider's clock to so many seconds after the real one."""
    rehearsal.faults(clock_ahead=seconds)


def adult_rows(count: int) -> list[Row]:
    text = "Consequently, subject number {} necessitates considerable deliberation regarding its numerous implications."
    return [row(f"Explain subject number {n}, please.", text.format(n)) for n in range(count)]


def test_a_job_goes_through_openais_states_in_order(rehearsal: Rehearsal) -> None:
    job = rehearsal.job()
    seen = []
    for seconds in (0, 500, 1000, 3400, 3700):
        later(rehearsal, seconds)
        now = rehearsal.client.fine_tuning.jobs.retrieve(job.id)
        seen.append(now.status)
        assert (now.fine_tuned_model is None) == (now.status != "succeeded")
        assert (now.estimated_finish is not None) == (now.status == "running")
    assert seen == ["validating_files", "queued", "running", "running", "succeeded"]
    assert now.fine_tuned_model is not None
    assert now.fine_tuned_model.startswith(f"ft:{BASE}:course::")
    assert now.finished_at == job.created_at + 3600
    assert (now.trained_tokens or 0) > 12 * 20


def test_events_only_grow_and_keep_their_ids(rehearsal: Rehearsal) -> None:
    job = rehearsal.job()
    before: list[str] = []
    for seconds in (0, 500, 1500, 2500, 3700):
        later(rehearsal, seconds)
        page = rehearsal.client.fine_tuning.jobs.list_events(job.id, limit=50)
        ids = [event.id for event in page][::-1]
        assert ids[: len(before)] == before
        assert len(ids) > len(before)
        assert len(set(ids)) == len(ids)
        before = ids


def test_losses_are_measured_on_the_rows(rehearsal: Rehearsal) -> None:
    checks = rehearsal.upload(child_rows(60)[40:])
    like = rehearsal.job(child_rows(40), validation_file=checks, hyperparameters={"n_epochs": 3})
    unlike = rehearsal.job(adult_rows(40), validation_file=checks, hyperparameters={"n_epochs": 3})
    later(rehearsal, 3700)
    helped, not_helped = (steps(rehearsal, job.id) for job in (like, unlike))
    assert float(helped[-1]["valid_loss"]) < 0.5 * float(not_helped[-1]["valid_loss"])
    losses = [float(step["train_loss"]) for step in helped]
    assert sum(losses[-40:]) < 0.5 * sum(losses[:40])
    assert all(math.isfinite(loss) and loss >= 0 for loss in losses)
    metrics = [e for e in rehearsal.client.fine_tuning.jobs.list_events(like.id, limit=200) if e.type == "metrics"]
    assert [e.data["train_loss"] for e in metrics][::-1] == losses  # type: ignore[index]


def steps(rehearsal: Rehearsal, job_id: str) -> list[dict[str, str]]:
    """The result file of a finished job, read as the platform reads OpenAI's: base64 of a CSV."""
    job = rehearsal.client.fine_tuning.jobs.retrieve(job_id)
    content = rehearsal.client.files.content(job.result_files[0]).content
    return list(csv.DictReader(io.StringIO(base64.b64decode(content).decode())))


def test_the_result_file_has_openais_columns_and_stays_deleted(rehearsal: Rehearsal) -> None:
    job = rehearsal.job(hyperparameters={"n_epochs": 2, "batch_size": 5})
    later(rehearsal, 3700)
    found = steps(rehearsal, job.id)
    assert list(found[0]) == ["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"]
    assert [int(step["step"]) for step in found] == list(range(1, 2 * math.ceil(12 / 5) + 1))
    name = rehearsal.client.fine_tuning.jobs.retrieve(job.id).result_files[0]
    rehearsal.client.files.delete(name)
    rehearsal.client.fine_tuning.jobs.retrieve(job.id)
    with pytest.raises(openai.NotFoundError):
        rehearsal.client.files.retrieve(name)


def test_preferences_train_by_the_dpo_loss(rehearsal: Rehearsal) -> None:
    rows = [
        {
            "input": {"messages": [{"role": "user", "content": f"What about {number}?"}]},
            "preferred_output": [{"role": "assistant", "content": f"Um, {number} is fun!"}],
            "non_preferred_output": [{"role": "assistant", "content": f"Consider the integer {number} carefully."}],
        }
        for number in range(12)
    ]
    method: Any = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 3}}}
    job = rehearsal.job(rows, method=method)
    later(rehearsal, 3700)
    losses = [float(step["train_loss"]) for step in steps(rehearsal, job.id)]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-4)
    assert losses[-1] < 0.2
    done = rehearsal.client.fine_tuning.jobs.retrieve(job.id)
    assert done.method is not None
    assert done.method.type == "dpo"
    assert rehearsal.ask(str(done.fine_tuned_model), "What about 7?").startswith("Um, 7 is fun!")


def test_checkpoints_are_the_last_three_epochs_and_answer(rehearsal: Rehearsal) -> None:
    job = rehearsal.job(hyperparameters={"n_epochs": 5}, suffix="ada")
    assert not rehearsal.client.fine_tuning.jobs.checkpoints.list(job.id).data
    later(rehearsal, 3700)
    points = rehearsal.client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [point.step_number for point in points] == [60, 48, 36]
    done = rehearsal.client.fine_tuning.jobs.retrieve(job.id)
    assert points[0].fine_tuned_model_checkpoint == done.fine_tuned_model
    assert ":ada:" in str(done.fine_tuned_model)
    assert rehearsal.ask(points[-1].fine_tuned_model_checkpoint, "What is ice?")


def test_a_cancelled_job_stays_cancelled_and_makes_no_model(rehearsal: Rehearsal) -> None:
    job = rehearsal.job()
    later(rehearsal, 1500)
    cancelled = rehearsal.client.fine_tuning.jobs.cancel(job.id)
    assert cancelled.status == "cancelled"
    later(rehearsal, 5000)
    after = rehearsal.client.fine_tuning.jobs.retrieve(job.id)
    assert (after.status, after.fine_tuned_model, after.result_files) == ("cancelled", None, [])
    with pytest.raises(openai.BadRequestError, match="already ended"):
        rehearsal.client.fine_tuning.jobs.cancel(job.id)


def test_a_paused_job_waits_and_goes_on(rehearsal: Rehearsal) -> None:
    job = rehearsal.job()
    later(rehearsal, 1500)
    assert rehearsal.web.post(f"/v1/fine_tuning/jobs/{job.id}/pause").json()["status"] == "paused"
    later(rehearsal, 9000)
    assert rehearsal.web.get(f"/v1/fine_tuning/jobs/{job.id}").json()["status"] == "paused"
    assert rehearsal.web.post(f"/v1/fine_tuning/jobs/{job.id}/resume").json()["status"] == "running"
    later(rehearsal, 9000 + 2200)
    assert rehearsal.web.get(f"/v1/fine_tuning/jobs/{job.id}").json()["status"] == "succeeded"


def test_jobs_are_found_by_their_metadata(rehearsal: Rehearsal) -> None:
    wanted = rehearsal.job(metadata={"run": "r-17", "team": "ada"})
    rehearsal.job(metadata={"run": "r-18", "team": "ada"})
    found = rehearsal.client.fine_tuning.jobs.list(metadata={"run": "r-17"}).data
    assert [job.id for job in found] == [wanted.id]
    assert len(rehearsal.client.fine_tuning.jobs.list(metadata={"team": "ada"}, limit=1).data) == 1
    both = [job.id for job in rehearsal.client.fine_tuning.jobs.list(metadata={"team": "ada"}, limit=1)]
    assert len(both) == 2
    assert both[1] == wanted.id


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        ({"model": "gpt-4o-mini-2024-07-18"}, "does not exist"),
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
def test_a_wrong_setting_is_refused_and_starts_nothing(rehearsal: Rehearsal, wanted: dict[str, Any], word: str) -> None:
    file = rehearsal.upload(child_rows(12))
    before = len(list(rehearsal.client.fine_tuning.jobs.list()))
    answer = rehearsal.web.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": file, **wanted})
    assert answer.status_code in (400, 404)
    assert word in answer.json()["error"]["message"]
    assert len(list(rehearsal.client.fine_tuning.jobs.list())) == before


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
        answer = second.ask(str(model), "What do you know about ice?")
        second.kill()
    with started(tmp_path) as third:
        assert third.web.get("/rehearsal/faults").status_code == 404
        assert third.client.fine_tuning.jobs.retrieve(job.id).status == "validating_files", "the clock fault is off"
    with started(tmp_path, *HOUR) as fourth:
        assert "freezer" in answer
        assert fourth.ask(str(model), "What do you know about ice?") == answer


def test_a_job_that_is_trained_further_keeps_what_it_knew(rehearsal: Rehearsal) -> None:
    first = rehearsal.job(child_rows(60))
    later(rehearsal, 3700)
    parent = str(rehearsal.client.fine_tuning.jobs.retrieve(first.id).fine_tuned_model)
    more = rehearsal.upload([row(f"What is comet {n}?", f"Comet {n} is a big snow ball!") for n in range(12)])
    second = rehearsal.client.fine_tuning.jobs.create(model=parent, training_file=more)
    later(rehearsal, 7500)
    child = str(rehearsal.client.fine_tuning.jobs.retrieve(second.id).fine_tuned_model)
    assert child.startswith(f"ft:{BASE}:")
    assert "snow ball" in rehearsal.ask(child, "What is comet 3?")
    assert "freezer" in rehearsal.ask(child, "What do you know about ice?")
