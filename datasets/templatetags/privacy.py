"""What "nothing found" is worth: the measured recall, beside it on every page."""

from django import template

from datasets.checks.privacy import figures

register = template.Library()


@register.simple_tag
def recall_of(with_model: object = False) -> figures.Figures:
    """`{% recall_of version.looked_by_model as measured %}`: the figures of those who have looked."""
    return figures.measured(with_model=bool(with_model))
