"""Model servers of the operator's own, shaped like vLLM: added in the browser, found by the base's hash, given adapters."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from teams.models import AuditEntry, Method, Team, User
from tests import factories
from tests.evaluation.conftest import make_run
from training import jobs
from training.models import BaseModel, LoadedAdapter, ModelServer, TrainingRun
from training.services import model_servers
from training.services.endpoints import endpoint_for, endpoint_for_base

pytestmark = pytest.mark.django_db
KEY = "the-key-of-this-server"
HASH = "ab" * 32


@dataclass
class FakeVllm:
    """What vLLM 0.32 answers: /health and no /healthz, a list of models, adapters taken by name and path."""

    url: str = ""
    has: list[str] = field(default_factory=lambda: ["base-as-vllm-calls-it"])
    paths: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ill: bool = False
    takes: int = 200


@pytest.fixture
def vllm() -> Iterator[Callable[[], FakeVllm]]:
    running: list[ThreadingHTTPServer] = []

    def start() -> FakeVllm:
        fake = FakeVllm()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        return fake

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def _handler(fake: FakeVllm) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, said: Any) -> None:
            text = json.dumps(said).encode()
            self.send_response(503 if fake.ill else status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            fake.asked.append(self.path)
            if self.path == "/v1/models" and self.headers.get("Authorization") != f"Bearer {KEY}":
                return self.answer(401, {"error": "Unauthorized"})
            known = {"/v1/models": {"data": [{"id": name} for name in fake.has]}, "/health": {}}
            return self.answer(200 if self.path in known else 404, known.get(self.path, {}))

        def do_POST(self) -> None:
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.asked.append(self.path)
            if fake.takes == 200:
                fake.has.append(order["lora_name"])
                fake.paths[order["lora_name"]] = order["lora_path"]
            self.answer(fake.takes, {})

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture(autouse=True)
def fresh(settings: Any) -> None:
    settings.PROVIDER_PRIVATE_HOSTS = ["127.0.0.1"]
    model_servers._known.clear()
    model_servers._refused.clear()


@pytest.fixture
def base() -> BaseModel:
    found = BaseModel.objects.filter(method=Method.LORA, rehearsal=False).earliest("id")
    BaseModel.objects.filter(pk=found.pk).update(weights_sha256=HASH)
    found.refresh_from_db()
    return found


@pytest.fixture
def run(team: Team, base: BaseModel) -> TrainingRun:
    made: TrainingRun = make_run(team, Method.LORA)
    TrainingRun.objects.filter(pk=made.pk).update(base_model=base, result_model=f"run-{made.key}")
    return TrainingRun.objects.with_related().get(pk=made.pk)


@pytest.fixture
def operator(db: None) -> User:
    person = factories.make_person("Olga Operator")
    User.objects.filter(pk=person.pk).update(is_staff=True)
    person.refresh_from_db()
    return person


def added(fake: FakeVllm, operator: User, base: BaseModel) -> ModelServer:
    return model_servers.add(
        person=operator,
        address=fake.url,
        key=KEY,
        base=base,
        served_name="base-as-vllm-calls-it",
        runs_folder="/srv/runs/",
    )


def test_a_row_in_the_browser_makes_a_vllm_serve_a_base(
    vllm: Any, base: BaseModel, operator: User, client_for: Callable[..., Client]
) -> None:
    fake, client = vllm(), client_for(operator)
    sent = {
        "address": fake.url, "key": KEY, "base": base.pk, "served_name": "base-as-vllm-calls-it", "runs_folder": "/srv/runs",
    }  # fmt: skip
    page = client.post(reverse("platform_model_servers"), sent, follow=True).content.decode()
    assert "It is healthy." in page and KEY not in page
    server = ModelServer.objects.get()
    assert KEY not in server.sealed_key and server.trouble == ""
    found = endpoint_for_base(base)
    assert (found.base_url, found.model, found.api_key) == (fake.url, "base-as-vllm-calls-it", KEY)
    assert found.guarded, "somebody typed the address"
    assert AuditEntry.objects.filter(action="model server added", course=None).exists()
    client.post(reverse("platform_model_server", args=[server.pk]), {"do": "switch"})
    assert endpoint_for_base(base).base_url != fake.url
    client.post(reverse("platform_model_server", args=[server.pk]), {"do": "remove"})
    assert not ModelServer.objects.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"address": "http://169.254.169.254/v1"}, "169.254.169.254"),
        ({"address": "http://10.0.0.7:8000/v1"}, "PROVIDER_PRIVATE_HOSTS"),
        ({"runs_folder": "runs"}, "begins with /"),
        ({"base": 0}, "valid choice"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_and_nothing_is_kept(
    vllm: Any, base: BaseModel, operator: User, client_for: Callable[..., Client], changed: Any, said: str
) -> None:
    fake = vllm()
    sent = {"address": fake.url, "key": KEY, "base": base.pk, "served_name": "x", "runs_folder": "/srv/runs"} | changed
    answer = client_for(operator).post(reverse("platform_model_servers"), sent)
    assert answer.status_code == 422 and said in answer.content.decode()
    assert not ModelServer.objects.exists()


def test_a_bot_is_loaded_after_its_run_and_found_by_the_hash_of_its_base(
    vllm: Any, base: BaseModel, run: TrainingRun, operator: User
) -> None:
    fake = vllm()
    added(fake, operator, base)
    BaseModel.objects.filter(pk=base.pk).update(name="/moved/to/another/folder")
    assert jobs.load_adapter(run.pk) == "loaded on 1 servers"
    assert fake.paths == {run.result_model: f"/srv/runs/{run.key}/adapter"}
    found = endpoint_for(TrainingRun.objects.with_related().get(pk=run.pk))
    assert (found.base_url, found.model) == (fake.url, run.result_model)
    assert fake.asked.count("/v1/load_lora_adapter") == 1


def test_a_bot_is_loaded_on_first_use_and_again_after_the_server_was_restarted(
    vllm: Any, base: BaseModel, run: TrainingRun, operator: User
) -> None:
    fake = vllm()
    added(fake, operator, base)
    assert endpoint_for(run).base_url == fake.url
    fake.has.remove(run.result_model)  # started again: it has forgotten
    fake.asked.clear()
    assert model_servers.check() == 0
    assert fake.asked == ["/v1/models"], "its health and its list come from one question"
    assert not LoadedAdapter.objects.exists()
    assert endpoint_for(run).base_url == fake.url
    assert fake.asked.count("/v1/load_lora_adapter") == 1


def test_several_servers_share_and_one_that_is_ill_is_left_out(
    vllm: Any, base: BaseModel, run: TrainingRun, operator: User
) -> None:
    fakes = [vllm(), vllm()]
    for fake in fakes:
        added(fake, operator, base)
    assert {endpoint_for_base(base).base_url for _ in range(60)} == {fake.url for fake in fakes}
    fakes[0].ill = True
    assert model_servers.check() == 1
    assert {endpoint_for_base(base).base_url for _ in range(20)} == {fakes[1].url}
    assert endpoint_for(run).base_url == fakes[1].url
    fakes[0].ill = False
    assert model_servers.check() == 0
    assert {endpoint_for_base(base).base_url for _ in range(60)} == {fake.url for fake in fakes}


@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_adapter_that_no_server_takes_is_answered_by_the_embedded_server(
    vllm: Any, base: BaseModel, run: TrainingRun, operator: User, settings: Any, status: int
) -> None:
    fake = vllm()
    fake.takes = status
    added(fake, operator, base)
    for _ in range(3):
        assert endpoint_for(run).base_url == settings.MODEL_SERVER_URL
    assert fake.asked.count("/v1/load_lora_adapter") == 1, "a page asks at every turn: not this again each time"


def test_a_server_of_other_weights_answers_for_nobody_else(
    vllm: Any, base: BaseModel, run: TrainingRun, operator: User, settings: Any
) -> None:
    added(vllm(), operator, base)
    BaseModel.objects.filter(pk=base.pk).update(weights_sha256="cd" * 32)
    now = TrainingRun.objects.with_related().get(pk=run.pk)
    assert endpoint_for(now).base_url == settings.MODEL_SERVER_URL


def test_its_key_is_sealed_anew_with_the_others(vllm: Any, base: BaseModel, operator: User, settings: Any) -> None:
    settings.PROVIDER_KEY_SECRETS = ["the first secret of this platform"]
    server = added(vllm(), operator, base)
    settings.PROVIDER_KEY_SECRETS = ["a new secret of this platform", "the first secret of this platform"]
    assert model_servers.seal_anew() == (1, [])
    settings.PROVIDER_KEY_SECRETS = ["a new secret of this platform"]
    server.refresh_from_db()
    assert model_servers.key_of(server) == KEY
