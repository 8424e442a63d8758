"""Adapted layers computed as one operation: the same model, as exact as PEFT's own under autocast, and off outside steps."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

ROWS, LENGTH = 3, 16


def adapted(folder: Path, *, dropout: float = 0.0, lean: bool = True) -> Any:
    """A base with an adapter that has learnt something: the same for each call."""
    import torch
    from lora.lean_layers import use_lean_layers
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    how = LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, how)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    if lean:
        assert use_lean_layers(model) > 0
    return model


def gradients(model: Any, *, autocast: bool) -> Any:
    import torch

    ids = torch.arange(ROWS * LENGTH).reshape(ROWS, LENGTH) % 40
    model.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.requires_grad])


def test_its_gradients_are_as_exact_as_peft_under_autocast(tiny_base: Path) -> None:
    exact = gradients(adapted(tiny_base, lean=False), autocast=False)
    usual = gradients(adapted(tiny_base, lean=False), autocast=True)
    lean = gradients(adapted(tiny_base), autocast=True)
    assert float((usual - exact).norm()) > 0
    assert float((lean - exact).norm()) < 1.2 * float((usual - exact).norm())
    assert float((lean - exact).norm()) < 0.05 * float(exact.norm())


def test_outside_bf16_steps_it_is_pefts_own_layer(tiny_base: Path) -> None:
    import torch

    lean, usual = adapted(tiny_base), adapted(tiny_base, lean=False)
    assert torch.equal(gradients(lean, autocast=False), gradients(usual, autocast=False))
    ids = torch.arange(LENGTH)[None]
    lean.eval(), usual.eval()
    with torch.no_grad():
        assert torch.equal(lean(input_ids=ids).logits, usual(input_ids=ids).logits)
        lean.train(), usual.train()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), lean.disable_adapter(), usual.disable_adapter():
        lean_logits, usual_logits = lean(input_ids=ids).logits, usual(input_ids=ids).logits
    assert torch.equal(lean_logits, usual_logits)


def test_the_way_back_is_that_of_the_formula_dropout_included(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from lora import lean_layers

    torch.manual_seed(5)
    rows, inputs, outputs, rank, scale = 6, 16, 12, 4, 2.0
    lost = torch.tensor([0, 3, 3, 17, 18, 40, 95])
    kept = torch.full((rows * inputs,), 2.0).index_fill_(0, lost, 0).view(rows, inputs)
    monkeypatch.setattr(lean_layers, "_draw_lost", lambda *_: lost)
    x, down, up = (torch.randn(shape) for shape in ((rows, inputs), (rank, inputs), (outputs, rank)))
    weight, bias, upstream = torch.randn(outputs, inputs), torch.randn(outputs), torch.randn(rows, outputs)
    found: list[Any] = []
    wanted: list[Any] = []
    for gradients_of, exact in ((found, False), (wanted, True)):
        parts = [part.clone().requires_grad_() for part in (x, down, up)]
        if exact:
            made = parts[0] @ weight.t() + bias + scale * (parts[0] * kept) @ parts[1].t() @ parts[2].t()
        else:
            half = weight.to(torch.bfloat16)
            made = lean_layers._Adapted.apply(parts[0], half, bias, parts[1], parts[2], scale, 0.5)
        (made.float() * upstream).sum().backward()
        gradients_of += [part.grad for part in parts] + [made.detach().float()]
    for mine, right in zip(found, wanted, strict=True):
        assert float((mine - right).norm()) < 0.02 * float(right.norm())


def test_dropout_is_drawn_by_its_chance_and_by_the_seed(tiny_base: Path) -> None:
    import torch
    from lora.lean_layers import _draw_lost

    torch.manual_seed(3)
    times = torch.zeros(100_000)
    for _ in range(20):
        times[_draw_lost(len(times), 0.3).unique()] += 1
    assert float(times.mean()) / 20 == pytest.approx(0.3, abs=0.005)
    assert float(times.var()) == pytest.approx(20 * 0.3 * 0.7, rel=0.05)  # no place is luckier than another
    model = adapted(tiny_base, dropout=0.3)
    drawn = []
    for seed in (3, 3, 4):
        model.zero_grad()
        torch.manual_seed(seed)
        drawn.append(gradients(model, autocast=True))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_what_is_asked_in_bf16_without_dropout_is_what_a_step_computes(tiny_base: Path) -> None:
    import torch

    model = adapted(tiny_base)
    ids = torch.arange(LENGTH)[None]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        asked = model.eval()(input_ids=ids).logits
        in_step = model.train()(input_ids=ids).logits
    assert torch.equal(asked, in_step)


def test_a_layer_of_another_kind_keeps_its_own_way(tiny_base: Path) -> None:
    import torch
    from lora.lean_layers import use_lean_layers
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=4, use_dora=True, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert use_lean_layers(model) == 0
