"""A conversation as a file."""

import json

from evaluation.models import Conversation


def as_jsonl(conversation: Conversation) -> str:
    """One line in the `messages` shape that datasets read: the teacher is the user, the student the assistant."""
    messages = [
        message
        for turn in conversation.turns.current().remembered()
        for message in (
            {"role": "user", "content": turn.question},
            {"role": "assistant", "content": turn.answer},
        )
    ]
    return json.dumps({"messages": messages}, ensure_ascii=False) + "\n"


def as_text(conversation: Conversation) -> str:
    """For reading and printing."""
    spoken = [
        f"Teacher: {turn.question}\n\nStudent: {turn.answer or '(no answer)'}\n"
        for turn in conversation.turns.current()
    ]
    return "\n".join(spoken)
