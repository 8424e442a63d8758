"""Notices: in the bar of every page, and by e-mail to those who want them so."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max
from django.utils import timezone
from django.utils.crypto import salted_hmac

from teams.models import (
    Announcement,
    Course,
    MailChoice,
    MailKind,
    Notice,
    NoticeKind,
    ToldOnce,
    User,
)
from teams.services import audit, mail

MARK_LENGTH = 16
SAME_AGAIN = timedelta(
    minutes=5
)  # a person who means it twice waits; one who pressed twice does not


def tell(
    *,
    people: Iterable[User],
    course: Course,
    kind: NoticeKind,
    text: str,
    path: str,
    event: str = "",
) -> list[User]:
    """One notice for each person, now; the mail goes out after the transaction commits. `path` is the page to look at.

    Each where that person wants this kind: in the app, by e-mail, both or neither. With an `event` nobody is told of it twice
    in this course, whoever tells. Gives those who were told now.
    """
    told = list({person.pk: person for person in people if person.is_active}.values())
    with transaction.atomic():
        if event:
            told = [person for person in told if _first_time(person, course, event)]
        _tell_now(told, course, kind, text, path)
    return told


def _first_time(person: User, course: Course, event: str) -> bool:
    _, first = ToldOnce.objects.get_or_create(person=person, course=course, event=event)
    return first


def wants(*, person: User, kind: NoticeKind) -> bool:
    """Whether this person hears of such things at all."""
    return not MailChoice.objects.filter(
        person=person, kind=kind, in_app=False, wanted=False
    ).exists()


def _tell_now(told: list[User], course: Course, kind: NoticeKind, text: str, path: str) -> None:
    choices = {
        choice.person_id: choice
        for choice in MailChoice.objects.filter(person__in=told, kind=kind)
    }
    no_notice = {key for key, choice in choices.items() if not choice.in_app}
    no_mail = {key for key, choice in choices.items() if not choice.wanted}
    Notice.objects.bulk_create(
        [
            Notice(person=person, course=course, kind=kind, text=text[:300], path=path)
            for person in told
            if person.pk not in no_notice
        ]
    )
    reached = [person for person in told if person.pk not in no_mail]
    said = f"{course}: {text}"
    mail.queue(
        kind=MailKind.NOTICE,
        people=reached,
        course=course,
        subject=said.splitlines()[0],
        text=f"{said}\n\n{settings.SITE_URL}{path}\n",
    )


class AnnouncedAlready(Exception):
    """The newest announcement says the same, and is minutes old; the text says what to do."""


def announce(*, course: Course, author: User, text: str) -> Announcement:
    """Tell everyone in the course. Raises AnnouncedAlready for a button that was pressed twice."""
    with transaction.atomic():
        Course.objects.select_for_update().get(pk=course.pk)
        newest = course.announcements.first()
        if newest and newest.text == text and timezone.now() - newest.at < SAME_AGAIN:
            raise AnnouncedAlready(
                "Everyone has been told this already, a moment ago. Nobody was told twice."
            )
        announcement = Announcement.objects.create(course=course, author=author, text=text)
        people = User.objects.filter(
            memberships__course=course, memberships__active=True
        ).exclude(pk=author.pk)
        tell(
            people=people,
            course=course,
            kind=NoticeKind.ANNOUNCEMENT,
            text=text,
            path=f"/courses/{course.pk}/notices/",
        )
        audit.record(course=course, person=author, action="announced", what=text)
    return announcement


def read_all(*, person: User) -> int:
    """Mark a person's notices as read; how many there were."""
    return Notice.objects.filter(person=person, read_at=None).update(read_at=timezone.now())


@dataclass(frozen=True)
class Bell:
    """What the bar shows: how many are unread; `mark` changes with every new one and when they are read.

    The mark stands in every page, so it is no number from which one could count what others were told.
    """

    unread: int
    mark: str


def bell(*, person: User) -> Bell:
    """One query."""
    found = Notice.objects.filter(person=person, read_at=None).aggregate(
        unread=Count("pk"), newest=Max("pk")
    )
    state = f"{person.pk} {found['unread']} {found['newest']}"
    return Bell(
        found["unread"],
        salted_hmac("teams.notices.bell", state, algorithm="sha256").hexdigest()[:MARK_LENGTH],
    )


def choose(*, person: User, in_app: set[str], by_mail: set[str]) -> None:
    """Which kinds of notice this person wants in the app, and which by e-mail."""
    for kind in NoticeKind.values:
        wanted = {"in_app": kind in in_app, "wanted": kind in by_mail}
        MailChoice.objects.update_or_create(person=person, kind=kind, defaults=wanted)


def chosen(*, person: User) -> tuple[list[str], list[str]]:
    """(kinds in the app, kinds by e-mail)."""
    choices = {choice.kind: choice for choice in MailChoice.objects.filter(person=person)}
    kinds = [str(kind) for kind in NoticeKind.values]
    in_app = [kind for kind in kinds if kind not in choices or choices[kind].in_app]
    return in_app, [kind for kind in kinds if kind not in choices or choices[kind].wanted]
