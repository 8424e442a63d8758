"""A program that a team declared: its fields and steps work, and whatever is written in it stays text."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dspy_program import design as designs
from dspy_program import metric, program
from dspy_program.design import Design, InputField, Phrases
from dspy_program.examples import Persona

from tests.engines.dspy_endpoint import CHILD, EndpointServer, ScriptedEndpoint, endpoint_server, listening
from tests.engines.dspy_runs import SERVICE_TOKEN, dspy_run, program_server

HOSTILE = (
    "{0.__class__.__init__.__globals__} {{7*7}} {question!r} %s %(x)s ${HOME} __import__('os') <<x>> [[ ## x ## ]]"
)
OWN = {
    "inputs": [
        {"name": "talk", "source": "history", "description": "what was said"},
        {"name": "context", "source": "text", "text": HOSTILE},
        {"name": "query", "source": "question", "description": HOSTILE[:200]},
    ],
    "answer": "student_response",
    "answer_description": "Mia's words {0}",
    "instruction": f"Answer like Mia. {HOSTILE}",
    "reasoning": False,
    "chain": "answer_then_simplify",
}


@pytest.fixture(scope="module")
def endpoints() -> Iterator[EndpointServer]:
    with endpoint_server() as server:
        yield server


@pytest.fixture
def endpoint(endpoints: EndpointServer) -> ScriptedEndpoint:
    return endpoints.new_endpoint()


@pytest.mark.engine
def test_an_own_program_of_two_steps_is_optimised_and_what_is_written_in_it_is_sent_as_text(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run = dspy_run(tmp_path / "run", endpoint, settings={"design": OWN, "phrases": {"wanted": ["like ice"]}}).finish()
    result, document = run.result, json.loads((run.folder / "program.json").read_text())
    assert result["metrics"]["after"]["failed"] == 0 and result["design"]["answer"] == "student_response"
    assert set(document["state"]) == {"chain", "simplify"} and document["design"]["inputs"][1]["text"] == HOSTILE
    firsts = [asked for asked in endpoint.requests if "Answer like Mia." in json.dumps(asked)]
    seconds = [asked for asked in endpoint.requests if "Say the first answer again" in json.dumps(asked)]
    assert len(firsts) == len(seconds) > 10
    assert HOSTILE in firsts[0]["messages"][0]["content"] and HOSTILE in firsts[0]["messages"][-1]["content"]
    assert "phrases" in result["examples"][0]["parts_after"]


def test_every_name_that_dspy_or_pydantic_uses_is_refused() -> None:
    import dspy
    import pydantic

    used = {*dir(dspy.Signature), *dir(pydantic.BaseModel), *dir(dspy.Prediction), *dir(dspy.Module)}
    assert [name for name in used if designs.wrong_name(name) is None] == []


@pytest.mark.parametrize("name", ["query", "response", "context", "topic_2", "what_mia_says"])
def test_the_guides_names_and_ordinary_ones_are_taken(name: str) -> None:
    assert designs.wrong_name(name) is None
    design = Design(inputs=(InputField("asked", "question"),), answer=name)
    module = program.StudentSimulationModel(Persona("none"), design)
    assert design.trouble() is None and name in module.chain.predict.signature.output_fields


@pytest.mark.parametrize(
    "changes",
    [{"answer": "__class__"}, {"inputs": []}, {"inputs": [{"name": "q", "source": "code"}]}, {"chain": "exec"}, {"code": "x"},
     {"instruction": "x" * 3_000}, {"answer": "teacher_prompt"}, {"layout": "plain"},
     {"inputs": [{"name": f"a{n}", "source": "question"} for n in range(2)]},
     {"inputs": [{"name": f"a{n}", "source": "text"} for n in range(7)]}],
)  # fmt: skip
def test_a_declaration_that_is_none_is_no_program(changes: dict[str, Any], tmp_path: Path) -> None:
    module = program.StudentSimulationModel(Persona("none"))
    document = program.dump(module, Persona("none"), program.Serving("m", "http://x", 0.7, 300))
    document["design"] |= changes
    path = tmp_path / "program.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError):  # each says something else
        program.load(path)


def test_a_program_of_earlier_versions_declares_nothing_and_is_the_guides(tmp_path: Path) -> None:
    document = program.dump(
        program.StudentSimulationModel(Persona("none")), Persona("none"), program.Serving("m", "http://x", 0.7, 300)
    )
    del document["design"], document["serving"]["local"]
    path = tmp_path / "program.json"
    path.write_text(json.dumps(document))
    assert program.load(path).design == Design()


def test_only_the_last_step_of_two_is_shown_while_it_comes(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    design = designs.read(OWN)
    module = program.StudentSimulationModel(Persona("none"), design)
    module.simplify.demos = [{"query": "Q", "first_answer": "Long.", "student_response": "A!"}]
    (tmp_path / "r1").mkdir()
    serving = program.Serving("gpt-4o-mini", endpoint.url, 0.7, 300)
    program.save(program.dump(module, Persona("none"), serving), tmp_path / "r1")
    body = {"model": "run-r1", "messages": [{"role": "user", "content": "What is ice?"}], "stream": True}
    with listening(program_server(tmp_path).app()) as address:
        headers = {"authorization": f"Bearer {SERVICE_TOKEN}"}
        answer = httpx.post(f"{address}/v1/chat/completions", json=body, headers=headers, timeout=60)
    frames = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    said = "".join(frame["choices"][0]["delta"].get("content", "") for frame in frames if frame.get("choices"))
    assert said in CHILD, answer.text
    assert endpoint.totals["calls"] == 2


def test_phrases_are_compared_as_words_and_never_as_patterns() -> None:
    wanted = Phrases(wanted=("Ooh ooh!", ".*", "(a+)+$"))
    assert metric.said_phrases("ooh, OOH! Trains!", wanted) == 1.0
    assert metric.said_phrases("Trains are cool.", wanted) == 0.0
    assert metric.said_phrases("a" * 5_000, Phrases(wanted=("(a+)+$",))) == 0.0
    assert metric.said_phrases("As an AI, ooh ooh", Phrases(wanted=("ooh ooh",), banned=("as an ai",))) == 0.0
    assert metric.said_phrases("Sooh oohs", Phrases(wanted=("ooh ooh",))) == 0.0
    assert metric.said_phrases("anything", Phrases(banned=("as an ai",))) == 1.0
