"""Money, time and counts in a person's units."""

from django import template

from teams.services.money import dollars as _dollars

register = template.Library()


@register.filter
def dollars(micro: int | None) -> str:
    return "–" if micro is None else _dollars(micro)


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as 0.4 s, 40 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


@register.filter
def percent_of(part: float | None, whole: float | None) -> int:
    """A share for a bar, 0 to 100."""
    return 0 if not part or not whole else max(0, min(100, round(100 * part / whole)))


PAID_FOR = {"turn": "answer", "endpoint": "answer to a program", "judge": "judge's opinion"}


@register.filter
def paid_for(kind: str) -> str:
    """What a ledger entry is for, as its page says it; the kinds not named here are plain words already."""
    return PAID_FOR.get(kind, kind)


@register.filter
def in_words(value: object) -> str:
    """What the audit log keeps as JSON: `Mon`, `Ana, Ben`, `name: EDEL; term: Fall`."""
    if value is None or value == "":
        return ""
    if isinstance(value, dict):
        return "; ".join(f"{str(key).replace('_', ' ')}: {in_words(one) or '–'}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(in_words(one) for one in value)
    return str(value)
