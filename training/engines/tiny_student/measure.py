"""Asks a trained tiny model questions: sums it never saw, and a page of sample questions."""

import re
from collections.abc import Sequence
from random import Random

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

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
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, talks: Sequence[Sequence[Message]], longest: int = 96
) -> list[str]:
    """Return the model's greedy answer to each conversation, at most `longest` tokens each. A PEFT model will do too."""
    found: list[str] = []
    for start in range(0, len(talks), 32):
        texts = [
            tokenizer.apply_chat_template(list(talk), tokenize=False, add_generation_prompt=True)
            for talk in talks[start : start + 32]
        ]
        given = tokenizer(texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt")
        ids, mask = given["input_ids"], given["attention_mask"]
        out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=longest, do_sample=False)
        found += tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)
    return found


def ask(question: str) -> list[Message]:
    """Return a conversation of one question."""
    return [{"role": "user", "content": question}]


def last_number(text: str) -> int | None:
    """Return the last number in `text`, or None."""
    numbers = re.findall(r"\d+", text)
    return int(numbers[-1]) if numbers else None


def held_out_sums(count: int, seed: int = 5) -> list[tuple[int, int]]:
    """Return `count` different pairs that no training text adds up."""
    rng = Random(seed)
    found: dict[tuple[int, int], None] = {}
    while len(found) < count:
        found[pick_pair(rng, held_out=True)] = None
    return list(found)


def addition_accuracy(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    count: int = 150,
    asks: Sequence[str] = ADD_QUESTIONS[:4],
) -> float:
    """Return the share of `count` held-out sums whose answer ends with the right number."""
    pairs = held_out_sums(count)
    talks = [ask(asks[i % len(asks)].format(a=a, b=b)) for i, (a, b) in enumerate(pairs)]
    said = answers(model, tokenizer, talks)
    return sum(last_number(text) == a + b for text, (a, b) in zip(said, pairs, strict=True)) / count
