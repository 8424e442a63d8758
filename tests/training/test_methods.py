"""What a method is, told once by its folder: a fourth one is a folder that registers one object."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teams.models import Method
from tests.evaluation.conftest import make_run
from training import methods
from training.models import RunStatus, TrainingRun
from training.services import finish, learning_curve, progress, run_disk

ECHO = '''
"""A bot that says what was said: it learns nothing, and leaves one text."""

from training.methods import TrainingMethod, register

register(
    TrainingMethod(
        name="echo",
        artifacts=("echo.txt",),
        measured_in="share of words said again",
        higher_is_better=True,
        keeps_rows_back=False,
        progress_unit="words",
    )
)
'''


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[methods.TrainingMethod]:
    """A fourth folder, found as the three are; gone again after the test."""
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "__init__.py").write_text(ECHO)
    monkeypatch.setattr(methods, "_registered", dict(methods._registered))
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    methods.load()
    yield methods.get("echo")
    sys.modules.pop("training.methods.echo")


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
    with pytest.raises(ValueError, match="Two methods are called 'lora'"):
        methods.register(methods.TrainingMethod(name="lora", artifacts=()))
    assert methods.get("lora").artifacts


def test_a_fourth_method_is_one_folder(team: Any, echo: methods.TrainingMethod) -> None:
    """Files, progress, why there is no learning curve, disk: nobody there needs a line for it.

    Its form, estimate and charge still do, and the `Method` of a run's row.
    """
    run: Any = make_run(team, Method.LORA)
    run.method = "echo"
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "echo.txt").write_text("hello")
    (run.folder / "adapter").mkdir(exist_ok=True)
    (run.folder / "adapter" / "weights").write_text("not its own")
    assert [one.path for one in finish.collect_artifacts(run)] == ["echo.txt"]
    running = TrainingRun(method="echo", status=RunStatus.RUNNING, step=3, total_steps=9)
    assert progress.headline(running) == "3 of 9 words"
    assert learning_curve._why_not(run) == ""
    assert not echo.is_program
    assert run.program is None
    assert run_disk.estimate(run.dataset_version, run.method, run.base_model, run.settings) > 0
