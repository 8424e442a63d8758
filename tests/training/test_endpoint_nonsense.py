"""A team's endpoint while the model's server answers nonsense: the program is told, and the call is settled."""

import json
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from teams.models import Confidence, Hold, HoldState, LedgerEntry, Team, User
from tests.training.test_endpoint import QUESTION, new_key, paid, web

__all__ = ["web"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


class Provider(socketserver.ThreadingTCPServer):
    """Answers every request with `body`."""

    daemon_threads = True

    def __init__(self, body: Any) -> None:
        self.body = json.dumps(body).encode()
        super().__init__(("127.0.0.1", 0), Answerer)
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Answerer(socketserver.BaseRequestHandler):
    server: Provider

    def handle(self) -> None:
        self.request.recv(1 << 20)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(self.server.body)}\r\n\r\n"
        self.request.sendall(head.encode() + self.server.body)


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider({"choices": []})
    yield server
    server.shutdown()
    server.server_close()


def ask(web: str, key: str, model: str) -> httpx.Response:
    body = {"model": model, "messages": QUESTION}
    return httpx.post(f"{web}/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=100)


@pytest.mark.parametrize("body", [{"choices": []}, {"choices": [[]]}, {"choices": [{"message": "Um"}]}, [], None])
def test_nonsense_from_the_provider_is_a_clear_error_and_booked_as_unknown(
    team: Team, member: User, web: str, provider: Provider, settings: Any, body: Any
) -> None:
    provider.body = json.dumps(body).encode()
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = provider.url, "sk-provider"
    run = paid(team, member)
    answer = ask(web, new_key(team, member), f"run-{run.number}")
    assert answer.status_code == 502
    assert "may be charged" in answer.json()["error"]["message"]
    assert LedgerEntry.objects.get().confidence == Confidence.UNKNOWN
    assert not Hold.objects.filter(state=HoldState.OPEN).exists()
