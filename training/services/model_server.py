"""Whether a model server answers, and which bases it holds in memory. Ours has `/healthz`, vLLM has `/health`; both list models."""

from dataclasses import dataclass

import httpx
from django.conf import settings

from teams.services import outgoing

PATIENCE_SECONDS = 2.0  # a person waits for the form


@dataclass(frozen=True)
class ServerState:
    """`loaded`: names of the bases in its memory."""

    loaded: frozenset[str]


NOT_RUNNING = "is not running."
HEALTH_PAGES = ("/healthz", "/health")


def trouble(
    url: str,
    *,
    key: str = "",
    patience: float = PATIENCE_SECONDS,
    client: httpx.Client | None = None,
) -> str:
    """Why the server at `url` (with or without `/v1`) cannot be used, in the words after its name; empty where it can.

    Healthy is who lists models, or says so on one of the pages that servers have for it. A page that a server lacks says less
    than an error on another one. `client`: of somebody who asks through the door for addresses that a person typed.
    """
    root = url.rstrip("/").removesuffix("/v1")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    worst = 0
    try:
        for page in ("/v1/models", *HEALTH_PAGES):
            ask = httpx.get if client is None else client.get
            status = ask(root + page, headers=headers, timeout=patience).status_code
            if status == httpx.codes.OK:
                return ""
            if page == "/v1/models" and status in REFUSED_KEY:
                return (
                    "refuses the platform's key. Set the one that the server was started with."
                )
            worst = max(worst, status)
    except httpx.TimeoutException:
        return "does not answer within a second: it is busy loading a model, or it hangs."
    except (httpx.HTTPError, outgoing.NotAllowed):
        return NOT_RUNNING
    return f"answers with error {worst}. Its log says more: ask whoever runs the platform."


REFUSED_KEY = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


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
