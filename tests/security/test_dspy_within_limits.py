"""DSPy by itself: an optimiser's calls, and how long a saved program's prompt is, stay within what was priced."""

import json
from pathlib import Path
from typing import Any, Literal

import dspy
import pytest
from dspy_program import confining, optimizers, program, tokens
from dspy_program.examples import Persona
from dspy_program.failure import EngineFailure
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engines.dspy_runs import PRICES, dspy_run
from tests.security.recording_provider import Recorder, answered_of, asked_of
from training.forms.dspy import OPTIMIZERS
from training.services.calls.program_prompt import most_tokens

pytestmark = pytest.mark.timeout(300)
CAP = 6_000  # micro-dollars


def cost(recorder: Recorder) -> float:
    asked = sum(map(asked_of, recorder.requests)) * PRICES["input"]
    return (asked + sum(map(answered_of, recorder.requests)) * PRICES["output"]) / 10**6


def test_an_optimisation_sends_what_was_priced(recorders: Any, tmp_path: Path) -> None:
    """MIPROv2 asks for instructions and for many answers; the recorder bills each at its most, so the cap trips."""
    recorder = recorders.new()
    chosen = {"optimizer": "MIPROv2", "max_calls": 60, "max_tokens": 200, "num_threads": 2}
    run = dspy_run(tmp_path / "run", recorder, settings=chosen, max_cost_microdollars=CAP)
    run.finish()
    assert run.code == 0 and len(recorder.requests) > 10, (run.events, run.log)
    for body in recorder.requests:
        assert body["model"] == "gpt-4o-mini" and body.get("n") in (None, 1)
        assert answered_of(body) <= optimizers.longest_answer("gpt-4o-mini", 200)
        assert not {"tools", "service_tier", "logprobs", "reasoning_effort"} & set(body)
    assert len(recorder.requests) <= 60
    assert cost(recorder) <= CAP


def request(**config: Any) -> Any:
    from dspy import lm15

    message = lm15.Message.user("What is ice?")
    return lm15.Request(model="openai/gpt-5-pro", messages=(message,), config=lm15.Config(**config))


def test_what_an_optimiser_may_ask_of_the_engine_is_cut_to_what_was_priced() -> None:
    from dspy import lm15

    asked = request(
        max_tokens=100_000, temperature=0.3, service_tier="priority", logprobs=20, extensions={"n": 7},
        reasoning=lm15.Reasoning(effort="high"), store=True,
    )  # fmt: skip
    sent = confining.confined(asked, model="gpt-4o-mini", max_tokens=300)
    assert (sent.model, sent.config.max_tokens, sent.config.temperature) == ("openai/gpt-4o-mini", 300, 0.3)
    assert sent.config == lm15.Config(max_tokens=300, temperature=0.3)
    assert confining.confined(request(), model="m", max_tokens=300).config.max_tokens == 300, "never without a limit"


@pytest.mark.parametrize("kind", ["ImagePart", "AudioPart", "DocumentPart"])
def test_nothing_but_text_leaves(kind: str) -> None:
    from dspy import lm15

    part = getattr(lm15, kind)(url="https://example.test/a")
    asked = lm15.Request(model="openai/m", messages=(lm15.Message(role="user", parts=(part,)),))
    with pytest.raises(EngineFailure, match="other than text"):
        confining.confined(asked, model="m", max_tokens=300)


texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=200
)
demos = st.lists(
    st.fixed_dictionaries(
        {"teacher_prompt": texts, "student_response": texts}, optional={"conversation_history": texts, "reasoning": texts}
    ),
    max_size=5,
)  # fmt: skip


class Catching:
    """Stands where the provider would be and keeps the request."""

    def complete(self, request: Any) -> Any:
        self.request = request
        raise RuntimeError("caught")


@settings(max_examples=40)
@given(instructions=texts, shown=demos, asked=texts, persona=st.sampled_from(["none", "history", "instructions"]))
def test_the_prompt_that_dspy_lays_out_is_no_longer_than_what_is_counted(
    instructions: str, shown: list[dict[str, str]], asked: str, persona: Literal["none", "history", "instructions"]
) -> None:
    """So that a program that is honest is always served: what is counted beforehand bounds what is really sent."""
    who = Persona(persona, "" if persona == "none" else "Mia is seven.")
    module = program.StudentSimulationModel(who)
    module.chain.predict.signature = module.chain.predict.signature.with_instructions(instructions)
    module.chain.predict.demos = [dspy.Example(**demo) for demo in shown]
    document = program.dump(module, who, program.Serving("m", "http://x", 0.7, 300))
    engine = Catching()
    lm = program.make_lm(program.Serving("m", "http://x", 0.7, 300), engine, cache=False, num_retries=0)
    with dspy.context(lm=lm, adapter=program.adapter(module.design)), pytest.raises(Exception, match="caught"):
        module(conversation_history="(start)", teacher_prompt=asked)
    sent = confining.confined(engine.request, model="m", max_tokens=300)
    really = tokens.count_request(confining.texts_of(sent), None)
    assert really <= most_tokens(json.dumps(document)) + tokens.count(asked)


def test_the_forms_optimisers_are_the_engines() -> None:
    assert set(OPTIMIZERS) == set(optimizers._BUILDERS)
