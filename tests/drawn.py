"""A page as a browser draws it: where a template's lines end is no business of a test that reads the page."""

import re
from typing import Any

from django.http import HttpResponse
from django.test import AsyncClient, Client

TAG = re.compile(r"""<!--.*?-->|</?[a-zA-Z](?:[^<>"']|"[^"]*"|'[^']*')*>""", re.DOTALL)
EXACT = re.compile(r"<(pre|textarea|script|style)\b", re.IGNORECASE)
NO_SPACE_AT = re.compile(
    r"</?(address|article|aside|blockquote|body|br|button|caption|dd|details|dialog|div|dl|dt|fieldset|figcaption|figure"
    r"|footer|form|h[1-6]|head|header|hr|html|legend|li|link|main|meta|nav|ol|optgroup|option|p|section|select|summary"
    r"|table|tbody|td|textarea|tfoot|th|thead|title|tr|ul)\b",
    re.IGNORECASE,
)


def one_tag(tag: str) -> str:
    """On one line, with one space between attributes. Of the values, classes and names that are read out lose their lines."""
    if tag.startswith("<!--"):
        return tag
    parts = re.split(r"""("[^"]*"|'[^']*')""", tag)
    for place, part in enumerate(parts):
        if place % 2 == 0:
            parts[place] = re.sub(r"\s+", " ", part)
        elif parts[place - 1].endswith(("class=", "aria-label=")):
            parts[place] = f'"{" ".join(part[1:-1].split())}"'
    return re.sub(r" (/?>)$", r"\1", "".join(parts))


def as_drawn(page: str) -> str:
    """The same page with every run of spaces and line ends as one space, and none at the edges of blocks."""
    drawn: list[str] = []
    place, until = 0, ""
    for found in TAG.finditer(page):
        tag = found.group()
        if until and not tag.lower().startswith(until):
            continue
        between = page[place : found.start()]
        drawn.append(between if until else re.sub(r"\s+", " ", between))
        drawn.append(one_tag(tag))
        exact = EXACT.match(tag)
        until = f"</{exact[1].lower()}" if exact else ""
        place = found.end()
    drawn.append(re.sub(r"\s+", " ", page[place:]))
    return "".join(_without_edges(drawn))


def _without_edges(parts: list[str]) -> list[str]:
    """Texts stand at the even places, tags at the odd ones."""
    for place in range(0, len(parts), 2):
        before = parts[place - 1] if place else "<body>"
        after = parts[place + 1] if place + 1 < len(parts) else "</body>"
        if EXACT.match(before):
            continue
        if NO_SPACE_AT.match(before):
            parts[place] = parts[place].lstrip(" ")
        if NO_SPACE_AT.match(after):
            parts[place] = parts[place].rstrip(" ")
    return parts


def read_as_drawn() -> None:
    """From now on the test clients hand out pages as they are drawn."""

    def page(response: Any) -> Any:
        plain = isinstance(response, HttpResponse) and response.get("Content-Type", "").startswith("text/html")
        if plain and response.content:
            response.content = as_drawn(response.content.decode(response.charset)).encode(response.charset)
        return response

    ask, ask_async = Client.request, AsyncClient.request

    def request(client: Client, **asked: Any) -> Any:
        return page(ask(client, **asked))

    async def request_async(client: AsyncClient, **asked: Any) -> Any:
        return page(await ask_async(client, **asked))

    Client.request = request  # type: ignore[method-assign, assignment]
    AsyncClient.request = request_async  # type: ignore[method-assign, assignment]
