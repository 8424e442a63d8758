"""OpenAI's shapes that every endpoint shares: errors, pages of a list, ids."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ApiError(Exception):
    """An error answer in OpenAI's shape; raised anywhere below an endpoint."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The error as an HTTP answer."""
        return JSONResponse(self.body, self.status, headers=self.headers)


def new_id(prefix: str) -> str:
    """A fresh random id such as `file-3f…`."""
    return f"{prefix}-{secrets.token_hex(11)}"


def page(items: Sequence[dict[str, Any]], query: Mapping[str, str], *, default: int, most: int) -> dict[str, Any]:
    """One page of a list by `after` and `limit`. Raises ApiError for a limit that is no number or out of range."""
    limit_text = query.get("limit", str(default))
    if not limit_text.isascii() or not limit_text.isdigit() or not 1 <= int(limit_text) <= most:
        raise ApiError(400, f"'limit' must be a whole number from 1 to {most}, not {limit_text!r}.", param="limit")
    start = 0
    if after := query.get("after"):
        ids = [item["id"] for item in items]
        if after not in ids:
            raise ApiError(400, f"'after' names nothing in this list: {after}", param="after")
        start = ids.index(after) + 1
    shown = list(items[start : start + int(limit_text)])
    return {"object": "list", "data": shown, "has_more": len(items) > start + len(shown)}
