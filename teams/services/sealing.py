"""Secrets that stand in the database: sealed with keys made from a setting, opened only to be used, never shown.

Fernet (AES-128-CBC with HMAC-SHA256) of the `cryptography` package. The first key of `PROVIDER_KEY_SECRETS` seals, all of
them open: put a new one in front, run `manage.py rotate_provider_keys`, then take the old one away. A sealed text says
whose it is, so that one that is copied into another row does not open there.
"""

import base64
from collections import OrderedDict
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import QuerySet

INFO = b"course-platform provider keys v1"
MOST_REMEMBERED = 500
_opened: OrderedDict[str, None] = (
    OrderedDict()
)  # so that no log line of this process shows one (`redaction`)


class CannotOpen(Exception):
    """The text was sealed with a secret that is gone, or for another row. The message says what to do."""

    def __init__(self) -> None:
        super().__init__(
            "The key that is kept here cannot be opened: the secret that sealed it is gone "
            "(PROVIDER_KEY_SECRETS, or else SECRET_KEY). Enter the key once more."
        )


def seal(text: str, *, owner: str) -> str:
    """`owner`: the row and field it is for. Empty stays empty."""
    if not text:
        return ""
    remember(text)
    return _box().encrypt(f"{owner}\n{text}".encode()).decode("ascii")


def open_sealed(sealed: str, *, owner: str) -> str:
    """Raises CannotOpen."""
    if not sealed:
        return ""
    try:
        said, _, text = _box().decrypt(sealed.encode("ascii")).decode().partition("\n")
    except (InvalidToken, UnicodeError) as error:
        raise CannotOpen from error
    if said != owner:
        raise CannotOpen
    remember(text)
    return text


def sealed_anew(sealed: str) -> str:
    """The same under the first key of today. Raises CannotOpen."""
    try:
        return _box().rotate(sealed.encode("ascii")).decode("ascii") if sealed else ""
    except (InvalidToken, UnicodeError) as error:
        raise CannotOpen from error


def rows_anew(rows: QuerySet[Any], *fields: str) -> tuple[int, list[Any]]:
    """Seal these fields under the first key of today: how many texts, and the rows that no key opens, left as they are.
    A row that somebody changes meanwhile is sealed with that key already."""
    sealed, lost = 0, []
    for row in rows:
        before = {name: getattr(row, name) for name in fields if getattr(row, name)}
        try:
            anew = {name: sealed_anew(text) for name, text in before.items()}
        except CannotOpen:
            lost.append(row)
            continue
        if anew and type(row)._default_manager.filter(pk=row.pk, **before).update(**anew):
            sealed += len(anew)
    return sealed, lost


def remember(text: str) -> None:
    _opened[text] = None
    _opened.move_to_end(text)
    while len(_opened) > MOST_REMEMBERED:
        _opened.popitem(last=False)


def opened() -> list[str]:
    """Every secret that this process has opened or sealed, for who keeps them out of logs."""
    return list(_opened)


def _box() -> MultiFernet:
    return _made(
        tuple(settings.PROVIDER_KEY_SECRETS)
        or (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )


@lru_cache(maxsize=4)
def _made(secrets: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=INFO).derive(secret.encode())
    return base64.urlsafe_b64encode(derived)
