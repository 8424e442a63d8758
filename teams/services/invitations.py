"""Mail with a link on which a person sets a password: for new accounts, and for those who forgot theirs."""

from teams.models import Course, MailKind, User
from teams.services import mail

ONE_MAIL_EVERY = 120  # seconds, for one address: a stranger must not be able to flood a mailbox


def invite(*, person: User, course: Course) -> None:
    """Mail, after the transaction, that the person is enrolled: with the link to a password where they may need one."""
    kind = MailKind.ENROLLED if person.is_proven else MailKind.INVITATION
    mail.queue(kind=kind, people=[person], course=course)


def invite_again(*, person: User, course: Course) -> bool:
    """The invitation once more; an unused earlier link keeps working until it is too old. False while one is just on its way."""
    if mail.just_sent(address=person.email, kinds=[MailKind.INVITATION], seconds=ONE_MAIL_EVERY):
        return False
    invite(person=person, course=course)
    return True


def send_password_link(*, email: str) -> None:
    """Mail the link to whoever has this address; nothing is sent to an unknown one.

    Whether there is an account is looked up when the mail leaves: here everybody costs the same work, so that neither
    the answer nor its time tells a stranger.
    """
    if not mail.just_sent(
        address=email.strip(), kinds=[MailKind.PASSWORD], seconds=ONE_MAIL_EVERY
    ):
        mail.queue_to_address(kind=MailKind.PASSWORD, address=email)
