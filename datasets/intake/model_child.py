"""Looks through a version's rows with the name model, inside the sandbox: findings as JSON lines to `findings.jsonl`.

Input: `rows`, the version's blocks. The request is empty; the answer counts what was read. The model is big and none of ours: it
gets the fences of a parser of files, and nothing of it stays in memory when it is done.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from datasets.checks.privacy import texts_of
from datasets.services.blocks import read_blocks, unpack
from teams import sandbox_child

FINDINGS = "findings.jsonl"
MOST_FINDINGS = 20_000
"""So many are listed; more are no use to anybody, and the rules count theirs."""
MOST_OF_A_TEXT = 100
TELL_ROWS = 2_000


class ModelFinding(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What the model found in the text of `field` in the row at `index`; the places are character offsets."""

    index: int
    field: str
    kind: str
    start: int
    end: int


def main(request: dict[str, Any], tell: sandbox_child.Tell) -> dict[str, Any]:
    from datasets.checks.privacy.model import NameModel

    model = NameModel()
    listed = looked_at = rows = 0
    seen: dict[str, list[tuple[str, int, int]]] = {}
    with Path(FINDINGS).open("wb") as file:
        for index, field, text in _texts(tell):
            rows = index + 1
            if text not in seen:
                looked_at += 1
                if len(seen) > 10_000:
                    seen.clear()
                found = next(model.find([text]))[:MOST_OF_A_TEXT]
                seen[text] = [(kind, start, end) for kind, start, end, _, _ in found]
            for kind, start, end in seen[text]:
                if listed < MOST_FINDINGS:
                    listed += 1
                    told = ModelFinding(
                        index=index, field=field, kind=kind, start=start, end=end
                    )
                    file.write(msgspec.json.encode(told) + b"\n")
    return {"rows": rows, "texts": looked_at, "findings": listed}


def _texts(tell: sandbox_child.Tell) -> Iterator[tuple[int, str, str]]:
    """(place of the row, field, text) of every text that the model may have to look at."""
    from datasets.checks.privacy.model import worth_a_look
    from datasets.checks.privacy.plain_text import plain_text

    index = 0
    with sandbox_child.input_file("rows") as file:
        for block in read_blocks(file):
            for row in unpack(block.data):
                for field, text in texts_of(row):
                    if worth_a_look(plain_text(text).text):
                        yield index, field, text
                index += 1
                if index % TELL_ROWS == 0:
                    tell({"rows": index})
