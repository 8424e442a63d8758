"""Dynamic registration (IMS): the LMS opens our page with a one-time token, and we register ourselves there.

What the LMS answers is kept turned off: whoever set up the connection looks at the issuer and the addresses first.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from django.db.models import QuerySet
from django.utils import timezone

from teams.models import LmsConnection, User
from teams.services import audit
from teams.services.lti import claims, connections
from teams.services.lti.claims import text
from teams.services.lti.connections import LtiRefused, Wanted
from teams.services.lti.door import LmsSession
from teams.services.lti.launching import hashed

VALID = timedelta(minutes=60)
TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"
NAME = "Second-grade bots"
DESCRIPTION = (
    "Student teams train a model that answers like a second-grader; professors grade it blind."
)
SCOPES = (
    claims.LINE_ITEM_SCOPE,
    claims.SCORE_SCOPE,
    "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly",
    claims.MEMBERS_SCOPE,
)
PARTS = {
    "issuer": "issuer",
    "auth_url": "authorization_endpoint",
    "token_url": "token_endpoint",
    "keyset_url": "jwks_uri",
}


def new_token(*, connection: LmsConnection, person: User) -> str:
    """For the registration address; shown once, good for an hour and for one registration. An earlier one is void."""
    token = secrets.token_urlsafe(32)
    connection.register_hash = hashed(token)
    connection.register_until = timezone.now() + VALID
    connection.save(update_fields=["register_hash", "register_until"])
    audit.record(
        course=connection.course,
        person=person,
        action="LMS registration opened",
        what=connection.name,
    )
    return token


def _open(token: str) -> QuerySet[LmsConnection]:
    return LmsConnection.objects.filter(
        register_hash=hashed(token), register_until__gt=timezone.now()
    )


def connection_of(token: str) -> LmsConnection:
    """Raises LtiRefused for a token that is used, too old or none."""
    found = _open(token).select_related("course").first()
    if found is None:
        raise LtiRefused(
            "This registration address was used already, or is older than an hour. Make a new one on the connection's page."
        )
    return found


def register(*, token: str, configuration_url: str, access_token: str) -> LmsConnection:
    """Ask the LMS who it is, register there, and keep its answer. A token whose registration failed can be used again.

    Raises LtiRefused.
    """
    connection = connection_of(token)
    until = connection.register_until
    if not _open(token).update(register_until=None):
        return connection_of(token)  # the same button, pressed twice: raises
    try:
        _register(connection, configuration_url, access_token)
    except LtiRefused:
        LmsConnection.objects.filter(pk=connection.pk, register_until=None).update(
            register_until=until
        )
        raise
    LmsConnection.objects.filter(pk=connection.pk).update(register_hash="", is_on=False)
    return connection


def _register(connection: LmsConnection, configuration_url: str, access_token: str) -> None:
    session = LmsSession()
    said = _asked(session, "GET", configuration_url, access_token="", body=None)
    found = {name: text(said.get(part), 1_000) for name, part in PARTS.items()}
    endpoint = text(said.get("registration_endpoint"), 1_000)
    missing = [part for name, part in PARTS.items() if not found[name]]
    missing += [] if endpoint else ["registration_endpoint"]
    if missing:
        raise LtiRefused(
            f"What stands at {configuration_url[:200]} is no configuration of an LMS: {', '.join(missing)} is missing."
        )
    answer = _asked(session, "POST", endpoint, access_token, _ours(connection))
    tool = answer.get(TOOL)
    deployment = text(tool.get("deployment_id"), 300) if isinstance(tool, Mapping) else ""
    wanted = Wanted(
        **found,
        client_id=text(answer.get("client_id"), 300),
        audience=text(said.get("authorization_server"), 300),
        deployment_id=deployment,
    )
    if not wanted.client_id:
        raise LtiRefused("The LMS registered us without a client id. Register by hand instead.")
    connections.fill(connection=connection, person=None, wanted=wanted)


def _asked(
    session: LmsSession, method: str, url: str, access_token: str, body: dict[str, Any] | None
) -> Mapping[str, Any]:
    """The JSON object that the LMS answers. Raises LtiRefused."""
    headers = {"Accept": "application/json"}
    if access_token:
        headers["Authorization"] = f"Bearer {access_token}"
    try:
        answer = session.request(method, url, json=body, headers=headers)
        if not answer.ok:
            host = urlsplit(url).hostname
            raise LtiRefused(
                f"{host} refused the registration: HTTP {answer.status_code}. {_words(answer)}"
            )
        said = answer.json()
    except requests.JSONDecodeError as error:
        raise LtiRefused(f"What {urlsplit(url).hostname} answered is no JSON.") from error
    except (requests.RequestException, ValueError) as error:
        raise LtiRefused(f"The LMS could not be asked: {error}") from error
    if not isinstance(said, Mapping):
        raise LtiRefused(f"What {urlsplit(url).hostname} answered is no configuration.")
    return said


def _words(answer: requests.Response) -> str:
    """What it says of the cause, where that is short text."""
    said = " ".join(answer.text.split())
    return said[:200] if said and "<" not in said else ""


def _ours(connection: LmsConnection) -> dict[str, Any]:
    """What we are, as the specification wants it."""
    ours = connections.addresses(connection)
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": ours.login,
        "redirect_uris": [ours.launch],
        "client_name": NAME,
        "jwks_uri": ours.keys,
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(SCOPES),
        TOOL: {
            "domain": ours.domain,
            "description": DESCRIPTION,
            "target_link_uri": ours.launch,
            "claims": ["iss", "sub", "name", "given_name", "family_name", "email"],
            "messages": [
                {
                    "type": "LtiResourceLinkRequest",
                    "target_link_uri": ours.launch,
                    "placements": ["course_navigation"],
                },
                {
                    "type": "LtiDeepLinkingRequest",
                    "target_link_uri": ours.deep_link,
                    "label": "Choose a page of the course",
                    "placements": ["link_selection"],
                },
            ],
        },
    }
