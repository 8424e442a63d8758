"""Whose account it is: the owner of its e-mail address, once they showed that they are.

Anybody can make an account for an address that is not theirs and wait until its owner is given a role. So a role that is
given to an address takes effect only for who opens the link that is mailed there, or comes in through the university:
until then the account has no password, and whoever had one is out.
"""

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from teams.models import Course, LmsIdentity, MailKind, User
from teams.services import audit, invitations, mail, second_factor, throttle
from teams.services.refused import CourseRefused

RESEND_SECONDS = 120


class LinkUsed(Exception):
    """The password was set by another link, or the account was switched off, since this one was opened."""


def prove(person: User) -> bool:
    """The person showed that the address is theirs. False where that was known."""
    now = timezone.now()
    with transaction.atomic():
        proven = bool(
            User.objects.filter(pk=person.pk, email_verified_at=None).update(
                email_verified_at=now
            )
        )
        if proven:
            audit.record(
                course=None, person=person, action="address confirmed", what=str(person)
            )
    if proven:
        person.email_verified_at = now
    return proven


def hand_over(account: User) -> bool:
    """Before a role is given to an address: an account that nobody proved loses its password, and its sessions end.

    True where somebody had a password: they may or may not have been the owner. Call it in the transaction that gives
    the role, and mail the link. Raises CourseRefused for the account of somebody who runs the platform: its rights were
    given by the server, and are no mailbox's to take.
    """
    if account.is_proven:
        return False
    came_by_launch = take_from_lms(account)
    if not account.has_usable_password() and not came_by_launch:
        return False
    if account.is_staff:
        raise CourseRefused(
            f"{account} has not confirmed the address {account.email} yet. Ask them to, then try again."
        )
    account.set_unusable_password()
    account.save(update_fields=["password"])
    second_factor.forget_factors(account)  # of whoever sat in it: they would lock its owner out
    audit.record(
        course=None,
        person=None,
        action="password removed",
        what=f"{account}: the address is not confirmed",
    )
    return True


def take_from_lms(account: User) -> bool:
    """An account that a launch made, with whatever address the LMS said, is that person's of the LMS no longer.

    True where it was. Where the owner said so while signed in, the LMS opens it as before.
    """
    return bool(LmsIdentity.objects.filter(person=account, consented=False).delete()[0])


def set_password_by_link(*, person: User, password: str) -> None:
    """By who opened a mailed link; that proves the address. Raises LinkUsed where the account changed meanwhile.

    The password is hashed first: one conditional UPDATE then needs no transaction that waits for it.
    """
    hashed = make_password(password)
    unchanged = User.objects.filter(pk=person.pk, password=person.password, is_active=True)
    if not unchanged.update(password=hashed):
        raise LinkUsed
    person.password = hashed
    if not person.is_proven:
        second_factor.forget_factors(person)
    second_factor.sign_out_everywhere(person)
    take_from_lms(person)  # who reads the mailbox may be another than who launched
    prove(person)
    throttle.forgive("sign-in", about=person.email)


def change_password(*, person: User, password: str) -> None:
    """By who knows the old one. Raises LinkUsed where the account's password is another by now."""
    hashed = make_password(password)
    if not User.objects.filter(pk=person.pk, password=person.password, is_active=True).update(
        password=hashed
    ):
        raise LinkUsed
    person.password = hashed
    throttle.forgive("password-change", about=person.email)


def send_confirmation(person: User) -> bool:
    """The link that proves the address. False while one is just on its way."""
    if mail.just_sent(address=person.email, kinds=[MailKind.CONFIRM], seconds=RESEND_SECONDS):
        return False
    mail.queue(kind=MailKind.CONFIRM, people=[person], course=None)
    return True


def give_by_address(*, account: User, course: Course) -> None:
    """Take an unproven account from whoever has it, and mail its owner. Raises CourseRefused; see `hand_over`."""
    hand_over(account)
    invitations.invite(person=account, course=course)
