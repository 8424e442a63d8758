"""`/v1/organization/costs`: what the provider bills by day. It bills nothing: every day is 0 USD, unless a test says more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.scripted_provider import OWNER
from tests.scripted_provider.provider import provider_of
from tests.scripted_provider.replies import ApiError

if TYPE_CHECKING:
    from starlette.requests import Request

DAY_SECONDS = 86_400
MOST_DAYS, USUAL_DAYS = 180, 7


async def costs(request: Request) -> JSONResponse:
    """A page of days from `start_time` to `end_time`, oldest first; `page` is the day to go on with."""
    query = request.query_params
    try:
        start = int(query.get("page") or query["start_time"])
        end = int(query.get("end_time") or provider_of(request).now())
        limit = int(query.get("limit", USUAL_DAYS))
    except (KeyError, ValueError) as error:
        raise ApiError(400, "start_time, end_time and limit must be whole numbers.", param="start_time") from error
    if not 1 <= limit <= MOST_DAYS:
        raise ApiError(400, f"'limit' must be a whole number from 1 to {MOST_DAYS}.", param="limit")
    begins = list(range(start - start % DAY_SECONDS, end, DAY_SECONDS))
    lines = provider_of(request).faults.now.costs
    following = begins[limit] if len(begins) > limit else None
    return JSONResponse(
        {
            "object": "page",
            "data": [bucket(begin, lines) for begin in begins[:limit]],
            "has_more": following is not None,
            "next_page": str(following) if following is not None else None,
        }
    )


def bucket(begin: int, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """One day in OpenAI's shape."""
    day = datetime.fromtimestamp(begin, UTC).date().isoformat()
    found = [line for line in lines if line["day"] == day] or [{"value": 0, "currency": "usd", "line_item": "scripted"}]
    return {
        "object": "bucket",
        "start_time": begin,
        "end_time": begin + DAY_SECONDS,
        "results": [
            {
                "object": "organization.costs.result",
                "amount": {"value": line["value"], "currency": line.get("currency", "usd")},
                "line_item": line.get("line_item"),
                "project_id": OWNER,
            }
            for line in found
        ],
    }


routes = [Route("/v1/organization/costs", costs, methods=["GET"])]
