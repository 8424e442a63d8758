"""How many rows of a version a model wrote, on whatever page shows the version."""

from django import template

from datasets.models import DatasetVersion
from datasets.services import machine_rows

register = template.Library()


@register.simple_tag
def machine_share(version: DatasetVersion) -> machine_rows.Share | None:
    """`{% machine_share version as share %}`: None before the version was measured."""
    return machine_rows.share_of(version.pk)
