"""Mail with a link on which a person sets a password: for new accounts, and for those who forgot theirs."""

import logging
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.cache import cache
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from teams.models import Course, User

log = logging.getLogger(__name__)

ONE_MAIL_EVERY = 120  # seconds, for one address: a stranger must not be able to flood a mailbox


def password_link(person: User) -> str:
    """A path that works once, for settings.PASSWORD_RESET_TIMEOUT seconds."""
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse("password_set", kwargs={"uidb64": uid, "token": default_token_generator.make_token(person)})


def invite(*, person: User, course: Course) -> None:
    """Mail, after the transaction, that the person is enrolled: with the link to a first password where they have none."""
    if not person.is_expected:
        text = f"Hello {person.name},\n\nyou are enrolled in {course}. Sign in as always:\n\n{settings.SITE_URL}\n"
        transaction.on_commit(lambda: _send(person.email, f"You are enrolled in {course}", text))
        return
    days = settings.PASSWORD_RESET_TIMEOUT // 86_400
    text = (
        f"Hello {person.name},\n\nyou are enrolled in {course}. Set your password here to enter:\n\n"
        f"{settings.SITE_URL}{password_link(person)}\n\nThe link works for {days} days. After that, "
        f"“Forgot your password?” on the sign-in page sends you another.\n"
    )
    transaction.on_commit(lambda: _send(person.email, f"Your account for {course}", text))


def invite_again(*, person: User, course: Course) -> bool:
    """The invitation once more; an unused earlier link keeps working until it is too old. False while one is just on its way."""
    if not cache.add(f"password-mail-{person.pk}", 1, ONE_MAIL_EVERY):
        return False
    invite(person=person, course=course)
    return True


def send_password_link(*, email: str) -> None:
    """Mail the link to whoever has this address; nothing happens for an unknown one, and nobody can tell which it was."""
    person = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
    if person is None or not cache.add(f"password-mail-{person.pk}", 1, ONE_MAIL_EVERY):
        return
    text = (
        f"Hello {person.name},\n\nsomebody asked for a new password for this address on the course platform. "
        f"If it was you, set it here:\n\n{settings.SITE_URL}{password_link(person)}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n"
    )
    transaction.on_commit(lambda: _send(person.email, "Set a new password", text))


def _send(address: str, subject: str, text: str) -> None:
    """A mail server that is down must not undo the enrolment: the link can be sent again."""
    try:
        send_mail(subject[:120].replace("\n", " "), text, settings.DEFAULT_FROM_EMAIL, [address])
    except (SMTPException, OSError) as error:
        log.error("mail to %s was not sent: %s", address, error)
