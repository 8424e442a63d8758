"""What engine tests share: a small random base model, rows, and engines started as the launcher starts them."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ROOT / "training" / "engines"
F_SETPIPE_SZ = 1031  # fcntl's, named by Python only on some builds
TEMPLATE = (
    "{%- for message in messages %}{%- if message['role'] == 'assistant' %}{{- '<|assistant|>' }}"
    "{% generation %}{{- message['content'] + '<|end|>' }}{% endgeneration %}"
    "{%- else %}{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}"
)
SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
HIDDEN, LAYERS, HEADS, INNER = 32, 2, 2, 64
CONTEXT = 20_000  # so long that an answer nobody stops does not end by itself within a test

Row = dict[str, Any]
Event = dict[str, Any]


def row(teacher: str, student: str, **extra: Any) -> Row:
    return {"messages": [{"role": "user", "content": teacher}, {"role": "assistant", "content": student, **extra}]}


def sums(count: int, first: int = 0) -> list[Row]:
    """`count` different sums, answered in one child's voice."""
    pairs = [(1 + number % 9, 1 + number // 9 % 9) for number in range(first, first + count)]
    return [row(f"What is {a} plus {b}?", f"Um, I count on my fingers! It is {a + b}.") for a, b in pairs]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")


def engine_environment(**extra: str) -> dict[str, str]:
    """The allow-listed environment an engine gets: nothing of ours on its path but the engines."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(ENGINES), "HF_HUB_OFFLINE": "1"} | extra


def one_event_pipe() -> tuple[IO[str], int]:
    """Where to read and where to write: one page of packets has room for one, so the next event waits until it is read."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_DIRECT)
    fcntl.fcntl(writing, F_SETPIPE_SZ, 4096)
    return os.fdopen(reading, encoding="utf-8"), writing


@dataclass
class EngineProcess:
    """One engine being watched. It waits for its reader, so a slow test finds it at the step that it last heard of."""

    process: subprocess.Popen[bytes]
    said: IO[str]
    log: Path
    events: list[Event] = field(default_factory=list)

    def next_event(self) -> Event | None:
        line = self.said.readline()
        if not line:
            return None
        self.events.append(json.loads(line))
        return self.events[-1]

    def until_step(self, step: int) -> None:
        while (event := self.next_event()) is not None:
            if event["event"] == "step" and event["step"] >= step:
                return
        raise AssertionError(f"the engine ended before step {step}: {self.events[-1:]} {self.log.read_text()}")

    def finish(self) -> int:
        while self.next_event() is not None:
            pass
        return self.process.wait()

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event["event"] == name]


@dataclass
class LoraRun:
    """A run's folder and its order."""

    folder: Path
    spec: dict[str, Any]
    environment: dict[str, str]

    def start(self, **environment: str) -> EngineProcess:
        (self.folder / "spec.json").write_text(json.dumps(self.spec), encoding="utf-8")
        log = self.folder / "engine.log"
        said, stdout = one_event_pipe()
        with log.open("a", encoding="utf-8") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "lora.train", "spec.json"],
                cwd=self.folder,
                env=self.environment | environment,
                stdout=stdout,
                stderr=stderr,
            )
        os.close(stdout)
        return EngineProcess(process, said, log)

    def run(self) -> EngineProcess:
        """To its end, which must be a good one."""
        engine = self.start()
        status = engine.finish()
        assert status == 0, f"{engine.events[-1:]} {engine.log.read_text()}"
        return engine

    @property
    def result(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return content

    @property
    def weights(self) -> bytes:
        return (self.folder / "adapter" / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 30,000 parameters with a chat template, written without torch."""
    folder = tmp_path_factory.mktemp("tiny-base")
    write_tiny_base(folder)
    return folder


def write_tiny_base(folder: Path) -> None:
    """The same base wherever it is written."""
    vocabulary = _write_tokenizer(folder)
    shape = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
    }
    config = shape | {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_key_value_heads": HEADS,
        "max_position_embeddings": CONTEXT,
        "vocab_size": vocabulary,
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": None,
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file(_random_weights(vocabulary), folder / "model.safetensors", metadata={"format": "pt"})


def _write_tokenizer(folder: Path) -> int:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [message["content"] for one in sums(81) for message in one["messages"]]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<|pad|>",
        "eos_token": "<|end|>",
        "additional_special_tokens": SPECIAL[2:],
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return int(tokenizer.get_vocab_size())


def _random_weights(vocabulary: int) -> dict[str, Any]:
    random = np.random.default_rng(7)

    def matrix(rows: int, columns: int) -> Any:
        return random.normal(0, 0.15, (rows, columns)).astype(np.float32)

    ones = np.ones(HIDDEN, dtype=np.float32)
    weights = {"model.embed_tokens.weight": matrix(vocabulary, HIDDEN), "model.norm.weight": ones}
    for number in range(LAYERS):
        layer = f"model.layers.{number}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            weights[f"{layer}.self_attn.{name}.weight"] = matrix(HIDDEN, HIDDEN)
        weights[f"{layer}.mlp.gate_proj.weight"] = matrix(INNER, HIDDEN)
        weights[f"{layer}.mlp.up_proj.weight"] = matrix(INNER, HIDDEN)
        weights[f"{layer}.mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
        weights[f"{layer}.input_layernorm.weight"] = ones.copy()
        weights[f"{layer}.post_attention_layernorm.weight"] = ones.copy()
    return weights


@pytest.fixture(scope="session")
def warm_lora(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A preload server, so that a run costs what it computes and not three seconds of imports."""
    folder = tmp_path_factory.mktemp("warm")
    path = folder / "warm.sock"
    command = [sys.executable, "-P", "-m", "lora.warm", "--socket", str(path)]
    with subprocess.Popen(command, env=engine_environment(), stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stderr is not None
        said = parent.stderr.readline()
        assert "listens" in said, said + parent.stderr.read()
        yield str(path)
        parent.terminate()
        assert parent.wait() == 0


@pytest.fixture
def lora_run(tmp_path: Path, tiny_base: Path, warm_lora: str) -> LoraRun:
    """32 sums to train on, 8 held out, in batches of 4: 24 steps of three epochs."""
    return make_lora_run(tmp_path, tiny_base, warm_lora)


def make_lora_run(folder: Path, base: Path, warm_socket: str) -> LoraRun:
    write_rows(folder / "train.jsonl", sums(32))
    write_rows(folder / "validation.jsonl", sums(8, first=40))
    spec = {
        "schema": 1,
        "run": folder.name,
        "seed": 5,
        "train_file": "train.jsonl",
        "validation_file": "validation.jsonl",
        "base_model": str(base),
        "sample_questions": ["What is 2 plus 3?"],
        "settings": {"learning_rate": 0.02, "batch_size": 4, "threads": 1},
    }
    return LoraRun(folder, spec, engine_environment(LORA_WARM_SOCKET=warm_socket))


@pytest.fixture(scope="session")
def finished_run(
    tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, warm_lora: str
) -> tuple[LoraRun, EngineProcess]:
    """One unbroken run, done once for all tests that only look at what it left."""
    run = make_lora_run(tmp_path_factory.mktemp("finished"), tiny_base, warm_lora)
    return run, run.run()
