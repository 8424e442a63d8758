"""What a LoRA run needs is estimated before it starts, and a run that cannot fit is refused with a fix."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from datasets.models import DatasetVersion
from teams.models import Course, Method
from tests.training.conftest import SETTINGS, Launch
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import estimate, lora_memory, training_time
from training.services.launch import LaunchRefused
from training.services.lora_memory import Room

TINY = Path(__file__).resolve().parents[2] / "training" / "base_models" / "tiny-student"
GB = 10**9
HALF_BILLION = {
    "vocab_size": 151_936,
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "intermediate_size": 4_864,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}


@pytest.fixture
def big(tmp_path: Path) -> lora_memory.Shape:
    (tmp_path / "config.json").write_text(json.dumps(HALF_BILLION))
    shape = lora_memory.shape_of(str(tmp_path))
    assert shape is not None
    return shape


def test_the_parameters_of_a_base_are_those_in_its_file() -> None:
    shape = lora_memory.shape_of(str(TINY))
    with safe_open(TINY / "model.safetensors", framework="numpy") as file:
        counted = sum(file.get_tensor(name).size for name in file.keys())  # noqa: SIM118 - no mapping
    assert shape is not None and shape.parameters == counted


def test_half_a_billion_parameters_take_two_gigabytes_in_fp32(big: lora_memory.Shape) -> None:
    assert big.parameters == pytest.approx(494e6, rel=0.01)
    assert lora_memory.need(big, {}, 70).weights == pytest.approx(1.98 * GB, rel=0.01)
    assert lora_memory.need(big, {}, 70, gpu=True).weights == pytest.approx(0.99 * GB, rel=0.01)


def test_fewer_bits_shrink_the_layers_and_leave_the_vocabulary_whole(big: lora_memory.Shape) -> None:
    layers, rest = 358e6, 136e6
    for bits, size in (("8bit", 1.02), ("4bit", 0.5625)):
        for gpu in (False, True):
            weights = lora_memory.need(big, {"quantization": bits}, 70, gpu=gpu).weights
            assert weights == pytest.approx(layers * size + rest * 4, rel=0.01)


@pytest.mark.parametrize(
    ("shape", "measured"),
    [  # peaks in MiB with batches of 8 rows of 64 tokens; for fewer bits less the size of the weights' file
        (lora_memory.Shape(1536, 256, 4, 704, 256, 128, tied=True), {"none": 505, "4bit": 538, "8bit": 551}),
        (lora_memory.Shape(8000, 768, 12, 2048, 768, 256, tied=True), {"none": 1259, "4bit": 1137, "8bit": 1254}),
    ],
)
def test_runs_took_a_little_less_than_was_estimated(shape: lora_memory.Shape, measured: dict[str, int]) -> None:
    for bits, peak in measured.items():
        estimated = lora_memory.need(shape, {"batch_size": 8, "quantization": bits}, 16).total / 2**20
        assert 0.75 * estimated < peak <= estimated, (bits, estimated)


def test_a_light_base_is_estimated_in_as_many_processes_as_the_engine_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from lora import forks
    from lora.spec import Settings, Spec

    monkeypatch.delenv("LORA_PROCESSES", raising=False)
    for count in (1, 2, 16):
        monkeypatch.setattr(lora_memory, "cores", lambda count=count: count)
        for asked in ({}, {"batch_size": 3}, {"batch_size": 8}, {"quantization": "8bit"}):
            spec = Spec(1, "run", 1, "train.jsonl", str(TINY), settings=Settings(**asked))
            assert lora_memory.processes_of(str(TINY), asked) == forks.wanted_forks(spec, count), (count, asked)
    assert lora_memory.processes_of("org/base-in-the-cache", {}) == 1


def test_every_further_process_of_a_light_base_needs_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {1: 751, 2: 1006, 4: 1347}  # MiB at the peak, shared pages counted once
    for count, measured in held.items():
        monkeypatch.setattr(lora_memory, "cores", lambda count=count: count)
        needed = lora_memory.need_here(str(TINY), {"batch_size": 8}, 70, Room(8 * GB, 8 * GB))
        assert needed is not None
        assert 0.75 * needed.total / 2**20 < measured <= needed.total / 2**20


def test_launched_processes_share_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_memory, "cores", lambda: 2)
    forked = lora_memory.need_here(str(TINY), {"batch_size": 8}, 40, Room(8 * GB, 8 * GB))
    monkeypatch.setenv("LORA_PROCESSES", "2")
    launched = lora_memory.need_here(str(TINY), {"batch_size": 8}, 40, Room(8 * GB, 8 * GB))
    assert forked is not None and launched is not None and launched.total > forked.total
    measured = 1261  # MiB: both processes, `accelerate launch` and the run's face, shared pages counted once
    assert 0.75 * launched.total / 2**20 < measured <= launched.total / 2**20
    monkeypatch.setenv("LORA_PROCESSES", "1")
    alone = lora_memory.need_here(str(TINY), {"batch_size": 8}, 40, Room(8 * GB, 8 * GB))
    assert alone == lora_memory.need(shape_of_tiny(), {"batch_size": 8}, 40), "one alone needs no launcher"


def shape_of_tiny() -> lora_memory.Shape:
    shape = lora_memory.shape_of(str(TINY))
    assert shape is not None
    return shape


def gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str) -> None:
    """An `nvidia-smi` that lists these GPUs, or those of them that are asked for."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncase $1 in --id=1) echo '30000, 40000, Two';; *) printf '{says}';; esac\n")
    tool.chmod(0o755)
    monkeypatch.setattr(lora_memory, "_gpu_tool", lambda: str(tool))


def test_the_fullest_gpu_decides_because_each_holds_the_whole_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus(monkeypatch, tmp_path, "39000, 40000, One\\n2000, 24000, Two\\n30000, 40000, Three\\n")
    assert lora_memory.room() == Room(2000 * 2**20, 24000 * 2**20, ("One", "Two", "Three"))
    assert training_time.machine().endswith(", One, Two, Three")


def test_no_more_gpus_count_than_processes_were_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus(monkeypatch, tmp_path, "39000, 40000, One\\n2000, 24000, Two\\n")
    monkeypatch.setenv("LORA_PROCESSES", "1")
    assert lora_memory.room() == Room(39000 * 2**20, 40000 * 2**20, ("One",))
    monkeypatch.setenv("LORA_PROCESSES", "3")
    room = lora_memory.room()
    assert room is not None and not room.on_gpu, "three processes do not fit two GPUs, so they share the processor"
    assert lora_memory.processes_of(str(TINY), {}) == 3


def test_each_gpu_holds_the_model_and_its_share_of_a_batch(big: lora_memory.Shape) -> None:
    one, four = (lora_memory.need(big, {"batch_size": 16}, 70, gpu=True, processes=count) for count in (1, 4))
    assert (four.runtime, four.weights, four.adapter) == (one.runtime, one.weights, one.adapter)
    assert four.activations * 4 == one.activations


def test_a_torch_for_processors_never_computes_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    (tmp_path / "torch" / "__init__.py").touch()
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert lora_memory._gpu_tool.__wrapped__() is None
    (tmp_path / "torch" / "lib" / "libtorch_cuda.so").touch()
    assert lora_memory._gpu_tool.__wrapped__() == str(tmp_path / "nvidia-smi")


def test_gpus_that_a_run_may_not_use_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, tmp_path, "39000, 40000, One\\n2000, 24000, Two\\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert lora_memory.room() == Room(30000 * 2**20, 40000 * 2**20, ("Two",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    room = lora_memory.room()
    assert room is not None and not room.on_gpu


def test_a_gpu_that_does_not_tell_its_memory_breaks_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus(monkeypatch, tmp_path, "[N/A], [N/A], One\\n")
    room = lora_memory.room()
    assert room is not None and not room.on_gpu


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"batch_size": 32}, "activations"),
        ({"rank": 64}, "adapter"),
        ({"target_modules": ["q_proj", "v_proj", "down_proj"]}, "adapter"),
    ],
)
def test_what_is_made_bigger_needs_more(big: lora_memory.Shape, more: dict[str, Any], part: str) -> None:
    small = lora_memory.need(big, {"batch_size": 8}, 70)
    bigger = lora_memory.need(big, {"batch_size": 8} | more, 70)
    assert getattr(bigger, part) > 1.2 * getattr(small, part)
    assert bigger.weights == small.weights


def test_rows_are_never_estimated_longer_than_the_cut(big: lora_memory.Shape) -> None:
    cut, longer = (lora_memory.need(big, {"max_length": 64}, mean) for mean in (60, 600))
    assert cut == longer
    assert lora_memory.need(big, {"gradient_checkpointing": True}, 60).activations < cut.activations * 4


def test_a_configuration_of_another_family_claims_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"n_embd": 768, "n_layer": 12}))
    assert lora_memory.shape_of(str(tmp_path)) is None
    assert lora_memory.shape_of("nobody/has-this-model") is None


def test_a_containers_limit_counts_and_not_the_whole_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "meminfo"
    info.write_text("MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable: 8000000 kB\n")
    monkeypatch.setattr(lora_memory, "MEMORY_INFO", info)
    monkeypatch.setattr(lora_memory, "CGROUP", tmp_path)
    monkeypatch.setattr(lora_memory, "_gpu_tool", lambda: None)
    assert lora_memory.room() == Room(8_000_000 * 1024, 16_000_000 * 1024)
    (tmp_path / "memory.max").write_text("2000000000\n")
    (tmp_path / "memory.current").write_text("500000000\n")
    assert lora_memory.room() == Room(1_500_000_000, 2_000_000_000)


def test_a_run_that_does_not_fit_is_refused_with_what_to_do(start: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_memory, "room", lambda: Room(100_000_000, 8 * GB))
    with pytest.raises(LaunchRefused, match=r"needs about \d+ MB of memory.*100 MB free now.*smaller base model"):
        start(Method.LORA)
    assert not TrainingRun.objects.exists()
    assert start(Method.DSPY).pk, "nothing is trained here"


def test_a_smaller_batch_is_the_mend_where_the_base_itself_fits(start: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_memory, "room", lambda: Room(GB, 8 * GB))
    with pytest.raises(LaunchRefused, match="Lower the batch size"):
        start(Method.LORA, settings={"batch_size": 2048})
    assert start(Method.LORA, settings={"batch_size": 8}).pk


def test_memory_that_a_run_at_work_will_give_back_refuses_nobody(
    start: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start(Method.LORA)
    TrainingRun.objects.filter(pk=first.pk).update(status=RunStatus.RUNNING)
    monkeypatch.setattr(lora_memory, "room", lambda: Room(100_000_000, 8 * GB))
    assert start(Method.LORA).pk
    monkeypatch.setattr(lora_memory, "room", lambda: Room(100_000_000, 200_000_000))
    with pytest.raises(LaunchRefused, match="200 MB in all"):
        start(Method.LORA)


def test_the_estimate_says_what_memory_it_takes(course: Course, version: DatasetVersion) -> None:
    base = BaseModel.objects.filter(method=Method.LORA).earliest("id")
    found = estimate.estimate(
        course=course,
        method=Method.LORA,
        base_model=base,
        dataset_version=version,
        settings=SETTINGS[Method.LORA],
    )
    assert any("It needs about" in sentence and "for the base model" in sentence for sentence in found.because)
