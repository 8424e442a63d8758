"""Mail leaves through the worker: a silent or broken mail server keeps no page waiting, and nothing is lost or kept too long."""

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.conf import settings as configured
from django.core import mail as django_mail
from django.utils import timezone

from teams import jobs
from teams.models import MailKind, MailState, NoticeKind, OutgoingMail
from teams.services import invitations, mail, notices

pytestmark = pytest.mark.mail_waits


@pytest.fixture(autouse=True)
def woken(monkeypatch) -> list[bool]:
    """How often the worker was woken."""
    calls: list[bool] = []
    monkeypatch.setattr(mail, "wake", lambda: calls.append(True))
    return calls


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A mail server that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


def use_smtp(settings: Any, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 0.3


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def send(self: Any, fail_silently: bool = False) -> int:
        raise error

    monkeypatch.setattr(django_mail.EmailMessage, "send", send)


def tell(course, *people) -> None:
    notices.tell(people=people, course=course, kind=NoticeKind.RUN, text="Run 1 is done.", path="/")


def test_every_answer_of_a_mail_server_has_a_time_limit():
    assert 0 < configured.EMAIL_TIMEOUT <= 30


def test_a_silent_mail_server_keeps_no_page_waiting(
    client, member, settings, silent_server, woken, django_capture_on_commit_callbacks
):
    """The page does not even open a connection to it: that is the worker's."""
    use_smtp(settings, silent_server)
    pages: list[int] = []

    def ask() -> None:
        with django_capture_on_commit_callbacks(execute=True):
            pages.append(client.post("/password/forgotten/", {"email": member.email}).status_code)

    connected = threading.Event()
    original = socket.create_connection
    try:
        socket.create_connection = lambda *args, **kwargs: connected.set() or original(*args, **kwargs)  # type: ignore[func-returns-value]
        ask()
    finally:
        socket.create_connection = original
    assert pages == [302]
    assert not connected.is_set()
    assert woken == [True]
    assert OutgoingMail.objects.get().state == MailState.WAITING


def test_the_worker_gives_a_silent_server_up_and_everything_waits_for_it(
    course, member, other_member, settings, silent_server
):
    use_smtp(settings, silent_server)
    tell(course, member, other_member)
    assert jobs.deliver_mail() == 0
    tried = OutgoingMail.objects.order_by("pk")
    assert [one.tries for one in tried] == [1, 0], "the second would have held the worker for as long as the first"
    assert all(one.state == MailState.WAITING and one.next_try_at > timezone.now() for one in tried)
    assert "could not be reached" in tried[0].error
    assert jobs.deliver_mail() == 0
    assert [one.tries for one in OutgoingMail.objects.order_by("pk")] == [1, 0], "they wait"

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    OutgoingMail.objects.update(next_try_at=timezone.now())
    assert jobs.deliver_mail() == 2
    assert len(django_mail.outbox) == 2


def test_each_wait_is_longer_until_a_day_is_over(course, member, monkeypatch):
    tell(course, member)
    fail_with(monkeypatch, ConnectionRefusedError("refused"))
    waits = []
    for _ in range(12):
        OutgoingMail.objects.update(next_try_at=timezone.now())
        before = timezone.now()
        mail.deliver()
        waits.append(round((OutgoingMail.objects.get().next_try_at - before).total_seconds() / 30))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 120, 120, 120, 120, 120]
    OutgoingMail.objects.update(next_try_at=timezone.now(), created_at=timezone.now() - timedelta(hours=25))
    mail.deliver()
    assert OutgoingMail.objects.get().state == MailState.FAILED


def test_one_refused_address_does_not_hold_the_others_up(course, member, other_member, monkeypatch):
    tell(course, member, other_member)
    send = django_mail.EmailMessage.send

    def refuse_one(self: Any, fail_silently: bool = False) -> int:
        if self.to == [member.email]:
            raise SMTPRecipientsRefused({member.email: (550, b"no such mailbox")})
        return send(self)

    monkeypatch.setattr(django_mail.EmailMessage, "send", refuse_one)
    assert mail.deliver() == 1
    failed = OutgoingMail.objects.get(state=MailState.FAILED)
    assert (failed.address, failed.error) == (member.email, "The mail server refused it: 550 no such mailbox")


def test_a_mail_whose_worker_died_is_sent_by_the_next_and_by_one_alone(course, member):
    tell(course, member)
    claimed = mail._claim()
    assert claimed is not None
    assert mail.deliver() == 0, "another worker has it"
    OutgoingMail.objects.update(next_try_at=timezone.now())  # its time is over
    assert mail.deliver() == 1
    assert mail.deliver() == 0


def test_a_lost_wake_up_call_is_made_up_for_by_the_scheduler(course, member, woken):
    tell(course, member)
    assert woken == []  # the commit did not come to it: the process was killed, or Redis was away
    assert mail.sweep() == 1
    assert woken == [True]


@pytest.mark.django_db(transaction=True)
def test_redis_away_loses_no_mail(course, member, settings, monkeypatch):
    monkeypatch.undo()
    settings.RQ_QUEUES = {"quick": {**settings.RQ_QUEUES["quick"], "URL": "redis://127.0.0.1:1/0"}}
    tell(course, member)
    assert OutgoingMail.objects.get().state == MailState.WAITING


def test_the_worker_is_woken_through_the_quick_queue(redis_server, monkeypatch):
    import django_rq

    monkeypatch.undo()
    mail.wake()
    job = django_rq.get_queue("quick").jobs[0]
    assert (job.func_name, job.timeout) == ("teams.jobs.deliver_mail", mail.JOB_SECONDS)


def test_no_link_that_opens_something_is_ever_kept(course, outsider):
    """Who reads the database, or a copy of it, enters no account with what is in this table."""
    outsider.set_unusable_password()
    outsider.email_verified_at = None
    outsider.save()
    invitations.invite(person=outsider, course=course)
    invitations.send_password_link(email=outsider.email)
    rows = list(OutgoingMail.objects.values("subject", "text", "details"))
    assert len(rows) == 2
    assert "/password/" not in str(rows)
    assert mail.deliver() == 2
    assert all("/password/set/" in one.body for one in django_mail.outbox)
    assert "/password/" not in str(list(OutgoingMail.objects.values("subject", "text", "details")))


def test_what_a_mail_said_is_erased_once_it_was_sent_and_the_row_soon_after(course, member):
    tell(course, member)
    mail.deliver()
    sent = OutgoingMail.objects.get()
    assert (sent.state, sent.text) == (MailState.SENT, "")
    OutgoingMail.objects.update(ended_at=timezone.now() - timedelta(days=2))
    mail.sweep()
    assert not OutgoingMail.objects.exists()


def test_an_account_that_was_switched_off_gets_no_link(course, member):
    invitations.send_password_link(email=member.email)
    member.is_active = False
    member.save()
    assert mail.deliver() == 0
    assert django_mail.outbox == []
    assert not OutgoingMail.objects.exists()


def test_the_instructor_sees_what_was_not_delivered_and_has_it_tried_again(
    client_for, course, instructor, member, woken, django_capture_on_commit_callbacks
):
    tell(course, member)
    people = f"/courses/{course.pk}/people/"
    assert "was not delivered" not in client_for(instructor).get(people).content.decode()
    OutgoingMail.objects.update(state=MailState.FAILED, error="The mail server refused it: 550 no such mailbox")
    page = client_for(instructor).get(people).content.decode()
    assert "Mail that was not delivered" in page
    assert "550 no such mailbox" in page
    with django_capture_on_commit_callbacks(execute=True):
        client_for(instructor).post(f"{people}mail/")
    assert woken == [True]
    assert mail.deliver() == 1


def test_notices_of_another_course_are_not_shown(client_for, course, other_course, instructor, outsider):
    tell(other_course, outsider)
    OutgoingMail.objects.update(state=MailState.FAILED, error="refused")
    page = client_for(instructor).get(f"/courses/{course.pk}/people/").content.decode()
    assert outsider.email not in page


def test_a_stranger_cannot_have_their_own_words_mailed_to_anybody(client, course):
    words = "Win a prize at http://evil.example"
    client.post("/join/", {"code": course.student_code, "name": words, "email": "victim@example.edu"})
    assert mail.deliver() == 1
    assert "evil" not in f"{django_mail.outbox[0].body} {django_mail.outbox[0].subject}"


def test_an_instructor_and_who_runs_the_platform_see_where_a_newcomers_mail_was_refused(
    client, client_for, course, instructor, monkeypatch
):
    client.post("/join/", {"code": course.student_code, "name": "Nora", "email": "nroa@example.edu"})
    fail_with(monkeypatch, SMTPRecipientsRefused({"nroa@example.edu": (550, b"no such mailbox")}))
    mail.deliver()
    assert "nroa@example.edu" in client_for(instructor).get(f"/courses/{course.pk}/people/").content.decode()
    instructor.is_staff = True
    instructor.save()
    assert "nroa@example.edu" in client_for(instructor).get("/accounts/").content.decode()


def test_a_flood_of_requests_puts_one_mail_into_a_mailbox(client, member):
    for _ in range(5):
        client.post("/password/forgotten/", {"email": member.email.upper()})
    assert OutgoingMail.objects.filter(kind=MailKind.PASSWORD).count() == 1
