"""The program server: OpenAI-compatible answers of optimised programs."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from dspy_program import program, serve
from dspy_program.examples import Persona

from tests.engines.conftest import engine_environment
from tests.engines.dspy_endpoint import (
    CHILD,
    EndpointServer,
    ScriptedEndpoint,
    endpoint_server,
    listening,
    scripted_endpoint,
)
from tests.engines.dspy_runs import SERVICE_TOKEN as TOKEN
from tests.engines.dspy_runs import program_server

QUESTION = {"role": "user", "content": "What is ice?"}


@dataclass
class Served:
    address: str
    endpoint: ScriptedEndpoint
    runs: Path

    def client(self, token: str = TOKEN) -> httpx.Client:
        return httpx.Client(base_url=self.address, headers={"authorization": f"Bearer {token}"}, timeout=60)

    def chat(self, messages: list[dict[str, Any]] | None = None, **more: Any) -> httpx.Response:
        with self.client() as client:
            body = {"model": "run-r1", "messages": messages or [QUESTION], **more}
            return client.post("/v1/chat/completions", json=body)


def leave_program(folder: Path, base_url: str, persona: Persona | None = None) -> None:
    """A program with two demonstrations, as a finished run leaves it."""
    import dspy

    persona = persona or Persona("none")
    module = program.StudentSimulationModel(persona)
    module.chain.predict.demos = [
        dspy.Example(conversation_history="(start)", teacher_prompt=f"Q{n}", reasoning="Hm.", student_response=f"A{n}!")
        for n in range(2)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    serving = program.Serving("gpt-4o-mini", base_url, 0.7, 300)
    program.save(program.dump(module, persona, serving), folder)


@pytest.fixture(scope="module")
def endpoints() -> Iterator[EndpointServer]:
    with endpoint_server() as server:
        yield server


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    with listening(program_server(runs).app()) as address:
        yield address


@pytest.fixture
def served(address: str, endpoints: EndpointServer, runs: Path) -> Served:
    for folder in runs.iterdir():
        shutil.rmtree(folder)
    served = Served(address, endpoints.new_endpoint(), runs)
    leave_program(runs / "r1", served.endpoint.url)
    return served


def frames(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_only_what_the_child_says_is_streamed(served: Served) -> None:
    response = served.chat(stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.rstrip().endswith("data: [DONE]")
    chunks = frames(response)
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"]]
    assert "".join(pieces) in CHILD and sum(map(bool, pieces)) > 2
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"


def test_usage_is_the_providers_own_over_all_calls(served: Served) -> None:
    usage = frames(served.chat(stream=True, stream_options={"include_usage": True}))[-1]["usage"]
    totals = served.endpoint.totals
    assert usage["prompt_tokens"] == totals["input"] and usage["completion_tokens"] == totals["output"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == totals["cached"] > 0
    assert usage["total_tokens"] == totals["input"] + totals["output"]
    assert "usage" not in served.chat(stream=True).text


def test_a_whole_answer_has_the_same_words_and_usage(served: Served) -> None:
    body = served.chat().json()
    assert body["object"] == "chat.completion" and body["model"] == "run-r1"
    assert body["choices"][0]["message"]["content"] in CHILD
    assert body["usage"]["prompt_tokens"] == served.endpoint.totals["input"]


def test_the_conversation_is_laid_out_as_the_examples_were(served: Served) -> None:
    said = [
        {"role": "system", "content": "You are Ben."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hey"},
    ]
    served.chat([*said, QUESTION], temperature=0.0, max_tokens=5)
    sent = served.endpoint.requests[-1]
    assert "Teacher: Hi\nStudent: Hey" in sent["messages"][-1]["content"]
    assert "What is ice?" in sent["messages"][-1]["content"]
    assert "Ben" not in json.dumps(sent)  # the program was trained without a persona
    assert [message["role"] for message in sent["messages"]] == ["system", *["user", "assistant"] * 2, "user"]
    assert sent["temperature"] == 0.7 and 300 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))


def test_a_program_of_many_personas_takes_the_chats_own(served: Served) -> None:
    leave_program(served.runs / "r2", served.endpoint.url, Persona("history", "You are Mia."))
    served.chat([QUESTION], model="run-r2")
    assert "About the student: You are Mia." in served.endpoint.requests[-1]["messages"][-1]["content"]
    served.chat([{"role": "system", "content": "You are Ben."}, QUESTION], model="run-r2")
    assert "About the student: You are Ben." in served.endpoint.requests[-1]["messages"][-1]["content"]


def test_the_same_question_is_asked_anew_each_time(served: Served) -> None:
    served.chat()
    served.chat()
    assert served.endpoint.totals["calls"] == 2


def test_a_program_trained_again_is_loaded_again(served: Served) -> None:
    served.chat()
    leave_program(served.runs / "r1", served.endpoint.url, Persona("instructions", "You are Zoe."))
    served.chat()
    assert "Zoe" in served.endpoint.requests[-1]["messages"][0]["content"]


def test_models_are_the_programs_there_are(served: Served) -> None:
    (served.runs / "half-done").mkdir()
    with served.client() as client:
        assert [one["id"] for one in client.get("/v1/models").json()["data"]] == ["run-r1"]
        assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("model", ["run-absent", "gpt-4o", "run-../r1", "run-", "run-r1/..", ""])
def test_an_unknown_model_is_404_and_calls_nobody(served: Served, model: str) -> None:
    response = served.chat(model=model)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
    assert served.endpoint.totals["calls"] == 0


@pytest.mark.parametrize("token", ["wrong", TOKEN + "x", "ü"])
def test_without_the_token_nothing_is_answered(served: Served, token: str) -> None:
    headers = {b"authorization": f"Bearer {token}".encode()}
    with httpx.Client(base_url=served.address, timeout=60) as client:
        assert client.get("/v1/models").status_code == 401
        for response in (
            client.get("/v1/models", headers=headers),
            client.post("/v1/chat/completions", json={"model": "run-r1", "messages": [QUESTION]}, headers=headers),
        ):
            assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
        assert client.get("/healthz").status_code == 200
    assert served.endpoint.totals["calls"] == 0


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"\xff", b"[]", b'{"model": "run-r1", "messages": []}', b'{"model": "run-r1"}',
        b'{"model": "run-r1", "messages": [{"role": "assistant", "content": "x"}]}',
        b'{"model": "run-r1", "messages": [{"role": "robot", "content": "x"}]}',
    ],
)  # fmt: skip
def test_a_request_out_of_shape_is_400(served: Served, body: bytes) -> None:
    with served.client() as client:
        response = client.post("/v1/chat/completions", content=body)
    assert response.status_code == 400 and response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("status", "code"), [(401, "provider_auth"), (403, "provider_forbidden"), (429, "rate_limited")]
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_keeps_the_providers_status(served: Served, status: int, code: str, stream: bool) -> None:
    served.endpoint.status = status
    response = served.chat(stream=stream)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert "scripted refusal" in response.json()["error"]["message"]
    assert served.endpoint.totals["calls"] == 1


def test_a_break_in_the_middle_is_an_error_frame(served: Served) -> None:
    served.endpoint.break_after_chunks = 23
    response = served.chat(stream=True, stream_options={"include_usage": True})
    chunks = frames(response)
    assert response.status_code == 200 and "[DONE]" not in response.text
    assert chunks[0]["choices"][0]["delta"]["content"]
    assert chunks[-1]["error"]["code"] == "provider_error" and "scripted break" in chunks[-1]["error"]["message"]


def test_answers_out_of_format_are_an_error_that_tells_its_cost(served: Served) -> None:
    served.endpoint.garbage = True
    response = served.chat(stream=True)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "answer_out_of_format")
    assert response.json()["usage"]["prompt_tokens"] == served.endpoint.totals["input"] > 0


def test_a_client_who_leaves_stops_the_provider(served: Served) -> None:
    served.endpoint.pause_after_chunks = 23
    with (
        served.client() as client,
        client.stream(
            "POST", "/v1/chat/completions", json={"model": "run-r1", "messages": [QUESTION], "stream": True}
        ) as response,
    ):
        assert next(response.iter_text())
    assert served.endpoint.left.wait(60)
    assert served.endpoint.totals["closed_early"] == 1


def test_a_client_who_leaves_before_the_first_word_stops_the_provider(served: Served) -> None:
    served.endpoint.pause_after_chunks = 1

    async def leave() -> None:
        body = {"model": "run-r1", "messages": [QUESTION], "stream": True}
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=served.address, headers=headers, timeout=60) as client:
            task = asyncio.create_task(client.post("/v1/chat/completions", json=body))
            await asyncio.to_thread(served.endpoint.paused.wait, 60)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(leave())
    assert served.endpoint.left.wait(60)


def test_twenty_people_at_once_get_their_own_answers(served: Served) -> None:
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        response = served.chat([{"role": "user", "content": f"Question {number}"}])
        answers[number] = response.json()["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    alone = {number: served.chat([{"role": "user", "content": f"Question {number}"}]).json() for number in range(20)}
    assert answers == {number: body["choices"][0]["message"]["content"] for number, body in alone.items()}
    assert len(set(answers.values())) > 1


def test_a_class_that_asks_at_once_does_not_wait_for_each_other(served: Served) -> None:
    served.endpoint.hold = threading.Event()
    served.endpoint.crowd_of = 150

    async def ask_all() -> list[int]:
        limits = httpx.Limits(max_connections=200)
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=served.address, headers=headers, timeout=120, limits=limits) as client:
            body = {"model": "run-r1", "messages": [QUESTION], "stream": True}
            asked = [asyncio.create_task(client.post("/v1/chat/completions", json=body)) for _ in range(150)]
            arrived = await asyncio.to_thread(served.endpoint.crowd.wait, 120)
            assert served.endpoint.hold is not None
            served.endpoint.hold.set()
            assert arrived, f"only {served.endpoint.totals['calls']} of 150 reached the provider"
            return [(await one).status_code for one in asked]

    assert asyncio.run(ask_all()) == [200] * 150


def test_the_key_goes_only_to_providers_the_server_was_told(tmp_path: Path) -> None:
    leave_program(tmp_path / "r1", "https://collector.example/v1")
    with scripted_endpoint() as endpoint, listening(program_server(tmp_path).app()) as address:
        response = Served(address, endpoint, tmp_path).chat()
    assert (response.status_code, response.json()["error"]["code"]) == (403, "provider_not_allowed")


def test_the_servers_own_provider_address_goes_before_the_programs(tmp_path: Path) -> None:
    leave_program(tmp_path / "r1", "https://collector.example/v1")
    with scripted_endpoint() as endpoint, listening(program_server(tmp_path, base_url=endpoint.url).app()) as address:
        assert Served(address, endpoint, tmp_path).chat().status_code == 200
        assert endpoint.totals["calls"] == 1


def test_without_a_key_our_own_servers_on_this_machine_still_answer(tmp_path: Path) -> None:
    with scripted_endpoint() as endpoint:
        endpoint.key = TOKEN
        leave_program(tmp_path / "r1", endpoint.url)
        leave_program(tmp_path / "r2", serve.OPENAI)
        with listening(program_server(tmp_path, api_key="").app()) as address:
            here = Served(address, endpoint, tmp_path)
            assert here.chat().status_code == 200
            response = here.chat(model="run-r2")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_provider_key")


def test_a_broken_program_file_is_named(served: Served) -> None:
    (served.runs / "r1" / "program.json").write_text('{"schema": 1}')
    response = served.chat()
    assert (response.status_code, response.json()["error"]["code"]) == (500, "bad_program")


@pytest.mark.engine
def test_the_server_will_not_start_without_a_token(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "dspy_program.serve", "--port", "0", "--runs-root", str(tmp_path)]
    ended = subprocess.run(command, env=engine_environment(), capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1 and "SERVICE_TOKEN" in ended.stderr
