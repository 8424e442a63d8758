"""Days in the platform's time zone."""

from datetime import datetime

from django.utils import timezone


def start_of_today() -> datetime:
    """Midnight. What professors do is told to teams from the next day on, so that no minute is told."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
