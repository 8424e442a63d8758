"""A provider that an instructor named cannot fill a worker's memory: its answers have an end."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from teams.services import outgoing
from training.providers.openai_api import FineTuning, ProviderAway

BOMB = gzip.compress(b"0" * 2**27)


@pytest.fixture
def hostile(settings: Any) -> Iterator[str]:
    """/packed sends 128 MiB in 128 KiB, everything else sends for ever."""
    settings.PROVIDER_PRIVATE_HOSTS = ["127.0.0.1"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            if self.path.startswith("/packed"):
                self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                self.wfile.write(BOMB)
                return
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b" " * 2**16)
            except OSError:
                return

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["endless", "packed"])
def test_an_answer_without_an_end_is_broken_off(hostile: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "MOST_BYTES", 2**20)
    with outgoing.client(timeout=30) as web, pytest.raises(httpx.ReadError, match="longer than what is read"):
        web.get(f"{hostile}/{path}")


def test_a_job_that_is_looked_at_there_is_looked_at_again_later(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "MOST_BYTES", 2**20)
    with outgoing.client(timeout=30) as web:
        service = FineTuning(base_url=f"{hostile}/v1", api_key="k", http_client=web).hurried()
        with pytest.raises(ProviderAway):
            service.job("ftjob-1")
