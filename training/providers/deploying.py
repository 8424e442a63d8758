"""Services at which a trained model does not answer before it is deployed: made once, looked at until it is ready.

Azure: learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning-deploy (as of 2025-10-25): a PUT to the control plane
makes the deployment under a name of ours, and chat asks for that name. Nebius: docs.tokenfactory.nebius.com/post-training/
deploy-custom-model, as code of others quotes it: a POST to /v0/models makes it of a job's checkpoint, and says the name to ask for.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from training.launcher import storable
from training.providers.openai_api import ProviderAway, ProviderRefused

API_VERSION = "2024-10-01"
SECONDS = 30.0
LATER = frozenset({408, 409, 429})
MOST_NAME = 120


class State(Enum):
    READY = "ready"
    MAKING = "making"
    FAILED = "failed"


@dataclass(frozen=True)
class Deployed:
    """`name`: what chat asks for. `why`: the service's own words where it failed."""

    state: State
    name: str
    why: str = ""


class Deployer(Protocol):
    def step(self, *, name: str, model: str, base: str, job: str) -> Deployed:
        """Make the deployment `name` of `model` unless it is there, and say how it stands. Harmless to repeat.

        Raises ProviderAway, ProviderRefused.
        """


class Azure:
    """Deployments of one resource, by an application that may write them."""

    def __init__(
        self,
        *,
        management: str,
        login: str,
        resource: str,
        tenant: str,
        client: str,
        secret: str,
        sku: str,
    ) -> None:
        self._management, self._login = management.rstrip("/"), login.rstrip("/")
        self._resource, self._tenant, self._client = resource.strip("/"), tenant, client
        self._secret, self._sku = secret, sku

    def step(self, *, name: str, model: str, base: str, job: str) -> Deployed:
        address = f"{self._management}/{quote(self._resource, safe='/')}/deployments/{quote(name, safe='')}"
        with httpx.Client(timeout=SECONDS, follow_redirects=False) as web:
            headers = {"Authorization": f"Bearer {self._token(web)}"}
            asked: dict[str, Any] = {"headers": headers, "params": {"api-version": API_VERSION}}
            found = _said(web, "GET", address, may_be_absent=True, **asked)
            if found is None or _of_azure(found, name).state is State.FAILED:
                made = {"format": "OpenAI", "name": model, "version": "1"}
                body = {"sku": {"name": self._sku, "capacity": 1}, "properties": {"model": made}}
                found = _said(web, "PUT", address, json=body, **asked) or {}
        return _of_azure(found, name)

    def _token(self, web: httpx.Client) -> str:
        address = f"{self._login}/{quote(self._tenant, safe='')}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client,
            "client_secret": self._secret,
            "scope": f"{self._management}/.default",
        }
        said = _said(web, "POST", address, data=form) or {}
        token = said.get("access_token")
        if not isinstance(token, str):
            raise ProviderAway("Azure gave no token to deploy with.")
        return token


def _of_azure(found: dict[str, Any], name: str) -> Deployed:
    told = found.get("properties")
    state = str(told.get("provisioningState", "")) if isinstance(told, dict) else ""
    if state == "Succeeded":
        return Deployed(State.READY, name)
    if state in ("Failed", "Canceled", "Deleting", "Disabled"):
        return Deployed(State.FAILED, name, f"Azure says: {state}.")
    return Deployed(State.MAKING, name)


class Nebius:
    """Adapters that the service loads beside their base, each of a checkpoint of a job."""

    def __init__(self, *, base_url: str, key: str, web: httpx.Client) -> None:
        self._models = f"{base_url.rstrip('/').removesuffix('/v1')}/v0/models"
        self._headers, self._web = {"Authorization": f"Bearer {key}"}, web

    def step(self, *, name: str, model: str, base: str, job: str) -> Deployed:
        found = self._find(name)
        if found is None:
            body = {
                "source": f"{job}:{model}",
                "base_model": base,
                "name": name,
                "description": "of the course platform",
            }
            found = (
                _said(
                    self._web,
                    "POST",
                    self._models,
                    json=body,
                    headers=self._headers,
                    timeout=SECONDS,
                )
                or {}
            )
        called = found.get("name")
        asked = str(storable(called))[:MOST_NAME] if isinstance(called, str) and called else name
        state = str(found.get("status", ""))
        if state == "active":
            return Deployed(State.READY, asked)
        if state == "error":
            return Deployed(
                State.FAILED, asked, str(storable(str(found.get("status_reason") or "")))[:300]
            )
        return Deployed(State.MAKING, asked)

    def _find(self, name: str) -> dict[str, Any] | None:
        """It may put the base before the name that was asked for."""
        listed = (
            _said(self._web, "GET", self._models, headers=self._headers, timeout=SECONDS) or {}
        )
        rows = listed.get("data")
        for row in rows if isinstance(rows, list) else []:
            called = row.get("name") if isinstance(row, dict) else None
            if isinstance(called, str) and (
                called == name or called.endswith((f":{name}", f"-{name}", f"/{name}"))
            ):
                return dict(row)
        return None


def _said(
    web: httpx.Client, method: str, address: str, *, may_be_absent: bool = False, **given: Any
) -> dict[str, Any] | None:
    """The JSON object of an answer; None for what is not there. Raises ProviderAway, ProviderRefused."""
    try:
        answer = web.request(method, address, **given)
    except httpx.HTTPError as error:
        raise ProviderAway(
            f"Whoever deploys the model cannot be reached ({type(error).__name__})."
        ) from error
    status = answer.status_code
    if may_be_absent and status == httpx.codes.NOT_FOUND:
        return None
    if status >= 500 or status in LATER:
        raise ProviderAway(f"Whoever deploys the model says: later ({status}).")
    if not answer.is_success:
        raise ProviderRefused(
            "deployment_refused",
            f"The trained model could not be deployed: the provider refused ({status}).",
            "Ask whoever set up the provider to look at its right to deploy. The model is paid for and stays there.",
        )
    try:
        said = answer.json()
    except ValueError as error:
        raise ProviderAway("The answer of whoever deploys the model cannot be read.") from error
    if not isinstance(said, dict):
        raise ProviderAway("The answer of whoever deploys the model cannot be read.")
    return said
