"""What every page shows besides its own content."""

from functools import partial
from typing import Any

from django.http import HttpRequest

from teams.impersonation import SESSION_KEY
from teams.models import User
from teams.services import notices


def page(request: HttpRequest) -> dict[str, Any]:
    """The bar's course, team and role, as set by `teams.access`."""
    return {
        "nav_course": getattr(request, "course", None),
        "nav_team": getattr(request, "team", None),
        "notice_bell": partial(_bell, request),
        "nav_membership": getattr(request, "membership", None),
        "impersonated": SESSION_KEY in request.session if hasattr(request, "session") else False,
    }


def _bell(request: HttpRequest) -> notices.Bell | None:
    return notices.bell(person=request.user) if isinstance(request.user, User) else None
