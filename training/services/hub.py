"""What Hugging Face says of a model, or what this machine has of it already. Nothing but small JSON files is fetched."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 10.0
CONFIG = "config.json"


class HubTrouble(Exception):
    """It could not be looked at; the message says why and what to do."""


@dataclass(frozen=True)
class HubModel:
    files: list[str]
    config: dict[str, Any]


def look_at(name: str) -> HubModel:
    """Online where that works, else from this machine's cache. Raises HubTrouble."""
    import httpx
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        said = HfApi().model_info(name, timeout=PATIENCE_SECONDS)
        path = hf_hub_download(name, CONFIG, etag_timeout=PATIENCE_SECONDS)
        return HubModel([file.rfilename for file in said.siblings or []], _read(Path(path)))
    except GatedRepoError as gated:
        raise HubTrouble(
            f"{name} is gated: its owner wants each account to agree first. Ask whoever runs the platform to agree on "
            "Hugging Face and to set HF_TOKEN, or choose an open model."
        ) from gated
    except RepositoryNotFoundError as missing:
        raise HubTrouble(
            f"Hugging Face has no model {name}. Check how it is written, capitals included."
        ) from missing
    except (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        httpx.HTTPError,
        OSError,
    ) as away:
        return _cached(name, away)


def _cached(name: str, away: Exception) -> HubModel:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, CONFIG)
    if not isinstance(found, str):
        raise HubTrouble(
            f"This machine cannot reach Hugging Face ({type(away).__name__}), and {name} is not among the models that it has "
            "already. Connect it, or ask whoever runs the platform to put the model's folder on it."
        ) from away
    path = Path(found)
    return HubModel([file.name for file in path.parent.iterdir()], _read(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as wrong:
        raise HubTrouble(f"Its config.json cannot be read: {wrong}.") from wrong
    return data if isinstance(data, dict) else {}
