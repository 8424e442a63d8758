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
MODELS_PAGE = "/v1/models"
HEALTH_PAGES = ("/healthz", "/health")


@dataclass(frozen=True)
class Look:
    """`trouble`: why the server cannot be used, in the words after its name; empty where it can. `listed`: names of the models
    that it lists; None where it does not say."""

    trouble: str = ""
    listed: frozenset[str] | None = None


def trouble(
    url: str,
    *,
    key: str = "",
    patience: float = PATIENCE_SECONDS,
    client: httpx.Client | None = None,
) -> str:
    """`look`, for whoever only wants to know whether it can be used."""
    return look(url, key=key, patience=patience, client=client).trouble


def look(
    url: str,
    *,
    key: str = "",
    patience: float = PATIENCE_SECONDS,
    client: httpx.Client | None = None,
) -> Look:
    """Ask the server at `url` (with or without `/v1`) how it is; what it lists is read from the same answer.

    Healthy is who lists models, or says so on one of the pages that servers have for it. A page that a server lacks says less
    than an error on another one. `client`: of somebody who asks through the door for addresses that a person typed.
    """
    root = url.rstrip("/").removesuffix("/v1")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    worst = 0
    try:
        for page in (MODELS_PAGE, *HEALTH_PAGES):
            ask = httpx.get if client is None else client.get
            answer = ask(root + page, headers=headers, timeout=patience)
            if answer.status_code == httpx.codes.OK:
                return Look(listed=_listed(answer) if page == MODELS_PAGE else None)
            if page == MODELS_PAGE and answer.status_code in REFUSED_KEY:
                return Look(
                    "refuses the platform's key. Set the one that the server was started with."
                )
            worst = max(worst, answer.status_code)
    except httpx.TimeoutException:
        return Look("does not answer within a second: it is busy loading a model, or it hangs.")
    except (httpx.HTTPError, outgoing.NotAllowed):
        return Look(NOT_RUNNING)
    return Look(f"answers with error {worst}. Its log says more: ask whoever runs the platform.")


def _listed(answer: httpx.Response) -> frozenset[str] | None:
    try:
        return frozenset(str(model["id"]) for model in answer.json()["data"])
    except (ValueError, KeyError, TypeError):
        return None


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
