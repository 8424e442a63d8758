"""A run on two processes ends as it would on one: here on the processor (gloo); on GPUs the same program takes one each."""

import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from lora import processes
from lora.events import EngineError
from safetensors.numpy import load_file

from tests.engines.conftest import ROOT, EngineProcess, LoraRun, engine_environment, make_lora_run, sums, write_rows

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are tied to each other by the Linux kernel")

STORIES = ROOT.parent / "shared" / "data" / "stories260K"
AT_ONCE_SECONDS = 60  # what the kernel ends at once must be gone by then, however busy the machine
FACE_OF_A_FAILURE = """
import sys
from lora import processes
from lora.events import Events
failed = '{"event": "failed", "code": "rows_unusable", "message": "line 1", "fix": "Fix it."}'
processes.launch_command = lambda _processes, _arguments: ["printf", "Loading weights\\n%s\\n%s\\n", failed, failed]
sys.exit(processes.Face(Events()).train(2, ["spec.json"]))
"""
Finished = tuple[LoraRun, EngineProcess]


def on_two(run: LoraRun) -> LoraRun:
    run.environment["LORA_PROCESSES"] = "2"
    return run


def uneven_run(folder: Path, base: Path, warm_socket: str) -> LoraRun:
    """Batches of three and one of one row: one process has more to do, and now and then the other has nothing."""
    run = make_lora_run(folder, base, warm_socket)
    write_rows(folder / "train.jsonl", sums(31))
    write_rows(folder / "validation.jsonl", sums(7, first=40))
    run.spec["run"] = "uneven"
    run.spec["settings"] |= {"learning_rate": 0.002, "batch_size": 3, "gradient_accumulation": 2, "epochs": 20}
    run.spec["settings"] |= {"evaluate_every": 40, "sample_every": 60, "dropout": 0, "precision": "fp32"}
    return run


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, warm_lora: str) -> Finished:
    run = on_two(uneven_run(tmp_path_factory.mktemp("together"), tiny_base, warm_lora))
    return run, run.run()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, warm_lora: str) -> Finished:
    run = uneven_run(tmp_path_factory.mktemp("alone"), tiny_base, warm_lora)
    return run, run.run()


def processes_in(folder: Path) -> dict[int, str | None]:
    """Living processes at work in a folder, and which of the run's processes each is (None: face or launcher)."""
    found: dict[int, str | None] = {}
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == folder:
                variables = (link.parent / "environ").read_bytes().split(b"\0")
                ranks = [variable[5:].decode() for variable in variables if variable.startswith(b"RANK=")]
                found[int(link.parent.name)] = ranks[0] if ranks else None
        except OSError:
            continue
    return found


def is_gone_at_once(pid: int) -> bool:
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended, _, _ = select.select([watched], [], [], AT_ONCE_SECONDS)
    os.close(watched)
    return bool(ended)


def furthest_apart(one: LoraRun, other: LoraRun) -> float:
    weights = [load_file(run.folder / "adapter" / "adapter_model.safetensors") for run in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    return max(float(np.abs(weights[0][name] - weights[1][name]).max()) for name in weights[0])


def run_log(run: LoraRun) -> str:
    return (run.folder / "engine.log").read_text()


def test_two_processes_learn_what_one_learns(together: Finished, alone: Finished) -> None:
    assert furthest_apart(together[0], alone[0]) < 1e-4
    metrics = [run.result["metrics"] for run, _ in (together, alone)]
    assert metrics[0]["validation_loss_after"] == pytest.approx(metrics[1]["validation_loss_after"], abs=1e-4)
    assert metrics[0]["validation_loss_after"] < 0.9 * metrics[0]["validation_loss_before"]
    same = ("steps", "tokens", "rows", "best_step")
    assert [metrics[0][name] for name in same] == [metrics[1][name] for name in same]
    losses = [[event["loss"] for event in engine.named("step")] for _, engine in (together, alone)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_two_processes_speak_with_one_voice(together: Finished, alone: Finished) -> None:
    said = [[(event["event"], event.get("step")) for event in engine.events] for _, engine in (together, alone)]
    assert said[0] == said[1]
    assert [engine.named("started")[0]["processes"] for _, engine in (together, alone)] == [2, 1]
    assert [run.result["processes"] for run, _ in (together, alone)] == [2, 1]
    assert not (together[0].folder / "checkpoint").exists()


def test_two_processes_asked_to_leave_go_on_to_the_same_weights(
    together: Finished, tmp_path: Path, tiny_base: Path, warm_lora: str
) -> None:
    run = on_two(uneven_run(tmp_path, tiny_base, warm_lora))
    engine = run.start()
    engine.until_step(3)
    engine.process.send_signal(signal.SIGTERM)
    assert engine.finish() == 143, run_log(run)
    assert processes_in(tmp_path) == {}
    assert engine.named("failed") == []
    assert (tmp_path / "checkpoint" / "checkpoint.pt").exists() and not (tmp_path / "result.json").exists()
    again = run.run()
    assert again.named("started")[0]["from_step"] >= 3
    assert run.weights == together[0].weights


def test_a_killed_process_fails_the_whole_run_and_leaves_none(lora_run: LoraRun) -> None:
    lora_run.spec["settings"]["epochs"] = 1000
    engine = on_two(lora_run).start()
    engine.until_step(3)
    (second,) = (pid for pid, rank in processes_in(lora_run.folder).items() if rank == "1")
    os.kill(second, signal.SIGKILL)
    assert engine.finish() == 1
    (failed,) = engine.named("failed")
    assert failed["code"] == "process_lost" and "2 processes" in failed["message"] and failed["fix"]
    assert engine.events[-1] == failed
    assert processes_in(lora_run.folder) == {}


def test_a_run_killed_from_outside_leaves_no_process_not_even_a_hung_one(lora_run: LoraRun) -> None:
    lora_run.spec["settings"]["epochs"] = 1000
    engine = on_two(lora_run).start()
    engine.until_step(3)
    running = processes_in(lora_run.folder)
    assert sorted(rank or "" for rank in running.values()) == ["", "", "0", "1"]
    for pid in (pid for pid, rank in running.items() if rank):
        os.kill(pid, signal.SIGSTOP)
    engine.process.kill()
    assert engine.finish() == -signal.SIGKILL
    left = [pid for pid in running if not is_gone_at_once(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def test_stop_and_keep_stops_both_and_keeps(lora_run: LoraRun) -> None:
    lora_run.spec["settings"]["epochs"] = 1000
    engine = on_two(lora_run).start()
    engine.until_step(5)
    (lora_run.folder / "stop_and_keep").touch()
    assert engine.finish() == 0, run_log(lora_run)
    assert lora_run.result["stopped"] == "kept_early"
    assert 5 <= lora_run.result["metrics"]["steps"] < 8000


def test_what_fails_in_both_is_said_once_and_what_libraries_say_is_no_event() -> None:
    said = subprocess.run(
        [sys.executable, "-P", "-c", FACE_OF_A_FAILURE],
        env=engine_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert [json.loads(line)["code"] for line in said.stdout.splitlines()] == ["rows_unusable"]
    assert said.stderr == "Loading weights\n"


@pytest.mark.skipif(not STORIES.is_dir(), reason="stories260K is not beside this checkout")
def test_two_processes_learn_what_one_learns_from_a_real_base(tmp_path: Path, warm_lora: str) -> None:
    runs = []
    for name in ("alone", "together"):
        (tmp_path / name).mkdir()
        run = make_lora_run(tmp_path / name, STORIES, warm_lora)
        run.spec["settings"] |= {"learning_rate": 5e-3, "epochs": 2, "dropout": 0, "precision": "fp32"}
        runs.append(on_two(run) if name == "together" else run)
        runs[-1].run()
    assert furthest_apart(*runs) < 1e-4
    losses = [run.result["metrics"]["validation_loss_after"] for run in runs]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_a_bad_order_fails_before_any_process_starts(lora_run: LoraRun) -> None:
    lora_run.spec["settings"]["epochs"] = 0
    engine = on_two(lora_run).start()
    assert engine.finish() == 1
    assert [event["code"] for event in engine.events] == ["bad_spec"]
    assert run_log(lora_run) == ""


def test_a_count_that_is_none_is_named(lora_run: LoraRun) -> None:
    engine = lora_run.start(LORA_PROCESSES="two")
    assert engine.finish() == 1
    (failed,) = engine.events
    assert failed["code"] == "bad_processes" and "'two'" in failed["message"]


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.delenv(processes.PROCESSES, raising=False)
    monkeypatch.setattr(processes, "visible_gpus", lambda: 4)
    yield monkeypatch


def test_each_visible_gpu_gets_a_process(four_gpus: pytest.MonkeyPatch) -> None:
    assert processes.wanted_processes() == 4
    command = processes.launch_command(4, ["spec.json"])
    assert command[command.index("accelerate.commands.launch") - 1] == "-m"
    assert command[command.index("--num_processes") + 1] == "4"
    assert command[-3:] == ["--module", "lora.train", "spec.json"]
    four_gpus.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    assert processes.launch_environment(4)["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"


def test_a_count_from_the_environment_beats_the_gpus(four_gpus: pytest.MonkeyPatch) -> None:
    four_gpus.setenv(processes.PROCESSES, "1")
    assert processes.wanted_processes() == 1
    four_gpus.setenv(processes.PROCESSES, "6")
    assert processes.wanted_processes() == 6
    assert processes.launch_environment(6)["CUDA_VISIBLE_DEVICES"] == ""
    four_gpus.setenv(processes.PROCESSES, "0")
    with pytest.raises(EngineError, match="no number of processes"):
        processes.wanted_processes()


def test_one_listed_gpu_is_one_process_without_asking_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(processes.PROCESSES, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setattr(Path, "glob", lambda _folder, _pattern: iter([Path("/dev/nvidia0"), Path("/dev/nvidia1")]))
    monkeypatch.setitem(sys.modules, "torch", None)  # an import of it would fail
    assert processes.wanted_processes() == 1


def test_dropout_differs_between_processes_and_not_between_runs() -> None:
    torch = pytest.importorskip("torch")
    from lora.group import ProcessGroup

    def drawn(rank: int, step: int) -> list[float]:
        ProcessGroup(rank, 2).seed_step(5, step)
        numbers: list[float] = torch.rand(3).tolist()
        return numbers

    assert drawn(0, 7) == drawn(0, 7)
    assert drawn(0, 7) != drawn(1, 7)
    assert drawn(0, 7) != drawn(0, 8)


def test_shares_are_whole_and_the_longest_computation_is_as_short_as_it_can_be() -> None:
    pytest.importorskip("torch")
    from lora.batches import even_shares
    from lora.group import ProcessGroup

    def padded(share: Sequence[int]) -> int:
        return len(share) * -(-max((lengths[row] for row in share), default=0) // 16) * 16

    for seed in range(20):
        draw = random.Random(seed)
        lengths = [draw.randint(5, 200) for _ in range(30)]
        batch = draw.sample(range(30), 7)
        shares = even_shares(batch, lengths, 2)
        assert shares == [ProcessGroup(rank, 2).share(batch, lengths) for rank in (0, 1)]
        assert sorted(row for share in shares for row in share) == sorted(batch)
        splits = [{row for place, row in enumerate(batch) if bits >> place & 1} for bits in range(2**7)]
        best = min(max(padded([*one]), padded([*set(batch) - one])) for one in splits)
        assert max(map(padded, shares)) == best
    assert even_shares([4], lengths, 3) == [[4], [], []]
