"""Runs ready to be queued, a stand-in for the engines, and a hand that plays the worker."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from datasets.models import DatasetVersion
from teams.models import Method, Team, User
from tests import factories
from tests.scripted_provider import server as scripted
from tests.storage.conftest import kept_on, s3  # noqa: F401  # fixtures of this folder too
from training.models import BaseModel, TrainingRun
from training.services.launch import launch

STUB = Path(__file__).with_name("engine_stub")
SETTINGS: dict[Method, dict[str, Any]] = {
    Method.LORA: {"validation_fraction": 0.2, "epochs": 2, "rank": 8},
    Method.DSPY: {
        "validation_fraction": 0.2,
        "optimizer": "BootstrapFewShot",
        "max_calls": 50,
        "max_bootstrapped_demos": 2,
        "max_labeled_demos": 2,
        "max_tokens": 200,
    },
    Method.OPENAI: {
        "validation_fraction": 0.1,
        "n_epochs": 2,
        "batch_size": "auto",
        "learning_rate_multiplier": "auto",
    },
}

Launch = Callable[..., TrainingRun]


@pytest.fixture(autouse=True)
def real_queue(redis_server: str) -> None:
    """Every test of this app has the queue that it would have in life."""


@pytest.fixture
def stub_engines(settings: Any) -> None:
    settings.ENGINES_ROOT = STUB


@pytest.fixture
def version(team: Team) -> DatasetVersion:
    return factories.make_dataset_version(team, factories.child_rows(20))


@pytest.fixture
def start(team: Team, member: User, version: DatasetVersion, settings: Any) -> Launch:
    """Launch a run of Maple's, as where a provider is configured; `settings` are added to the method's usual ones."""
    settings.RUN_LEASE_SECONDS = 3600  # a test's open transaction keeps heartbeats out, however long its run takes

    def make(method: Method = Method.LORA, **changes: Any) -> TrainingRun:
        settings.HAS_PROVIDER, settings.OPENAI_API_KEY = True, settings.OPENAI_API_KEY or scripted.KEY
        chosen = BaseModel.objects.filter(method=method, rehearsal=False)
        values: dict[str, Any] = {
            "team": team,
            "person": member,
            "method": method,
            "base_model": chosen.earliest("id"),
            "dataset_version": version,
            "settings": SETTINGS[method] | changes.pop("settings", {}),
            "seed": 17,
            "name": "A try",
        }
        return launch(**(values | changes))

    return make


@pytest.fixture(scope="session")
def provider_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[scripted.ScriptedProvider]:
    state = tmp_path_factory.mktemp("provider")
    with scripted.started(state, "--allow-faults", "--job-seconds", "100") as running:
        deadline = time.monotonic() + 30
        while True:
            try:
                running.web.get("/healthz").raise_for_status()
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline, "the scripted provider does not answer"
                time.sleep(0.05)
        yield running


@pytest.fixture
def provider(provider_process: scripted.ScriptedProvider, settings: Any) -> scripted.ScriptedProvider:
    """The scripted provider without faults. Its jobs take 100 s of its clock: `faults(clock_ahead=…)` moves that on."""
    provider_process.faults(reset=True)
    settings.OPENAI_BASE_URL = f"{provider_process.url}/v1"
    return provider_process
