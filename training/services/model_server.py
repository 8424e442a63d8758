"""Whether the model server on this machine answers, and which bases it holds in memory."""

from dataclasses import dataclass

import httpx
from django.conf import settings

PATIENCE_SECONDS = 2.0  # a person waits for the form


@dataclass(frozen=True)
class ServerState:
    """`loaded`: names of the bases in its memory."""

    loaded: frozenset[str]


def state() -> ServerState | None:
    """None where nobody answers."""
    address = f"{settings.MODEL_SERVER_URL.rstrip('/')}/models"
    headers = {"Authorization": f"Bearer {settings.SERVICE_TOKEN}"}
    try:
        answer = httpx.get(address, headers=headers, timeout=PATIENCE_SECONDS)
        models = answer.raise_for_status().json()["data"]
        return ServerState(
            frozenset(str(model["id"]) for model in models if model.get("loaded"))
        )
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
