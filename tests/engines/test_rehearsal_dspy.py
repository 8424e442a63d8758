"""The rehearsal answers DSPy's requests in full, and gives its optimisers something to optimise."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import dspy
import pytest
from dspy.teleprompt.simba_utils import OfferFeedback
from gepa.strategies.instruction_proposal import InstructionProposalSignature

from tests.engines.rehearsal_server import BASE, KEY, Rehearsal, child_rows, started

DEMOS = [
    dspy.Example(
        conversation_history="",
        teacher_prompt=one["messages"][1]["content"],
        student_response=one["messages"][2]["content"],
    ).with_inputs("conversation_history", "teacher_prompt")
    for one in child_rows(48)
]
HELD_OUT = [
    dspy.Example(
        conversation_history="", teacher_prompt=f"Tell me what you remember of {topic}.", student_response=told
    )
    for topic, told in (
        ("ice", "It turns into ice! I saw it in my freezer."),
        ("frogs", "Um, first it is a tadpole. Then it gets legs!"),
        ("magnets", "Magnets stick to the fridge! My mom has a cat one."),
        ("bears", "Bears sleep all winter! I wish I could do that."),
    )
]


class StudentResponse(dspy.Signature):  # type: ignore[misc]  # dspy carries no types
    """Given the conversation, answer the teacher."""

    conversation_history: str = dspy.InputField()
    teacher_prompt: str = dspy.InputField()
    student_response: str = dspy.OutputField()


class Judgement(dspy.Signature):  # type: ignore[misc]  # dspy carries no types
    """Judge how well a student's answer sounds like a second-grader."""

    teacher_prompt: str = dspy.InputField()
    student_response: str = dspy.InputField()
    reasoning: str = dspy.OutputField()
    score: float = dspy.OutputField(desc="from 0 to 1")
    stars: int = dspy.OutputField(desc="1 to 5 stars")
    childlike: bool = dspy.OutputField()
    label: Literal["child", "adult"] = dspy.OutputField()
    strengths: list[str] = dspy.OutputField()


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with started(tmp_path_factory.mktemp("dspy"), "--job-seconds", "0", "--token-delay-ms", "0") as running:
        yield running


@pytest.fixture(scope="module")
def model(rehearsal: Rehearsal) -> dspy.LM:
    return dspy.LM(f"openai/{BASE}", api_base=f"{rehearsal.url}/v1", api_key=KEY, cache=False, temperature=0)


def ask(model: dspy.LM, program: Any, adapter: Any = None, **inputs: Any) -> Any:
    with dspy.context(lm=model, adapter=adapter or dspy.ChatAdapter()):
        return program(**inputs)


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(use_json_adapter_fallback=False), dspy.JSONAdapter()])
def test_the_guides_module_gets_its_reasoning_and_response(model: dspy.LM, adapter: Any) -> None:
    program = dspy.ChainOfThought(StudentResponse)
    made = ask(model, program, adapter, conversation_history="", teacher_prompt="What is 7 + 6?")
    assert "7" in made.reasoning
    assert "13" in made.student_response
    assert "[[" not in made.student_response


def test_every_type_of_field_is_filled_and_parses(model: dspy.LM) -> None:
    judge = dspy.Predict(Judgement)
    child = ask(model, judge, teacher_prompt="What is ice?", student_response="Um, ice is cold! I like it.")
    adult = ask(
        model,
        judge,
        teacher_prompt="What is ice?",
        student_response="As an AI language model, I can state that ice constitutes the crystalline modification of water.",
    )
    assert child.score > 0.5 > adult.score == 0
    assert 1 <= adult.stars < child.stars <= 5
    assert (child.childlike, adult.childlike) == (True, False)
    assert (child.label, adult.label) == ("child", "adult")
    assert isinstance(child.strengths, list)


def overlap(example: Any, made: Any, _trace: Any = None) -> float:
    left, right = (set(re.findall(r"\w+", text.lower())) for text in (example.student_response, made.student_response))
    return len(left & right) / len(left | right)


def score(model: dspy.LM, program: Any) -> float:
    made = [ask(model, program, conversation_history="", teacher_prompt=one.teacher_prompt) for one in HELD_OUT]
    return sum(overlap(one, answer) for one, answer in zip(HELD_OUT, made, strict=True)) / len(HELD_OUT)


def test_demonstrations_raise_the_likeness_to_the_reference(model: dspy.LM) -> None:
    scores = []
    for count in (0, 6, 24):
        program = dspy.Predict(StudentResponse)
        program.demos = DEMOS[:count]
        scores.append(score(model, program))
    assert scores[0] < scores[1] < scores[2]


def test_a_better_instruction_gives_a_plainer_answer(model: dspy.LM) -> None:
    def length(instructions: str) -> int:
        program = dspy.Predict(StudentResponse.with_instructions(instructions))
        questions = ("What is a shadow?", "Why does it rain?", "What is a magnet?", "What is 4 + 3?")
        made = [ask(model, program, conversation_history="", teacher_prompt=question) for question in questions]
        return sum(len(answer.student_response.split()) for answer in made)

    vague = length("Answer the teacher.")
    good = length("You are a second-grade student. Use simple words and short sentences. Never sound like an adult.")
    assert good < 0.75 * vague


def test_bootstrap_raises_the_score_on_held_out_questions(model: dspy.LM) -> None:
    before = score(model, dspy.Predict(StudentResponse))
    optimiser = dspy.BootstrapFewShot(
        metric=lambda *given: overlap(*given) > 0.2, max_bootstrapped_demos=4, max_labeled_demos=16
    )
    with dspy.context(lm=model, adapter=dspy.ChatAdapter()):
        better = optimiser.compile(dspy.Predict(StudentResponse), trainset=DEMOS[:24:2])
    assert score(model, better) > before + 0.1


def test_miprov2_and_gepa_get_varied_instructions_to_propose(rehearsal: Rehearsal) -> None:
    class Propose(dspy.Signature):  # type: ignore[misc]  # dspy carries no types
        """Generate a new instruction that will be used to prompt a Language Model to better solve the task."""

        task_demos: str = dspy.InputField()
        basic_instruction: str = dspy.InputField()
        tip: str = dspy.InputField()
        proposed_instruction: str = dspy.OutputField()

    hot = dspy.LM(f"openai/{BASE}", api_base=f"{rehearsal.url}/v1", api_key=KEY, cache=False, temperature=1.0)
    shown = "Teacher Prompt: What is ice?\nStudent Response: Um, it is cold! I saw it in my freezer."
    made = {
        ask(hot, dspy.Predict(Propose), task_demos=shown, basic_instruction="Answer.", tip="").proposed_instruction
        for _ in range(8)
    }
    assert len(made) > 3
    assert all("[[" not in one and len(one) > 20 for one in made)
    prompt = InstructionProposalSignature.prompt_renderer(
        {
            "current_instruction_doc": "Answer.",
            "dataset_with_feedback": [{"Inputs": {"q": "What is ice?"}, "Feedback": "Too long"}],
        }
    )
    new = InstructionProposalSignature.output_extractor(rehearsal.ask(BASE, str(prompt)))["new_instruction"]
    assert "`" not in new
    assert len(new) > 20


def test_simba_gets_advice_for_each_module(model: dspy.LM) -> None:
    inputs = {name: "1.0" if "value" in name else "Student Response: Um, yes!" for name in OfferFeedback.input_fields}
    made = ask(model, dspy.Predict(OfferFeedback), **{**inputs, "module_names": ["predict", "second"]})
    assert set(made.module_advice) == {"predict", "second"}
    assert made.discussion


def test_a_json_schema_is_followed(rehearsal: Rehearsal) -> None:
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string"}, "stars": {"type": "integer"}, "sure": {"type": "boolean"}},
    }
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    value = json.loads(rehearsal.ask(BASE, "What is 4 + 3?", response_format=wanted))
    assert "7" in value["answer"]
    assert (type(value["stars"]), type(value["sure"])) == (int, bool)
    free = json.loads(rehearsal.ask(BASE, "What is 4 + 3? In JSON.", response_format={"type": "json_object"}))
    assert "7" in free["answer"]


def test_a_conversation_so_far_is_followed_up(model: dspy.LM) -> None:
    program = dspy.Predict(StudentResponse)
    program.demos = DEMOS[:24:2]
    made = ask(
        model,
        program,
        conversation_history="Teacher: What do you know about frogs?\nStudent: They are green.",
        teacher_prompt="Why?",
    )
    assert "tadpole" in made.student_response
