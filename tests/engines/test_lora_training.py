"""A LoRA run from its order to its artefacts, each started as the launcher starts it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.conftest import (
    ENGINES,
    ROOT,
    EngineProcess,
    LoraRun,
    engine_environment,
    make_lora_run,
    row,
    sums,
    write_rows,
)

Finished = tuple[LoraRun, EngineProcess]
STORIES = ROOT.parent / "shared" / "data" / "stories260K"

TRIPWIRE = """
import importlib.util, sys
import lora.run
found = importlib.util.find_spec("datasets")
print("django" in sys.modules, found.origin if found else "none")
"""
PLAIN_PEFT = """
import sys
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer
model, tokenizer = AutoPeftModelForCausalLM.from_pretrained(sys.argv[1]), AutoTokenizer.from_pretrained(sys.argv[1])
asked = tokenizer.apply_chat_template([{"role": "user", "content": sys.argv[2]}], add_generation_prompt=True,
                                      return_tensors="pt", return_dict=True)
said = model.generate(**asked, max_new_tokens=80, do_sample=False, pad_token_id=0)[0, asked["input_ids"].shape[1]:]
assert not any(name.split(".")[0] == "lora" for name in sys.modules)
print(tokenizer.decode(said, skip_special_tokens=True).strip())
"""


def failure(run: LoraRun) -> dict[str, str]:
    engine = run.start()
    assert engine.finish() == 1
    assert not (run.folder / "adapter").exists()
    (failed,) = engine.named("failed")
    assert failed["fix"]
    return failed


def test_training_lowers_the_loss_on_rows_it_never_saw(finished_run: Finished) -> None:
    run, engine = finished_run
    metrics = run.result["metrics"]
    assert metrics["validation_loss_after"] < 0.9 * metrics["validation_loss_before"]
    assert metrics["train_loss_last"] < metrics["train_loss_first"]
    assert [event["step"] for event in engine.named("step")] == list(range(1, 25))


def test_events_come_in_the_order_of_the_contract(finished_run: Finished) -> None:
    _, engine = finished_run
    names = [event["event"] for event in engine.events if event["event"] != "note"]
    assert names[:3] == ["started", "sample", "validation"]
    assert names[-2:] == ["sample", "done"]
    assert [event["stage"] for event in engine.named("sample")] == ["before", "after"]
    assert [event["step"] for event in engine.named("validation")] == [0, 8, 16, 24]
    assert engine.named("started")[0]["total_steps"] == 24


def test_the_result_names_versions_seed_and_data(finished_run: Finished) -> None:
    run, engine = finished_run
    result = run.result
    assert result["versions"] == engine.named("started")[0]["versions"]
    assert (result["schema"], result["seed"], result["stopped"]) == (1, 5, "finished")
    assert len(result["data_sha256"]) == 64
    assert result["metrics"]["tokens"] == engine.named("step")[-1]["tokens"]
    assert not (run.folder / "checkpoint").exists()


def test_training_steps_may_compute_in_bf16_and_learn_as_well(
    finished_run: Finished, tmp_path: Path, tiny_base: Path, warm_lora: str
) -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        (folder := tmp_path / precision).mkdir()
        run = make_lora_run(folder, tiny_base, warm_lora)
        run.spec["settings"]["precision"] = precision
        run.run()
        assert run.result["precision"] == precision
        assert f"- precision: {precision}" in (run.folder / "adapter" / "README.md").read_text()
        losses[precision] = run.result["metrics"]["validation_loss_after"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
    assert losses["bf16"] != losses["fp32"]
    assert finished_run[0].result["precision"] in losses  # what `auto` became on this machine


def test_rows_are_never_padded_beyond_what_the_base_can_read(lora_run: LoraRun, tiny_base: Path) -> None:
    base = shutil.copytree(tiny_base, lora_run.folder / "odd-base")
    config = json.loads((base / "config.json").read_text())
    shape = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_positions": 200, "n_embd": 32, "n_head": 2}
    shape |= {"n_layer": 1, "vocab_size": config["vocab_size"]}
    make = f"from transformers import GPT2Config as C, GPT2LMHeadModel as M; M(C(**{shape!r})).save_pretrained({str(base)!r})"
    subprocess.run([sys.executable, "-P", "-c", make], check=True, env=engine_environment())
    write_rows(lora_run.folder / "train.jsonl", [*sums(3), row("Hi", "I count " * 120)])
    lora_run.spec |= {"base_model": str(base)}
    lora_run.spec["settings"] |= {"epochs": 1, "target_modules": ["c_attn"]}
    lora_run.run()
    assert lora_run.result["metrics"]["truncated_rows"] == 1


def test_the_adapter_is_a_standard_folder_with_its_card(finished_run: Finished) -> None:
    run, _ = finished_run
    adapter = run.folder / "adapter"
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == run.spec["base_model"]
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (8, 32, 0.05)
    assert "{% generation %}" in (adapter / "chat_template.jinja").read_text()
    assert run.result["data_sha256"] in (adapter / "README.md").read_text()


def test_plain_peft_loads_the_adapter_and_says_the_same(finished_run: Finished) -> None:
    run, engine = finished_run
    said = subprocess.run(
        [sys.executable, "-P", "-c", PLAIN_PEFT, "adapter", "What is 2 plus 3?"],
        cwd=run.folder,
        env=engine_environment(PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip() == engine.named("sample")[-1]["answer"].strip()


def test_an_engine_sees_neither_django_nor_our_datasets_app() -> None:
    command = [sys.executable, "-P", "-c", TRIPWIRE]
    said = subprocess.run(command, cwd=ROOT, env=engine_environment(), capture_output=True, text=True, check=True)
    django, datasets = said.stdout.split(maxsplit=1)
    assert django == "False"
    assert not datasets.startswith(str(ROOT / "datasets"))
    assert ENGINES.is_relative_to(ROOT)


def test_a_finished_run_started_again_is_done_at_once(finished_run: Finished) -> None:
    run, _ = finished_run
    before = run.weights
    assert [event["event"] for event in run.run().events] == ["done"]
    assert run.weights == before


def test_stop_and_keep_leaves_a_usable_adapter(lora_run: LoraRun) -> None:
    lora_run.spec["settings"]["epochs"] = 20
    engine = lora_run.start()
    engine.until_step(5)
    (lora_run.folder / "stop_and_keep").touch()
    assert engine.finish() == 0
    assert lora_run.result["stopped"] == "kept_early"
    assert 5 <= lora_run.result["metrics"]["steps"] < 160
    assert lora_run.result["metrics"]["validation_loss_after"] is not None
    assert "ended early" in (lora_run.folder / "adapter" / "README.md").read_text()


def test_early_stopping_keeps_the_best_adapter_not_the_last(lora_run: LoraRun) -> None:
    # Held-out rows that contradict the training rows: learning the one must unlearn the other.
    write_rows(lora_run.folder / "validation.jsonl", [row("What is 2 plus 3?", "zzqq kxkx wvwv") for _ in range(4)])
    lora_run.spec["settings"] |= {"epochs": 10, "evaluate_every": 2, "sample_every": 2, "early_stopping_patience": 2}
    engine = lora_run.run()
    losses = {event["step"]: event["loss"] for event in engine.named("validation") if event["step"]}
    assert lora_run.result["stopped"] == "stopped_early"
    assert lora_run.result["metrics"]["steps"] < 80
    metrics = lora_run.result["metrics"]
    assert metrics["validation_loss_after"] == min(losses.values()) == losses[metrics["best_step"]]
    answers = {(event["stage"], event["step"]): event["answer"] for event in engine.named("sample")}
    last = metrics["steps"]
    assert answers["after", last] == answers["during", metrics["best_step"]] != answers["during", last - 2]


def test_answers_with_weight_zero_are_not_learnt(lora_run: LoraRun) -> None:
    def loss_of(*messages: dict[str, object]) -> float:
        write_rows(lora_run.folder / "train.jsonl", [{"messages": list(messages)}])
        (lora_run.folder / "result.json").unlink(missing_ok=True)
        (step,) = lora_run.run().named("step")
        return float(step["loss"])

    lora_run.spec |= {"validation_file": None, "sample_questions": []}
    lora_run.spec["settings"] |= {"epochs": 1, "dropout": 0}
    sum_asked = row("What is 1 plus 1?", "It is 2.")["messages"]
    alone = loss_of(*sum_asked)
    # What comes later can't change how likely the first answer was.
    assert abs(loss_of(*sum_asked, *row("Hi", "zzqq kxkx", weight=0)["messages"]) - alone) < 1e-4
    assert abs(loss_of(*sum_asked, *row("Hi", "zzqq kxkx")["messages"]) - alone) > 1e-2


def test_cut_rows_are_counted_and_said(lora_run: LoraRun) -> None:
    write_rows(lora_run.folder / "train.jsonl", [*sums(3), row("Hi", "I count " * 60)])
    lora_run.spec["settings"] |= {"epochs": 1, "max_length": 64}
    engine = lora_run.run()
    assert "1 of 4 training rows were cut to 64 tokens." in [event["message"] for event in engine.named("note")]
    assert lora_run.result["metrics"]["truncated_rows"] == 1


def test_rows_longer_than_the_base_can_read_are_cut_to_its_context(lora_run: LoraRun, tiny_base: Path) -> None:
    base = shutil.copytree(tiny_base, lora_run.folder / "short-base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 48}))
    write_rows(lora_run.folder / "train.jsonl", [*sums(3), row("Hi", "I count " * 60)])
    lora_run.spec["base_model"] = str(base)
    lora_run.spec["settings"]["epochs"] = 1
    said = [event["message"] for event in lora_run.run().named("note")]
    assert any("48 tokens at most" in message for message in said)
    assert "1 of 4 training rows were cut to 48 tokens." in said


def test_rows_with_nothing_to_learn_are_listed_by_line(lora_run: LoraRun) -> None:
    write_rows(lora_run.folder / "train.jsonl", [*sums(2), row("why " * 90, "Because!"), row("Hi", "Hi", weight=0)])
    lora_run.spec["settings"]["max_length"] = 32
    failed = failure(lora_run)
    assert failed["code"] == "rows_unusable"
    assert "line 3" in failed["message"] and "line 4" in failed["message"]


def test_a_row_that_is_no_conversation_is_named_by_line_and_reason(lora_run: LoraRun) -> None:
    (lora_run.folder / "train.jsonl").write_text('{"messages": [{"role": "teacher", "content": "Hi"}]}\nnot json\n')
    message = failure(lora_run)["message"]
    assert "line 1: message 1 needs a role" in message and "line 2" in message


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rank": 0}, "$.settings.rank"),
        ({"epochs": "three"}, "$.settings.epochs"),
        ({"lerning_rate": 1e-3}, "lerning_rate"),
        ({"precision": "int3"}, "precision"),
        ({"target_modules": ["query_key_value"]}, "q_proj"),
        ({"learning_rate": 1.0, "max_grad_norm": 1e30, "weight_decay": 1e30}, "learning_rate"),
        ({"precision": "fp16"}, "CUDA"),
    ],
)
def test_a_setting_that_can_not_work_fails_with_a_fix(lora_run: LoraRun, change: dict[str, object], named: str) -> None:
    lora_run.spec["settings"] |= change
    failed = failure(lora_run)
    assert named in failed["message"] + failed["fix"]


def test_a_missing_base_model_is_named(lora_run: LoraRun) -> None:
    lora_run.spec["base_model"] = "/nowhere/at/all"
    assert failure(lora_run)["code"] == "base_model_missing"


def test_weights_that_could_run_code_are_refused(lora_run: LoraRun, tiny_base: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled-base"
    pickled.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (pickled / name).write_bytes((tiny_base / name).read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    lora_run.spec["base_model"] = str(pickled)
    failed = failure(lora_run)
    assert failed["code"] == "base_model_unusable" and "safetensors" in failed["message"]


@pytest.mark.skipif(not STORIES.is_dir(), reason="stories260K is not beside this checkout")
def test_a_base_without_chat_template_gets_ours_and_keeps_it(lora_run: LoraRun) -> None:
    lora_run.spec["base_model"] = str(STORIES)
    lora_run.spec["settings"] |= {"learning_rate": 5e-3, "epochs": 2}
    engine = lora_run.run()
    metrics = lora_run.result["metrics"]
    assert metrics["validation_loss_after"] < 0.5 * metrics["validation_loss_before"]
    assert "Teacher: " in (lora_run.folder / "adapter" / "chat_template.jinja").read_text()
    assert any("no chat template" in event["message"] for event in engine.named("note"))


def test_a_full_disk_is_named(lora_run: LoraRun) -> None:
    lora_run.spec["settings"] |= {"epochs": 1}
    (lora_run.folder / "result.tmp").symlink_to("/dev/full")
    engine = lora_run.start()
    assert engine.finish() == 1
    (failed,) = engine.named("failed")
    assert failed["code"] == "disk_full"
    assert "free some room" in failed["fix"]


def test_what_a_run_leaves_names_its_base_and_no_place_on_this_machine(lora_run: LoraRun) -> None:
    lora_run.spec |= {"base_name": "org/tiny", "base_sha256": "ab" * 32}
    lora_run.spec["settings"] |= {"epochs": 1}
    lora_run.run()
    config = json.loads((lora_run.folder / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == lora_run.result["base_model"] == "org/tiny"
    assert "ab" * 32 in (lora_run.folder / "adapter" / "README.md").read_text()
    for file in (lora_run.folder / "result.json", *(lora_run.folder / "adapter").iterdir()):
        assert lora_run.spec["base_model"].encode() not in file.read_bytes(), file.name
