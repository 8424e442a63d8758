"""`/v1` as a fine-tuning service: OpenAI's own client, a real web server, real uploads, money held for every job."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from datasets.models import Dataset, DatasetVersion
from teams.models import BudgetAccount, Hold, Method, Team, User
from tests import factories
from tests.training.test_endpoint import client_of, new_key, web
from training import jobs as worker
from training.models import ApiFile, EndpointKey, FineTuningJob, RunStatus, TrainingRun
from training.services import deployments

__all__ = ["web"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("stub_engines"),
    pytest.mark.timeout(300),
]

BASE = "tiny-student"
SYSTEM = "You are Ada. You are seven."


def jsonl(count: int, *, start: int = 0) -> bytes:
    """Good rows of one turn each."""
    lines = []
    for number in range(start, start + count):
        messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"What comes after {number}?"},
            {"role": "assistant", "content": f"um, it's {number + 1}!"},
        ]
        lines.append(json.dumps({"messages": messages}))
    return "\n".join(lines).encode()


@pytest.fixture(autouse=True)
def paid_compute(team: Team) -> None:
    """Training here costs something: 36 dollars an hour."""
    team.course.compute_rate = 36_000_000
    team.course.save()


@pytest.fixture
def client(team: Team, member: User, web: str) -> Iterator[openai.OpenAI]:
    with client_of(web, new_key(team, member, trains=True)) as made:
        yield made


def send(client: openai.OpenAI, data: bytes, name: str = "rows.jsonl") -> Any:
    return client.files.create(file=(name, data), purpose="fine-tune")


def run_of(job_id: str) -> TrainingRun:
    return FineTuningJob.objects.get(key=job_id.removeprefix("ftjob-")).run


def work(job_id: str) -> None:
    """What a worker does with the job's wake-up call."""
    worker.execute_run(run_of(job_id).pk)


def test_a_file_becomes_a_dataset_and_comes_back_byte_for_byte(client: openai.OpenAI, team: Team) -> None:
    data = jsonl(12)
    made = send(client, data, "march.jsonl")
    assert (made.status, made.bytes, made.filename) == ("processed", len(data), "march.jsonl")
    version = DatasetVersion.objects.get()
    assert (version.dataset.team, version.dataset.name, version.row_count) == (team, "march", 12)
    assert client.files.content(made.id).read() == data
    assert [one.id for one in client.files.list(purpose="fine-tune")] == [made.id]
    assert client.files.retrieve(made.id).id == made.id
    assert client.files.delete(made.id).deleted
    assert not Dataset.objects.exists(), "nobody learned from it, so nothing of it is kept"
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


def test_bytes_without_a_name_are_rows_too(client: openai.OpenAI) -> None:
    assert client.files.create(file=jsonl(10), purpose="fine-tune").status == "processed"


def test_a_bad_row_is_named_and_the_rest_can_be_taken_in_the_browser(client: openai.OpenAI) -> None:
    made = send(client, jsonl(12) + b'\n{"messages": [{"role": "user", "content": "Why?"}]}')
    assert made.status == "error"
    assert "1 of 13 rows cannot be used" in (made.status_details or "")
    with pytest.raises(openai.BadRequestError, match="1 of 13 rows") as refused:
        client.fine_tuning.jobs.create(model=BASE, training_file=made.id)
    assert (refused.value.param, refused.value.code) == ("training_file", "invalid_training_file")


def test_a_job_is_a_run_that_is_priced_held_trained_and_answers(
    client: openai.OpenAI, team: Team, member: User
) -> None:
    file = send(client, jsonl(20))
    job = client.fine_tuning.jobs.create(
        model=BASE, training_file=file.id, suffix="Ada 7", seed=5, metadata={"try": "1"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 4}}},
    )  # fmt: skip
    assert (job.status, job.seed, job.metadata, job.fine_tuned_model) == ("queued", 5, {"try": "1"}, None)
    run = run_of(job.id)
    assert (run.team, run.created_by, run.method, run.name) == (team, member, Method.LORA, "Ada 7")
    assert (run.settings["epochs"], run.settings["batch_size"]) == (2, 4)
    assert Hold.objects.filter(key=run.hold_key, amount=run.most_cost).exists()

    work(job.id)

    done = client.fine_tuning.jobs.retrieve(job.id)
    assert done.status == "succeeded" and done.fine_tuned_model is not None
    assert done.fine_tuned_model.startswith(f"ft:{BASE}:maple:ada-7:")
    assert BudgetAccount.objects.get(team=team).held == 0
    messages = [event.message for event in client.fine_tuning.jobs.list_events(job.id)]
    assert messages[0] == "The job has successfully completed"
    assert messages[-1] == f"Created fine-tuning job: {job.id}"
    assert any("training loss=" in said for said in messages)
    names = [model.id for model in client.models.list()]
    assert names == [BASE, done.fine_tuned_model]
    assert deployments.deployed(team, done.fine_tuned_model) == run_of(job.id)
    [checkpoint] = client.fine_tuning.jobs.checkpoints.list(job.id)
    assert checkpoint.fine_tuned_model_checkpoint == done.fine_tuned_model
    table = client.files.content(done.result_files[0]).read()
    assert table.startswith(b"c3RlcCx0cmFpbl9sb3Nz"), "base64 of the header, as OpenAI sends it"
    assert client.models.delete(done.fine_tuned_model).deleted
    assert deployments.deployed(team, done.fine_tuned_model) is None
    assert [model.id for model in client.models.list()] == [BASE]


def test_a_validation_file_is_measured_with_and_never_trained_on(client: openai.OpenAI) -> None:
    training, checks = send(client, jsonl(15)), send(client, jsonl(5, start=100), "checks.jsonl")
    job = client.fine_tuning.jobs.create(model=BASE, training_file=training.id, validation_file=checks.id)
    assert job.validation_file == checks.id
    work(job.id)
    run = run_of(job.id)
    train = [json.loads(line) for line in run.file("train.jsonl").read_text().splitlines()]
    measured = [json.loads(line) for line in run.file("validation.jsonl").read_text().splitlines()]
    assert [len(train), len(measured)] == [15, 5]
    asked = [row["messages"][1]["content"] for row in measured]
    assert asked == [f"What comes after {number}?" for number in range(100, 105)]


def test_jobs_are_listed_in_pages_and_found_by_their_metadata(client: openai.OpenAI) -> None:
    file = send(client, jsonl(10))
    made = [
        client.fine_tuning.jobs.create(model=BASE, training_file=file.id, metadata={"try": name}).id for name in "ab"
    ]
    assert [job.id for job in client.fine_tuning.jobs.list(limit=1)] == list(reversed(made))
    assert [job.id for job in client.fine_tuning.jobs.list(metadata={"try": "a"})] == [made[0]]


def test_a_job_can_be_cancelled_once(client: openai.OpenAI, team: Team) -> None:
    job = client.fine_tuning.jobs.create(model=BASE, training_file=send(client, jsonl(10)).id)
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    assert BudgetAccount.objects.get(team=team).held == 0
    with pytest.raises(openai.BadRequestError, match="already completed"):
        client.fine_tuning.jobs.cancel(job.id)


def test_the_same_request_sent_twice_starts_one_job(client: openai.OpenAI) -> None:
    file = send(client, jsonl(10))
    first, second = (
        client.fine_tuning.jobs.create(model=BASE, training_file=file.id, extra_headers={"Idempotency-Key": "once"})
        for _ in range(2)
    )
    assert first.id == second.id
    assert TrainingRun.objects.count() == 1


def test_a_failed_job_says_why(client: openai.OpenAI) -> None:
    job = client.fine_tuning.jobs.create(model=BASE, training_file=send(client, jsonl(10)).id)
    TrainingRun.objects.filter(pk=run_of(job.id).pk).update(
        status=RunStatus.FAILED, error_code="out_of_memory", error_message="Memory ran out.", error_fix="Take less."
    )
    failed = client.fine_tuning.jobs.retrieve(job.id)
    assert failed.status == "failed" and failed.error is not None
    assert (failed.error.code, failed.error.message) == ("out_of_memory", "Memory ran out. Take less.")


def pairs(count: int) -> bytes:
    """Good pairs of answers."""
    lines = []
    for number in range(count):
        prompt = [{"role": "user", "content": f"What comes after {number}?"}]
        lines.append(
            json.dumps(
                {
                    "input": {"messages": prompt},
                    "preferred_output": [{"role": "assistant", "content": f"um, {number + 1}!"}],
                    "non_preferred_output": [{"role": "assistant", "content": f"The successor is {number + 1}."}],
                }
            )
        )
    return "\n".join(lines).encode()


def test_dpo_goes_on_from_a_model_that_was_trained_here(client: openai.OpenAI) -> None:
    first = client.fine_tuning.jobs.create(model=BASE, training_file=send(client, jsonl(12)).id)
    work(first.id)
    adapter = run_of(first.id).file("adapter/adapter_model.safetensors")
    adapter.parent.mkdir(exist_ok=True)
    adapter.write_bytes(b"made by the stub")
    model = client.fine_tuning.jobs.retrieve(first.id).fine_tuned_model or ""
    method: Any = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3, "n_epochs": 2}}}
    job = client.fine_tuning.jobs.create(model=model, training_file=send(client, pairs(12)).id, method=method)
    run = run_of(job.id)
    assert (run.starts_from, run.settings["training"], run.settings["beta"]) == (run_of(first.id), "dpo", 0.3)
    assert job.method is not None and job.method.type == "dpo" and job.method.dpo is not None
    assert job.method.dpo.hyperparameters is not None and job.method.dpo.hyperparameters.beta == 0.3
    with pytest.raises(openai.BadRequestError, match="starts from a base model"):
        client.fine_tuning.jobs.create(model=model, training_file=send(client, jsonl(12)).id)


def test_each_method_wants_rows_of_its_own_kind(client: openai.OpenAI) -> None:
    talks, two = send(client, jsonl(12)).id, send(client, pairs(12)).id
    with pytest.raises(openai.BadRequestError, match="pairs of answers, and supervised"):
        client.fine_tuning.jobs.create(model=BASE, training_file=two)
    with pytest.raises(openai.BadRequestError, match="dpo learns from pairs"):
        client.fine_tuning.jobs.create(model=BASE, training_file=talks, method={"type": "dpo"})
    assert client.fine_tuning.jobs.create(model=BASE, training_file=two, method={"type": "dpo"}).status == "queued"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown base": ({"model": "gpt-5"}, "tiny-student"),
    "a file of nobody": ({"training_file": "file-" + "0" * 32}, "invalid training_file"),
    "a path as a file": ({"training_file": "../../etc/passwd"}, "invalid training_file"),
    "no epochs": ({"hyperparameters": {"n_epochs": 0}}, "n_epochs"),
    "too many epochs": ({"hyperparameters": {"n_epochs": 51}}, "n_epochs"),
    "a huge rate": ({"hyperparameters": {"learning_rate_multiplier": 10_000}}, "at most"),
    "a field that is none": ({"gpus": 8}, "gpus"),
    "an integration": ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "integrations"),
    "a method that is none": ({"method": {"type": "reinforcement"}}, "supervised"),
    "beta without dpo": ({"hyperparameters": {"beta": 0.1}}, "dpo"),
    "much metadata": ({"metadata": {str(number): "x" for number in range(17)}}, "16 pairs"),
    "a long suffix": ({"suffix": "x" * 65}, "suffix"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_trained_is_refused_in_a_sentence_and_holds_nothing(
    client: openai.OpenAI, team: Team, what: str
) -> None:
    changed, told = REFUSED[what]
    body = {"model": BASE, "training_file": send(client, jsonl(10)).id} | changed
    with pytest.raises(openai.APIStatusError, match=told) as refused:
        client.post("/fine_tuning/jobs", body=body, cast_to=httpx.Response)
    assert 400 <= refused.value.status_code < 500
    assert not TrainingRun.objects.exists() and not Hold.objects.exists()


def test_too_few_rows_are_refused_as_openai_does(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="at least 10 examples"):
        client.fine_tuning.jobs.create(model=BASE, training_file=send(client, jsonl(9)).id)


def test_the_keys_cap_for_a_day_counts_jobs_and_calls_together(team: Team, member: User, web: str) -> None:
    with client_of(web, new_key(team, member, daily_cap=0, trains=True)) as poor:
        file = send(poor, jsonl(10))
        with pytest.raises(openai.APIStatusError, match="may spend"):
            poor.fine_tuning.jobs.create(model=BASE, training_file=file.id)
    assert not TrainingRun.objects.exists() and not Hold.objects.exists(), "nothing of it is kept"
    assert DatasetVersion.objects.count() == 1


def test_another_team_finds_nothing(client: openai.OpenAI, other_team: Team, other_member: User, web: str) -> None:
    file = send(client, jsonl(10))
    job = client.fine_tuning.jobs.create(model=BASE, training_file=file.id)
    work(job.id)
    model = client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model or ""
    with client_of(web, new_key(other_team, other_member, trains=True)) as stranger:
        assert stranger.files.list().data == [] and stranger.fine_tuning.jobs.list().data == []
        assert [one.id for one in stranger.models.list()] == [BASE]
        for look in (
            lambda: stranger.files.retrieve(file.id),
            lambda: stranger.files.content(file.id),
            lambda: stranger.files.delete(file.id),
            lambda: stranger.fine_tuning.jobs.retrieve(job.id),
            lambda: stranger.fine_tuning.jobs.cancel(job.id),
            lambda: stranger.fine_tuning.jobs.list_events(job.id),
            lambda: stranger.models.retrieve(model),
            lambda: stranger.models.delete(model),
            lambda: stranger.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}]),
        ):
            with pytest.raises(openai.NotFoundError):
                look()
        with pytest.raises(openai.BadRequestError, match="invalid training_file"):
            stranger.fine_tuning.jobs.create(model=BASE, training_file=file.id)


def test_a_key_that_only_asks_bots_neither_brings_nor_reads_rows(
    client: openai.OpenAI, team: Team, member: User, web: str
) -> None:
    file = send(client, jsonl(10))
    _, secret = deployments.make_key(
        team=team, name="web page", per_minute=30, daily_cap=10**6, person=member, trains=False
    )
    with client_of(web, secret) as page:
        assert page.models.list().data == []
        for look in (
            lambda: send(page, jsonl(10)),
            lambda: page.files.list(),
            lambda: page.files.content(file.id),
            lambda: page.fine_tuning.jobs.create(model=BASE, training_file=file.id),
            lambda: page.models.delete(BASE),
        ):
            with pytest.raises(openai.PermissionDeniedError, match="only asks bots"):
                look()


def test_a_stranger_sends_no_big_file(web: str) -> None:
    form = {"purpose": "fine-tune"}
    answer = httpx.post(f"{web}/files", data=form, files={"file": ("rows.jsonl", b"x" * 200_000)})
    assert answer.status_code == 413
    small = httpx.post(f"{web}/files", data=form, files={"file": ("rows.jsonl", b"x" * 2_000)})
    assert small.status_code == 401
    assert not ApiFile.objects.exists()


def test_a_file_that_comes_in_chunks_is_read_too(client: openai.OpenAI, web: str) -> None:
    """As Node sends a stream: no length is announced."""
    boundary, head = "x1x", "Content-Disposition: form-data; name="

    def body() -> Iterator[bytes]:
        yield f'--{boundary}\r\n{head}"purpose"\r\n\r\nfine-tune\r\n'.encode()
        yield f'--{boundary}\r\n{head}"file"; filename="rows.jsonl"\r\n\r\n'.encode()
        yield jsonl(12)
        yield f"\r\n--{boundary}--\r\n".encode()

    headers = {"Authorization": f"Bearer {client.api_key}", "Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = httpx.post(f"{web}/files", content=body(), headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["status"]) == (200, "processed")


def test_a_member_of_the_team_may_send_a_big_one(client: openai.OpenAI) -> None:
    assert send(client, jsonl(2_000)).status == "processed"


def test_the_key_of_a_person_who_left_starts_nothing(client: openai.OpenAI, member: User) -> None:
    file = send(client, jsonl(10))
    member.memberships.update(active=False)
    with pytest.raises(openai.AuthenticationError, match="no longer in the team"):
        client.fine_tuning.jobs.create(model=BASE, training_file=file.id)


def test_two_jobs_of_one_key_do_not_pass_its_cap_together(
    client: openai.OpenAI, team: Team, member: User, web: str
) -> None:
    file = send(client, jsonl(10))
    most = run_of(client.fine_tuning.jobs.create(model=BASE, training_file=file.id).id).most_cost
    secret = new_key(team, member, daily_cap=most + most // 2, trains=True)
    answers: list[int] = []

    def start() -> None:
        body = {"model": BASE, "training_file": file.id}
        headers = {"Authorization": f"Bearer {secret}"}
        answers.append(httpx.post(f"{web}/fine_tuning/jobs", json=body, headers=headers, timeout=60).status_code)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 402, 402]
    assert EndpointKey.objects.get(digest=EndpointKey.digest_of(secret)).jobs.count() == 1


def test_the_rows_of_the_made_data_are_what_the_program_sent(client: openai.OpenAI) -> None:
    rows = [{"messages": row["messages"]} for row in factories.child_rows(10)]
    sent = send(client, "\n".join(json.dumps(row) for row in rows).encode())
    job = client.fine_tuning.jobs.create(model=BASE, training_file=sent.id)
    work(job.id)
    learned = [json.loads(line) for line in run_of(job.id).file("train.jsonl").read_text().splitlines()]
    assert [row["messages"] for row in learned] == [row["messages"] for row in rows]
