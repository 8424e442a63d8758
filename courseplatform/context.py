"""What every page shows besides its own content."""

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from teams.impersonation import SESSION_KEY
from teams.models import Notice


def page(request: HttpRequest) -> dict[str, Any]:
    """The rehearsal banner and the bar's course, team and role, as set by `teams.access`."""
    return {
        "rehearsal": settings.REHEARSAL,
        "nav_course": getattr(request, "course", None),
        "nav_team": getattr(request, "team", None),
        "unread_notices": partial(_unread, request),
        "nav_membership": getattr(request, "membership", None),
        "impersonated": SESSION_KEY in request.session if hasattr(request, "session") else False,
    }


def _unread(request: HttpRequest) -> int:
    return (
        Notice.objects.filter(person_id=request.user.pk, read_at=None).count() if request.user.is_authenticated else 0
    )
