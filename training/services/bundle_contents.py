"""What is inside an imported adapter or program: looked at field by field, and written again in our own words.

An adapter's configuration can name code, a program's can name an address that would be sent a key: nothing of that survives.
"""

import json
import struct
from pathlib import Path
from typing import Any

from teams.models import Method
from training.models import BaseModel
from training.services import lora_memory, program_contents
from training.services.bundle_files import WEIGHTS, Bundle, BundleRefused, read_json
from training.services.endpoints import provider_address

CONFIG, TEMPLATE, PROGRAM = "adapter/adapter_config.json", "adapter/chat_template.jinja", "program.json"
MOST_HEADER, MOST_RANK, MOST_MODULES = 2_000_000, 256, 32
TYPES = {"F32": 4, "F16": 2, "BF16": 2}
PREFIX, ENDS = "base_model.model.", (".lora_A.weight", ".lora_B.weight")
PLAIN_OFF = ("use_dora", "modules_to_save", "trainable_token_indices", "layer_replication", "target_parameters",
             "rank_pattern", "alpha_pattern", "auto_mapping")  # fmt: skip


def contents(bundle: Bundle, base: BaseModel) -> dict[str, bytes]:
    """Files that replace the bundle's own. Raises BundleRefused for an artefact that this platform would not have made."""
    if bundle.manifest.method == Method.LORA:
        return _adapter(bundle, base)
    if bundle.manifest.method == Method.DSPY:
        return {PROGRAM: _program(bundle, base)}
    if not bundle.signed:
        raise BundleRefused(
            "An OpenAI model stays in the provider's account. This bundle was not exported by this platform, or was changed "
            "since, so its model cannot be used here. Upload its rows as a dataset and train again."
        )
    return {}


def _adapter(bundle: Bundle, base: BaseModel) -> dict[str, bytes]:
    config = read_json(bundle, CONFIG)
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none":
        raise BundleRefused("The adapter is not a plain LoRA adapter.")
    if used := [name for name in PLAIN_OFF if config.get(name)]:
        raise BundleRefused(f"The adapter uses {', '.join(used)}, which is not served here.")
    rank, alpha, modules = config.get("r"), config.get("lora_alpha"), config.get("target_modules")
    if not isinstance(rank, int) or not 1 <= rank <= MOST_RANK or not isinstance(alpha, int | float):
        raise BundleRefused(f"The adapter's rank or alpha is not a number from 1 to {MOST_RANK}.")
    names = isinstance(modules, list) and all(isinstance(name, str) and name.isidentifier() for name in modules)
    if not modules or not names or len(modules) > MOST_MODULES:
        raise BundleRefused("The adapter's target_modules are not a list of layer names.")
    _check_weights(bundle, rank, base)
    _check_template(bundle, base)
    ours = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base.weights, "inference_mode": True,
        "r": rank, "lora_alpha": alpha, "lora_dropout": 0.0, "target_modules": modules, "bias": "none",
        "use_rslora": config.get("use_rslora") is True,
    }  # fmt: skip
    return {CONFIG: json.dumps(ours, indent=1).encode()}


def _check_weights(bundle: Bundle, rank: int, base: BaseModel) -> None:
    """The safetensors header, by hand: names, types, sizes. Nothing is loaded."""
    size = bundle.archive.getinfo(WEIGHTS).file_size
    with bundle.archive.open(WEIGHTS) as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(MOST_HEADER, size - 8):
            raise BundleRefused("The adapter's weights are not a safetensors file.")
        try:
            header: Any = json.loads(file.read(length))
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            places = [_tensor(name, entry, rank) for name, entry in tensors.items()]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as wrong:
            raise BundleRefused("The adapter's weights are not a safetensors file.") from wrong
    end = 0
    for first, last in sorted(places):
        if first != end:
            raise BundleRefused("The adapter's weights overlap or have gaps: the file is damaged.")
        end = last
    if not places or 8 + length + end != size:
        raise BundleRefused("The adapter's weights are cut off.")
    _check_widths(tensors, base)


def _tensor(name: str, entry: dict[str, Any], rank: int) -> tuple[int, int]:
    if not name.startswith(PREFIX) or not name.endswith(ENDS) or entry["dtype"] not in TYPES:
        raise BundleRefused(f"The adapter holds “{name[:80]}”, which is no LoRA matrix.")
    first, last = entry["data_offsets"]
    rows, columns = entry["shape"]
    if last - first != rows * columns * TYPES[entry["dtype"]] or rank not in (rows, columns):
        raise BundleRefused(f"“{name[:80]}” does not have the size that its rank {rank} gives it.")
    return first, last


def _check_widths(tensors: dict[str, Any], base: BaseModel) -> None:
    """Against the base's own sizes, where its configuration is on this machine."""
    shape = lora_memory.shape_of(base.weights)
    for name, entry in tensors.items() if shape else ():
        module = name.split(".")[-3]
        inputs, outputs = shape.adapted([module])[0] if shape else (0, 0)
        wide = entry["shape"][1] if ".lora_A." in name else entry["shape"][0]
        if wide != (inputs if ".lora_A." in name else outputs):
            raise BundleRefused(
                f"The adapter was made for a base model of another size: “{name[:80]}” does not fit {base}."
            )


def _check_template(bundle: Bundle, base: BaseModel) -> None:
    """A chat template is a little program. One that this platform did not export must be the base model's own."""
    there = TEMPLATE in bundle.archive.namelist()
    own = Path(base.weights) / "chat_template.jinja"
    if bundle.signed or not there:
        return
    if not own.is_file() or bundle.text(TEMPLATE).strip() != own.read_bytes().strip():
        raise BundleRefused(
            "Its chat template is not the base model's own, and the bundle was not exported by this platform. "
            "Import it where it was made, or train again here."
        )


def _program(bundle: Bundle, base: BaseModel) -> bytes:
    try:
        program = program_contents.read_program(bundle.text(PROGRAM))
    except program_contents.ProgramRefused as refused:
        raise BundleRefused(f"{PROGRAM}, {refused.field}: {refused}") from refused
    address, _ = provider_address(rehearsal=base.rehearsal)
    return program_contents.document(program, model=base.name, base_url=address)
