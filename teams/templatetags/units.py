"""Money, time and counts in a person's units."""

from datetime import datetime

from django import template
from django.utils import timezone

from teams import days
from teams.services.durations import duration as _duration
from teams.services.money import dollars as _dollars

register = template.Library()


@register.filter
def dollars(micro: int | None) -> str:
    return "–" if micro is None else _dollars(micro)


@register.filter
def duration(seconds: float | None) -> str:
    return "–" if seconds is None else _duration(seconds)


@register.filter
def at(moment: datetime | None, shape: str) -> str:
    """The only way in which a page shows a time of day: in the course's zone, which it names. `shape` as of Django's `date`."""
    return "" if moment is None else days.at(moment, shape)


@register.simple_tag
def now_at(shape: str) -> str:
    """This moment, in the same way."""
    return days.at(timezone.now(), shape)


@register.filter
def percent_of(part: float | None, whole: float | None) -> int:
    """A share for a bar, 0 to 100."""
    return 0 if not part or not whole else max(0, min(100, round(100 * part / whole)))


PAID_FOR = {
    "turn": "answer",
    "endpoint": "answer to a program",
    "judge": "judge's opinion",
    "drafting": "drafted rows",
    "grading": "professor's interview",
}


@register.filter
def paid_for(kind: str) -> str:
    """What a ledger entry is for, as its page says it; the kinds not named here are plain words already."""
    return PAID_FOR.get(kind, kind)


@register.filter
def where_asked(code: str, names: dict[str, str]) -> str:
    """Of a ledger entry's provider: where its model was asked or trained."""
    if code in ("", "local"):
        return "on this platform"
    return f"at {names.get(code, code)}"


@register.filter
def in_words(value: object) -> str:
    """What the audit log keeps as JSON: `Mon`, `Ana, Ben`, `name: EDEL; term: Fall`."""
    if value is None or value == "":
        return ""
    if isinstance(value, dict):
        return "; ".join(
            f"{str(key).replace('_', ' ')}: {in_words(one) or '–'}" for key, one in value.items()
        )
    if isinstance(value, list):
        return ", ".join(in_words(one) for one in value)
    return str(value)
