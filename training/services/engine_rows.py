"""A file of rows as an engine reads it, read again: what the platform asks of it before the engine starts."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def conversations(rows: Path) -> Iterator[list[Mapping[str, Any]]]:
    """The messages of each row; of a preference row its prompt, which stands under `input`."""
    with rows.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield (row if "messages" in row else row.get("input", {})).get("messages", [])
