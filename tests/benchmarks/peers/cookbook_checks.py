"""The peer: what OpenAI's cookbook ("Data preparation and analysis for chat model fine-tuning") publishes, in plain Python.

Written here anew from its description, one function per published step: load every line, format errors by kind, missing messages,
message counts, and token counts with tiktoken (cl100k_base, 3 a message, 1 a name, 3 for the reply), as it does.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import tiktoken

LONGEST = 4096  # tokens an example, as in the published output
KEYS = ("role", "content", "name", "function_call", "weight")
ROLES = ("system", "user", "assistant", "function")


def load(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def format_errors(dataset: list[Any]) -> dict[str, int]:
    errors: dict[str, int] = defaultdict(int)
    for example in dataset:
        if not isinstance(example, dict):
            errors["data_type"] += 1
            continue
        messages = example.get("messages", None)
        if not messages:
            errors["missing_messages_list"] += 1
            continue
        for message in messages:
            if "role" not in message or "content" not in message:
                errors["message_missing_key"] += 1
            if any(key not in KEYS for key in message):
                errors["message_unrecognized_key"] += 1
            if message.get("role", None) not in ROLES:
                errors["unrecognized_role"] += 1
            content = message.get("content", None)
            function_call = message.get("function_call", None)
            if (not content and not function_call) or not isinstance(content, str):
                errors["missing_content"] += 1
        if not any(message.get("role", None) == "assistant" for message in messages):
            errors["example_missing_assistant_message"] += 1
    return dict(errors)


def tokens_of(messages: list[dict[str, Any]], encoding: tiktoken.Encoding) -> int:
    total = 0
    for message in messages:
        total += 3
        for key, value in message.items():
            total += len(encoding.encode(value))
            if key == "name":
                total += 1
    return total + 3


def assistant_tokens_of(messages: list[dict[str, Any]], encoding: tiktoken.Encoding) -> int:
    return sum(len(encoding.encode(message["content"])) for message in messages if message["role"] == "assistant")


def warnings_and_counts(dataset: list[Any], encoding: tiktoken.Encoding) -> dict[str, Any]:
    missing_system = missing_user = 0
    lengths, conversations, assistants = [], [], []
    for example in dataset:
        messages = example["messages"]
        missing_system += not any(message["role"] == "system" for message in messages)
        missing_user += not any(message["role"] == "user" for message in messages)
        lengths.append(len(messages))
        conversations.append(tokens_of(messages, encoding))
        assistants.append(assistant_tokens_of(messages, encoding))
    return {
        "missing_system": missing_system,
        "missing_user": missing_user,
        "least_tokens": min(conversations),
        "most_tokens": max(conversations),
        "tokens": sum(conversations),
        "billed_tokens": sum(min(LONGEST, length) for length in conversations),
        "too_long": sum(length > LONGEST for length in conversations),
        "assistant_tokens": sum(assistants),
        "messages": sum(lengths),
    }


def check(path: Path, *, count_tokens: bool = True) -> dict[str, Any]:
    """All published checks of one file; without `count_tokens` the format checks alone."""
    dataset = load(path)
    found: dict[str, Any] = {"rows": len(dataset), "errors": format_errors(dataset)}
    if count_tokens:
        found.update(warnings_and_counts(dataset, tiktoken.get_encoding("cl100k_base")))
    return found
