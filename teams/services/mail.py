"""Mail leaves through the quick queue, never through a page: a mail server that is silent keeps nobody waiting.

A row is written in the same transaction as what it tells of. The worker claims it, composes it and sends it. Where the
server cannot be reached the row waits, longer each time, for a day; the scheduler wakes the worker for what is due, so
neither a worker's death nor the loss of Redis loses a mail. A worker that dies between sending and writing that down
makes a second copy: better twice than never.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from time import monotonic

import django_rq
import redis
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from teams import queues
from teams.models import Course, MailKind, MailState, OutgoingMail, User
from teams.services import mail_texts

log = logging.getLogger(__name__)

ROUND_SECONDS = 60  # of one job; what is left goes into the next one
JOB_SECONDS = (
    180  # a server that sends a letter now and then never runs into the time-out of one answer
)
CLAIMED_FOR = timedelta(
    seconds=JOB_SECONDS + 20
)  # a worker that died has let go of its mail by then
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(hours=24)
SENT_KEPT = timedelta(days=1)
FAILED_KEPT = timedelta(days=30)
REFUSED_FOR_GOOD = 500  # SMTP answers from here on say: do not try again


def queue(
    *,
    kind: MailKind,
    people: Iterable[User],
    course: Course | None,
    subject: str = "",
    text: str = "",
) -> None:
    """One mail for each of `people`, sent after the transaction commits. `text` must hold no link that opens something."""
    mails = [
        OutgoingMail(
            kind=kind,
            person=person,
            course=course,
            address=person.email,
            subject=subject[:120],
            text=text,
        )
        for person in people
    ]
    OutgoingMail.objects.bulk_create(mails)
    if mails:
        transaction.on_commit(lambda: wake())


def queue_to_address(
    *,
    kind: MailKind,
    address: str,
    course: Course | None = None,
    details: dict[str, str] | None = None,
) -> None:
    """To an address of which nothing is known: the same work, whether an account has it or not.

    `course`: whose instructors are told where it cannot be delivered.
    """
    OutgoingMail.objects.create(
        kind=kind, address=address.strip().lower(), course=course, details=details or {}
    )
    transaction.on_commit(lambda: wake())


def wake() -> None:
    """Have the quick queue look at what is due. Without Redis the scheduler does it later."""
    try:
        django_rq.get_queue(queues.QUICK).enqueue(
            "teams.jobs.deliver_mail", job_timeout=JOB_SECONDS, result_ttl=0, failure_ttl=3600
        )
    except redis.exceptions.RedisError as error:
        log.warning("mail waits, the queue can't be reached: %s", error)


def sweep() -> int:
    """For the scheduler: wake the worker where something is due, and forget what is old. How many are due."""
    now = timezone.now()
    ended = OutgoingMail.objects.exclude(state=MailState.WAITING)
    ended.filter(state=MailState.SENT, ended_at__lt=now - SENT_KEPT).delete()
    ended.filter(ended_at__lt=now - FAILED_KEPT).delete()
    due = _due(now).count()
    if due:
        wake()
    return due


def deliver() -> int:
    """For the worker: send what is due, one after the other. How many left."""
    began, sent = monotonic(), 0
    while monotonic() - began < ROUND_SECONDS:
        mail = _claim()
        if mail is None:
            return sent
        try:
            sent += _send(mail)
        except _ServerAway as error:
            _wait_for_server(mail, str(error))
            return sent
    wake()
    return sent


class _ServerAway(Exception):
    """No other mail would fare better right now."""


def _due(now: datetime) -> QuerySet[OutgoingMail]:
    return OutgoingMail.objects.filter(state=MailState.WAITING, next_try_at__lte=now)


def _claim() -> OutgoingMail | None:
    """The next one that is due, for this process alone."""
    now = timezone.now()
    for mail in _due(now).select_related("person", "course").order_by("next_try_at", "pk")[:20]:
        mine = OutgoingMail.objects.filter(
            pk=mail.pk, state=MailState.WAITING, next_try_at=mail.next_try_at
        )
        if mine.update(next_try_at=now + CLAIMED_FOR, tries=F("tries") + 1):
            mail.tries += 1
            return mail
    return None


def _send(mail: OutgoingMail) -> bool:
    letter = mail_texts.compose(mail)
    if letter is None:
        mail.delete()
        return False
    subject = (letter.subject.splitlines() or [""])[0][:120]
    message = EmailMessage(
        subject,
        letter.text,
        settings.DEFAULT_FROM_EMAIL,
        [mail.address],
        connection=_connection(),
    )
    try:
        message.send()
    except SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()), (0, b""))
        _refused(mail, code, said)
        return False
    except SMTPResponseException as error:
        if error.smtp_code < REFUSED_FOR_GOOD:
            raise _ServerAway(f"{error.smtp_code} {_words(error.smtp_error)}") from error
        _refused(mail, error.smtp_code, error.smtp_error)
        return False
    except (SMTPException, OSError) as error:
        raise _ServerAway(str(error) or type(error).__name__) from error
    except ValueError as error:  # an address or a subject that no mail can have
        _end(mail, MailState.FAILED, f"This cannot be mailed: {error}")
        return False
    _end(mail, MailState.SENT, "")
    return True


def _connection() -> BaseEmailBackend:
    """A new one for each mail: a server may close one that it finds idle."""
    connection: BaseEmailBackend = get_connection()
    return connection


def _words(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said


def _refused(mail: OutgoingMail, code: int, said: bytes | str) -> None:
    """The server answered, about this mail alone: for good, or for now."""
    reason = f"The mail server refused it: {code} {_words(said)}"
    if code >= REFUSED_FOR_GOOD:
        _end(mail, MailState.FAILED, reason)
    else:
        _later(mail, reason)


def _end(mail: OutgoingMail, state: MailState, error: str) -> None:
    """What it said is needed no more once it was sent."""
    kept = {} if state == MailState.FAILED else {"text": "", "details": {}}
    OutgoingMail.objects.filter(pk=mail.pk).update(
        state=state, ended_at=timezone.now(), error=error[:200], **kept
    )
    if state == MailState.FAILED:
        log.error("mail %s was not delivered: %s", mail.pk, error)


def _wait(tries: int) -> timedelta:
    """30 seconds, then twice as long each time, up to an hour."""
    doubled: timedelta = FIRST_WAIT * 2 ** min(tries - 1, 10)
    return min(doubled, LONGEST_WAIT)


def _later(mail: OutgoingMail, reason: str) -> None:
    now = timezone.now()
    if now - mail.created_at > GIVEN_UP_AFTER:
        _end(mail, MailState.FAILED, f"Tried for a day. {reason}")
        return
    OutgoingMail.objects.filter(pk=mail.pk).update(
        next_try_at=now + _wait(mail.tries), error=reason[:200]
    )


def _wait_for_server(mail: OutgoingMail, said: str) -> None:
    """All that is due waits along: each would hold the worker for as long as this one did."""
    log.error("the mail server does not take mail: %s", said)
    _later(mail, f"The mail server could not be reached: {said}")
    now = timezone.now()
    _due(now).update(next_try_at=now + _wait(mail.tries))


# --- For pages ---------------------------------------------------------------------------------------------------------


def undelivered(course: Course) -> QuerySet[OutgoingMail]:
    """What people of this course were not reached by: given up, or waiting for a server that does not answer."""
    return undelivered_anywhere().filter(course=course)


def undelivered_anywhere() -> QuerySet[OutgoingMail]:
    """The same of the whole platform, for those who run it."""
    stuck = OutgoingMail.objects.filter(state__in=[MailState.FAILED, MailState.WAITING])
    return stuck.exclude(error="").select_related("person", "course").order_by("-pk")


def try_again(course: Course) -> int:
    """Send what was not delivered once more, now. How many."""
    return _again(undelivered(course))


def try_again_anywhere(*, only: int | None = None) -> int:
    """The same of the whole platform, or of one mail by its primary key."""
    wanted = undelivered_anywhere()
    return _again(wanted if only is None else wanted.filter(pk=only))


def _again(undelivered_mails: QuerySet[OutgoingMail]) -> int:
    wanted = undelivered_mails.values_list("pk", flat=True)
    now = timezone.now()
    again = OutgoingMail.objects.filter(pk__in=list(wanted)).update(
        state=MailState.WAITING, next_try_at=now, created_at=now, tries=0, ended_at=None
    )
    if again:
        transaction.on_commit(lambda: wake())
    return again


def leaves_this_machine() -> bool:
    """False where no mail server is set up: nobody receives anything."""
    return settings.EMAIL_BACKEND.rpartition(".")[0].rpartition(".")[2] not in (
        "dummy",
        "console",
        "filebased",
    )


def just_sent(*, address: str, kinds: Iterable[MailKind], seconds: int) -> bool:
    """One of these kinds to this address is younger than `seconds`: a mailbox must not be flooded."""
    since = timezone.now() - timedelta(seconds=seconds)
    return OutgoingMail.objects.filter(
        address=address.lower(), kind__in=list(kinds), created_at__gte=since
    ).exists()
