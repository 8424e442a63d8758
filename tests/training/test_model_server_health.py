"""A model server is healthy by what it offers: ours has /healthz, vLLM has /health, and both list models."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from courseplatform import worker_status
from training.services import model_server


@contextmanager
def server(answers: dict[str, int]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers.get(self.path, 404))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_address[1]}/v1"
        made.shutdown()


@pytest.mark.parametrize(
    ("answers", "healthy"),
    [
        ({"/v1/models": 200}, True),
        ({"/health": 200}, True),
        ({"/healthz": 200}, True),
        ({"/v1/models": 503, "/health": 503}, False),
        ({}, False),
    ],
)
def test_healthy_is_who_says_so_in_any_of_the_known_ways(answers: dict[str, int], healthy: bool) -> None:
    with server(answers) as url:
        assert (model_server.trouble(url) == "") == healthy
        assert (worker_status._trouble(url) == "") == healthy


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses_the_platforms_key_is_said_to_do_so(status: int) -> None:
    with server({"/v1/models": status, "/health": 200}) as url:
        assert "refuses the platform's key" in model_server.trouble(url)


def test_nobody_there_is_not_running(unused_tcp_port_factory: Callable[[], int]) -> None:
    assert model_server.trouble(f"http://127.0.0.1:{unused_tcp_port_factory()}/v1") == model_server.NOT_RUNNING


def test_health_and_the_list_of_models_come_from_one_answer() -> None:
    with server({"/v1/models": 200}) as url:
        assert model_server.look(url).listed is None, "no list in it"
    with server({"/health": 200}) as url:
        assert model_server.look(url) == model_server.Look()
