"""What each kind of mail says. Composed when it leaves, so that its link is fresh and what is out of date is not sent."""

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from teams.models import MailKind, OutgoingMail, User
from teams.services import links, university

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Letter:
    subject: str
    text: str


def compose(mail: OutgoingMail) -> Letter | None:
    """None where nothing is to be sent any more: no account has the address, or it was switched off."""
    if mail.person is not None and not mail.person.is_active:
        return None
    return WRITERS[MailKind(mail.kind)](mail)


def _notice(mail: OutgoingMail) -> Letter:
    return Letter(mail.subject, mail.text)


def _enrolled(mail: OutgoingMail) -> Letter:
    text = f"Hello {mail.person},\n\nyou are enrolled in {mail.course}. Sign in as always:\n\n{settings.SITE_URL}\n"
    return Letter(f"You are enrolled in {mail.course}", text)


def _invitation(mail: OutgoingMail) -> Letter:
    """To somebody whose address nobody proved. Who did meanwhile is only told of the enrolment."""
    person = mail.person
    assert person is not None, "an invitation is to somebody"
    if person.is_proven:
        return _enrolled(mail)
    if university.lets_in(person.email, person):
        text = f"Hello {person},\n\nyou are enrolled in {mail.course}. {_by_university()}"
        return Letter(f"You are enrolled in {mail.course}", text)
    text = (
        f"Hello {person},\n\nyou are enrolled in {mail.course}. Set your password here to enter:\n\n"
        f"{settings.SITE_URL}{links.password_link(person)}\n\nThe link works for {_days()} days. After that, "
        f"“Forgot your password?” on the sign-in page sends you another.\n"
    )
    return Letter(f"Your account for {mail.course}", text)


def _password(mail: OutgoingMail) -> Letter | None:
    """The page that asks for it does not know whether the address has an account: this is where that is looked up."""
    person = account_of(mail.address)
    if person is None or runs_the_platform_unproven(person):
        return None
    if university.lets_in(person.email, person):
        text = f"Hello {person},\n\nyou need no password here. {_by_university()}"
        return Letter("How you sign in", text)
    text = (
        f"Hello {person},\n\nsomebody asked for a new password for this address on the course platform. "
        f"If it was you, set it here:\n\n{settings.SITE_URL}{links.password_link(person)}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n"
    )
    return Letter("Set a new password", text)


def _by_university(path: str = "") -> str:
    return f"Press “Sign in with {settings.OIDC_NAME}” here:\n\n{settings.SITE_URL}{path or '/sign-in/'}\n\n"


def _confirm(mail: OutgoingMail) -> Letter | None:
    person = mail.person
    assert person is not None, "only somebody with an account confirms an address"
    if person.is_proven:
        return None
    text = (
        f"Hello {person},\n\nyou have an account on the course platform with this address. Confirm that it is yours:\n\n"
        f"{settings.SITE_URL}{links.confirm_link(person)}\n\nThe link works for {_days()} days, while you are signed in. "
        "If you made no such account, do not open it.\n"
    )
    return Letter("Confirm your e-mail address", text)


def _join(mail: OutgoingMail) -> Letter | None:
    """The page that asks for it does not know whether the address has an account: this is where that is looked up.

    The name is not in it: whoever typed it could have us mail their own words to anybody.
    """
    name, code = mail.details["name"], mail.details["code"]
    person = account_of(mail.address)
    if person is None and User.objects.filter(email__iexact=mail.address).exists():
        return None  # it was switched off
    if person is not None and person.is_proven:
        text = (
            f"Hello {person},\n\nsomebody, probably you, wants to join a course with this address. You have an account here "
            f"already. Sign in and enter the course:\n\n{settings.SITE_URL}{links.code_link(code)}\n\n"
            "If it was not you, do nothing.\n"
        )
        return Letter("Enter your course", text)
    if university.lets_in(mail.address):
        text = (
            "Hello,\n\nsomebody, probably you, wants to join a course with this address. "
            f"{_by_university(links.code_link(code))}If it was not you, do nothing.\n"
        )
        return Letter("Enter your course", text)
    text = (
        f"Hello,\n\nsomebody, probably you, wants to join a course with this address. Set your password here to enter:\n\n"
        f"{settings.SITE_URL}{links.join_link(name=name, email=mail.address, code=code)}\n\n"
        f"The link works for {_days()} days. If you did not ask for it, do nothing: no account is made.\n"
    )
    return Letter("Enter your course", text)


def runs_the_platform_unproven(person: User) -> bool:
    """The first account, which the set-up code made. A slip in its address must not give the platform to a stranger's
    mailbox: who forgot this password, or mistyped the address, has the server (`manage.py changepassword`)."""
    return person.is_staff and not person.is_proven


def account_of(address: str) -> User | None:
    """The open account with this address, capitals aside."""
    person = User.objects.filter(email__iexact=address, is_active=True).first()
    # PostgreSQL takes ı for i here, and that is another address
    return person if person is not None and person.email.lower() == address.lower() else None


def _days() -> int:
    return int(settings.PASSWORD_RESET_TIMEOUT) // DAY_SECONDS


WRITERS: dict[MailKind, Callable[[OutgoingMail], Letter | None]] = {
    MailKind.NOTICE: _notice,
    MailKind.ENROLLED: _enrolled,
    MailKind.INVITATION: _invitation,
    MailKind.PASSWORD: _password,
    MailKind.CONFIRM: _confirm,
    MailKind.JOIN: _join,
}
