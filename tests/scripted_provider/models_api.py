"""`/v1/models`: list, look at and delete models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.scripted_provider.provider import provider_of
from tests.scripted_provider.replies import ApiError

if TYPE_CHECKING:
    from starlette.requests import Request


async def listing(request: Request) -> JSONResponse:
    """Every model that answers."""
    provider = provider_of(request)
    shapes = [provider.describe_model(model) for model in provider.models()]
    return JSONResponse({"object": "list", "data": shapes})


async def one(request: Request) -> JSONResponse:
    """Looks at a model, or deletes a fine-tuned one."""
    provider = provider_of(request)
    model = provider.model(request.path_params["model"])
    if request.method != "DELETE":
        return JSONResponse(provider.describe_model(model))
    if model.job is None:
        raise ApiError(403, "You have insufficient permissions: base models cannot be deleted.", param="model")
    provider.store.delete_model(model.id)
    return JSONResponse({"id": model.id, "object": "model", "deleted": True})


routes = [
    Route("/v1/models", listing, methods=["GET"]),
    Route("/v1/models/{model:path}", one, methods=["GET", "DELETE"]),
]
