"""What a method is, told once by its folder: a fourth one is a folder that registers one object."""

import dataclasses

import pytest

from teams.models import Method
from training import methods


def test_every_method_that_a_run_can_have_is_registered() -> None:
    assert methods.names() == sorted(Method.values)


def test_what_runs_leave_behind_and_how_they_are_measured() -> None:
    lora, dspy, openai = (methods.get(name) for name in ("lora", "dspy", "openai"))
    assert lora.artifacts == ("adapter", "result.json")
    assert dspy.artifacts == ("program.json", "result.json")
    assert openai.artifacts == ("result.csv", "train.jsonl", "validation.jsonl", "result.json")
    assert [one.is_program for one in (lora, dspy, openai)] == [False, True, False]
    assert [one.leaves_adapter for one in (lora, dspy, openai)] == [True, False, False]
    assert [one.kept_by_provider for one in (lora, dspy, openai)] == [False, False, True]
    assert [one.borrows_bases for one in (lora, dspy, openai)] == [False, True, True]
    assert (dspy.measured_in, dspy.higher_is_better) == ("score on held-out dialogues", True)
    assert {one.measured_in for one in (lora, openai)} == {"validation loss"}


def test_an_unknown_method_is_refused_in_a_sentence() -> None:
    with pytest.raises(methods.UnknownMethod, match="No method is called 'magic'; there are dspy, lora, openai"):
        methods.get("magic")


def test_two_methods_of_one_name_are_refused() -> None:
    another = dataclasses.replace(methods.get("lora"), artifacts=())
    with pytest.raises(ValueError, match="Two methods are called 'lora'"):
        methods.register(another)
    assert methods.get("lora").artifacts
