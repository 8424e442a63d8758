"""Each fault that can be switched on does what the real provider would do, and is off without leave."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.scripted_provider.server import BASE, KEY, ScriptedProvider, child_rows, started

HELLO: Any = [{"role": "user", "content": "What is 2 + 3?"}]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedProvider]:
    options = ("--allow-faults", "--job-seconds", "3600", "--token-delay-ms", "0")
    with started(tmp_path_factory.mktemp("faults"), *options) as running:
        yield running


@pytest.fixture
def scripted(shared: ScriptedProvider) -> ScriptedProvider:
    shared.faults(reset=True)
    return shared


def counters(scripted: ScriptedProvider) -> dict[str, int]:
    found: dict[str, int] = scripted.web.get("/faults").json()["counters"]
    return found


def test_faults_are_off_without_leave(tmp_path: Path) -> None:
    with started(tmp_path) as strict:
        assert strict.web.get("/faults").status_code == 404
        assert strict.web.post("/faults", json={"server_errors": 5}).status_code == 404
        assert strict.ask(BASE, "Hello?")


def test_a_fault_nobody_knows_is_refused(scripted: ScriptedProvider) -> None:
    for body in ({"server_erors": 1}, {"rate_limited": "many"}, ["reset"]):
        assert scripted.web.post("/faults", json=body).status_code == 400
    assert scripted.web.get("/faults").json()["faults"]["server_errors"] == 0


def test_rate_limits_and_server_errors_hit_the_next_requests_and_then_stop(scripted: ScriptedProvider) -> None:
    scripted.faults(rate_limited=1, retry_after=7, server_errors=1)
    with pytest.raises(openai.RateLimitError) as limited:
        scripted.ask(BASE, "Hello?")
    assert limited.value.response.headers["retry-after"] == "7"
    assert limited.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.InternalServerError):
        scripted.ask(BASE, "Hello?")
    assert scripted.ask(BASE, "Hello?")


def test_a_fault_can_be_kept_to_one_part(scripted: ScriptedProvider) -> None:
    scripted.faults(server_errors=1, only="chat")
    assert scripted.client.models.list().data
    with pytest.raises(openai.InternalServerError):
        scripted.ask(BASE, "Hello?")


def test_training_is_refused_only_after_the_upload_worked(scripted: ScriptedProvider) -> None:
    scripted.faults(training_not_available=True)
    file = scripted.upload(child_rows(12))
    before = counters(scripted).get("jobs_created", 0)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        scripted.client.fine_tuning.jobs.create(model=BASE, training_file=file)
    assert refused.value.code == "training_not_available"
    assert counters(scripted).get("jobs_created", 0) == before
    assert scripted.client.files.retrieve(file).status == "processed"


def test_a_job_can_be_made_although_the_answer_is_an_error(scripted: ScriptedProvider) -> None:
    scripted.faults(create_then_500=1)
    file = scripted.upload(child_rows(12))
    with pytest.raises(openai.InternalServerError):
        scripted.client.fine_tuning.jobs.create(model=BASE, training_file=file, metadata={"run": "lost"})
    assert len(scripted.client.fine_tuning.jobs.list(metadata={"run": "lost"}).data) == 1


async def test_a_job_can_be_made_although_the_client_gave_up(scripted: ScriptedProvider) -> None:
    scripted.faults(create_delay=30)
    wanted: Any = {"model": BASE, "training_file": scripted.upload(child_rows(12)), "metadata": {"run": "slow"}}
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{scripted.url}/v1", max_retries=0, timeout=60) as client:
        hasty = asyncio.create_task(client.fine_tuning.jobs.create(**wanted))
        while not (await client.fine_tuning.jobs.list(metadata={"run": "slow"})).data:
            assert not hasty.done(), "it was answered before the job was seen"
        hasty.cancel()
    assert len(scripted.client.fine_tuning.jobs.list(metadata={"run": "slow"}).data) == 1


def test_a_fault_that_is_set_while_an_answer_is_delayed_is_for_later_jobs(scripted: ScriptedProvider) -> None:
    scripted.faults(create_delay=2)
    with ThreadPoolExecutor() as others:
        delayed = others.submit(scripted.job, metadata={"run": "delayed"})
        while not scripted.client.fine_tuning.jobs.list(metadata={"run": "delayed"}).data:
            assert not delayed.done() or delayed.result()  # raises what kept the job from being made
        scripted.faults(create_delay=0, create_then_500=1)
        assert delayed.result(60).id
    with pytest.raises(openai.InternalServerError):
        scripted.job()


def test_the_stock_client_makes_three_jobs_from_one_call_that_fails(scripted: ScriptedProvider) -> None:
    """Why the platform creates with max_retries=0 and looks for its metadata."""
    scripted.faults(create_then_500=3)
    file = scripted.upload(child_rows(12))
    with pytest.raises(openai.InternalServerError):
        scripted.client.with_options(max_retries=2).fine_tuning.jobs.create(
            model=BASE, training_file=file, metadata={"run": "thrice"}
        )
    assert len(scripted.client.fine_tuning.jobs.list(metadata={"run": "thrice"}).data) == 3


def test_a_job_fails_as_told(scripted: ScriptedProvider) -> None:
    scripted.faults(fail_jobs={"code": "server_error", "message": "The machines are down.", "share": 0.5})
    job = scripted.job()
    scripted.faults(clock_ahead=1700)
    assert scripted.client.fine_tuning.jobs.retrieve(job.id).status == "running"
    scripted.faults(clock_ahead=1900)
    failed = scripted.client.fine_tuning.jobs.retrieve(job.id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == ("server_error", "The machines are down.")
    assert failed.fine_tuned_model is None
    assert scripted.client.fine_tuning.jobs.list_events(job.id).data[0].level == "error"


def test_a_model_is_refused_after_all_of_its_training(scripted: ScriptedProvider) -> None:
    scripted.faults(moderation_refusal=True)
    job = scripted.job()
    scripted.faults(clock_ahead=3500)
    assert scripted.client.fine_tuning.jobs.retrieve(job.id).status == "running"
    scripted.faults(clock_ahead=3700)
    failed = scripted.client.fine_tuning.jobs.retrieve(job.id)
    assert failed.error is not None
    assert (failed.status, failed.error.code) == ("failed", "content_policy_violation")
    trained = [e for e in scripted.client.fine_tuning.jobs.list_events(job.id, limit=200) if e.type == "metrics"]
    assert len(trained) == 12 * 9


def test_a_status_nobody_knows_is_reported_until_the_job_ends(scripted: ScriptedProvider) -> None:
    job = scripted.job()
    scripted.faults(report_status="warming_up")
    assert scripted.web.get(f"/v1/fine_tuning/jobs/{job.id}").json()["status"] == "warming_up"
    with pytest.raises(openai.APIResponseValidationError):
        scripted.client.fine_tuning.jobs.retrieve(job.id)
    scripted.faults(clock_ahead=3700)
    assert scripted.client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


def test_expired_files_are_listed_but_cannot_be_read(scripted: ScriptedProvider) -> None:
    file = scripted.upload(child_rows(12))
    scripted.faults(expired_files=True)
    assert scripted.client.files.retrieve(file).id == file
    with pytest.raises(openai.NotFoundError):
        scripted.client.files.content(file)


def test_a_dropped_stream_breaks_off_without_its_end(scripted: ScriptedProvider) -> None:
    scripted.faults(drop_streams=1)
    wanted: Any = {"model": BASE, "messages": HELLO, "stream": True, "temperature": 0}
    got: list[str] = []
    with pytest.raises(httpx.RemoteProtocolError):
        got.extend(chunk.choices[0].delta.content or "" for chunk in scripted.client.chat.completions.create(**wanted))
    full = list(scripted.client.chat.completions.create(**wanted))
    assert full[-1].choices[0].finish_reason == "stop"


def test_a_slow_answer_outlasts_a_hasty_client(scripted: ScriptedProvider) -> None:
    scripted.faults(slow_chat=4)
    with pytest.raises(openai.APITimeoutError):
        scripted.client.with_options(timeout=0.5).chat.completions.create(model=BASE, messages=HELLO)


def test_tokens_are_paced_as_told(scripted: ScriptedProvider) -> None:
    scripted.faults(token_delay_ms=5)
    began = time.monotonic()
    chunks = list(scripted.client.chat.completions.create(model=BASE, messages=HELLO, stream=True, temperature=0))
    assert time.monotonic() - began >= 0.005 * (len(chunks) - 2)


def test_result_files_can_be_plain_and_models_can_have_an_end(scripted: ScriptedProvider) -> None:
    job = scripted.job()
    scripted.faults(clock_ahead=3700, plain_result_files=True, shutdown_date="2027-01-14")
    name = scripted.client.fine_tuning.jobs.retrieve(job.id).result_files[0]
    assert scripted.client.files.content(name).text.startswith("step,train_loss,")
    dates = {m["id"]: m["shutdown_date"] for m in scripted.web.get("/v1/models").json()["data"]}
    assert dates[BASE] == "2027-01-14"


def test_calls_and_jobs_are_counted(scripted: ScriptedProvider) -> None:
    before = counters(scripted)
    scripted.ask(BASE, "Hello?")
    scripted.job()
    after = counters(scripted)
    grown = {name: after[name] - before.get(name, 0) for name in ("chat_calls", "jobs_created", "files_uploaded")}
    assert grown == {"chat_calls": 1, "jobs_created": 1, "files_uploaded": 1}
