"""The way in from an LMS: its call, our redirect with state and nonce, its signed message. Each is used once.

PyLTI1p3 takes the message apart and finds the key; what it lets pass is closed here. It keeps states and nonces for a day
and takes the same message again without the browser's cookie, looks at the first audience alone, and lets the message say by
which algorithm it is signed. Here a state is one row: one conditional UPDATE takes it, in whatever process.
"""

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import jwt
import requests
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from lti_tool.models import LtiContext, LtiDeployment
from pylti1p3.contrib.django import DjangoMessageLaunch
from pylti1p3.contrib.django.session import DjangoSessionService
from pylti1p3.exception import LtiException
from pylti1p3.tool_config.abstract import ToolConfAbstract

from teams.models import LmsConnection, LmsLaunch
from teams.models.lti import LAUNCH_MINUTES
from teams.services.lti import claims, connections
from teams.services.lti.claims import CLAIM, BadMessage, Message
from teams.services.lti.connections import LtiRefused
from teams.services.lti.door import LmsSession

log = logging.getLogger(__name__)

SIGNED_BY = ("RS256", "RS384", "RS512")
CLOCKS_DIFFER_BY = 60  # seconds
OLDEST_SECONDS = 3600  # a message that was made longer ago is none of this launch
KEYS_SECONDS = 600
MOST_PARAMETER = 4_000
KEPT = timedelta(hours=1)
AGAIN = "Go back to your LMS and press the link there once more."


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def find(key: UUID) -> LmsConnection:
    """The connection of this address, for a launch. Raises LtiRefused."""
    found = (
        LmsConnection.objects.select_related("registration", "course").filter(key=key).first()
    )
    if found is None:
        raise LtiRefused(
            "No LMS is connected at this address. Compare the addresses in the LMS with those on the connection's page."
        )
    if not found.is_on or found.registration is None:
        raise LtiRefused(
            f"The connection with {found} is turned off. Ask the instructor who set it up to turn it on."
        )
    return found


@dataclass(frozen=True)
class Begun:
    """`address`: where the browser goes now. `cookie` and `secret`: what it must bring back."""

    address: str
    cookie: str
    secret: str


def cookie_of(state: str) -> str:
    """Several launches may be under way in one browser."""
    return f"lms_state_{hashed(state)[:16]}"


def begin(*, connection: LmsConnection, given: dict[str, str]) -> Begun:
    """Answer the LMS's call: `given` are its parameters. Raises LtiRefused for a call by another LMS."""
    registration = connection.registration
    if given.get("iss") != registration.issuer:
        raise LtiRefused(
            f"This launch says that it comes from {given.get('iss', '')[:100] or 'nobody'}, but {connection} is connected as "
            f"{registration.issuer}. Correct the issuer on the connection's page, or the address in the LMS."
        )
    if given.get("client_id", registration.client_id) != registration.client_id:
        raise LtiRefused(
            f"This launch is for the client id {given['client_id'][:100]}, but {connection} is connected with "
            f"{registration.client_id}. Correct it on the connection's page."
        )
    hints = {name: given.get(name, "") for name in ("login_hint", "lti_message_hint")}
    if not hints["login_hint"] or max(map(len, hints.values())) > MOST_PARAMETER:
        raise LtiRefused(f"The LMS did not say for whom this launch is. {AGAIN}")
    state, nonce, secret = (secrets.token_urlsafe(32) for _ in range(3))
    LmsLaunch.objects.create(
        connection=connection,
        state_hash=hashed(state),
        nonce_hash=hashed(nonce),
        browser_hash=hashed(secret),
    )
    asked = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": registration.client_id,
        # Never what the call names: the message comes back to us, whoever made the call.
        "redirect_uri": connections.addresses(connection).launch,
        "state": state,
        "nonce": nonce,
        **{name: value for name, value in hints.items() if value},
    }
    joined = "&" if "?" in registration.auth_url else "?"
    address = f"{registration.auth_url}{joined}{urlencode(asked)}"
    return Begun(address, cookie_of(state), secret)


class _ToolConf(ToolConfAbstract):  # type: ignore[misc]  # untyped
    """One connection, whatever the message says of itself."""

    def __init__(self, connection: LmsConnection) -> None:
        super().__init__()
        self.connection = connection

    def check_iss_has_one_client(self, iss: str) -> bool:
        return False

    def check_iss_has_many_clients(self, iss: str) -> bool:
        return True

    def find_registration_by_issuer(self, iss: str, *_: Any, **__: Any) -> Any:
        return None

    def find_registration_by_params(
        self, iss: str, client_id: str | None, *_: Any, **__: Any
    ) -> Any:
        kept = self.connection.registration
        if iss != kept.issuer:
            raise LtiRefused(
                f"This message says that it comes from {str(iss)[:100]}, but {self.connection} is connected as {kept.issuer}."
            )
        return connections.as_registration(self.connection)

    def find_deployment(self, iss: str, deployment_id: str) -> Any:
        return None

    def find_deployment_by_params(
        self, iss: str, deployment_id: str, client_id: str, *_: Any, **__: Any
    ) -> Any:
        return _deployment(self.connection, deployment_id)


def _deployment(connection: LmsConnection, deployment_id: str) -> Any:
    """Raises LtiRefused for one that nobody allowed here. It is remembered, so that it can be allowed by a press."""
    registration = connection.registration
    found = registration.deployments.filter(deployment_id=deployment_id).first()
    if found is not None and found.is_active:
        return found
    waiting = registration.deployments.filter(is_active=False).count()
    fits = len(deployment_id) <= connections.LONGEST
    if found is None and fits and waiting < connections.MOST_WAITING:
        LtiDeployment.objects.get_or_create(
            registration=registration, deployment_id=deployment_id
        )
    raise LtiRefused(
        f"The deployment “{deployment_id[:60]}” of {connection} is not allowed here yet. "
        "The instructor who set up the connection allows it on its page."
    )


class _Launch(DjangoMessageLaunch):  # type: ignore[misc]  # untyped
    """PyLTI1p3's reading of a message, with state and nonce in our row and the signature checked in full."""

    def __init__(self, request: HttpRequest, connection: LmsConnection) -> None:
        super().__init__(
            request,
            _ToolConf(connection),
            session_service=DjangoSessionService(request),
            requests_session=LmsSession(),
        )
        self._connection = connection
        self.row: LmsLaunch | None = None
        self._raw_request = request

    def validate_state(self) -> "_Launch":
        """Takes the row: whatever comes after, this state is used."""
        self.row = _take_state(
            self._connection, self._get_request_param("state") or "", self._raw_request.COOKIES
        )
        return self

    def validate_nonce(self) -> "_Launch":
        nonce = self._jwt.get("body", {}).get("nonce")
        assert self.row is not None
        if not nonce or hashed(str(nonce)) != self.row.nonce_hash:
            raise LtiRefused(f"This message belongs to another launch. {AGAIN}")
        return self

    def fetch_public_key(self, key_set_url: str) -> Any:
        """Kept some minutes, and asked anew where it does not have the message's key."""
        place = f"lms-keys-{self._connection.pk}-{hashed(key_set_url)[:16]}"
        kid = self._jwt.get("header", {}).get("kid")
        kept = cache.get(place)
        if isinstance(kept, dict) and any(one.get("kid") == kid for one in kept["keys"]):
            return kept
        found: Any = super().fetch_public_key(key_set_url)
        keys = found.get("keys") if isinstance(found, dict) else None
        if not isinstance(keys, list) or not all(isinstance(one, dict) for one in keys):
            raise LtiRefused(
                f"What stands at {key_set_url} is no set of keys. Correct its address."
            )
        cache.set(place, found, KEYS_SECONDS)
        return found

    def validate_jwt_signature(self) -> "_Launch":
        key, _ = self.get_public_key()
        kept = self._connection.registration
        said: dict[str, Any] = jwt.decode(
            self._get_id_token(),
            key,
            algorithms=list(SIGNED_BY),
            audience=kept.client_id,
            issuer=kept.issuer,
            leeway=CLOCKS_DIFFER_BY,
            options={"require": ["exp", "iat", "iss", "aud", "nonce"]},
        )
        several = isinstance(said["aud"], list) and len(said["aud"]) > 1
        if said.get("azp", kept.client_id) != kept.client_id or (several and "azp" not in said):
            raise jwt.InvalidAudienceError("made for another tool")
        if said["iat"] < timezone.now().timestamp() - OLDEST_SECONDS:
            raise jwt.ExpiredSignatureError("made more than an hour ago")
        return self

    def validate_message(self) -> "_Launch":
        """Raises BadMessage: by now it is known who signed it, so the sentence may say what is missing."""
        if not self._jwt.get("body", {}).get("sub"):
            raise BadMessage(claims.NOBODY)
        try:
            super().validate_message()
        except LtiException as error:
            raise BadMessage(
                f"A message of {self._connection} cannot be used, because it is not as LTI 1.3 wants it: {error}."
            ) from error
        return self

    def save_launch_data(self) -> "_Launch":
        """Nothing but our own row is kept."""
        return self


def _take_state(connection: LmsConnection, state: str, cookies: Any) -> LmsLaunch:
    """Raises LtiRefused where no launch of this browser waits for it, or not any more."""
    soon = timezone.now() - timedelta(minutes=LAUNCH_MINUTES)
    rows = LmsLaunch.objects.filter(connection=connection, state_hash=hashed(state))
    row = rows.first()
    if row is None or row.begun_at < soon:
        raise LtiRefused(
            f"This launch is not known here, or it took longer than {LAUNCH_MINUTES} minutes. {AGAIN}"
        )
    # A deep linking request signs nobody in, and stands in a frame, where browsers keep no cookie.
    brought = cookies.get(cookie_of(state), "")
    in_its_browser = bool(brought) and hashed(brought) == row.browser_hash
    if not rows.filter(came_back_at=None).update(came_back_at=timezone.now()):
        raise LtiRefused(f"This launch was used already. {AGAIN}")
    row.in_its_browser = in_its_browser  # type: ignore[attr-defined]
    return row


def receive(*, connection: LmsConnection, request: HttpRequest) -> tuple[LmsLaunch, str]:
    """The launch with what its message says, and the ticket with which its browser goes on. Raises LtiRefused."""
    launch = _Launch(request, connection)
    try:
        launch.validate()
        message = claims.read(launch.get_launch_data())
    except BadMessage as error:
        raise LtiRefused(str(error)) from error
    except requests.RequestException as error:
        raise LtiRefused(
            f"The keys of {connection} could not be read: {error} {AGAIN}"
        ) from error
    except (LtiException, jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        log.warning("LTI: a message of %s was refused: %s", connection.pk, error)
        raise LtiRefused(_distrusted(connection, error)) from error
    row = launch.row
    assert row is not None
    if not message.deep_linking and not getattr(row, "in_its_browser", False):
        raise LtiRefused(
            "Your browser did not bring back the cookie of this launch: it blocks cookies inside other sites, or the launch "
            "was begun in another browser. In your LMS, let the link open in a new window, and press it once more."
        )
    return _keep(row, launch, message)


def _distrusted(connection: LmsConnection, error: Exception) -> str:
    """One sentence on what is wrong, with what to look at."""
    cause = error.__cause__ if isinstance(error, LtiException) and error.__cause__ else error
    if isinstance(cause, requests.RequestException):
        return f"The keys of {connection} could not be read: {cause}"
    if isinstance(cause, jwt.InvalidAudienceError):
        return f"This message of {connection} was made for another tool: its audience is not our client id."
    if isinstance(cause, jwt.ExpiredSignatureError | jwt.ImmatureSignatureError):
        return f"This message of {connection} is too old, or the clock there is wrong. {AGAIN}"
    return f"The message that says it comes from {connection} is not signed as it should be, so nobody was signed in. {AGAIN}"


@transaction.atomic
def _keep(row: LmsLaunch, launch: _Launch, message: Message) -> tuple[LmsLaunch, str]:
    said = launch.get_launch_data()
    deployment = _deployment(row.connection, str(said.get(f"{CLAIM}deployment_id") or ""))
    context, _ = LtiContext.objects.update_or_create(
        deployment=deployment, id_on_platform=message.context_id, defaults=message.context
    )
    ticket = secrets.token_urlsafe(32)
    row.ticket_hash = hashed(ticket)
    row.context, row.role, row.target = context, message.role, message.target
    row.subject, row.name, row.email = message.subject, message.name, message.email
    row.student_id, row.asks = message.student_id, message.deep_linking
    # Only these: that the state is used stands in the row since it was taken.
    row.save(
        update_fields=[
            "ticket_hash",
            "context",
            "role",
            "target",
            "subject",
            "name",
            "email",
            "student_id",
            "asks",
        ]
    )
    return row, ticket


def sweep() -> int:
    """Launches of more than an hour ago, with the names and addresses in them. Returns how many."""
    return int(LmsLaunch.objects.filter(begun_at__lt=timezone.now() - KEPT).delete()[0])
