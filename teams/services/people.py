"""New people: they ask with a course code, and are here once they opened the link that is mailed to them.

Before that there is no account, no membership and no password: an address that is not one's own gets nobody in, and
nobody can sit in an account before its owner comes.
"""

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.utils import timezone

from teams.models import MailKind, Membership, User
from teams.services import courses, identity, mail, mail_texts
from teams.services.courses import CourseRefused
from teams.services.links import Joining

ONE_MAIL_EVERY = 120  # seconds, for one address


def ask_to_join(*, name: str, email: str, code: str) -> None:
    """Mail the link, or, to who has an account, where to sign in. Raises CourseRefused for a wrong or a closed code.

    The code comes first and is all that the answer depends on: nothing here tells whether the address has an account.
    """
    course, _ = courses.check_code(code)
    if not mail.just_sent(address=email.strip(), kinds=[MailKind.JOIN], seconds=ONE_MAIL_EVERY):
        details = {"name": name, "code": code}
        mail.queue_to_address(kind=MailKind.JOIN, address=email, course=course, details=details)


def has_own_way_in(joining: Joining) -> bool:
    """The address has an account whose owner is known: they sign in, and no link sets their password."""
    person = mail_texts.account_of(joining.email)
    return person is not None and person.is_proven


def enter_by_link(*, joining: Joining, password: str) -> Membership:
    """Make the account, or take it from whoever had it unproven, and enter the course. Raises CourseRefused."""
    courses.check_code(joining.code)
    person = User.objects.filter(email__iexact=joining.email).first()
    if person is None:
        return _enter_anew(joining, make_password(password))
    if person.is_proven or not person.is_active or mail_texts.runs_the_platform_unproven(person):
        raise CourseRefused(
            "There is an account with this address already. Sign in, then enter the course code."
        )
    try:
        identity.set_password_by_link(person=person, password=password)
    except identity.LinkUsed as error:
        raise CourseRefused(
            "This link was used a moment ago. Sign in with the password that was set then."
        ) from error
    return courses.join_course(person=person, code=joining.code)


def _enter_anew(joining: Joining, hashed: str) -> Membership:
    """The account and its first course, or neither."""
    try:
        with transaction.atomic():
            now = timezone.now()
            person = User.objects.create_hashed(
                joining.email, hashed, name=joining.name, email_verified_at=now
            )
            return courses.join_course(person=person, code=joining.code)
    except IntegrityError as error:
        raise CourseRefused(
            "This link was used a moment ago. Sign in with the password that was set then."
        ) from error
