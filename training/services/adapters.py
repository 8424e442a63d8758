"""Whether an adapter from outside fits a base model of this platform, and its configuration in our own words."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from training.archives.adapter import AdapterConfig
from training.archives.manifest import TEMPLATE, WEIGHTS
from training.models import BaseModel
from training.services import lora_memory
from training.services.base_names import public_name

LAYER = re.compile(r"\.(?:layers|h)\.(\d+)\.")
# Families whose layers have the sizes that `lora_memory.Shape` knows them by; of others only the number of layers is compared
# here, and the model server compares the rest when it loads the adapter.
LLAMA_LIKE = (
    "llama",
    "qwen2",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3_text",
    "mistral",
    "olmo",
    "olmo2",
    "granite",
    "smollm3",
)


class AdapterRefused(Exception):
    """This adapter is not taken; the message says what in it, why, and what to do."""


def config_text(config: AdapterConfig, base: BaseModel) -> bytes:
    """`adapter_config.json`. Nothing but numbers and names of layers survives of the one that came: a configuration can
    name code, or a base model on another place of the disk."""
    alpha = config.lora_alpha
    ours = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": public_name(base),
        "inference_mode": True,
        "r": config.r,
        "lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        "lora_dropout": 0.0,
        "target_modules": config.target_modules,
        "bias": "none",
        "use_rslora": config.use_rslora,
    }
    return json.dumps(ours, indent=1).encode()


def check_fits(tensors: Mapping[str, tuple[int, int]], base: BaseModel) -> None:
    """Against the base's own sizes, where its configuration is on this machine. Raises AdapterRefused."""
    shape = lora_memory.shape_of(base.weights)
    if shape is None:
        return
    sized = lora_memory.family_of(base.weights) in LLAMA_LIKE
    for name, (rows, columns) in tensors.items():
        inputs, outputs = shape.adapted([name.split(".")[-3]])[0]
        found, wanted = (columns, inputs) if ".lora_A." in name else (rows, outputs)
        layer = LAYER.search(name)
        if (sized and found != wanted) or layer is None or int(layer[1]) >= shape.layers:
            raise AdapterRefused(
                f"{WEIGHTS}, {name[:80]}: The adapter was made for a base model of another size; it does not fit {base}."
            )


def template_sha256(template: str) -> str:
    """As the trial of a base model records it."""
    return hashlib.sha256(template.encode()).hexdigest()


def check_template(template: str, base: BaseModel, *, signed: bool) -> None:
    """A chat template is a little program. One that this platform did not export must be the base model's own."""
    if signed or not template or template_sha256(template) == base.facts.get("template_sha256"):
        return
    own = Path(base.weights) / "chat_template.jinja"
    if not own.is_file() or template.strip() != own.read_text(encoding="utf-8").strip():
        raise AdapterRefused(
            f"{TEMPLATE}: Its chat template is not the base model's own, and the archive was not exported by this platform. "
            "Import it where it was made, or train again here."
        )
