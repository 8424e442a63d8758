"""DSPy on a base of this machine: an ordinary chat, asked of the model server and of nobody else."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dspy_program import plain_chat
from dspy_program.design import Design
from dspy_program.examples import NO_HISTORY, format_history
from dspy_program.program import StudentSimulationModel, adapter
from dspy_program.serve import OPENAI

from tests.engines.dspy_endpoint import CHILD, EndpointServer, ScriptedEndpoint, endpoint_server, listening
from tests.engines.dspy_runs import SERVICE_TOKEN, dspy_run, program_server

LOCAL = Design(layout="plain", reasoning=False)


@pytest.fixture(scope="module")
def endpoints() -> Iterator[EndpointServer]:
    with endpoint_server() as server:
        yield server


@pytest.fixture
def endpoint(endpoints: EndpointServer) -> ScriptedEndpoint:
    return endpoints.new_endpoint()


def laid_out(history: str, demos: list[dict[str, Any]] | None = None) -> list[tuple[str, str]]:
    from dspy_program.examples import Persona

    module = StudentSimulationModel(Persona("instructions", "You are Mia."), LOCAL)
    inputs = {"conversation_history": history, "teacher_prompt": "What is ice?"}
    messages = adapter(LOCAL).format(module.chain.signature, demos or [], inputs)
    return [(message["role"], message["content"]) for message in messages]


def test_the_instruction_is_the_system_message_and_the_talk_is_turns() -> None:
    said = laid_out(format_history([("user", "Hi"), ("assistant", "Hey! I am Mia."), ("user", "Look here.")]))
    assert [role for role, _ in said] == ["system", "user", "assistant", "user"]
    assert said[0][1].startswith("Answer the teacher as the second-grade student") and "You are Mia." in said[0][1]
    assert said[1:] == [("user", "Hi"), ("assistant", "Hey! I am Mia."), ("user", "Look here.\nWhat is ice?")]
    assert "[[ ##" not in json.dumps(said)


def test_demonstrations_are_turns_with_what_they_answer() -> None:
    history = format_history([("user", "A?"), ("assistant", "B."), ("user", "C?"), ("assistant", "D.")])
    demos = [
        {"conversation_history": NO_HISTORY, "teacher_prompt": "Is it cold?", "student_response": "Brr, yes!"},
        {"conversation_history": history, "teacher_prompt": "Really?", "student_response": "I think so."},
    ]
    said = laid_out(NO_HISTORY, demos)[1:]
    assert said[:2] == [("user", "Is it cold?"), ("assistant", "Brr, yes!")]
    assert said[2:6] == [("user", "C?"), ("assistant", "D."), ("user", "Really?"), ("assistant", "I think so.")]
    assert said[6:] == [("user", "What is ice?")]


def test_a_persona_of_the_rows_own_stands_in_the_system_message() -> None:
    said = laid_out(format_history([("user", "Hi"), ("assistant", "Hey")], "You are Ben."))
    assert "You are Ben." in said[0][1] and said[1] == ("user", "Hi")


@pytest.mark.parametrize(
    ("answered", "meant"),
    [
        ("It is cold!", "It is cold!"),
        ("  Student: It is cold!\n", "It is cold!"),
        ("It is cold!\nTeacher: Good. Why?\nStudent: Because.", "It is cold!"),
        ("It is cold!\n\nAnd wet.", "It is cold!\n\nAnd wet."),
        ("My teacher: she said so.", "My teacher: she said so."),
        ("Student:", ""),
        ("", ""),
    ],
)
def test_only_what_the_child_says_is_read(answered: str, meant: str) -> None:
    assert plain_chat.spoken(answered) == meant


@pytest.mark.parametrize("seed", range(40))
def test_what_is_shown_while_it_comes_is_never_taken_back(seed: int) -> None:
    rng = random.Random(seed)
    parts = [
        "It is cold!",
        "\n",
        "Teacher",
        ":",
        " ",
        "Student: ",
        "I like snow and ice and my dog.",
        "\n\n",
        "x",
        "user :",
    ]
    text = "".join(rng.choices(parts, k=8))
    stream, shown, place = plain_chat.PlainStream(), "", 0
    while place < len(text):
        size = rng.randint(1, 6)
        shown += stream.feed(text[place : place + size])
        place += size
    assert plain_chat.spoken(text).startswith(shown)


@pytest.mark.engine
def test_a_local_base_learns_from_demonstrations_alone(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run = dspy_run(tmp_path / "run", endpoint, local=True, model="smollm2-135m-instruct").finish()
    result, document = run.result, json.loads((run.folder / "program.json").read_text())
    assert result["metrics"]["after"]["score"] > result["metrics"]["before"]["score"]
    assert result["metrics"]["after"]["failed"] == 0
    assert result["usage"]["busy_seconds"] > 0
    assert document["serving"]["local"] is True
    assert (document["design"]["layout"], document["design"]["reasoning"]) == ("plain", False)
    last = endpoint.requests[-1]
    roles = [message["role"] for message in last["messages"]]
    assert last["model"] == "smollm2-135m-instruct"
    assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"] and len(roles) > 4
    assert "[[ ##" not in json.dumps(endpoint.requests)


@pytest.mark.engine
@pytest.mark.parametrize("chosen", [{"optimizer": "GEPA"}, {"optimizer": "MIPROv2"}, {"judge": "model"}])
def test_what_a_small_model_cannot_do_is_refused(
    chosen: dict[str, Any], endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run = dspy_run(tmp_path / "run", endpoint, local=True, settings=chosen).finish()
    assert run.failed["code"] == "bad_spec" and "only demonstrations" in run.failed["message"]
    assert endpoint.totals["calls"] == 0


@pytest.mark.engine
def test_a_model_server_that_is_away_is_named(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run = dspy_run(tmp_path / "run", endpoint, local=True, base_url="http://127.0.0.1:9/v1").finish()
    assert run.failed["code"] == "provider_unreachable" and "model server on this machine" in run.failed["message"]


def leave_local_program(folder: Path, base_url: str) -> None:
    from dspy_program import program
    from dspy_program.examples import Persona

    module = StudentSimulationModel(Persona("none"), LOCAL)
    module.chain.demos = [{"conversation_history": NO_HISTORY, "teacher_prompt": "Q", "student_response": "A!"}]
    folder.mkdir(parents=True)
    serving = program.Serving("smollm2-135m-instruct", base_url, 0.7, 80, local=True)
    program.save(program.dump(module, Persona("none"), serving), folder)


def ask(address: str, stream: bool = False) -> httpx.Response:
    body = {"model": "run-r1", "messages": [{"role": "user", "content": "What is ice?"}], "stream": stream}
    headers = {"authorization": f"Bearer {SERVICE_TOKEN}"}
    return httpx.post(f"{address}/v1/chat/completions", json=body, headers=headers, timeout=60)


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_goes_to_the_model_server_without_the_providers_key(
    stream: bool, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.key = SERVICE_TOKEN  # the endpoint answers 401 to any other
    leave_local_program(tmp_path / "r1", "http://127.0.0.1:9/v1")
    server = program_server(tmp_path, api_key="sk-real", base_url=OPENAI, model_server=endpoint.url)
    with listening(server.app()) as address:
        answer = ask(address, stream)
    assert answer.status_code == 200, answer.text
    if stream:
        frames = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        said = "".join(frame["choices"][0]["delta"].get("content", "") for frame in frames if frame["choices"])
    else:
        said = answer.json()["choices"][0]["message"]["content"]
    assert said in CHILD
    assert endpoint.requests[-1]["messages"][1:3] == [
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "A!"},
    ]


def test_a_local_program_that_names_another_machine_is_refused(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    leave_local_program(tmp_path / "r1", "https://collector.example/v1")
    with listening(program_server(tmp_path).app()) as address:
        answer = ask(address)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "provider_not_allowed")
