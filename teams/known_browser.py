"""A browser in which somebody signed in before is remembered, so that guessers elsewhere cannot lock its owner out.

Wrong passwords are counted about an account, from everywhere: else many machines would guess together. Whoever knows an
address could so keep its owner from signing in. Tries in a browser that has this cookie are counted by themselves.
"""

import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

COOKIE = "known_browser"
SALT = "teams.known_browser"
KEPT_SECONDS = 365 * 24 * 3600


def _of(email: str) -> str:
    return salted_hmac(SALT, email.strip().lower(), algorithm="sha256").hexdigest()[:32]


def mark_of(request: HttpRequest, email: str) -> str:
    """This browser's own mark, where the owner of this account signed in with it before; else empty."""
    try:
        account, mark = signing.loads(
            request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=KEPT_SECONDS
        )
    except (signing.BadSignature, TypeError, ValueError):
        return ""
    return str(mark) if constant_time_compare(str(account), _of(email)) else ""


def remember(response: HttpResponse, email: str) -> None:
    """After the right password."""
    value = signing.dumps([_of(email), secrets.token_hex(8)], salt=SALT)
    response.set_cookie(
        COOKIE,
        value,
        max_age=KEPT_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
