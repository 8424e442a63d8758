"""Every answer of the scripted provider fits OpenAI's own description of its API, and its client's strict models."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from openapi_schema_validator import OAS31Validator

from tests.scripted_provider.server import BASE, KEY, ROOT, ScriptedProvider, child_rows, jsonl, started

DESCRIPTION = ROOT.parent / "shared" / "data" / "openai" / "openapi_subset.json"
SERVER = "http://127.0.0.1"


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedProvider]:
    options = ("--allow-faults", "--job-seconds", "3600", "--token-delay-ms", "0")
    with started(tmp_path_factory.mktemp("contract"), *options) as running:
        yield running


@pytest.fixture(scope="module")
def description() -> OpenAPI:
    if not DESCRIPTION.is_file():
        pytest.skip(f"needs OpenAI's API description at {DESCRIPTION}, which is not part of the repository")
    told = json.loads(DESCRIPTION.read_text())
    return OpenAPI.from_dict({**told, "servers": [{"url": f"{SERVER}/v1"}]}, config=Config(spec_validator_cls=None))


def check(description: OpenAPI, answer: httpx.Response, body: bytes | None = None) -> None:
    """Raises where an answer does not fit its operation's schema."""
    url = answer.request.url
    request = MockRequest(
        SERVER,
        answer.request.method.lower(),
        url.path,
        headers={"Authorization": f"Bearer {KEY}"},
        view_args={},
        args=dict(url.params),
    )
    response = MockResponse(
        answer.content if body is None else body,
        status_code=answer.status_code,
        content_type=answer.headers["content-type"].partition(";")[0],
    )
    description.validate_response(request, response)


def let_jobs_end(scripted: ScriptedProvider) -> None:
    """Onward from where an earlier test has put the clock, so that the tests' order does not matter."""
    ahead = scripted.web.get("/faults").json()["faults"]["clock_ahead"]
    scripted.faults(clock_ahead=ahead + 4000)


@pytest.fixture(scope="module")
def finished(scripted: ScriptedProvider) -> dict[str, str]:
    """Ids of a file, a job with all there is to show, and its model."""
    file = scripted.upload(child_rows(12))
    job = scripted.client.fine_tuning.jobs.create(
        model=BASE, training_file=file, validation_file=file, suffix="ada", seed=7, metadata={"run": "r1"}
    )
    let_jobs_end(scripted)
    scripted.job()
    done = scripted.client.fine_tuning.jobs.retrieve(job.id)
    assert done.fine_tuned_model
    return {"file": file, "job": job.id, "model": done.fine_tuned_model, "result": done.result_files[0]}


ADDRESSES = (
    "/v1/files",
    "/v1/files?purpose=fine-tune&limit=1&order=asc",
    "/v1/files/{file}",
    "/v1/files/{result}",
    "/v1/fine_tuning/jobs",
    "/v1/fine_tuning/jobs?limit=1",
    "/v1/fine_tuning/jobs/{job}",
    "/v1/fine_tuning/jobs/{job}/events?limit=200",
    "/v1/fine_tuning/jobs/{job}/checkpoints",
    "/v1/models",
    "/v1/models/{model}",
    f"/v1/models/{BASE}",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_read_fits_the_description(
    scripted: ScriptedProvider, description: OpenAPI, finished: dict[str, str], address: str
) -> None:
    answer = scripted.web.get(address.format(**finished))
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-scripted"] == "true"
    check(description, answer)


def test_what_is_made_changed_and_deleted_fits_the_description(
    scripted: ScriptedProvider, description: OpenAPI
) -> None:
    file = scripted.web.post(
        "/v1/files", data={"purpose": "fine-tune"}, files={"file": ("rows.jsonl", jsonl(child_rows(12)))}
    )
    check(description, file)
    wanted = {"model": BASE, "training_file": file.json()["id"], "metadata": {"run": "r2"}}
    job = scripted.web.post("/v1/fine_tuning/jobs", json=wanted)
    check(description, job)
    cancelled = scripted.web.post(f"/v1/fine_tuning/jobs/{job.json()['id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    check(description, cancelled)
    deleted = scripted.web.delete(f"/v1/files/{file.json()['id']}")
    assert deleted.json()["deleted"] is True
    check(description, deleted)


def test_a_failed_job_and_a_bad_file_fit_the_description(scripted: ScriptedProvider, description: OpenAPI) -> None:
    file = scripted.web.post(
        "/v1/files", data={"purpose": "fine-tune"}, files={"file": ("rows.jsonl", jsonl([{"rows": "none"}]))}
    )
    assert file.json()["status"] == "error"
    check(description, file)
    job = scripted.web.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": file.json()["id"]})
    let_jobs_end(scripted)
    failed = scripted.web.get(f"/v1/fine_tuning/jobs/{job.json()['id']}")
    assert failed.json()["error"]["code"] == "invalid_file_format"
    check(description, failed)


def test_a_deleted_model_fits_the_description_and_is_gone(scripted: ScriptedProvider, description: OpenAPI) -> None:
    job = scripted.job()
    let_jobs_end(scripted)
    model = scripted.client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model
    assert model
    check(description, scripted.web.delete(f"/v1/models/{model}"))
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        scripted.ask(model, "Hello?")


def test_an_answer_and_every_chunk_of_a_stream_fit_the_description(
    scripted: ScriptedProvider, description: OpenAPI
) -> None:
    wanted: dict[str, Any] = {"model": BASE, "messages": [{"role": "user", "content": "What is 2 + 3?"}]}
    check(description, scripted.web.post("/v1/chat/completions", json=wanted))
    streamed = scripted.web.post(
        "/v1/chat/completions", json={**wanted, "stream": True, "stream_options": {"include_usage": True}}
    )
    chunks = [line.removeprefix("data: ") for line in streamed.text.splitlines() if line]
    assert chunks.pop() == "[DONE]"
    assert len(chunks) > 10
    whole = scripted.web.post("/v1/chat/completions", json=wanted)
    told = json.loads(DESCRIPTION.read_text())
    name = "#/components/schemas/CreateChatCompletionStreamResponse"
    schema = OAS31Validator({"$ref": name, "components": told["components"]})
    for chunk in chunks:
        schema.validate(without_nulls(json.loads(chunk)))
    assert whole.json()["system_fingerprint"] == json.loads(chunks[0])["system_fingerprint"] == "scripted"


def without_nulls(value: Any) -> Any:
    """A value without null members: the description is OpenAPI 3.1 but marks what may be null in the stream by 3.0's
    `nullable`, which 3.1 does not know."""
    if isinstance(value, list):
        return [without_nulls(part) for part in value]
    if isinstance(value, dict):
        kept = {key: without_nulls(part) for key, part in value.items() if part is not None}
        return kept | ({"finish_reason": "stop"} if "delta" in kept and "finish_reason" not in kept else {})
    return value


def test_the_check_itself_can_fail(scripted: ScriptedProvider, description: OpenAPI, finished: dict[str, str]) -> None:
    answer = scripted.web.get(f"/v1/fine_tuning/jobs/{finished['job']}")
    broken = json.dumps({**answer.json(), "status": "training"}).encode()
    with pytest.raises(OpenAPIError):
        check(description, answer, broken)


def test_a_request_without_a_key_or_with_a_refused_one_is_401(scripted: ScriptedProvider) -> None:
    for key, code in (("", None), ("Basic abc", None), ("Bearer sk-refused", "invalid_api_key")):
        answer = httpx.get(f"{scripted.url}/v1/models", headers={"Authorization": key} if key else {})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == code


def test_a_service_token_in_the_environment_is_then_the_only_key(tmp_path: Path) -> None:
    with started(tmp_path, SERVICE_TOKEN="the-one") as guarded:
        assert guarded.web.get("/v1/models").json()["error"]["code"] == "invalid_api_key"
        assert guarded.web.get("/v1/models", headers={"Authorization": "Bearer the-one"}).status_code == 200
        assert httpx.get(f"{guarded.url}/healthz").json()["kind"] == "scripted"


def test_unknown_addresses_answer_in_openais_error_shape(scripted: ScriptedProvider) -> None:
    for answer in (scripted.web.get("/v1/nothing"), scripted.web.put("/v1/models")):
        assert answer.status_code in (404, 405)
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
