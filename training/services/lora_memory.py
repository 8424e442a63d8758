"""How much memory a LoRA run needs, estimated from the base's `config.json` before anything is loaded, and how much there is.

Only arithmetic and small files: the web process asks this for every change of a form. The factors were measured on CPU in
fp32 (PEFT 0.21, torch 2.13): peaks of Llama shapes with 256 to 768 wide layers came out 0 to 25 % below this estimate, those
with 8 and 4 bits (bitsandbytes 0.50) too, once the pages of the weights' file, which the system takes back, are left out.
"""

import json
import logging
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
MEMORY_INFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
CUDA_LIBRARY = "libtorch_cuda.so"
LORA_PROCESSES = "LORA_PROCESSES"  # as the engine reads it
FP32, HALF = 4, 2
QUANTIZED = {"8bit": 1.02, "4bit": 0.5625}  # bytes of a layer's weight, its scales included
# bitsandbytes, imported, and what packing the weights leaves behind
QUANTIZER_BYTES = 100 * 2**20
RUNTIME_BYTES = 500 * 2**20  # torch, transformers and PEFT, imported
# in each further process of a light base, beside weights and adapter: 155 to 240 MiB
FORKED_BYTES = 240 * 2**20
# `accelerate launch`, where several were asked for; what it starts shares nothing
LAUNCHER_BYTES = 200 * 2**20
GPU_RUNTIME_BYTES = 700 * 2**20  # what CUDA keeps for itself
# weights, gradients, two of AdamW, the best so far, the checkpoint being written
ADAPTER_COPIES = 6
LOGIT_COPIES = 3  # logits, their softmax, their gradient
# Numbers kept for the backward pass, per token, layer and width.
HIDDEN_KEPT = 16
INNER_KEPT = 5
ADAPTED_KEPT = 4
EVERY = "all-linear"  # as the engine calls all layers that can be adapted
LIGHT_BYTES, FEWEST_ROWS = 128 * 2**20, 2  # as in the engine's forks.py
TIED_BY_DEFAULT = (
    "gpt2",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3_text",
    "lfm2",
)  # by their configuration classes
# a batch is as long as its longest row, and the version says only the mean
LONGEST_OVER_MEAN = 4


@dataclass(frozen=True)
class Shape:
    """A base model's sizes, from its configuration."""

    vocabulary: int
    hidden: int
    layers: int
    inner: int
    query: int  # width of all query heads
    value: int  # width of all key or value heads
    tied: bool

    @property
    def parameters(self) -> int:
        return (
            self.vocabulary * self.hidden * (1 if self.tied else 2)
            + self.in_matrices
            + self.hidden * self._norms
        )

    @property
    def in_matrices(self) -> int:
        """Parameters of the layers' matrices: all that fewer bits make smaller."""
        return self.layers * (
            2 * self.hidden * (self.query + self.value) + 3 * self.hidden * self.inner
        )

    @property
    def _norms(self) -> int:
        return 2 * self.layers + 1

    def adapted(self, modules: list[str]) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer's modules that get an adapter, as far as a family joins none of them. Those that
        are joined have the inputs of one and the outputs of all: no bigger adapter than theirs together."""
        known = {
            "q_proj": (self.hidden, self.query),
            "k_proj": (self.hidden, self.value),
            "v_proj": (self.hidden, self.value),
            "o_proj": (self.query, self.hidden),
            "gate_proj": (self.hidden, self.inner),
            "up_proj": (self.hidden, self.inner),
            "down_proj": (self.inner, self.hidden),
        }
        if EVERY in modules:
            return list(known.values())
        return [known.get(module, (self.hidden, self.hidden)) for module in modules]


@dataclass(frozen=True)
class Need:
    """Bytes that a run holds at its peak (of several GPUs: on each), by what holds them."""

    runtime: int
    weights: int
    adapter: int
    activations: int

    @property
    def total(self) -> int:
        return self.runtime + self.weights + self.adapter + self.activations


@dataclass(frozen=True)
class Room:
    """Bytes of memory there are where the run would compute: free at this moment, and in all. `gpus`: the names of those it
    would take, and then the bytes are those of the one with the least."""

    free: int
    total: int
    gpus: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "GPU memory" if self.on_gpu else "memory"

    @property
    def on_gpu(self) -> bool:
        return bool(self.gpus)


def shape_of(weights: str) -> Shape | None:
    """Sizes of the base in a folder or in the local model cache; None where its configuration is not here or says otherwise."""
    config = _config_of(weights)
    try:
        hidden = int(_first(config, "hidden_size", "n_embd"))
        heads = int(_first(config, "num_attention_heads", "n_head"))
        values = _first(config, "num_key_value_heads", "num_kv_heads", otherwise=heads)
        head = int(config.get("head_dim") or hidden // heads)
        return Shape(
            vocabulary=int(config["vocab_size"]),
            hidden=hidden,
            layers=int(_first(config, "num_hidden_layers", "n_layer")),
            inner=int(
                _first(
                    config,
                    "intermediate_size",
                    "n_inner",
                    "ffn_hidden_size",
                    otherwise=4 * hidden,
                )
            ),
            query=heads * head,
            value=int(values) * head,
            tied=bool(
                config.get("tie_word_embeddings", config.get("model_type") in TIED_BY_DEFAULT)
            ),
        )
    except (KeyError, TypeError, ValueError):
        return None  # another family of models names its sizes otherwise: nothing is claimed about it


def family_of(weights: str) -> str:
    """The base's `model_type`; empty where its configuration is not here."""
    return str(_config_of(weights).get("model_type", ""))


def _config_of(weights: str) -> dict[str, Any]:
    """Of the text part, which is what is trained of a model that sees pictures too. Empty where there is none here."""
    folder = Path(weights)
    path = folder / "config.json" if folder.is_dir() else _cached_config(weights)
    if path is None or not path.is_file():
        return {}
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config | (config.get("text_config") or {})


def _first(config: dict[str, Any], *names: str, otherwise: int | None = None) -> Any:
    """What the family calls it. Raises KeyError where it calls it otherwise still."""
    for name in names:
        if config.get(name) is not None:
            return config[name]
    if otherwise is None:
        raise KeyError(names[0])
    return otherwise


def _cached_config(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = (
        try_to_load_from_cache(name, "config.json")
        if "/" in name and not name.startswith("/")
        else None
    )
    return Path(found) if isinstance(found, str) else None


def cores() -> int:
    """Of this machine, those that a run may use."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )


def need_here(
    weights: str, settings: dict[str, Any], mean_row_tokens: float, room: Room | None
) -> Need | None:
    """`need` on this machine, where `room` is; None where the base's sizes are unknown."""
    if (shape := shape_of(weights)) is None:
        return None
    gpus = room.gpus if room is not None else ()
    processes = len(gpus) or processes_of(weights, settings)
    launched = _asked_processes() is not None
    return need(
        shape, settings, mean_row_tokens, gpu=bool(gpus), processes=processes, launched=launched
    )


def processes_of(weights: str, settings: dict[str, Any]) -> int:
    """How many processes train on a processor on a base in this folder: as many as were asked for, else several for a light one."""
    if asked := _asked_processes():
        return asked
    files = (
        [file.stat().st_size for file in Path(weights).glob("*.safetensors")]
        if Path(weights).is_dir()
        else []
    )
    if not files or sum(files) > LIGHT_BYTES or settings.get("quantization") in QUANTIZED:
        return 1
    rows = int(settings.get("batch_size", 16))
    return max(1, min(cores(), rows // FEWEST_ROWS))


def _asked_processes() -> int | None:
    """None where nobody asked; the engine refuses what is no number."""
    said = os.environ.get(LORA_PROCESSES, "")
    return int(said) if said.isascii() and said.isdigit() and int(said) else None


def need(
    shape: Shape,
    settings: dict[str, Any],
    mean_row_tokens: float,
    *,
    gpu: bool = False,
    processes: int = 1,
    launched: bool = False,
) -> Need:
    """Peak memory of a run with these settings (those of the LoRA form; the engine's defaults where one is missing), trained in
    so many processes that share each batch: all on this machine's processor, or each on a GPU of its own. On a processor they
    are forked from one, or were `launched`, each from nothing."""
    bits = QUANTIZED.get(str(settings.get("quantization")))
    # What is left whole beside fewer bits is in fp32.
    size = HALF if gpu and bits is None else FP32
    modules = settings.get("target_modules") or ["q_proj", "v_proj"]
    adapted = shape.adapted(modules.split(",") if isinstance(modules, str) else list(modules))
    longest = min(
        int(settings.get("max_length", 512)), round(LONGEST_OVER_MEAN * mean_row_tokens)
    )
    rows = int(settings.get("batch_size", 16))
    if settings.get("training") == "dpo":
        rows *= 2  # both answers of a pair are conversations of their own
    tokens = (-(-rows // processes) if gpu else rows) * max(1, longest)
    together = 1 if gpu else processes  # those that share this memory
    per_layer = (
        HIDDEN_KEPT * shape.hidden
        + INNER_KEPT * shape.inner
        + ADAPTED_KEPT * sum(wide for wide, _ in adapted)
    )
    kept = per_layer * shape.layers
    if settings.get("gradient_checkpointing"):
        kept = per_layer + shape.hidden * shape.layers
    logits = LOGIT_COPIES * shape.vocabulary * FP32
    rank = int(settings.get("rank", 8))
    return Need(
        runtime=(GPU_RUNTIME_BYTES if gpu else RUNTIME_BYTES)
        + (QUANTIZER_BYTES if bits else 0)
        + (LAUNCHER_BYTES if launched and together > 1 else 0)
        + (together - 1) * (RUNTIME_BYTES if launched else FORKED_BYTES),
        weights=together
        * round(
            size * (shape.parameters - shape.in_matrices) + (bits or size) * shape.in_matrices
        ),
        adapter=together
        * ADAPTER_COPIES
        * FP32
        * rank
        * shape.layers
        * sum(a + b for a, b in adapted),
        activations=tokens * (kept * size + logits),
    )


def room() -> Room | None:
    """Memory of the GPU with the least where a run computes on GPUs (each holds the whole model), else of this machine (or of
    its container); None where neither tells."""
    return _gpu_room() or _machine_room()


@lru_cache(maxsize=1)
def _gpu_tool() -> str | None:
    return shutil.which("nvidia-smi") if _torch_has_cuda() else None


def _torch_has_cuda() -> bool:
    """Whether the torch that engines import was built for CUDA, told without importing it: a build for processors computes on
    the processor, whatever GPUs there are."""
    torch = find_spec("torch")
    folders = torch.submodule_search_locations if torch is not None else None
    return any((Path(folder) / "lib" / CUDA_LIBRARY).exists() for folder in folders or [])


def _gpu_room() -> Room | None:
    tool, visible = _gpu_tool(), os.environ.get("CUDA_VISIBLE_DEVICES")
    if tool is None or (visible is not None and visible.strip() in ("", "-1")):
        return None
    chosen = [f"--id={visible}"] if visible else []
    asked = [
        tool,
        *chosen,
        "--query-gpu=memory.free,memory.total,name",
        "--format=csv,noheader,nounits",
    ]
    try:
        said = subprocess.run(
            asked, capture_output=True, text=True, timeout=10, check=True
        ).stdout
        gpus = [_gpu(line) for line in said.splitlines()]
    except (OSError, subprocess.SubprocessError, ValueError) as silent:
        log.warning(
            "nvidia-smi does not tell the memory of the GPUs, so that of the machine is taken: %s",
            silent,
        )
        return None
    processes = _asked_processes() or len(gpus)
    if not gpus or processes > len(gpus):  # the engine then leaves them all alone
        return None
    taken = gpus[:processes]
    return Room(
        free=min(free for free, _, _ in taken),
        total=min(total for _, total, _ in taken),
        gpus=tuple(name for _, _, name in taken),
    )


def _gpu(line: str) -> tuple[int, int, str]:
    free, total, name = line.split(",", 2)
    return int(free) * 2**20, int(total) * 2**20, name.strip()


def _machine_room() -> Room | None:
    if not MEMORY_INFO.is_file():
        return None
    lines = (line.split() for line in MEMORY_INFO.read_text().splitlines())
    kib = {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) >= 2}
    free, total = kib["MemAvailable"] * 1024, kib["MemTotal"] * 1024
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if limit.is_file() and used.is_file() and (most := limit.read_text().strip()) != "max":
        total = min(total, int(most))
        free = min(free, max(0, int(most) - int(used.read_text())))
    return Room(free, total)


def refusal(need: Need, room: Room, *, alone: bool) -> str | None:
    """Why the run cannot fit, with a fix; None when it can. `alone` False: another run holds memory now and will have
    given it back when this one starts, so only the whole machine counts."""
    there = room.free if alone else room.total
    if need.total <= there:
        return None
    if need.runtime + need.weights > there:
        fix = (
            "Choose a smaller base model, or ask the instructor for a machine with more memory."
        )
    else:
        fix = "Lower the batch size or the longest row, adapt fewer layers, or choose a smaller base model."
    when = "free now" if alone else "in all"
    return f"This run needs about {in_words(need.total)} of {room.kind}, and this machine has {in_words(there)} {when}. {fix}"


def sentence(need: Need, room: Room | None) -> str:
    """For the estimate: what it needs beside what there is."""
    parts = (
        f"{in_words(need.weights)} for the base model, {in_words(need.activations)} for a batch"
    )
    there = f"; {in_words(room.free)} of {room.kind} is free now" if room else ""
    return f"It needs about {in_words(need.total)} ({parts}){there}."


def in_words(size: int) -> str:
    """1.5 GB, 320 MB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"
