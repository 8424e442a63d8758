"""What OpenAI's description asks of every answer: lists with pages, times in seconds, refusals with a code."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from training.services.endpoint_api import ApiError

Shape = dict[str, Any]


def seconds(at: datetime | None) -> int | None:
    """A time as the API tells it: whole seconds since 1970, UTC."""
    return None if at is None else int(at.timestamp())


def page(shapes: Iterable[Shape], query: Mapping[str, str], *, usual: int, most: int) -> Shape:
    """The part of a list that `after` and `limit` ask for. Raises ApiError 400 for what is no number or no id of the list."""
    listed = list(shapes)
    limit = _limit(query.get("limit", ""), usual, most)
    after = query.get("after", "")
    if after:
        ids = [shape["id"] for shape in listed]
        if after not in ids:
            raise ApiError(
                400, f"'after' names nothing in this list: {after[:80]}", param="after"
            )
        listed = listed[ids.index(after) + 1 :]
    return {"object": "list", "data": listed[:limit], "has_more": len(listed) > limit}


def with_ends(shown: Shape, *, empty: str | None) -> Shape:
    """As `page`, with the first and last id, which some lists name; `empty` where there is none."""
    ids = [shape["id"] for shape in shown["data"]] or [empty]
    return {**shown, "first_id": ids[0], "last_id": ids[-1]}


def _limit(text: str, usual: int, most: int) -> int:
    if not text:
        return usual
    if not text.isdecimal() or len(text) > 6 or not 1 <= int(text) <= most:
        raise ApiError(400, f"'limit' must be a whole number from 1 to {most}.", param="limit")
    return int(text)
