"""The platform's own settings, with a wall clock that can be set and a database that gives up waiting sooner."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

from courseplatform.settings import *  # noqa: F403

if os.environ.get("CHAOS_LATER"):  # for `tests.chaos.hosts.migration` alone
    INSTALLED_APPS += ["tests.chaos.later"]  # noqa: F405
CLOCK = Path(os.environ["CHAOS_CLOCK"])  # seconds that every process of this platform believes to be later
_real_now = timezone.now


def _shifted_now() -> datetime:
    return _real_now() + timedelta(seconds=float(CLOCK.read_text() or 0))


timezone.now = _shifted_now
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # noqa: F405
    DATABASES["default"]["OPTIONS"]["timeout"] = 3  # noqa: F405  # so that a lock of some seconds is past it
