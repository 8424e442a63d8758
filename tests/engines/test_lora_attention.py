"""Attention in fp32 between bf16 products: the same model, as exact."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")


def gradients(folder: Path, *, fp32_attention: bool, autocast: bool) -> Any:
    import torch
    from lora.attention import use_fp32_attention
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    if fp32_attention:
        use_fp32_attention(model)
        assert model.config._attn_implementation == "sdpa_fp32"
    ids = torch.arange(2 * 16).reshape(2, 16) % 40
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    return torch.cat([one.grad.flatten() for one in model.parameters()])


def test_without_bf16_it_is_the_same_attention(tiny_base: Path) -> None:
    import torch

    usual = gradients(tiny_base, fp32_attention=False, autocast=False)
    assert torch.equal(gradients(tiny_base, fp32_attention=True, autocast=False), usual)
    assert usual.abs().max() > 1e-3


def test_between_bf16_products_it_is_as_exact(tiny_base: Path) -> None:
    exact = gradients(tiny_base, fp32_attention=False, autocast=False)
    errors = [
        float((gradients(tiny_base, fp32_attention=chosen, autocast=True) - exact).norm()) for chosen in (True, False)
    ]
    assert 0 < errors[0] < 1.5 * errors[1]


def test_queries_are_attended_in_fp32(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from lora import attention
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    seen = []

    def spied(module: Any, *tensors: Any, **more: Any) -> Any:
        seen.append({tensor.dtype for tensor in tensors if tensor is not None})
        return sdpa_attention_forward(module, *tensors, **more)

    monkeypatch.setattr(attention, "sdpa_attention_forward", spied)
    gradients(tiny_base, fp32_attention=True, autocast=True)
    assert seen == [{torch.float32}] * 2


def test_an_attention_of_its_own_is_left_alone(tiny_base: Path) -> None:
    from lora.attention import use_fp32_attention
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_base, attn_implementation="eager")
    use_fp32_attention(model)
    assert model.config._attn_implementation == "eager"
