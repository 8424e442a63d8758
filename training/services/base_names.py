"""What a base model is called outside this machine: by its Hugging Face id, or by its content. Never by a path."""

import json
from pathlib import Path
from typing import Any

from teams.safe_files import file_in
from training.models import BaseModel, Hosting, TrainingRun
from training.services.bundled_bases import card_of
from training.services.json_files import write_json

HUB = "https://huggingface.co/"
BASE_FILE = "base.json"
"""Beside a run's adapter, for the model server alone: under which name it serves the base."""
ADAPTER_CONFIG = "adapter/adapter_config.json"
ADAPTER_CARD = "adapter/README.md"
RESULT = "result.json"
HASH_SHOWN = 12


def is_path(name: str) -> bool:
    return name.startswith(("/", "~", ".")) or "\\" in name


def public_name(base: BaseModel) -> str:
    """Its id on the Hub; of a folder its own name and the beginning of its weights' hash."""
    card = card_of(base)
    if card is not None and card.origin.startswith(HUB):
        return card.origin.removeprefix(HUB)
    if not is_path(base.name):
        return base.name
    return f"local/{Path(base.name).name}" + (
        f"-{base.weights_sha256[:HASH_SHOWN]}" if base.weights_sha256 else ""
    )


def archived_name(base: BaseModel) -> str:
    """What a run archive calls it: its name on every platform like this one, or, of a folder, its public name."""
    return public_name(base) if is_path(base.name) else base.name


def described(base: BaseModel) -> dict[str, Any]:
    """For `run.json`: enough to find the same weights elsewhere."""
    on_hub = base.local and not is_path(base.name) and "/" in public_name(base)
    return {
        "name": base.label,
        "hub_id": public_name(base) if on_hub else "",
        "weights_sha256": base.weights_sha256,
        "comes_with_the_platform": base.hosting == Hosting.BUNDLED,
    }


def name_base(folder: Path, base: BaseModel) -> None:
    """Tell the model server, in a run's folder, which base the run's adapter belongs on."""
    write_json(file_in(folder, BASE_FILE), {"name": base.name})


def without_paths(run: TrainingRun, name: str, content: bytes) -> bytes:
    """A file of the run as it may leave this machine. Runs of before had the base's folder in three of them."""
    base = run.base_model
    content = content.replace(base.weights.encode(), public_name(base).encode())
    if name != ADAPTER_CONFIG:
        return content
    try:
        config = json.loads(content)
    except ValueError:
        return content  # no configuration, so it names nothing
    if not isinstance(config, dict) or not is_path(
        str(config.get("base_model_name_or_path", ""))
    ):
        return content
    # The folder as it was called when the run was made: the platform has moved since.
    return json.dumps(config | {"base_model_name_or_path": public_name(base)}, indent=2).encode()


NAMES_ITS_BASE = (ADAPTER_CONFIG, ADAPTER_CARD, RESULT)
