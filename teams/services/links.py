"""Links that open something for whoever reads a mailbox. They are made when a mail leaves, and kept nowhere."""

from dataclasses import asdict, dataclass

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator, default_token_generator
from django.core import signing
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlencode, urlsafe_base64_encode

from teams.models import User

JOIN_SALT = "teams.join"


class _ConfirmTokens(PasswordResetTokenGenerator):
    """Of one account with one address and password, until the address is confirmed."""

    key_salt = "teams.confirm"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{user.pk}{user.email}{user.password}{user.email_verified_at}{timestamp}"


confirm_tokens = _ConfirmTokens()


def password_link(person: User) -> str:
    """A path that works once, for settings.PASSWORD_RESET_TIMEOUT seconds."""
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse(
        "password_set",
        kwargs={"uidb64": uid, "token": default_token_generator.make_token(person)},
    )


def confirm_link(person: User) -> str:
    """A path that works for this account alone, while it is signed in, for the same time.

    Signed in: who made an account with somebody else's address must not have it confirmed by that person's click.
    """
    return reverse("address_confirm", kwargs={"token": confirm_tokens.make_token(person)})


def code_link(code: str) -> str:
    """Where somebody with an account enters a course."""
    return f"{reverse('join')}?{urlencode({'code': code})}"


@dataclass(frozen=True)
class Joining:
    """Who wants to enter a course by its code, from a mailbox that they can read."""

    name: str
    email: str
    code: str


def join_link(*, name: str, email: str, code: str) -> str:
    """A path that makes the account when it is opened: until then there is none. It works for the same time."""
    token = signing.dumps(asdict(Joining(name, email, code)), salt=JOIN_SALT)
    return reverse("join_enter", kwargs={"token": token})


def read_join(token: str) -> Joining | None:
    """None for a link that is too old, or was never made here."""
    try:
        return Joining(
            **signing.loads(token, salt=JOIN_SALT, max_age=settings.PASSWORD_RESET_TIMEOUT)
        )
    except signing.BadSignature:
        return None
