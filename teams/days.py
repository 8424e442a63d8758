"""Times and days as a course tells them: in its own zone, which is named wherever a time is shown."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format

from teams.models import Course


def start_of_today(course: Course) -> datetime:
    """Midnight in the course's zone. What professors do is told to teams from the next day on, so that no minute is told."""
    now = timezone.localtime(timezone=course.zone)
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def at(moment: datetime, shape: str, zone: ZoneInfo | None = None) -> str:
    """`moment` in words, with its zone: "Dec 4, 23:59 CST". Without `zone` in that of the page's course, else the platform's."""
    local = timezone.localtime(moment, timezone=zone)
    return f"{date_format(local, shape)} {zone_name(local)}"


def zone_name(local: datetime) -> str:
    """CST, or UTC-03:00 for a zone that has no letters of its own."""
    name = local.tzname() or "UTC"
    if name[:1] not in "+-":
        return name
    offset = local.strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:]}"
