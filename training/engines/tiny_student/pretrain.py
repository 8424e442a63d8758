"""Trains the tiny model from nothing: one visible loop, loss only on what the assistant says."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiny_student.conversations import Message, conversations
from tiny_student.tokens import CONTEXT, END

IGNORED = -100
"""Label of a token that is given to the model and not learned."""

Encoded = tuple[list[int], list[int]]
"""Token ids and labels of one conversation, equally long."""


@dataclass(frozen=True)
class Shape:
    """Width and depth of the model. Sizes are counts of units."""

    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    inner: int


SHAPES = {
    "0.5M": Shape(128, 2, 4, 2, 352),
    "3M": Shape(256, 4, 4, 2, 704),
    "4M": Shape(256, 5, 4, 2, 768),
}


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train: steps, tokens a step, peak learning rates of Muon (matrices) and AdamW (the rest)."""

    steps: int
    seed: int
    batch_tokens: int = 3072
    matrix_rate: float = 0.02
    other_rate: float = 0.004


def new_model(shape: Shape, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return an untrained Llama of `shape` for `tokenizer`, input and output embedding shared."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        intermediate_size=shape.inner,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        initializer_range=0.04,
    )
    return LlamaForCausalLM(config)


def encode(
    tokenizer: PreTrainedTokenizerFast, talks: Sequence[Sequence[Message]]
) -> list[Encoded]:
    """Encode conversations exactly as the chat template does, only faster; longer ones are cut at the context."""
    texts = [message["content"] for talk in talks for message in talk]
    pieces = iter(tokenizer(texts, add_special_tokens=False)["input_ids"])
    end = tokenizer.convert_tokens_to_ids(END)
    marks = {
        role: tokenizer.convert_tokens_to_ids(f"<|{role}|>")
        for role in ("system", "user", "assistant")
    }
    encoded: list[Encoded] = []
    for talk in talks:
        ids: list[int] = []
        labels: list[int] = []
        for message in talk:
            piece = [*next(pieces), end]
            ids += [marks[message["role"]], *piece]
            labels += [
                IGNORED,
                *(piece if message["role"] == "assistant" else [IGNORED] * len(piece)),
            ]
        encoded.append((ids[:CONTEXT], labels[:CONTEXT]))
    return encoded


def batches(
    rows: list[Encoded], batch_tokens: int, pad: int, rng: Random
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (ids, labels) of rows of like length, padded right, about `batch_tokens` tokens each, in random order."""
    ordered = sorted(rows, key=lambda row: len(row[0]) + rng.random())
    groups: list[list[Encoded]] = [[]]
    for row in ordered:
        if (len(groups[-1]) + 1) * len(row[0]) > batch_tokens:
            groups.append([])
        groups[-1].append(row)
    rng.shuffle(groups)
    for group in groups:
        longest = max(len(ids) for ids, _ in group)
        yield (
            torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _ in group]),
            torch.tensor([labels + [IGNORED] * (longest - len(labels)) for _, labels in group]),
        )


def endless_batches(
    tokenizer: PreTrainedTokenizerFast, plan: Plan, pool: int = 20_000
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of ever new conversations; `pool` conversations are made at a time."""
    part = 0
    while True:
        rows = encode(tokenizer, conversations(plan.seed * 1_000_003 + part, pool))
        yield from batches(
            rows, plan.batch_tokens, int(tokenizer.pad_token_id), Random(f"{plan.seed} {part}")
        )
        part += 1


def answer_loss(model: LlamaForCausalLM, ids: Tensor, labels: Tensor) -> Tensor:
    """Return the mean loss of the learned tokens. Right padding needs no mask under causal attention."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
        learned = labels[:, 1:] != IGNORED
        logits = model.lm_head(hidden[learned])
    return cross_entropy(logits.float(), labels[:, 1:][learned])


def optimisers(model: LlamaForCausalLM, plan: Plan) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices inside the layers and AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=plan.matrix_rate, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(
            others, lr=plan.other_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
        ),
    ]


def rate_at(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: short warm-up, plateau for 40 %, then down in a straight line."""
    return min(1.0, (step + 1) / 30, (1 - step / steps) / 0.6 + 0.01)


def pretrain(
    tokenizer: PreTrainedTokenizerFast,
    model: LlamaForCausalLM,
    plan: Plan,
    report: Callable[[int, float, float], None],
) -> LlamaForCausalLM:
    """Train `model` and return it. Every 50 steps `report(step, mean loss since the last report, tokens a second)`."""
    model.train()
    tools = optimisers(model, plan)
    peaks = [tool.param_groups[0]["lr"] for tool in tools]
    source = endless_batches(tokenizer, plan)
    losses: list[float] = []
    tokens, since = 0, time.perf_counter()
    for step in range(plan.steps):
        ids, labels = next(source)
        for tool, peak in zip(tools, peaks, strict=True):
            tool.param_groups[0]["lr"] = peak * rate_at(step, plan.steps)
        loss = answer_loss(model, ids, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for tool in tools:
            tool.step()
            tool.zero_grad(set_to_none=True)
        losses.append(loss.item())
        tokens += ids.numel()
        if (step + 1) % 50 == 0 or step + 1 == plan.steps:
            report(step + 1, sum(losses) / len(losses), tokens / (time.perf_counter() - since))
            losses, tokens, since = [], 0, time.perf_counter()
    return model.eval()
