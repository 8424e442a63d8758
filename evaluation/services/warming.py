"""What a web process does before the first question, so that nobody waits for it: find its loop, load what is slow to load."""

import asyncio

from django.template.loader import get_template
from django.urls import reverse

from evaluation.models import Turn
from evaluation.services import answering, reading
from training.services.calls import stream
from training.services.tokens import count_text

SAMPLE = "I saw a big dog. It was a magnificent animal."

_tasks: set[asyncio.Task[None]] = set()  # or nothing would keep the task alive


async def open_desk() -> None:
    """Answers are made in this loop from now on. Loading goes on beside the first requests."""
    answering.desk.work_in(asyncio.get_running_loop())
    task = asyncio.create_task(_warm_up(), name="warm-up")
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def close_desk() -> None:
    await answering.desk.close()


async def _warm_up() -> None:
    stream.connections()
    await asyncio.to_thread(_load)


def _load() -> None:
    """The token and word tables, the URLs and the chat's templates: 1 to 4 seconds in all."""
    count_text(SAMPLE)
    reading.pieces(SAMPLE)
    reading.reading_of([Turn(question=SAMPLE, answer=SAMPLE, status="done")])
    reverse("home")
    get_template("evaluation/conversation_detail.html")
    get_template("evaluation/talk.html")
