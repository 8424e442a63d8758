"""What every page shows besides its own content."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def page(request: HttpRequest) -> dict[str, Any]:
    """The rehearsal banner and the bar's course, team and role, as set by `teams.access`."""
    return {
        "rehearsal": settings.REHEARSAL,
        "nav_course": getattr(request, "course", None),
        "nav_team": getattr(request, "team", None),
        "nav_membership": getattr(request, "membership", None),
    }
