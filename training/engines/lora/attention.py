"""Attention of a base that trains in bf16 on a processor.

torch's fused kernel goes back through bf16 much more slowly than through fp32: there it took a third of a light base's step. So
attention is computed in fp32 between products in bf16; a step takes about a sixth less time.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

FP32_ATTENTION = "sdpa_fp32"


def use_fp32_attention(model: PreTrainedModel) -> None:
    """For a base whose attention is torch's own; any other keeps what it has."""
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(FP32_ATTENTION, _fp32_attention)
        AttentionMaskInterface.register(FP32_ATTENTION, sdpa_mask)
        model.set_attn_implementation(FP32_ATTENTION)


def _fp32_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    **more: Any,
) -> tuple[Tensor, None]:
    with torch.autocast(query.device.type, enabled=False):
        attended, _ = sdpa_attention_forward(
            module, query.float(), key.float(), value.float(), mask, **more
        )
    return attended.to(query.dtype), None
