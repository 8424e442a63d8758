"""A slow file and a long interview hold nobody's mail or polls: those have a worker of their own."""

from collections.abc import Callable
from itertools import takewhile
from typing import Any

import django_rq
import pytest
from django.conf import settings as django_settings
from rq import SimpleWorker

from courseplatform import machine, worker_status
from datasets.models import Import, ImportStatus
from datasets.services import imports, intake
from evaluation.services import interviews
from teams import queues
from teams.models import Course, MailState, NoticeKind, OutgoingMail, User
from teams.services import notices
from tests.datasets.conftest import *  # noqa: F403  (a browser that uploads)
from tests.datasets.conftest import jsonl, question
from training.services import queue

Upload = Callable[..., Import]


def work(name: str) -> None:
    found = django_rq.get_queue(name)
    SimpleWorker([found], connection=found.connection, serializer=found.serializer).work(burst=True)


def listeners() -> dict[str, list[str]]:
    """By service: the queues that it listens on, as its command line says."""
    ports = machine.Ports(web=8000, redis=1, models=2, programs=3)
    found = {}
    for service in machine.services(ports, machine.environment(ports)):
        if "rqworker" in service.command:
            words = service.command[service.command.index("rqworker") + 1 :]
            found[service.name] = list(takewhile(lambda word: not word.startswith("-"), words))
    return found


def test_every_queue_has_a_worker_of_its_own() -> None:
    listened = [name for names in listeners().values() for name in names]
    assert sorted(listened) == sorted(django_settings.RQ_QUEUES)
    assert all(len(names) == 1 for names in listeners().values())
    assert set(listeners()) <= set(worker_status.SERVICES), "the queue page can say what is missing"


def test_what_lasts_is_not_in_the_queue_of_what_others_wait_for() -> None:
    assert {queue.QUICK_QUEUE, interviews.QUEUE, queues.FILES, queue.SLOT_QUEUE} == set(django_settings.RQ_QUEUES)
    assert interviews.QUEUE != queue.QUICK_QUEUE


@pytest.mark.mail_waits
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_server")
def test_mail_goes_out_while_a_file_is_read(
    upload: Upload, monkeypatch: pytest.MonkeyPatch, course: Course, member: User
) -> None:
    seen: list[tuple[str, str]] = []
    read = intake.read

    def read_meanwhile(import_: Import, **more: Any) -> Any:
        """While the file is being read, what waits in the quick queue is done by the worker of that."""
        work("quick")
        seen.append((Import.objects.get(pk=import_.pk).status, OutgoingMail.objects.get().state))
        return read(import_, **more)

    monkeypatch.setattr(imports, "INLINE_BYTES", 10)
    monkeypatch.setattr(intake, "read", read_meanwhile)
    import_ = upload(jsonl(question(1), question(2)))
    assert import_.status == ImportStatus.WAITING
    notices.tell(people=[member], course=course, kind=NoticeKind.RUN, text="Run 1 is done.", path="/")
    assert OutgoingMail.objects.get().state == MailState.WAITING
    work("files")
    import_.refresh_from_db()
    assert seen == [(ImportStatus.READING, MailState.SENT)]
    assert import_.status == ImportStatus.ACCEPTED
