"""Words of the glossary on pages."""

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from teams.glossary import BY_LABEL, TERMS, Term

register = template.Library()


@register.simple_tag
def term(slug: str, word: str = "") -> SafeString:
    """A link to what a word means. Raises KeyError for one that the glossary does not have: no page may lead nowhere."""
    found = TERMS[slug]
    page = reverse("guide_topic", args=["glossary"])
    return format_html(
        '<a class="term" href="{}#{}" title="{}">{}</a>',
        page,
        slug,
        found.says,
        word or found.word,
    )


@register.filter
def term_of(label: object) -> Term | None:
    """What a form's label means, where the glossary has it."""
    return BY_LABEL.get(str(label).lower())
