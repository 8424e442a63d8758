"""`run.json`: what a run archive says about itself, and which files it may bring."""

from collections.abc import Collection
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from teams.sandbox_child import Refusal

SCHEMA = 2
MANIFEST = "run.json"
SIGNATURE = "run.json.signature"
ROWS = "rows.jsonl"
EVENTS = "events.jsonl"
MOST_FILES = 40
MOST_BYTES = 400_000_000
MOST_TEXT_BYTES = 5_000_000
MOST_LINES_BYTES = 250_000_000  # rows and curves
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5")
WEIGHTS = "adapter/adapter_model.safetensors"
CONFIG = "adapter/adapter_config.json"
TEMPLATE = "adapter/chat_template.jinja"
PROGRAM = "program.json"
ROW_FILES = ("train.jsonl", "validation.jsonl")
RESULT = "result.json"
ADAPTER_FILES = (
    WEIGHTS,
    CONFIG,
    TEMPLATE,
    "adapter/README.md",
    "adapter/tokenizer.json",
    "adapter/tokenizer_config.json",
    "adapter/special_tokens_map.json",
)
Text = Annotated[str, Meta(max_length=300)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Whole = Annotated[int, Meta(ge=0, lt=2**31)]
Setting = int | float | str | bool | list[str] | dict[str, float] | None


class KeptFiles(msgspec.Struct, frozen=True):
    """What an archive may bring of a run, by its method. The child that reads it is told by whoever starts it.

    `files`: the only ones; their place is all that names them on their way in. `needed`: those that must be there.
    `is_program`, `leaves_adapter`: as `training.methods.TrainingMethod` says, for how they are looked at.
    """

    files: tuple[str, ...]
    needed: tuple[str, ...] = ()
    is_program: bool = False
    leaves_adapter: bool = False


class ArchiveFile(msgspec.Struct, frozen=True):
    path: Text
    sha256: Hash
    bytes: Annotated[int, Meta(ge=0, le=MOST_BYTES)]


class ArchiveData(msgspec.Struct, frozen=True):
    name: Text
    content_hash: Text
    shape: Text = "messages"


class Figures(msgspec.Struct, frozen=True):
    step: Whole = 0
    total_steps: Whole = 0
    train_loss: float | None = None
    validation_loss: float | None = None
    score_before: float | None = None
    score_after: float | None = None


class ArchiveBase(msgspec.Struct, frozen=True):
    """Which weights the adapter belongs on, for whoever has them under another name."""

    hub_id: Text = ""
    weights_sha256: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""


class Manifest(msgspec.Struct, frozen=True):
    """What does not fit is refused with the field's name."""

    schema: int
    run: UUID
    method: Annotated[str, Meta(max_length=10)]
    base_model: Text
    seed: Whole
    dataset: ArchiveData
    files: Annotated[list[ArchiveFile], Meta(max_length=MOST_FILES)]
    settings: Annotated[dict[Text, Setting], Meta(max_length=100)]
    name: Annotated[str, Meta(max_length=80)] = ""
    words: Text = ""
    model: Annotated[str, Meta(max_length=200)] = ""
    rehearsal: bool = False
    figures: Figures = Figures()
    result: dict[str, Any] = {}
    base: ArchiveBase = ArchiveBase()


def read_manifest(text: bytes, methods: Collection[str]) -> Manifest:
    """`methods`: names of those that this platform has. Raises Refusal."""
    try:
        found = msgspec.json.decode(text, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise Refusal(MANIFEST, "", f"It is not one of this platform: {wrong}.") from wrong
    if found.schema != SCHEMA:
        raise Refusal(
            MANIFEST,
            "schema",
            f"It was exported by another version of the platform ({found.schema}, this one reads {SCHEMA}). "
            "Export the run again.",
        )
    if found.method not in methods:
        raise Refusal(
            MANIFEST,
            "method",
            f"This platform has no method “{found.method}”, only {', '.join(sorted(methods))}. "
            "Import the run where it was made.",
        )
    return found
