"""Linear layers of a base that trains in bf16 on a processor: the products of a step, and little beside them.

Under autocast torch rounds every frozen weight to bf16 again in every step, and PEFT's layer takes some twenty small operations
and as many again on the way back. For a team's few rows, a hundred tokens a step, that took longer than the products. Here the
rounded weights are kept (a step held them all in any case, until its way back), and an adapted layer is one operation with its
own gradient. Same sums, same rounding of weights and inputs; the adapter's share is added before the result is rounded, not
after. Answers, validation and saved files go through PEFT's own layers, in fp32.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from peft import PeftModel
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn

HALF = torch.bfloat16
Rounded = dict[int, Tensor]


def use_lean_layers(model: PeftModel) -> int:
    """Let the layers that it suits compute their training steps so; gives how many. Others stay as they are."""
    rounded: Rounded = {}
    inside = set()
    chosen = 0
    for module in model.modules():
        if isinstance(module, LoraLinear) and _is_plain(module):
            inside.add(id(module.base_layer))
            inside |= {id(part) for part in module.modules()}
            _put(module, _adapted(module, _round(module.base_layer, rounded)))
            chosen += 1
    for module in model.modules():
        if (
            type(module) is nn.Linear
            and id(module) not in inside
            and not module.weight.requires_grad
        ):
            _put(module, _frozen(module, _round(module, rounded)))
    return chosen


def _put(module: nn.Module, forward: Callable[..., Tensor]) -> None:
    """This one module computes so from now on."""
    module.forward = forward


def _is_plain(module: LoraLinear) -> bool:
    """One LoRA adapter of the usual kind on a frozen linear layer."""
    base = module.base_layer
    if (
        type(base) is not nn.Linear
        or base.weight.requires_grad
        or len(module.lora_A) != 1
        or module.lora_variant
    ):
        return False
    (name,) = module.lora_A
    return module.active_adapters == [name] and not module.lora_bias[name]


def _round(layer: nn.Linear, rounded: Rounded) -> Tensor:
    """Its weight in bf16; one copy where layers share a weight."""
    found = rounded.get(id(layer.weight))
    if found is None:
        found = rounded[id(layer.weight)] = layer.weight.detach().to(HALF)
    return found


def _in_bf16() -> bool:
    """Also where nothing is learnt: what preference training compares with is asked in the precision of the steps."""
    return torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is HALF


def _frozen(module: nn.Linear, weight: Tensor) -> Callable[[Tensor], Tensor]:
    usual = module.forward

    def forward(x: Tensor) -> Tensor:
        return F.linear(x, weight, module.bias) if _in_bf16() else usual(x)

    return forward


def _adapted(module: LoraLinear, weight: Tensor) -> Callable[..., Tensor]:
    usual = module.forward
    (name,) = module.lora_A
    down, up, base = module.lora_A[name], module.lora_B[name], module.base_layer
    assert isinstance(base, nn.Linear)
    dropout = module.lora_dropout[name]
    chance = dropout.p if isinstance(dropout, nn.Dropout) else 0.0

    def forward(x: Tensor, *more: Any, **named: Any) -> Tensor:
        if more or named or module.disable_adapters or module.merged or not _in_bf16():
            result: Tensor = usual(x, *more, **named)
            return result
        made: Tensor = _Adapted.apply(  # type: ignore[no-untyped-call]
            x,
            weight,
            base.bias,
            down.weight,
            up.weight,
            module.scaling[name],
            chance if module.training else 0.0,
        )
        return made

    return forward


class _Adapted(torch.autograd.Function):
    """x W' + bias + scale (dropout(x) A') B'. Shapes: x (..., inputs), W (outputs, inputs) in bf16, A (rank, inputs) and B
    (outputs, rank) in fp32. Gives (..., outputs) in bf16; gradients for x, A and B."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scale: float,
        chance: float,
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1]).to(HALF)
        made = F.linear(rows, weight, None if bias is None else bias.to(HALF))
        lost = _draw_lost(rows.numel(), chance) if chance else None
        seen = rows if lost is None else rows.clone()
        if lost is not None:
            seen.view(-1).index_fill_(0, lost, 0)
        down16, up16 = down.to(HALF), up.to(HALF)
        between = seen @ down16.t()
        ctx.scale, ctx.dtype = scale / (1 - chance), x.dtype
        made.addmm_(between, up16.t(), alpha=ctx.scale)
        ctx.save_for_backward(weight, down16, up16, seen, between, lost)
        return made.view(*x.shape[:-1], made.shape[-1])

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        weight, down, up, seen, between, lost = ctx.saved_tensors
        gradient = upstream.reshape(-1, upstream.shape[-1]).to(HALF)
        before_up = (gradient @ up).mul_(ctx.scale)
        of_up = (gradient.t() @ between).mul_(ctx.scale).float()
        of_down = (before_up.t() @ seen).float()
        of_x = None
        if ctx.needs_input_grad[0]:
            through = gradient @ weight
            adapters = before_up @ down
            if lost is not None:
                adapters.view(-1).index_fill_(0, lost, 0)
            through += adapters
            of_x = through.to(ctx.dtype).view(*upstream.shape[:-1], through.shape[-1])
        return of_x, None, None, of_down, of_up, None, None


def _draw_lost(count: int, chance: float) -> Tensor:
    """Which of `count` inputs dropout loses in this step.

    Places are drawn, and may be drawn twice: so many that each is lost with exactly this chance. A draw for each input, as
    torch's own dropout has it, took longer than a third of the layer's product.
    """
    return torch.randint(count, (round(-count * math.log1p(-chance)),))
