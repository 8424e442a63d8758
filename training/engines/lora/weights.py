"""Which weights a base is: by content, since a name or a folder may come to hold others."""

import hashlib
from pathlib import Path

from huggingface_hub import try_to_load_from_cache


def folder_of(base: str) -> Path | None:
    """Where the base's files lie: its own folder, or the place of the last download of a Hugging Face id."""
    if Path(base).is_dir():
        return Path(base)
    found = try_to_load_from_cache(base, "config.json")
    return Path(found).parent if isinstance(found, str) else None


def weights_sha256(base: str) -> str:
    """Of its one safetensors file; of several, of the lines `hash  name` in the order of their names. Empty where there are
    none."""
    folder = folder_of(base)
    files = sorted(folder.glob("*.safetensors")) if folder is not None else []
    hashes = [(_sha256(file), file.name) for file in files]
    if len(hashes) == 1:
        return hashes[0][0]
    lines = "".join(f"{one}  {name}\n" for one, name in hashes)
    return hashlib.sha256(lines.encode()).hexdigest() if lines else ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
