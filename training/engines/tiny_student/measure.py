"""Asks a trained tiny model questions: sums it never saw, and a page of sample questions.

`PYTHONPATH=training/engines python -P -m tiny_student.measure training/base_models/tiny-student` prints the model card's figures.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from tiny_student.arithmetic import ADD_QUESTIONS, pick_pair
from tiny_student.conversations import Message

SAMPLE_QUESTIONS = (
    "Hello!",
    "What's your name?",
    "How was your day?",
    "What happens to water when it gets very cold?",
    "Can you solve this math problem: 15 + 8 = ?",
    "What makes the sky blue?",
    "Can you explain how plants grow?",
    "What happens when you add 8 + 7?",
    "Why do seasons change?",
    "What is 34 + 25?",
    "What is 12 - 5?",
    "Mia has 7 apples and gets 6 more. How many apples now?",
    "What is a noun?",
    "What rhymes with cat?",
    "How many sides does a triangle have?",
    "How many cents is a dime?",
    "Why do birds fly south?",
    "What is a community?",
    "What do you do when a friend is sad?",
    "What is the opposite of big?",
    "What is photosynthesis?",
    "Tell me a story.",
)


@torch.no_grad()
def answers(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    talks: Sequence[Sequence[Message]],
    longest: int = 96,
) -> list[str]:
    """Return the model's greedy answer to each conversation, at most `longest` tokens each. A PEFT model will do too."""
    found: list[str] = []
    for start in range(0, len(talks), 32):
        texts = [
            tokenizer.apply_chat_template(list(talk), tokenize=False, add_generation_prompt=True)
            for talk in talks[start : start + 32]
        ]
        given = tokenizer(
            texts,
            add_special_tokens=False,
            padding=True,
            padding_side="left",
            return_tensors="pt",
        )
        ids, mask = given["input_ids"], given["attention_mask"]
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=longest, do_sample=False
        )
        found += tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)
    return found


def ask(question: str) -> list[Message]:
    """Return a conversation of one question."""
    return [{"role": "user", "content": question}]


def last_number(text: str) -> int | None:
    """Return the last number in `text`, or None."""
    numbers = re.findall(r"\d+", text)
    return int(numbers[-1]) if numbers else None


def sums(count: int, held_out: bool, seed: int = 5) -> list[tuple[int, int]]:
    """Return `count` different pairs that training text adds up, or with `held_out` never does."""
    rng = Random(seed)
    found: dict[tuple[int, int], None] = {}
    while len(found) < count:
        found[pick_pair(rng, held_out=held_out)] = None
    return list(found)


def share_right(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    talks: Sequence[Sequence[Message]],
    right: Sequence[int],
) -> float:
    """Return the share of `talks` whose answer ends with the `right` number."""
    said = answers(model, tokenizer, talks)
    return sum(
        last_number(text) == number for text, number in zip(said, right, strict=True)
    ) / len(right)


def addition_accuracy(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    count: int = 150,
    asks: Sequence[str] = ADD_QUESTIONS[:4],
    held_out: bool = True,
) -> float:
    """Return the share of `count` held-out sums whose answer ends with the right number."""
    pairs = sums(count, held_out)
    talks = [ask(asks[i % len(asks)].format(a=a, b=b)) for i, (a, b) in enumerate(pairs)]
    return share_right(model, tokenizer, talks, [a + b for a, b in pairs])


def main() -> None:
    """Print what a model folder gets right."""
    parser = argparse.ArgumentParser(
        prog="tiny_student.measure", description="Measure a tiny base model."
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    pairs = sums(300, held_out=True)
    child: Message = {"role": "system", "content": "You are a second-grade student."}
    as_child = [[child, *ask(f"What is {a} + {b}?")] for a, b in pairs]
    take = [ask(f"What is {a + b} - {b}?") for a, b in pairs]
    print(
        f"sums of the training text: {addition_accuracy(model, tokenizer, 300, held_out=False):.2f}"
    )
    print(f"sums that it never asks for: {addition_accuracy(model, tokenizer, 300):.2f}")
    print(
        f"... asked for as a second grader: {share_right(model, tokenizer, as_child, [a + b for a, b in pairs]):.2f}"
    )
    print(
        f"... turned into differences: {share_right(model, tokenizer, take, [a for a, _ in pairs]):.2f}"
    )


if __name__ == "__main__":
    main()
