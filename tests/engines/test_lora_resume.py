"""A run that is interrupted at any moment ends with the very weights of an unbroken one."""

import signal

from tests.engines.conftest import EngineProcess, LoraRun

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
    assert again.named("started")[0]["from_step"] % 5 == 0
    assert lora_run.weights == unbroken.weights


def test_a_killed_run_leaves_nothing_running(lora_run: LoraRun) -> None:
    lora_run.spec["settings"]["epochs"] = 1000
    engine = lora_run.start()
    engine.until_step(2)
    engine.process.kill()
    # The pipe's end is only seen once every process that could write to it is gone.
    assert engine.finish() == -signal.SIGKILL
    assert engine.named("step")[-1]["step"] < 8000


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
