"""Bytes in a person's units."""

from django import template

from teams.services.disk import GB, told

register = template.Library()


@register.filter
def bytes_told(size: int) -> str:
    return told(size)


@register.filter
def gigabytes(size: int | None) -> str:
    """For the value of a number field: empty for None."""
    return "" if size is None else f"{size / GB:.10g}"
