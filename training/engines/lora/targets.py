"""Which of a base's layers get an adapter: read from the model itself, since every family names and joins them otherwise."""

import re
from collections.abc import Sequence

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

EVERY = "all-linear"
# What a family calls the layer in which it keeps Llama's: several of Llama's in one where they are joined.
OTHER_NAMES = {
    "q_proj": ("qkv_proj", "c_attn", "query_key_value", "Wqkv", "in_proj_qkv"),
    "k_proj": ("qkv_proj", "c_attn", "query_key_value", "Wqkv", "in_proj_qkv"),
    "v_proj": ("qkv_proj", "c_attn", "query_key_value", "Wqkv", "in_proj_qkv"),
    "o_proj": ("out_proj", "dense", "c_proj", "out_proj"),
    "gate_proj": ("gate_up_proj", "w1", "c_fc", "dense_h_to_4h", "fc1"),
    "up_proj": ("gate_up_proj", "w3", "c_fc", "dense_h_to_4h", "fc1"),
    "down_proj": ("w2", "c_proj", "dense_4h_to_h", "fc2"),
}
ROUTERS = (
    "router",
    "gate",
)  # a mixture's layer that chooses among experts: an adapter there unsettles all of them


def adaptable(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The linear layers of the text part by full name: no head, no picture or sound tower, no router."""
    decoder, head = model.get_decoder(), model.get_output_embeddings()
    of_text = {id(module) for module in decoder.modules()}
    found = {}
    for name, module in model.named_modules():
        is_router = name.rsplit(".", 1)[-1] in ROUTERS
        if (
            isinstance(module, nn.Linear | Conv1D)
            and id(module) in of_text
            and module is not head
            and not is_router
        ):
            found[name] = module
    return found


def names_of(model: PreTrainedModel) -> list[str]:
    """The last part of each such layer's name, once each: what may be named as a target."""
    return sorted({name.rsplit(".", 1)[-1] for name in adaptable(model)})


def resolve(model: PreTrainedModel, wanted: Sequence[str]) -> list[str]:
    """The layers of this base that `wanted` means: every one, those that it has under that name, or those in which its
    family keeps them. Empty where it has none of them."""
    there = names_of(model)
    if EVERY in wanted:
        return there
    found: list[str] = []
    for name in wanted:
        also = (other for other in OTHER_NAMES.get(name, ()) if other in there)
        found += [name] if name in there else list(also)[:1]
    return sorted(set(found))


def outside_text(model: PreTrainedModel) -> str | None:
    """A pattern of the names outside the text part, where layers there have the same names; None for a plain text model."""
    inside = set(adaptable(model))
    ends = {name.rsplit(".", 1)[-1] for name in inside}
    others = (
        name
        for name, module in model.named_modules()
        if name not in inside
        and isinstance(module, nn.Linear | Conv1D)
        and name.rsplit(".", 1)[-1] in ends
    )
    if next(others, None) is None:
        return None
    decoder = model.get_decoder()
    prefix = next(name for name, module in model.named_modules() if module is decoder)
    return rf"(?!{re.escape(prefix)}\.).*"
