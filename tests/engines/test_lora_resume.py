"""A run that is interrupted at any moment ends with the very weights of an unbroken one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.engines.conftest import EngineProcess, LoraRun, engine_environment

Finished = tuple[LoraRun, EngineProcess]


def test_a_run_ended_by_sigterm_ends_with_the_same_weights(lora_run: LoraRun, finished_run: Finished) -> None:
    unbroken, _ = finished_run
    lora_run.spec["run"] = unbroken.spec["run"]
    engine = lora_run.start()
    engine.until_step(3)
    engine.process.send_signal(signal.SIGTERM)
    assert engine.finish() == 143
    assert not (lora_run.folder / "result.json").exists()
    again = lora_run.run()
    (started,) = again.named("started")
    assert 3 <= started["from_step"] < 24
    assert lora_run.weights == unbroken.weights
    assert lora_run.result["work"] == unbroken.result["work"], "what it is charged for"
    same = ("train_loss_first", "train_loss_last", "train_loss_best", "validation_loss_after", "tokens", "best_step")
    assert [lora_run.result["metrics"][name] for name in same] == [unbroken.result["metrics"][name] for name in same]


def test_a_run_killed_between_checkpoints_goes_on_to_the_same_weights(
    lora_run: LoraRun, finished_run: Finished
) -> None:
    unbroken, _ = finished_run
    lora_run.spec["settings"]["save_every"] = 5
    engine = lora_run.start()
    engine.until_step(7)
    engine.process.kill()
    assert engine.finish() == -signal.SIGKILL
    again = lora_run.run()
    (started,) = again.named("started")
    assert started["from_step"] % 5 == 0
    assert started["work"]["steps"] == started["from_step"], (
        "what the killed one did after its checkpoint is in no count"
    )
    assert lora_run.weights == unbroken.weights
    assert lora_run.result["work"] == unbroken.result["work"] | {"saves": 1 + 24 // 5}


def test_a_killed_run_leaves_nothing_running(lora_run: LoraRun) -> None:
    lora_run.spec["settings"]["epochs"] = 1000
    engine = lora_run.start()
    engine.until_step(2)
    engine.process.kill()
    # The pipe's end is only seen once every process that could write to it is gone.
    assert engine.finish() == -signal.SIGKILL
    assert engine.named("step")[-1]["step"] < 8000


def test_a_run_killed_behind_its_face_looks_killed(lora_run: LoraRun) -> None:
    lora_run.spec["settings"]["epochs"] = 1000
    engine = lora_run.start()
    engine.until_step(2)
    here = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cwd") if _leads_to(path, lora_run.folder)]
    (fork,) = (pid for pid in here if pid != engine.process.pid)
    os.kill(fork, signal.SIGKILL)
    assert engine.finish() == -signal.SIGKILL
    assert engine.named("failed") == []


def test_a_run_whose_preload_server_was_killed_can_go_on(lora_run: LoraRun, tmp_path: Path) -> None:
    path = tmp_path / "own.sock"
    lora_run.spec["settings"] |= {"epochs": 1000, "save_every": 1}
    command = [sys.executable, "-P", "-m", "lora.warm", "--socket", str(path)]
    with subprocess.Popen(command, env=engine_environment(), stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stderr is not None
        assert "listens" in parent.stderr.readline()
        engine = lora_run.start(LORA_WARM_SOCKET=str(path))
        engine.until_step(3)
        parent.kill()
    assert engine.finish() == 143
    assert engine.named("failed") == []
    again = lora_run.start()
    again.until_step(1)
    assert again.named("started")[0]["from_step"] >= 1
    again.process.kill()
    again.finish()


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.readlink() == folder
    except OSError:
        return False


def test_accumulated_small_batches_train_like_one_big_one(lora_run: LoraRun) -> None:
    lora_run.spec |= {"sample_questions": []}
    lora_run.spec["settings"] |= {"epochs": 1, "batch_size": 32, "dropout": 0}
    (big,) = lora_run.run().named("step")
    lora_run.spec["settings"] |= {"batch_size": 4, "gradient_accumulation": 8}
    (lora_run.folder / "result.json").unlink()
    (small,) = lora_run.run().named("step")
    assert abs(big["loss"] - small["loss"]) < 1e-5
    assert big["tokens"] == small["tokens"]


def test_another_order_does_not_go_on_from_a_strange_checkpoint(lora_run: LoraRun) -> None:
    engine = lora_run.start()
    engine.until_step(2)
    engine.process.send_signal(signal.SIGTERM)
    assert engine.finish() == 143
    lora_run.spec["seed"] += 1
    changed = lora_run.start()
    assert changed.finish() == 1
    assert changed.named("failed")[0]["code"] == "checkpoint_mismatch"
