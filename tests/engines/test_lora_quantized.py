"""A base in 8 or 4 bits trains like a whole one, on the processor too, and leaves an adapter that needs no quantizer."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.engines.conftest import ENGINES, ROOT, EngineProcess, LoraRun, engine_environment, make_lora_run
from tests.engines.test_lora_training import failure

Finished = tuple[LoraRun, EngineProcess]
STORIES = ROOT.parent / "shared" / "data" / "stories260K"
WIDTHS = ["8bit", "4bit"]
ON_THE_WHOLE_BASE = """
import sys
sys.modules["bitsandbytes"] = None
import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer
model, tokenizer = AutoPeftModelForCausalLM.from_pretrained("adapter"), AutoTokenizer.from_pretrained("adapter")
talk = [{"role": "user", "content": "What is 2 plus 3?"},
        {"role": "assistant", "content": "Um, I count on my fingers! It is 5."}]
told = tokenizer.apply_chat_template(talk, return_tensors="pt", return_dict=True, return_assistant_tokens_mask=True)
trained = torch.tensor(told["assistant_masks"]).reshape(told["input_ids"].shape) == 1
labels = told["input_ids"].masked_fill(~trained, -100)
with torch.no_grad():
    learnt = model(input_ids=told["input_ids"], labels=labels).loss.item()
    with model.disable_adapter():
        bare = model(input_ids=told["input_ids"], labels=labels).loss.item()
assert not any(name.split(".")[0] == "lora" for name in sys.modules)
print(learnt, bare)
"""
NOT_INSTALLED = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "bitsandbytes" else find(name, package)
"""
WARM_PARENT = """
import sys, torch
asked = []
torch.cuda.is_available = lambda: asked.append("CUDA")
from lora.warm import _import_everything
_import_everything()
print(asked, "peft" in sys.modules, sys.modules["bitsandbytes"])
"""


@pytest.fixture(scope="module", params=WIDTHS)
def quantized(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, warm_lora: str
) -> Finished:
    """The run of `finished_run` on a base in fewer bits, asked a question every four steps."""
    run = _quantized_run(tmp_path_factory.mktemp(request.param), tiny_base, warm_lora, request.param)
    return run, run.run()


def _quantized_run(folder: Path, base: Path, warm_lora: str, width: str) -> LoraRun:
    run = make_lora_run(folder, base, warm_lora)
    run.spec["run"] = f"in-{width}"
    run.spec["settings"] |= {"quantization": width, "sample_every": 4}
    return run


def test_it_learns_as_well_as_on_the_whole_base(quantized: Finished, finished_run: Finished) -> None:
    metrics, whole = (run.result["metrics"] for run, _ in (quantized, finished_run))
    assert metrics["validation_loss_after"] < 0.9 * metrics["validation_loss_before"]
    assert metrics["validation_loss_after"] == pytest.approx(whole["validation_loss_after"], rel=0.1)
    assert metrics["validation_loss_before"] != whole["validation_loss_before"]


def test_every_layer_learns_also_after_answers(quantized: Finished) -> None:
    run, _ = quantized
    weights = load_file(run.folder / "adapter" / "adapter_model.safetensors")
    ups = {name: weights[name] for name in weights if ".lora_B." in name}
    assert len(ups) == 4
    assert all(abs(up).max() > 1e-3 for up in ups.values()), {name: abs(up).max() for name, up in ups.items()}


def test_an_interrupted_run_ends_with_the_same_weights(
    quantized: Finished, tmp_path: Path, tiny_base: Path, warm_lora: str
) -> None:
    unbroken, _ = quantized
    run = _quantized_run(tmp_path, tiny_base, warm_lora, unbroken.spec["settings"]["quantization"])
    engine = run.start()
    engine.until_step(3)
    engine.process.send_signal(signal.SIGTERM)
    assert engine.finish() == 143
    assert run.run().named("started")[0]["from_step"] >= 3
    assert run.weights == unbroken.weights


def test_gradient_checkpointing_changes_nothing_but_memory(
    quantized: Finished, tmp_path: Path, tiny_base: Path, warm_lora: str
) -> None:
    usual, _ = quantized
    run = _quantized_run(tmp_path, tiny_base, warm_lora, usual.spec["settings"]["quantization"])
    run.spec["settings"]["gradient_checkpointing"] = True
    run.run()
    after, before = (one.result["metrics"]["validation_loss_after"] for one in (run, usual))
    assert after == pytest.approx(before, rel=1e-3)


def test_the_card_says_in_how_many_bits_and_what_that_means_for_chat(
    quantized: Finished, finished_run: Finished
) -> None:
    run, engine = quantized
    bits = run.spec["settings"]["quantization"].removesuffix("bit")
    card = (run.folder / "adapter" / "README.md").read_text()
    assert f"the base model was held in {bits} bits" in card
    assert "may differ" in card
    assert "bits" not in (finished_run[0].folder / "adapter" / "README.md").read_text()
    assert engine.named("started")[0]["versions"]["bitsandbytes"]


def test_plain_peft_loads_the_adapter_onto_the_whole_base(quantized: Finished) -> None:
    """By the loss, which is alike on every processor: what so short a training lets it say is not."""
    run, _ = quantized
    said = subprocess.run(
        [sys.executable, "-P", "-c", ON_THE_WHOLE_BASE],
        cwd=run.folder,
        env=engine_environment(PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    learnt, bare = map(float, said.stdout.split())
    assert learnt < 0.8 * bare


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.skipif(not STORIES.is_dir(), reason="stories260K is not beside this checkout")
def test_a_base_whose_widths_fit_no_block_trains_too(lora_run: LoraRun, width: str) -> None:
    lora_run.spec["base_model"] = str(STORIES)
    every = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    lora_run.spec["settings"] |= {"learning_rate": 5e-3, "epochs": 2, "quantization": width, "target_modules": every}
    lora_run.run()
    metrics = lora_run.result["metrics"]
    assert metrics["validation_loss_after"] < 0.5 * metrics["validation_loss_before"]


def test_without_the_quantizer_fewer_bits_are_refused_with_a_fix(lora_run: LoraRun, tmp_path: Path) -> None:
    (blind := tmp_path / "blind").mkdir()
    (blind / "sitecustomize.py").write_text(NOT_INSTALLED)
    lora_run.environment = engine_environment(PYTHONPATH=f"{blind}:{ENGINES}")
    lora_run.spec["settings"]["quantization"] = "4bit"
    failed = failure(lora_run)
    assert failed["code"] == "quantization_unavailable"
    assert "bitsandbytes" in failed["message"] and '"none"' in failed["fix"]


def test_a_preload_server_asks_cuda_nothing_so_that_its_forks_can_use_it() -> None:
    command = [sys.executable, "-P", "-c", WARM_PARENT]
    said = subprocess.run(command, env=engine_environment(), capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[] True None"
