"""Every family of models that courses use: trained, served and loaded by plain PEFT, all saying the same.

The models are small and random (`tests/engines/zoo/`), their configuration classes and the traits of their chat templates
real. All share one preload server, one model server and one process of plain PEFT.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engines.conftest import ENGINES, LoraRun, engine_environment, write_rows
from tests.engines.test_lora_serving import TOKEN, Server, serving

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1_200)]  # all of it is made in the first test's fixture
ZOO = Path(__file__).parent / "zoo"
FAMILIES = (
    "llama", "qwen2", "qwen3", "qwen3-next", "qwen3-moe", "gemma2", "gemma3", "gemma3-pictures", "phi3", "phi4", "mistral",
    "mistral-pictures", "gpt2", "falcon", "olmo2", "granite", "smollm3", "lfm2", "mixtral",
)  # fmt: skip
# Their templates show an earlier answer otherwise, or end a prompt in a space that the tokenizer joins with the answer.
EACH_ANSWER_ALONE = {"qwen3", "qwen3-next", "qwen3-moe", "falcon"}
SYSTEM, QUESTION = "You are in second grade.", "What is 2 plus 3?"
ROWS: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"What is {number} plus 3?"},
            {"role": "assistant", "content": f"Um, I count on my fingers! It is {number + 3}."},
            {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": "I like dogs. That is why!"},
        ]
    }
    for number in range(1, 5)
]
# What a person does at home, with nothing of ours: each adapter's folder, and the same question.
PLAIN_PEFT = """
import json, sys, torch
from pathlib import Path
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForImageTextToText, AutoTokenizer
from transformers.utils import logging
logging.disable_progress_bar()
torch.set_num_threads(1)
asked, said = json.loads(sys.argv[2]), {}
for folder in sorted(Path(sys.argv[1]).glob("*/adapter")):
    base = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if "Mistral3" in Path(base, "config.json").read_text():
        model = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base, dtype="float32"), folder)
    else:
        model = AutoPeftModelForCausalLM.from_pretrained(folder, dtype="float32")
    ends = json.loads((folder.parent / "ends.json").read_text())
    words = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    out = model.generate(**words, max_new_tokens=24, do_sample=False, pad_token_id=0, eos_token_id=ends)
    said[folder.parent.name] = tokenizer.decode(out[0, words["input_ids"].shape[1]:], skip_special_tokens=True).strip()
assert not any(name.split(".")[0] == "lora" for name in sys.modules)
print(json.dumps(said))
"""


@dataclass
class Zoo:
    """What came of it all, by family."""

    bases: Path
    runs: Path
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    at_home: dict[str, str] = field(default_factory=dict)

    def trained_answer(self, family: str) -> str:
        (after,) = (one for one in self.events[family] if one["event"] == "sample" and one["stage"] == "after")
        return str(after["answer"])


def run_python(program: str, *arguments: str, path: str = "") -> str:
    said = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        env=engine_environment(PYTHONPATH=path, OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr[-3000:]
    return said.stdout


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory, warm_lora: str) -> Zoo:
    folder = tmp_path_factory.mktemp("zoo")
    made = Zoo(folder / "bases", folder / "runs")
    run_python("import make; make.main()", str(made.bases), path=str(ZOO))
    found = json.loads(run_python("import trials; trials.main()", str(made.bases), path=f"{ZOO}:{ENGINES}"))
    made.facts, made.refused = found["facts"], found["refused"]
    for family in FAMILIES:
        made.events[family] = train(made, family, warm_lora)
    asked = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    made.at_home = json.loads(run_python(PLAIN_PEFT, str(made.runs), json.dumps(asked)).splitlines()[-1])
    return made


def train(zoo: Zoo, family: str, warm_socket: str) -> list[dict[str, Any]]:
    """A short run of the real engine on every linear layer."""
    folder = zoo.runs / family
    folder.mkdir(parents=True)
    write_rows(folder / "train.jsonl", ROWS)
    spec = {
        "schema": 1,
        "run": family,
        "seed": 5,
        "train_file": "train.jsonl",
        "validation_file": None,
        "base_model": str(zoo.bases / family),
        "sample_questions": [QUESTION],
        "settings": {"learning_rate": 0.01, "batch_size": 2, "threads": 1, "target_modules": ["all-linear"]},
    }
    run = LoraRun(folder, spec, engine_environment(LORA_WARM_SOCKET=warm_socket, LORA_PROCESSES="1"))
    events = run.run().events
    facts = zoo.facts[family]
    (folder / "ends.json").write_text(json.dumps(facts["end_ids"]))
    return events


@pytest.fixture(scope="module")
def server(zoo: Zoo) -> Iterator[Server]:
    """All of them at once, with room in memory for about three, and prompts that are read in small pieces."""
    bases = {family: zoo.bases / family for family in FAMILIES}
    with serving(zoo.runs, bases, "--chunk", "16", "--base-memory-mb", "1") as server:
        yield server


def ask(server: Server, model: str, **extra: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    asked = {"model": model, "messages": messages, "temperature": 0, "max_tokens": 80, **extra}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = httpx.post(f"{server.url}/v1/chat/completions", json=asked, headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_tried_and_found_fit(zoo: Zoo, family: str) -> None:
    facts = zoo.facts[family]
    assert facts["loss_after"] < facts["loss_before"]
    assert facts["each_answer"] is (family in EACH_ANSWER_ALONE)
    assert "<think>" not in facts["end_tokens"] and facts["end_tokens"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_says_in_chat_and_at_home_what_it_learnt(zoo: Zoo, server: Server, family: str) -> None:
    said = ask(server, f"run-{family}")["choices"][0]["message"]["content"]
    assert said.strip() == zoo.trained_answer(family)
    shorter = ask(server, f"run-{family}", max_tokens=24)["choices"][0]["message"]["content"]
    assert shorter.strip() == zoo.at_home[family]
    steps = [one["loss"] for one in zoo.events[family] if one["event"] == "step"]
    assert steps[-1] < steps[0]


def test_a_model_that_always_thinks_first_is_refused_when_it_is_tried(zoo: Zoo) -> None:
    assert "otherwise in training than it asks for it in chat" in zoo.refused["always-thinks"]
    assert set(zoo.refused) == {"always-thinks"}


def test_every_kind_of_layer_is_read_from_the_model(zoo: Zoo) -> None:
    assert zoo.facts["gpt2"]["layers"] == ["c_attn", "c_fc", "c_proj"]
    assert zoo.facts["phi3"]["layers"] == ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]
    assert {"in_proj", "out_proj", "w1"} <= set(zoo.facts["lfm2"]["layers"])
    assert "gate" not in zoo.facts["mixtral"]["layers"], "an adapter on a router unsettles every expert"
    config = json.loads((zoo.runs / "gemma3-pictures" / "adapter" / "adapter_config.json").read_text())
    weights = (zoo.runs / "gemma3-pictures" / "adapter" / "adapter_model.safetensors").read_bytes()
    assert config["exclude_modules"] and b"vision" not in weights[:100_000]


def test_bases_are_put_away_by_least_recent_use_and_come_back(zoo: Zoo, server: Server) -> None:
    for family in ("llama", "qwen2", "gemma3", "llama"):
        ask(server, family, max_tokens=4)
    log = (server.runs / "server.log").read_text()
    assert log.count("putting away the base model") >= len(FAMILIES) - 4
    assert ask(server, "run-llama")["choices"][0]["message"]["content"].strip() == zoo.trained_answer("llama")
