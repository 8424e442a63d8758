"""Bots of each method, asked through the real program server, at a provider that writes down what reaches it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teams.models import Method, Team
from tests.engines.dspy_endpoint import listening
from tests.engines.dspy_runs import SERVICE_TOKEN, program_server
from tests.engines.test_dspy_serve import leave_program
from tests.evaluation.conftest import make_prices, make_run
from tests.security.recording_provider import Recorder, Recorders, recording
from training.models import TrainingRun
from training.services import finish


@pytest.fixture(scope="session")
def recorders() -> Iterator[Recorders]:
    with recording() as server:
        yield server


@pytest.fixture
def recorder(recorders: Recorders, settings: Any) -> Recorder:
    """Every address that a model is asked at leads here; a program's way goes through the real program server."""
    made = recorders.new()
    settings.MODEL_SERVER_URL = settings.OPENAI_BASE_URL = made.url
    settings.OPENAI_API_KEY, settings.SERVICE_TOKEN = "sk-test", SERVICE_TOKEN
    return made


@pytest.fixture
def programs(recorder: Recorder, settings: Any) -> Iterator[str]:
    """The program server over this test's runs, in front of the recorder."""
    app = program_server(Path(settings.RUNS_ROOT), base_url=recorder.url).app()
    with listening(app) as address:
        settings.PROGRAM_SERVER_URL = f"{address}/v1"
        yield address


def bot(team: Team, method: Method, *, rehearsal: bool = False) -> TrainingRun:
    """A finished run that can be asked; a DSPy one with its program on disk."""
    run = make_run(team, method, rehearsal=rehearsal)
    if method == Method.DSPY:
        leave_program(run.folder, "http://127.0.0.1:1")
        change_program(run, serving={"model": run.base_model.name})
        run.settings = {"max_tokens": 300}
        run.result = {"prompt_tokens": finish.program_prompt_tokens(run.folder)}
        run.save()
    return run


def change_program(run: TrainingRun, *, serving: dict[str, Any] | None = None, **state: Any) -> None:
    """Write what a hostile hand would into the program's file: its serving part, and its predictor's state."""
    path = run.folder / "program.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["serving"] |= serving or {}
    for part in document["state"].values():
        part |= state
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def priced(team: Team) -> Team:
    make_prices(team)
    return team
