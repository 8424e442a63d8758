"""Keeps secrets out of logs and error pages, by their values: whatever a variable is called, its secret is not shown."""

import html
import logging
import re
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from teams.services import sealing

HIDDEN = "********"
SHORTEST = 6  # characters; a shorter "secret" would hide ordinary words
NAMES = (
    "SECRET_KEY",
    "SERVICE_TOKEN",
    "OPENAI_API_KEY",
    "OPENAI_ADMIN_KEY",
    "OIDC_CLIENT_SECRET",
    "EMAIL_HOST_PASSWORD",
    "METRICS_TOKEN",
    "SENTRY_DSN",
)
IN_ADDRESS = re.compile(
    r"(?<=://)([^/\s:@'\"]*):([^/\s@'\"]+)(?=@)"
)  # user:password of any address


def known_secrets() -> list[str]:
    """Every secret text of this process, longest first, also as it stands in an address."""
    found = {str(getattr(settings, name, "") or "") for name in NAMES}
    found |= set(getattr(settings, "SECRET_KEY_FALLBACKS", []))
    found |= set(settings.STORAGE_SECRETS)
    found |= (
        set(settings.KEPT_SECRETS.values())
        | set(sealing.opened())
        | set(settings.PROVIDER_KEY_SECRETS)
    )
    found |= {str(database.get("PASSWORD") or "") for database in settings.DATABASES.values()}
    if match := IN_ADDRESS.search(settings.REDIS_URL):
        found.add(match[2])
    found |= {
        written(secret) for secret in found for written in (_in_address, html.escape, _in_code)
    }
    return sorted((secret for secret in found if len(secret) >= SHORTEST), key=len, reverse=True)


def _in_address(secret: str) -> str:
    return quote(secret, safe="")


def _in_code(secret: str) -> str:
    return repr(secret)[1:-1]


def redact(text: str) -> str:
    """The text without secrets, and without the password of any address in it."""
    for secret in known_secrets():
        text = text.replace(secret, HIDDEN)
    return IN_ADDRESS.sub(rf"\1:{HIDDEN}", text)


class Formatter(logging.Formatter):
    """A log line, traceback included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class Filter(SafeExceptionReporterFilter):
    """Django's own hides settings by name. Ours also hides addresses that carry a password, and works with DEBUG too."""

    hidden_settings = re.compile(
        "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE|_URL|STORAGE|KEPT_ON|RQ_|DATABASES|EMAIL",
        re.I,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True


class Reporter(ExceptionReporter):
    """The report of an error, as a page or as text: what Django shows, then every secret's value taken out of it."""

    def get_traceback_html(self) -> Any:
        return redact(super().get_traceback_html())

    def get_traceback_text(self) -> Any:
        return redact(super().get_traceback_text())
