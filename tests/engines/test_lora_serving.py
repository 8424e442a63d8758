"""The local model server, a real process asked over real HTTP."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.engines.conftest import EngineProcess, LoraRun, engine_environment

Finished = tuple[LoraRun, EngineProcess]
TOKEN = "a-service-token"
QUESTION = "What is 2 plus 3?"
LIMIT_SECONDS = 60  # how long a test waits for something that must come; never what it measures


@dataclass
class Server:
    url: str
    runs: Path
    process: subprocess.Popen[bytes]

    def client(self, token: str = TOKEN) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=LIMIT_SECONDS)

    def wait_until_active(self, people: int) -> None:
        """Until so many are answered: one whose last word has been sent may be counted a moment longer."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while httpx.get(f"{self.url}/healthz", timeout=LIMIT_SECONDS).json()["active"] != people:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, finished_run: Finished) -> Iterator[Server]:
    """One base; run-a as trained; run-b, run-c and run-d with louder adapters, so that each says something else."""
    runs = tmp_path_factory.mktemp("runs")
    for key, factor in (("a", 1.0), ("b", -2.0), ("c", 3.0), ("d", 5.0)):
        plant_run(runs / key, finished_run[0], factor)
    bases = {"tiny": tiny_base, "endless": plant_endless(runs, tiny_base)}
    with serving(runs, bases, "--base-list", str(runs / "base_models.json")) as server:
        yield server


@contextmanager
def serving(runs: Path, bases: dict[str, Path], *arguments: str) -> Iterator[Server]:
    """A model server over this folder of runs; it must end as it was asked to."""
    with socket.socket() as held:  # nobody else is given its port in the seconds until the server listens there
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        command = [sys.executable, "-P", "-m", "lora.serve", "--port", str(port), "--runs-root", str(runs), *arguments]
        for name, folder in bases.items():
            command += ["--base", f"{name}={folder}"]
        with (runs / "server.log").open("wb") as log:
            process = subprocess.Popen(command, env=engine_environment(SERVICE_TOKEN=TOKEN), stderr=log)
        server = Server(f"http://127.0.0.1:{port}", runs, process)
        deadline = time.monotonic() + 2 * LIMIT_SECONDS
        while not answers(server):
            assert process.poll() is None and time.monotonic() < deadline, (runs / "server.log").read_text()
            time.sleep(0.05)
    yield server
    process.terminate()
    assert process.wait(LIMIT_SECONDS) in (0, -15)


def answers(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def plant_run(folder: Path, run: LoraRun, factor: float) -> None:
    shutil.copytree(run.folder / "adapter", folder / "adapter")
    scale_adapter(folder, factor)


def plant_endless(folder: Path, tiny_base: Path) -> Path:
    """A base that never ends an answer: its end token scores 0, and among 300 random others some score more."""
    base = Path(shutil.copytree(tiny_base, folder / "endless-base"))
    weights = load_file(base / "model.safetensors")
    weights["model.embed_tokens.weight"][1] = 0
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    return base


def scale_adapter(folder: Path, factor: float) -> None:
    path = folder / "adapter" / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({n: np.ascontiguousarray(w * factor if "lora_B" in n else w) for n, w in weights.items()}, path)


def order(model: str, question: str = QUESTION, **extra: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}]
    return {"model": model, "messages": messages, "temperature": 0, "max_tokens": 80, **extra}


def say(client: httpx.Client, model: str, question: str = QUESTION, **extra: Any) -> dict[str, Any]:
    response = client.post("/v1/chat/completions", json=order(model, question, **extra))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def text_of(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def chunks_of(client: httpx.Client, **request: Any) -> list[dict[str, Any]]:
    with client.stream("POST", "/v1/chat/completions", json=order(**request, stream=True)) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_a_run_says_in_chat_what_it_said_at_the_end_of_training(server: Server, finished_run: Finished) -> None:
    before, after = finished_run[1].named("sample")
    with server.client() as client:
        assert text_of(say(client, "run-a")).strip() == after["answer"]
        assert text_of(say(client, "tiny")).strip() == before["answer"]
    assert before["answer"] != after["answer"]


def test_models_lists_bases_and_finished_runs(server: Server) -> None:
    (server.runs / "unfinished").mkdir(exist_ok=True)
    with server.client() as client:
        names = [model["id"] for model in client.get("/v1/models").json()["data"]]
        assert client.get("/v1/models/run-b").json()["id"] == "run-b"
        assert client.get("/v1/models/run-unfinished").status_code == 404
    bases = [name for name in names if not name.startswith("run-")]
    assert bases == names[: len(bases)]
    assert bases[-2:] == ["tiny", "endless"]  # what another test has added comes before
    assert {"run-a", "run-b", "run-c", "run-d"} <= set(names)
    assert "run-unfinished" not in names


def test_a_stream_adds_up_to_the_whole_answer(server: Server) -> None:
    with server.client() as client:
        whole = say(client, "run-a")
        chunks = chunks_of(client, model="run-a", stream_options={"include_usage": True})
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"] == whole["usage"]
    spoken = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1])
    assert spoken == text_of(whole)
    assert chunks[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert len(chunks) > 5


def test_a_stream_sends_usage_only_when_asked(server: Server) -> None:
    with server.client() as client:
        assert not any("usage" in chunk for chunk in chunks_of(client, model="run-a"))


def test_an_answer_ends_before_its_stop_sequence(server: Server) -> None:
    with server.client() as client:
        whole = text_of(say(client, "run-a"))
        stop = whole[4:8]
        answer = say(client, "run-a", stop=[stop])
        streamed = chunks_of(client, model="run-a", stop=stop)
    assert text_of(answer) == whole[: whole.index(stop)]
    assert answer["choices"][0]["finish_reason"] == "stop"
    spoken = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in streamed)
    assert spoken == text_of(answer)


def test_max_tokens_cuts_and_says_so(server: Server) -> None:
    with server.client() as client:
        answer = say(client, "run-a", max_tokens=3)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


def test_a_seed_makes_a_drawn_answer_repeatable(server: Server) -> None:
    with server.client() as client:
        drawn = [text_of(say(client, "tiny", temperature=1.5, top_p=0.95, seed=seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


async def test_people_answered_together_hear_what_each_would_hear_alone(server: Server) -> None:
    asked = [
        (name, question)
        for name in ("run-a", "run-b", "run-c", "run-d", "tiny")
        for question in (QUESTION, f"Why? {'I like to count. ' * 9}Tell me!")
    ]
    with server.client() as client:
        alone = [text_of(say(client, *one)) for one in asked]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=LIMIT_SECONDS) as people:
        calls = [people.post("/v1/chat/completions", json=order(*one)) for one in asked]
        together = [text_of(response.json()) for response in await asyncio.gather(*calls)]
    assert together == alone
    assert len(set(alone)) >= 5


def test_hanging_up_ends_the_computing(server: Server) -> None:
    server.wait_until_active(0)
    with server.client() as client:
        endless = order("endless", max_tokens=19_000)
        with client.stream("POST", "/v1/chat/completions", json=endless | {"stream": True}) as response:
            lines = response.iter_lines()  # kept: dropping it would hang up
            next(lines)
            server.wait_until_active(1)
        server.wait_until_active(0)
        assert say(client, "run-a", max_tokens=1)["usage"]["completion_tokens"] == 1


def test_a_replaced_adapter_answers_anew(server: Server, finished_run: Finished) -> None:
    plant_run(server.runs / "replaced", finished_run[0], -4.0)
    with server.client() as client:
        first = text_of(say(client, "run-replaced"))
        shutil.rmtree(server.runs / "replaced")
        plant_run(server.runs / "replaced", finished_run[0], 1.0)
        assert text_of(say(client, "run-replaced")) == text_of(say(client, "run-a")) != first


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/tiny", "/v1/chat/completions"])
def test_every_address_but_health_wants_the_token(server: Server, path: str) -> None:
    method = "POST" if path.endswith("completions") else "GET"
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        response = httpx.request(method, f"{server.url}{path}", headers=headers, timeout=LIMIT_SECONDS)
        assert (response.status_code, error_of(response)["code"]) == (401, "invalid_api_key")
    assert answers(server)


@pytest.mark.parametrize("name", ["gpt-4o", "run-nothing", "run-../a", "run-"])
def test_an_unknown_model_is_named(server: Server, name: str) -> None:
    with server.client() as client:
        response = client.post("/v1/chat/completions", json=order(name))
    assert (response.status_code, error_of(response)["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
        ({"n": 2}, "n"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"max_tokens": "ten"}, "max_tokens"),
    ],
)
def test_what_can_not_be_done_is_refused_by_name(server: Server, change: dict[str, Any], param: str) -> None:
    with server.client() as client:
        response = client.post("/v1/chat/completions", json=order("tiny") | change)
    assert response.status_code == 400
    assert error_of(response)["param"] == param


def test_a_conversation_over_the_context_is_left_to_the_client_to_trim(server: Server) -> None:
    with server.client() as client:
        response = client.post("/v1/chat/completions", json=order("tiny", "zq" * 20_000))
    assert (response.status_code, error_of(response)["code"]) == (400, "context_length_exceeded")


def test_a_body_that_is_no_json_or_far_too_big_is_refused(server: Server) -> None:
    with server.client() as client:
        assert error_of(client.post("/v1/chat/completions", content=b"{"))["code"] == "invalid_request"
        assert client.post("/v1/chat/completions", content=b" " * 1_500_000).status_code == 413
        assert error_of(client.get("/v1/nowhere"))["code"] == "invalid_url"


def test_a_run_on_a_base_that_is_not_served_says_what_to_do(server: Server, finished_run: Finished) -> None:
    plant_run(server.runs / "elsewhere", finished_run[0], 1.0)
    path = server.runs / "elsewhere" / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "other/model"}))
    with server.client() as client:
        response = client.post("/v1/chat/completions", json=order("run-elsewhere"))
    assert (response.status_code, error_of(response)["code"]) == (503, "base_not_served")
    assert "--base" in error_of(response)["message"]


def test_a_base_that_was_added_while_the_server_runs_answers(server: Server, tiny_base: Path) -> None:
    listed = server.runs / "base_models.json"
    listed.write_text(json.dumps({"org/added": str(tiny_base), "tiny": "/nowhere"}))
    asked = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 8, "temperature": 0}
    try:
        with server.client() as client:
            answers = [
                client.post("/v1/chat/completions", json=asked | {"model": name}).raise_for_status().json()
                for name in ("org/added", "tiny")
            ]
    finally:
        listed.unlink()
    said = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert said[0] == said[1], "the same weights; and nobody replaces a base that the server was started with"


def test_the_server_does_not_start_without_its_token(tiny_base: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "lora.serve", "--port", "1", "--runs-root", str(tmp_path)]
    said = subprocess.run(
        [*command, "--base", f"tiny={tiny_base}"], env=engine_environment(), capture_output=True, text=True, check=False
    )
    assert said.returncode == 1
    assert "SERVICE_TOKEN" in said.stderr
