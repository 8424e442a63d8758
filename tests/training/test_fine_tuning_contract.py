"""Every answer of `/v1/files`, `/v1/fine_tuning` and `/v1/models` fits OpenAI's own description of its API."""

import json
from collections.abc import Iterator

import httpx
import pytest
from openapi_core import OpenAPI

from teams.models import Team, User
from tests.engines.test_scripted_contract import check, description
from tests.training.test_endpoint import new_key, web
from tests.training.test_fine_tuning_api import BASE, jsonl, run_of, work
from training.models import RunStatus, TrainingRun

__all__ = ["description", "web"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("stub_engines"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def api(team: Team, member: User, web: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {new_key(team, member, trains=True)}"}
    with httpx.Client(base_url=web, headers=headers, timeout=60) as made:
        yield made


def sent(api: httpx.Client, data: bytes) -> httpx.Response:
    return api.post("/files", data={"purpose": "fine-tune"}, files={"file": ("rows.jsonl", data)})


def created(api: httpx.Client, file: str, **more: object) -> httpx.Response:
    return api.post("/fine_tuning/jobs", json={"model": BASE, "training_file": file} | more)


def test_a_jobs_whole_life_fits_the_description(api: httpx.Client, description: OpenAPI) -> None:
    answers = [sent(api, jsonl(12))]
    file = answers[0].json()["id"]
    answers.append(created(api, file, validation_file=file, suffix="ada", metadata={"run": "r1"}))
    job = answers[-1].json()["id"]
    addresses = [f"/fine_tuning/jobs/{job}", f"/fine_tuning/jobs/{job}/events", f"/fine_tuning/jobs/{job}/checkpoints"]
    answers += [api.get(address) for address in addresses]
    work(job)
    done = api.get(f"/fine_tuning/jobs/{job}").json()
    model, result = done["fine_tuned_model"], done["result_files"][0]
    lists = ["/files", "/files?purpose=fine-tune&limit=1&order=asc", "/fine_tuning/jobs?limit=1", "/models"]
    each = [f"/files/{file}", f"/files/{result}", f"/models/{model}", f"/models/{BASE}"]
    answers += [api.get(address) for address in (*addresses, *lists, *each)]
    answers += [api.delete(f"/models/{model}"), api.delete(f"/files/{file}")]
    for answer in answers:
        assert answer.status_code == 200, (answer.request.url, answer.text)
        check(description, answer)


def test_what_is_cancelled_failed_or_refused_fits_the_description(api: httpx.Client, description: OpenAPI) -> None:
    bad = sent(api, json.dumps({"rows": "none"}).encode())
    assert bad.json()["status"] == "error"
    file = sent(api, jsonl(12)).json()["id"]
    job = created(api, file).json()["id"]
    cancelled = api.post(f"/fine_tuning/jobs/{job}/cancel")
    failed = created(api, file).json()["id"]
    TrainingRun.objects.filter(pk=run_of(failed).pk).update(status=RunStatus.FAILED, error_message="No memory.")
    for answer in (bad, cancelled, api.get(f"/fine_tuning/jobs/{failed}"), api.get("/fine_tuning/jobs")):
        assert answer.status_code == 200, answer.text
        check(description, answer)
    refused = [
        created(api, "file-x"),
        api.get("/fine_tuning/jobs/ftjob-x"),
        api.get("/files/file-x"),
        api.get("/models/x"),
    ]
    assert [answer.status_code for answer in refused] == [400, 404, 404, 404]
    for answer in refused:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
