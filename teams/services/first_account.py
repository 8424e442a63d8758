"""The first account of an empty platform: made in the browser, by whoever can read what the server prints."""

import logging

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from teams.models import User
from teams.models.course import CODE_ALPHABET
from teams.services import audit

log = logging.getLogger(__name__)

LENGTH = 16
GROUP = 4


class SetUpRefused(Exception):
    """No account was made; the text says why and what to do."""


def wanted() -> bool:
    """Nobody has an account yet."""
    return not User.objects.exists()


def code() -> str:
    """`ABCD-EFGH-JKMN-PQRS`, about 79 bits; the same in every process that shares this platform's SECRET_KEY.

    It opens one door only, and only while nobody has an account.
    """
    digest = salted_hmac("teams.first_account", "set-up code", algorithm="sha256").digest()
    number, letters = int.from_bytes(digest), []
    for _ in range(LENGTH):
        number, place = divmod(number, len(CODE_ALPHABET))
        letters.append(CODE_ALPHABET[place])
    return "-".join("".join(letters[start : start + GROUP]) for start in range(0, LENGTH, GROUP))


def print_code() -> None:
    """Into this process's log, for those who started the web server alone."""
    log.warning("Nobody has an account on this platform yet. Its set-up code is %s", code())


def make(*, given_code: str, name: str, email: str, password: str) -> User:
    """The person who runs this platform: may create courses and sees the staff pages. Raises SetUpRefused.

    The code from the server's own log shows who they are; the address is confirmed by mail, which may not be set up yet.
    """
    if not constant_time_compare(_plain(given_code), _plain(code())):
        raise SetUpRefused(
            "This is not the set-up code. Copy it from the window or the log of the server."
        )
    hashed = make_password(password)  # before the transaction, and only for who has the code
    with transaction.atomic():
        # Locking the one row that both need makes two simultaneous set-ups wait for each other.
        permission = Permission.objects.select_for_update().get(
            codename="add_course", content_type__app_label="teams"
        )
        if not wanted():
            raise SetUpRefused(
                "Somebody has set this platform up already. Ask them for an account."
            )
        person = User.objects.create_hashed(email, hashed, name=name, is_staff=True)
        person.user_permissions.add(permission)
        audit.record(course=None, person=person, action="platform set up", what=str(person))
    return person


def _plain(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum())
