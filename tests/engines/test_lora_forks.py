"""A light base model trains in as many processes as threads allow, forked by the run itself; it ends as it would in one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lora.events import Interrupted, PeerFailed, PeerLost

from tests.engines.conftest import EngineProcess, LoraRun, make_lora_run, sums, write_rows
from tests.engines.test_lora_processes import furthest_apart, is_gone_at_once, processes_in, run_log

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked and tied together on Linux only")

Finished = tuple[LoraRun, EngineProcess]


def long_run(folder: Path, base: Path, warm_socket: str, threads: int = 2) -> LoraRun:
    run = make_lora_run(folder, base, warm_socket)
    write_rows(folder / "train.jsonl", sums(30))
    write_rows(folder / "validation.jsonl", sums(7, first=40))
    run.spec["run"] = "forked"
    run.spec["settings"] |= {"learning_rate": 0.002, "batch_size": 4, "epochs": 20, "threads": threads}
    run.spec["settings"] |= {"evaluate_every": 40, "dropout": 0, "precision": "fp32"}
    return run


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, warm_lora: str) -> Finished:
    run = long_run(tmp_path_factory.mktemp("forked"), tiny_base, warm_lora)
    return run, run.run()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, warm_lora: str) -> Finished:
    run = long_run(tmp_path_factory.mktemp("alone"), tiny_base, warm_lora, threads=1)
    return run, run.run()


@pytest.fixture(params=["warm", "cold"])
def endless(request: pytest.FixtureRequest, tmp_path: Path, tiny_base: Path, warm_lora: str) -> LoraRun:
    run = long_run(tmp_path, tiny_base, warm_lora)
    if request.param == "cold":
        del run.environment["LORA_WARM_SOCKET"]
    run.spec["settings"]["epochs"] = 1000
    return run


def forked_by(running: dict[int, str | None]) -> list[int]:
    """Of a run's living processes those that the run itself forked."""
    parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in running}
    return [pid for pid, parent in parents.items() if parent in running]


def test_forked_processes_learn_what_one_learns(forked: Finished, alone: Finished) -> None:
    assert [run.result["processes"] for run, _ in (forked, alone)] == [2, 1]
    assert furthest_apart(forked[0], alone[0]) < 1e-4
    losses = [[event["loss"] for event in engine.named("step")] for _, engine in (forked, alone)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert losses[0][-1] < 0.9 * losses[0][0]


def test_forked_processes_speak_with_one_voice(forked: Finished, alone: Finished) -> None:
    said = [[(event["event"], event.get("step")) for event in engine.events] for _, engine in (forked, alone)]
    assert said[0] == said[1]
    (started,) = forked[1].named("started")
    assert (started["processes"], started["threads"]) == (2, 2)
    assert processes_in(forked[0].folder) == {}


def test_asked_to_leave_they_go_on_to_the_same_weights(
    forked: Finished, tmp_path: Path, tiny_base: Path, warm_lora: str
) -> None:
    run = long_run(tmp_path, tiny_base, warm_lora)
    engine = run.start()
    engine.until_step(3)
    engine.process.send_signal(signal.SIGTERM)
    assert engine.finish() == 143, run_log(run)
    assert processes_in(tmp_path) == {} and engine.named("failed") == []
    again = run.run()
    assert again.named("started")[0]["from_step"] >= 3
    assert run.weights == forked[0].weights


def test_a_run_goes_on_after_one_of_its_processes_was_killed(
    forked: Finished, tmp_path: Path, tiny_base: Path, warm_lora: str
) -> None:
    run = long_run(tmp_path, tiny_base, warm_lora)
    engine = run.start()
    engine.until_step(3)
    (other,) = forked_by(processes_in(tmp_path))
    os.kill(other, signal.SIGKILL)
    assert engine.finish() == 143, run_log(run)
    assert engine.named("failed") == [] and processes_in(tmp_path) == {}
    assert run.run().named("started")[0]["from_step"] >= 3
    assert run.weights == forked[0].weights


def test_a_killed_run_leaves_none_not_even_a_hung_one(endless: LoraRun) -> None:
    engine = endless.start()
    engine.until_step(3)
    running = processes_in(endless.folder)
    (other,) = forked_by(running)
    os.kill(other, signal.SIGSTOP)
    engine.process.kill()
    assert engine.finish() == -signal.SIGKILL
    assert all(is_gone_at_once(pid) for pid in running)


def test_stop_and_keep_stops_both(endless: LoraRun) -> None:
    engine = endless.start()
    engine.until_step(5)
    (endless.folder / "stop_and_keep").touch()
    assert engine.finish() == 0, run_log(endless)
    assert endless.result["stopped"] == "kept_early"
    assert processes_in(endless.folder) == {}


@pytest.fixture
def others() -> Iterator[list[int]]:
    """One that said why it ended, one that still works."""
    with (
        subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"]) as said,
        subprocess.Popen(["sleep", "600"]) as working,
    ):
        os.waitid(os.P_PID, said.pid, os.WEXITED | os.WNOWAIT)
        yield [said.pid, working.pid]
        working.kill()


def test_a_reason_that_was_said_fails_the_run(others: list[int]) -> None:
    pytest.importorskip("torch")
    from lora.forks import Leader

    leader = Leader(3, [], list(others))
    with pytest.raises(PeerFailed):
        leader.explain(PeerLost("connection closed"))
    assert is_gone_at_once(others[1])


def test_a_death_without_a_word_may_be_tried_again(others: list[int]) -> None:
    pytest.importorskip("torch")
    from lora.forks import Leader

    leader = Leader(2, [], others[1:])
    with pytest.raises(Interrupted):
        leader.explain(PeerLost("connection closed"))


@pytest.mark.parametrize(
    ("asked", "threads", "processes"),
    [
        ({}, 2, 2),
        ({}, 16, 8),
        ({}, 1, 1),
        ({"batch_size": 3}, 2, 1),
        ({"quantization": "8bit"}, 2, 1),
    ],
)
def test_processes_are_forked_where_it_pays(
    asked: dict[str, Any], threads: int, processes: int, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from lora import forks
    from lora.spec import Settings, Spec

    monkeypatch.delenv("LORA_PROCESSES", raising=False)
    spec = Spec(1, "run", 1, "train.jsonl", str(tiny_base), settings=Settings(**asked))
    assert forks.wanted_forks(spec, threads) == processes
    monkeypatch.setattr(forks, "LIGHT_BYTES", 1000)
    assert forks.wanted_forks(spec, threads) == 1
    monkeypatch.setattr(forks, "LIGHT_BYTES", 2**30)
    monkeypatch.setenv("LORA_PROCESSES", "1")
    assert forks.wanted_forks(spec, threads) == 1
