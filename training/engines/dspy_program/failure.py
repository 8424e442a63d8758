"""Failures a person can act on: a stable code, what happened, how to fix it."""

from dataclasses import dataclass
from typing import Any


@dataclass
class EngineFailure(Exception):
    """Ends the engine with a `failed` event and exit 1. `status` is the provider's HTTP status where there was one."""

    code: str
    message: str
    fix: str
    status: int | None = None

    def __str__(self) -> str:
        return f"{self.message} {self.fix}"


_BY_CODE = {
    "provider_auth": (
        "The provider refused the key (401).",
        "Ask the instructor to check the course's API key.",
    ),
    "provider_forbidden": (
        "The provider refused this request (403).",
        "The key has no right to this model: choose another model or ask the instructor.",
    ),
    "model_not_found": (
        "The provider does not know this model (404).",
        "Choose a model from the list; a fine-tuned model may have been deleted.",
    ),
    "quota_exhausted": (
        "The provider says the account has no credit left.",
        "Ask the instructor to top up the provider account, then start again.",
    ),
    "rate_limited": (
        "The provider keeps saying: too many requests (429).",
        "Start again later, or with fewer threads (num_threads).",
    ),
    "provider_timeout": (
        "The provider did not answer in time.",
        "Start again later: answers already paid for are kept and not paid for twice.",
    ),
    "provider_unreachable": (
        "The provider cannot be reached.",
        "Check the provider's address (base_url) and that its server runs, then start again.",
    ),
    "provider_error": ("The provider failed (server error).", "Start again later."),
    "provider_rejected": (
        "The provider rejected the request.",
        "Read the provider's words above: a shorter dialogue or another model may help.",
    ),
    "bad_settings": (
        "These settings do not fit this model.",
        "Change the settings named above and start again.",
    ),
}

# Waiting or trying again cannot help with these: the first one ends the run.
FINAL_CODES = frozenset(
    {
        "provider_auth",
        "provider_forbidden",
        "model_not_found",
        "quota_exhausted",
        "bad_settings",
        "provider_rejected",
    }
)


def disk_failure(error: BaseException) -> EngineFailure | None:
    """The failure that a full disk is, whichever library met it first; None where `error` is something else."""
    if not any(said in str(error) for said in ("No space left on device", "disk is full")):
        return None
    return EngineFailure(
        "disk_full",
        "The disk is full, so nothing more could be saved.",
        "Ask your instructor to free some room (the queue page shows how much there is), then start the run again.",
    )


def provider_failure(error: BaseException) -> EngineFailure | None:
    """The failure that `error`, raised by an LM call, stands for; None where `error` is not the provider's.

    Works on DSPy's public errors and on its engines' errors alike: both carry `status`, `provider_code` and a class
    that names the kind.
    """
    details: Any = error
    names = kinds(error)
    status: int | None = getattr(details, "status", None)
    code = _code(names, status, str(getattr(details, "provider_code", None) or ""))
    if code is None:
        return None
    said, fix = _BY_CODE[code]
    # DSPy adds advice for programmers below an empty line.
    words = str(getattr(details, "message", "") or error).split("\n\n")[0].strip()
    return EngineFailure(code, f"{said} It said: {words[:400]}" if words else said, fix, status)


def kinds(error: BaseException) -> set[str]:
    """Class names of `error`, of what it derives from and of what caused it, without DSPy's "LM" before them."""
    found: set[str] = set()
    link: BaseException | None = error
    while link is not None:
        found |= {cls.__name__.removeprefix("LM") for cls in type(link).__mro__}
        link = link.__cause__
    return found


def _code(names: set[str], status: int | None, provider_code: str) -> str | None:
    if "BillingError" in names or provider_code in {
        "insufficient_quota",
        "billing_hard_limit_reached",
    }:
        return "quota_exhausted"
    if "UnsupportedModelError" in names or status == 404 or provider_code == "model_not_found":
        return "model_not_found"
    by_status = {
        401: "provider_auth",
        403: "provider_forbidden",
        429: "rate_limited",
        408: "provider_timeout",
    }
    if status in by_status:
        return by_status[status]
    by_kind = {
        "AuthError": "provider_auth",
        "RateLimitError": "rate_limited",
        "TimeoutError": "provider_timeout",
        "ReadTimeout": "provider_timeout",
        "InvalidRequestError": "provider_rejected",
        "ServerError": "provider_error",
        "ConfigurationError": "bad_settings",
        "UnsupportedFeatureError": "bad_settings",
        "TransportError": "provider_unreachable",
        "StreamAssemblyError": "provider_error",
        "ProviderError": "provider_error",
    }
    return next((code for name, code in by_kind.items() if name in names), None)
