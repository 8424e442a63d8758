"""A LoRA adapter from outside: safetensors or nothing, its header read by hand, its configuration field by field."""

import struct
from typing import IO, Annotated, Any, Literal

import msgspec
import numpy
from msgspec import Meta

from teams.sandbox_child import Refusal
from training.archives.manifest import CONFIG, WEIGHTS

MOST_HEADER = 2_000_000
MOST_RANK = 256
MOST_MODULES = 32
MOST_TENSORS = 20_000
TYPES = {"F32": 4, "F16": 2, "BF16": 2}
# The bits of a number's exponent: all of them set means infinity or "not a number".
EXPONENTS = {"F32": ("<u4", 0x7F800000), "F16": ("<u2", 0x7C00), "BF16": ("<u2", 0x7F80)}
PREFIX = "base_model.model."
ENDS = (".lora_A.weight", ".lora_B.weight")
SCANNED_BYTES = 1 << 22
PLAIN_OFF = (
    "use_dora",
    "modules_to_save",
    "trainable_token_indices",
    "layer_replication",
    "target_parameters",
    "rank_pattern",
    "alpha_pattern",
    "auto_mapping",
)
Size = Annotated[int, Meta(ge=1, le=10_000_000)]


class Entry(msgspec.Struct, frozen=True):
    """One tensor as the header of a safetensors file names it."""

    dtype: Literal["F32", "F16", "BF16"]
    shape: tuple[Size, Size]
    data_offsets: tuple[int, int]


class AdapterConfig(msgspec.Struct, frozen=True):
    """What is kept of `adapter_config.json`."""

    r: Annotated[int, Meta(ge=1, le=MOST_RANK)]
    lora_alpha: Annotated[float, Meta(gt=0, le=10_000)]
    target_modules: Annotated[
        list[Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]{0,79}$")]],
        Meta(min_length=1, max_length=MOST_MODULES),
    ]
    use_rslora: bool = False


def read_config(text: bytes) -> AdapterConfig:
    """Raises Refusal for an adapter that could do more than LoRA."""
    try:
        said = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise Refusal(CONFIG, "", f"It is not a JSON object: {wrong}.") from wrong
    if said.get("peft_type") != "LORA" or said.get("bias", "none") != "none":
        raise Refusal(CONFIG, "peft_type", "The adapter is not a plain LoRA adapter.")
    if used := [name for name in PLAIN_OFF if said.get(name)]:
        raise Refusal(
            CONFIG, used[0], f"The adapter uses {', '.join(used)}, which is not served here."
        )
    try:
        return msgspec.convert(
            {name: said[name] for name in AdapterConfig.__struct_fields__ if name in said},
            AdapterConfig,
        )
    except msgspec.ValidationError as wrong:
        raise Refusal(
            CONFIG, "", f"The adapter's rank, alpha or target_modules are not usable: {wrong}."
        ) from wrong


def read_weights(file: IO[bytes], size: int, rank: int) -> dict[str, tuple[int, int]]:
    """The shape of each LoRA matrix in a safetensors file of `size` bytes. Raises Refusal. No tensor is made.

    Every byte must belong to a named matrix of the adapter's rank, and every number must be finite: one that is not
    would spoil the answers of everybody who is answered in the same batch.
    """
    tensors, start = _header(file, size)
    places = sorted((entry.data_offsets, name) for name, entry in tensors.items())
    end = 0
    for (first, last), name in places:
        if first != end or last < first:
            raise Refusal(
                WEIGHTS, name, "The adapter's weights overlap or have gaps: the file is damaged."
            )
        end = last
    if not places or start + end != size:
        raise Refusal(WEIGHTS, "", "The adapter's weights are cut off.")
    for name, entry in tensors.items():
        _check_tensor(name, entry, rank)
    _check_pairs(tensors)
    for _, name in places:
        _check_finite(file, name, tensors[name])
    return {name: entry.shape for name, entry in tensors.items()}


def _header(file: IO[bytes], size: int) -> tuple[dict[str, Entry], int]:
    """The entries, and where the numbers begin."""
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= min(MOST_HEADER, size - 8):
        raise Refusal(WEIGHTS, "", "The adapter's weights are not a safetensors file.")
    try:
        said = msgspec.json.decode(file.read(length), type=dict[str, Any])
        said.pop("__metadata__", None)
        tensors = msgspec.convert(said, dict[str, Entry])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise Refusal(
            WEIGHTS, "", f"The adapter's weights are not a safetensors file: {wrong}."
        ) from wrong
    if len(tensors) > MOST_TENSORS:
        raise Refusal(WEIGHTS, "", f"It holds more than {MOST_TENSORS:,} matrices.")
    return tensors, 8 + length


def _check_tensor(name: str, entry: Entry, rank: int) -> None:
    if not name.startswith(PREFIX) or not name.endswith(ENDS) or len(name) > 300:
        raise Refusal(WEIGHTS, name, "This is no LoRA matrix.")
    first, last = entry.data_offsets
    rows, columns = entry.shape
    if last - first != rows * columns * TYPES[entry.dtype] or rank not in (rows, columns):
        raise Refusal(WEIGHTS, name, f"It does not have the size that its rank {rank} gives it.")


def _check_pairs(tensors: dict[str, Entry]) -> None:
    for name in tensors:
        other = (
            name.replace(".lora_A.", ".lora_B.")
            if ".lora_A." in name
            else name.replace(".lora_B.", ".lora_A.")
        )
        if other not in tensors:
            raise Refusal(WEIGHTS, name, "The other half of this matrix is missing.")


def _check_finite(file: IO[bytes], name: str, entry: Entry) -> None:
    kind, exponent = EXPONENTS[entry.dtype]
    left = entry.data_offsets[1] - entry.data_offsets[0]
    while left:
        piece = file.read(min(SCANNED_BYTES, left))
        if not piece:
            raise Refusal(WEIGHTS, name, "The adapter's weights are cut off.")
        left -= len(piece)
        numbers = numpy.frombuffer(piece, dtype=kind)
        if bool(((numbers & exponent) == exponent).any()):
            raise Refusal(
                WEIGHTS,
                name,
                "It holds a number that is infinite or not a number. Train the run again.",
            )
