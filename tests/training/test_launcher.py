"""The launcher starts an engine, passes on what it says, lets it see only what it may, and always ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import STUB
from training import launcher
from training.launcher import Engine, Event

SPEC = {"seed": 1, "settings": {}, "sample_questions": ["What is 15 + 8?"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_spec(tmp_path, "works")
    return tmp_path


def write_spec(folder: Path, kind: str) -> None:
    (folder / "spec.json").write_text(json.dumps(SPEC | {"settings": {"stub": kind}}))


def engine(folder: Path, **options: Any) -> Engine:
    """One that leaves when it is asked to has all the time it needs for that."""
    return Engine("lora.train", folder, engines=STUB, **options)


def said(running: Engine) -> list[Event]:
    return [event for event in running.events(tick=0.05) if event is not None]


def until(running: Engine, name: str) -> None:
    for event in running.events(tick=0.05):
        if event is not None and event["event"] == name:
            return
    pytest.fail(f"the engine ended without saying {name}")


def living(pid: int) -> bool:
    return launcher._started(pid) != "gone"


def test_what_the_engine_says_comes_in_order_and_its_log_is_kept(folder: Path) -> None:
    with engine(folder) as running:
        events = said(running)

    assert [event["event"] for event in events if event["event"] != "calls"] == [
        "started", "sample", "step", "step", "step", "step", "validation", "score", "done",
    ]  # fmt: skip
    assert running.exit_code == 0
    assert "attempt 1 of works" in (folder / "engine.log").read_text()


def test_an_engine_sees_only_what_is_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("SECRET_KEY", "secret")
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    monkeypatch.setenv("HF_HOME", "/somewhere")
    with engine(folder, extra={"ENGINE_API_KEY": "for this run"}) as running:
        said(running)

    seen = json.loads((folder / "environment.json").read_text())
    allowed = {*launcher.PASSED_ON, "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONIOENCODING", "ENGINE_API_KEY", "LC_CTYPE"}
    assert set(seen) <= allowed
    assert not any("secret" in value for value in seen.values())
    assert seen["ENGINE_API_KEY"] == "for this run"
    assert seen["HF_HOME"] == "/somewhere"
    assert seen["PYTHONPATH"] == str(STUB)


def test_the_operator_can_keep_a_run_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_PROCESSES", "1")
    assert launcher.environment(STUB)["LORA_PROCESSES"] == "1"


def test_no_engine_imports_django_or_our_apps(folder: Path) -> None:
    """The root of the project, and with it the `datasets` trap, is not on an engine's path."""
    probe = (
        "import sys, importlib.util as u; print([u.find_spec(n) is None for n in ('datasets', 'training', 'teams')])"
    )
    environment = launcher.environment(STUB)
    out = subprocess.run(
        [sys.executable, "-P", "-c", probe], env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[True, True, True]"


def test_a_line_that_is_no_event_is_shown_and_does_no_harm(folder: Path) -> None:
    write_spec(folder, "babbles")
    with engine(folder) as running:
        events = said(running)

    unreadable = [event for event in events if event["event"] == "unreadable"]
    assert len(unreadable) == 1
    assert "Segmentation fault" in unreadable[0]["line"]
    assert events[-1]["event"] == "done"


def test_an_engine_that_is_asked_to_leave_leaves(folder: Path) -> None:
    write_spec(folder, "waits")
    with engine(folder) as running:
        until(running, "note")
        running.ask_to_leave()
        said(running)
        assert running.exit_code == launcher.INTERRUPTED


def test_an_engine_that_does_not_listen_is_killed_after_its_grace(folder: Path) -> None:
    write_spec(folder, "deaf")
    with engine(folder, grace=0.3) as running:
        until(running, "note")
        running.ask_to_leave()
        said(running)
    assert running.exit_code == -signal.SIGKILL


def test_an_error_inside_the_block_ends_the_engine_too(folder: Path) -> None:
    write_spec(folder, "deaf")
    with pytest.raises(RuntimeError, match="our own fault"), engine(folder, grace=0.3) as running:
        until(running, "note")
        raise RuntimeError("our own fault")
    assert not living(running._process.pid)


def test_the_engine_dies_with_the_process_that_started_it(folder: Path) -> None:
    write_spec(folder, "waits")
    program = (
        "import sys, time; from pathlib import Path; from training.launcher import Engine\n"
        f"engine = Engine('lora.train', Path({str(folder)!r}), engines=Path({str(STUB)!r}))\n"
        "engine.__enter__()\n"
        "for event in engine.events(0.05):\n"
        "    if event and event['event'] == 'note': print('ready', flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=STUB.parents[2], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    pid = int((folder / "engine.pid").read_text().split()[0])
    parent.kill()
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 60
    while living(pid):
        assert time.monotonic() < deadline, "the engine outlived its launcher"
        time.sleep(0.02)


def test_the_engine_of_a_lost_attempt_is_ended_before_the_next_begins(folder: Path) -> None:
    write_spec(folder, "deaf")
    lost = engine(folder)
    lost.__enter__()
    until(lost, "note")
    write_spec(folder, "works")

    with engine(folder, grace=0.3) as running:
        assert lost._process.poll() == -signal.SIGKILL
        assert said(running)[-1]["event"] == "done"
    lost.__exit__(None, None, None)


def test_a_stranger_with_a_reused_process_id_is_left_alone(folder: Path) -> None:
    (folder / "engine.pid").write_text(f"{os.getpid()} 1")
    assert launcher.end_leftover(folder, 0.1) is False


def test_an_endless_line_does_not_fill_the_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "LONGEST_LINE", 1000)
    package = folder / "packages" / "endless"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "train.py").write_text("import sys\nsys.stdout.write('x' * 300_000)\n")
    with Engine("endless.train", folder, engines=package.parent) as running:
        assert {event["event"] for event in said(running)} == {"unreadable"}
