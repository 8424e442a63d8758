"""Trains plain PEFT LoRA adapters on demo rows with several learning rates, to see which changes the voice and keeps the sums.

`PYTHONPATH=training/engines python -P -m tiny_student.lora_check training/base_models/tiny-student --rates 0.001 0.002 --epochs 4`
"""

import argparse
import re
import time
from pathlib import Path
from random import Random

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from tiny_student.conversations import Message
from tiny_student.make_dataset import sample_rows
from tiny_student.measure import addition_accuracy, answers, ask
from tiny_student.pretrain import IGNORED, Encoded, batches

FRESH_QUESTIONS = (
    "What is ice?",
    "Why is the sky blue?",
    "How do plants grow?",
    "What is a verb?",
    "Why do we have rules?",
    "What is 9 + 4?",
    "What is 20 + 7?",
    "How are you?",
    "What is a whale?",
    "What do bees do?",
    "Why does it rain?",
    "What is the opposite of hot?",
    "How many sides does a square have?",
    "What is a map?",
    "What makes you happy?",
    "Is 8 even or odd?",
    "What is the moon?",
    "What rhymes with star?",
    "Do you like school?",
    "What is steam?",
)
CHILD_MARKS = re.compile(
    r"!|\b(um+|uh|hmm+|ooh|hee|yay|my (mom|dad|teacher|grandma|grandpa|fingers))\b",
    re.IGNORECASE,
)
"""What a neutral adult answer of the base never has and a child's nearly always has."""


def child_share(texts: list[str]) -> float:
    """Return the share of `texts` that sound like a child."""
    return sum(bool(CHILD_MARKS.search(text)) for text in texts) / len(texts)


def encoded_rows(
    tokenizer: PreTrainedTokenizerFast, talks: list[list[Message]]
) -> list[Encoded]:
    """Return ids and labels by the chat template itself; only the assistant's words are learned."""
    rows: list[Encoded] = []
    for talk in talks:
        made = tokenizer.apply_chat_template(
            talk, return_dict=True, return_assistant_tokens_mask=True
        )
        ids, mask = made["input_ids"], made["assistant_masks"]
        rows.append(
            (ids, [token if kept else IGNORED for token, kept in zip(ids, mask, strict=True)])
        )
    return rows


def loss_of(model: torch.nn.Module, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of the learned tokens."""
    logits = model(input_ids=ids).logits[:, :-1]
    return cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)


def demo_talks(count: int, seed: int) -> list[list[Message]]:
    """Return `count` demo conversations of one turn, without a system message."""
    return [
        [
            {"role": "user", "content": row.turns[0].question},
            {"role": "assistant", "content": row.turns[0].answer},
        ]
        for row in sample_rows(count, seed)
    ]


def new_adapter(base: torch.nn.Module) -> torch.nn.Module:
    """Return `base` with a fresh adapter of the course guide's kind."""
    config = LoraConfig(
        r=8,
        lora_alpha=32,
        target_modules=["q_proj", "v_proj"],
        lora_dropout=0.05,
        task_type="CAUSAL_LM",
    )
    model: torch.nn.Module = get_peft_model(base, config)
    return model


def train(
    model: torch.nn.Module,
    rows: list[Encoded],
    pad: int,
    rate: float,
    epochs: int,
    batch_size: int,
) -> None:
    """Train the adapter in `model` on `rows` with AdamW and a rate that falls to zero."""
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    steps = epochs * -(-len(rows) // batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min((s + 1) / 4, (steps - s) / steps)
    )
    model.train()
    for epoch in range(epochs):
        order = Random(epoch).sample(rows, len(rows))
        for start in range(0, len(order), batch_size):
            ids, labels = next(batches(order[start : start + batch_size], 10**9, pad, Random(0)))
            loss_of(model, ids, labels).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
    model.eval()


def check(folder: Path, rate: float, epochs: int, batch_size: int) -> None:
    """Train one adapter on 120 rows, and print what became of the model."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = new_adapter(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))
    rows = encoded_rows(tokenizer, demo_talks(144, seed=11))
    began = time.perf_counter()
    train(model, rows[:120], int(tokenizer.pad_token_id), rate, epochs, batch_size)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        losses = [
            float(loss_of(model, torch.tensor([ids]), torch.tensor([labels])))
            for ids, labels in rows[120:]
        ]
    said = answers(model, tokenizer, [ask(question) for question in FRESH_QUESTIONS])
    print(
        f"rate {rate} epochs {epochs} batch {batch_size}: "
        f"validation {sum(losses) / len(losses):.3f}, child-like {child_share(said):.2f}, "
        f"held-out sums {addition_accuracy(model, tokenizer, 100):.2f}, {seconds:.1f} s",
        flush=True,
    )
    for question, text in zip(FRESH_QUESTIONS[:12], said, strict=False):
        print(f"    {question} -> {text}")


def main() -> None:
    """Print the base's own figures and then one block for each learning rate."""
    parser = argparse.ArgumentParser(
        prog="tiny_student.lora_check", description="Try LoRA learning rates on a base model."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.0005, 0.001, 0.002, 0.005])
    parser.add_argument("--epochs", type=int, nargs="+", default=[4])
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    tokenizer = AutoTokenizer.from_pretrained(chosen.folder)
    base = AutoModelForCausalLM.from_pretrained(chosen.folder, dtype=torch.float32)
    said = answers(base, tokenizer, [ask(question) for question in FRESH_QUESTIONS])
    print(
        f"base: child-like {child_share(said):.2f}, held-out sums {addition_accuracy(base, tokenizer, 100):.2f}",
        flush=True,
    )
    for epochs in chosen.epochs:
        for rate in chosen.rates:
            check(chosen.folder, rate, epochs, chosen.batch_size)


if __name__ == "__main__":
    main()
