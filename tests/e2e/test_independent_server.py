"""The whole OpenAI method against a server that others wrote: `@copilotkit/aimock` from npm, which is no part of this project.

It keeps files, jobs that go on with every look, events and chat, and has no page for a model.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import openai
import pytest

from courseplatform.redis_server import free_port
from datasets.models import DatasetVersion
from teams.models import Dialect, LedgerEntry, Method, PriceKind, Team, User
from teams.services import providers
from teams.services.providers import Wanted
from tests.training.conftest import SETTINGS, version
from training import jobs
from training.models import Missing, RunStatus, TrainingRun
from training.services import provider_models
from training.services.endpoints import endpoint_for
from training.services.launch import launch

__all__ = ["version"]
pytestmark = [pytest.mark.e2e, pytest.mark.django_db, pytest.mark.timeout(600)]

PACKAGE = "@copilotkit/aimock@1.43.0"
INSTALL_SECONDS, START_SECONDS = 240, 60
MODEL, ANSWER = "gpt-4o-mini-2024-07-18", "Um, twelve!"
LOOKS = 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("needs node and npm, which are not installed here")
    folder = tmp_path_factory.mktemp("aimock")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", PACKAGE]
    if subprocess.run(install, cwd=folder, capture_output=True, timeout=INSTALL_SECONDS).returncode:
        pytest.skip(f"needs {PACKAGE} from the npm registry, which cannot be reached")
    script = folder / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    fixtures = folder / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": [{"match": {}, "response": {"content": ANSWER}}]}))
    port = free_port()
    command = [node, str(script), "--port", str(port), "--fixtures", str(fixtures), "--log-level", "warn"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(f"{url}/v1/models", timeout=5).raise_for_status()
            return
        except httpx.TransportError:
            assert process.poll() is None and time.monotonic() < deadline, "aimock does not answer"
            time.sleep(0.1)


def test_a_run_is_made_followed_kept_and_talked_to(
    server: str, team: Team, member: User, instructor: User, version: DatasetVersion, settings: Any, redis_server: str
) -> None:
    settings.PROVIDER_PRIVATE_HOSTS, settings.RUN_LEASE_SECONDS = ["127.0.0.1"], 3600
    wanted = Wanted("Independent", Dialect.OPENAI, server, key="some-key-1")
    provider = providers.add(course=team.course, person=instructor, wanted=wanted)
    kinds = (PriceKind.TRAINING, PriceKind.INPUT, PriceKind.OUTPUT)
    prices = {(trained, kind): 1_000_000 for trained in (False, True) for kind in kinds}
    asked = provider_models.WantedModel(MODEL, MODEL, (Method.OPENAI,), None, "", "a page", date(2026, 1, 1), prices)
    (base,) = provider_models.save(provider=provider, person=instructor, wanted=asked)
    run = launch(
        team=team, person=member, method=Method.OPENAI, base_model=base, dataset_version=version,
        settings=SETTINGS[Method.OPENAI] | {"suffix": "ada"}, seed=17, name="",
    )  # fmt: skip

    jobs.execute_run(run.pk)
    for _ in range(LOOKS):
        jobs.poll_run(run.pk)
    done = TrainingRun.objects.with_related().get(pk=run.pk)

    assert done.status == RunStatus.SUCCEEDED, (done.error_code, done.error_message)
    assert done.result_model.startswith(f"ft:{MODEL}:aimock:ada:")
    assert Missing.PAGE in done.missing, "it has no page for the model, which stops nothing"
    assert LedgerEntry.objects.get().provider == provider.code
    notes = str(list(done.events.filter(kind="note").values_list("data", flat=True)))
    assert "Training started" in notes, "its own events are told"
    bot = endpoint_for(done)
    with openai.OpenAI(base_url=bot.base_url, api_key=bot.api_key) as client:
        said = client.chat.completions.create(model=bot.model, messages=[{"role": "user", "content": "7 + 5?"}])
    assert said.choices[0].message.content == ANSWER
