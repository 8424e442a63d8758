"""What is said of an LMS in the browser: its addresses and its name for us, and our addresses that it is given."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from lti_tool.models import LtiContext, LtiDeployment, LtiRegistration
from pylti1p3.registration import Registration

from teams.models import Course, LmsConnection, User
from teams.services import audit
from teams.services.lti import door, keys
from teams.services.outgoing import NotAllowed

MOST_CONNECTIONS = 20
MOST_WAITING = 20
"""Deployments that launched and that nobody allowed: so many are remembered for one connection."""


class LtiRefused(Exception):
    """Nothing was done; the text says what is wrong and what to do. `field` names the form's field, where it is one's."""

    def __init__(self, said: str, field: str | None = None) -> None:
        super().__init__(said)
        self.field = field


@dataclass(frozen=True)
class Wanted:
    """What the LMS says of itself. `audience`: whom tokens are asked for, where that is not `token_url`."""

    issuer: str
    client_id: str
    auth_url: str
    token_url: str
    keyset_url: str
    audience: str = ""
    deployment_id: str = ""


ADDRESSES = {
    "auth_url": "The address for signing in",
    "token_url": "The address for tokens",
    "keyset_url": "The address of the keys",
}
LONGEST_URL = 200
LONGEST = 255


@dataclass(frozen=True)
class OurAddresses:
    """What the LMS is given."""

    login: str
    launch: str
    deep_link: str
    keys: str
    domain: str


def addresses(connection: LmsConnection) -> OurAddresses:
    """Under SITE_URL: not what a Host header says, because an LMS keeps them."""
    site, key = settings.SITE_URL.rstrip("/"), connection.key
    return OurAddresses(
        login=site + reverse("lti_login", args=[key]),
        launch=site + reverse("lti_launch", args=[key]),
        deep_link=site + reverse("lti_launch_link", args=[key]),
        keys=site + reverse("lti_keys"),
        domain=site.partition("://")[2],
    )


def shown(connection: LmsConnection) -> list[tuple[str, str]]:
    """(what it is called in an LMS, address), for the page that they are copied from."""
    ours = addresses(connection)
    return [
        ("Target link URI, tool URL", ours.launch),
        ("Redirect URI", ours.launch),
        ("Login URL, OIDC initiation", ours.login),
        ("Public keys, JWKS URL", ours.keys),
        ("Target of deep linking, content selection", ours.deep_link),
    ]


def add(*, course: Course | None, person: User, name: str) -> LmsConnection:
    """A connection that nobody can use yet: the LMS needs our addresses before it has a name for us. Raises LtiRefused."""
    if LmsConnection.objects.filter(course=course).count() >= MOST_CONNECTIONS:
        raise LtiRefused(
            f"There are {MOST_CONNECTIONS} connections already. Remove one that is not used.",
            "name",
        )
    with transaction.atomic():
        made = LmsConnection.objects.create(course=course, made_by=person, name=name)
        audit.record(course=course, person=person, action="LMS connection added", what=name)
    return made


def fill(*, connection: LmsConnection, person: User | None, wanted: Wanted) -> None:
    """Take over what the LMS says of itself. What was linked through another client of it is no longer. Raises LtiRefused."""
    _check(wanted)
    others = LtiRegistration.objects.filter(issuer=wanted.issuer, client_id=wanted.client_id)
    if others.exclude(pk=connection.registration_id).exists():
        raise LtiRefused(_TAKEN, "client_id")
    try:
        with transaction.atomic():
            _write(connection, wanted)
            audit.record(
                course=connection.course,
                person=person,
                action="LMS connection set",
                what=connection.name,
                after={"issuer": wanted.issuer, "client id": wanted.client_id},
            )
    except IntegrityError as error:
        raise LtiRefused(_TAKEN, "client_id") from error


_TAKEN = (
    "This issuer with this client id is connected here already, for all courses or in another course. Use that connection, "
    "or ask whoever runs this platform."
)


def _check(wanted: Wanted) -> None:
    """Raises LtiRefused."""
    for name, said in ADDRESSES.items():
        url = getattr(wanted, name)
        if len(url) > LONGEST_URL:
            raise LtiRefused(f"{said} is longer than {LONGEST_URL} characters.", name)
        try:
            # The browser goes to the first; the others are asked from here.
            (door.check_address if name == "auth_url" else door.check_reachable)(url)
        except NotAllowed as error:
            raise LtiRefused(f"{said}: {error}", name) from error
    for name in ("issuer", "client_id", "audience", "deployment_id"):
        if len(getattr(wanted, name)) > LONGEST:
            raise LtiRefused(f"This is longer than {LONGEST} characters.", name)


def _write(connection: LmsConnection, wanted: Wanted) -> None:
    told = {
        name: getattr(wanted, name) for name in ("issuer", "client_id", "audience", *ADDRESSES)
    }
    registration: Any = connection.registration
    moved = registration is not None and (registration.issuer, registration.client_id) != (
        wanted.issuer,
        wanted.client_id,
    )
    if registration is None:
        registration = LtiRegistration.objects.create(
            name=connection.name, uuid=connection.key, **told
        )
        connection.registration = registration
        connection.save(update_fields=["registration"])
    else:
        LtiRegistration.objects.filter(pk=registration.pk).update(**told)
        registration.refresh_from_db()
    if moved:  # another LMS: its people and courses are not those of the one before
        connection.identities.all().delete()
        connection.courses.all().delete()
        registration.deployments.all().delete()
    if wanted.deployment_id:
        allow(connection, wanted.deployment_id)


def allow(connection: LmsConnection, deployment_id: str) -> None:
    """Launches of this deployment are let in from now on."""
    LtiDeployment.objects.update_or_create(
        registration=connection.registration,
        deployment_id=deployment_id,
        defaults={"is_active": True},
    )


def forbid(connection: LmsConnection, deployment_id: str) -> None:
    connection.registration.deployments.filter(deployment_id=deployment_id).update(
        is_active=False
    )


def switch(*, connection: LmsConnection, person: User, is_on: bool) -> None:
    """Let people come in through it, or nobody any more. Raises LtiRefused while the LMS has not said who it is."""
    if is_on and connection.registration_id is None:
        raise LtiRefused(
            "Enter what the LMS says of itself first: without that nobody can launch."
        )
    with transaction.atomic():
        if LmsConnection.objects.filter(pk=connection.pk, is_on=not is_on).update(is_on=is_on):
            action = "LMS connection turned on" if is_on else "LMS connection turned off"
            audit.record(
                course=connection.course, person=person, action=action, what=connection.name
            )
    connection.is_on = is_on


def remove(*, connection: LmsConnection, person: User) -> None:
    """With its links and identities. Accounts, memberships and what was sent to the LMS stay."""
    with transaction.atomic():
        audit.record(
            course=connection.course,
            person=person,
            action="LMS connection removed",
            what=connection.name,
        )
        _delete(connection)


def _delete(connection: LmsConnection) -> None:
    registration = connection.registration
    connection.delete()
    if registration is not None:
        registration.delete()


def forget_course(course: Course) -> None:
    """Before a course is deleted: its own connections, and what is known of the LMS courses that were linked to it."""
    contexts = list(course.lms_courses.values_list("context", flat=True))
    for connection in course.lms_connections.select_related("registration"):
        _delete(connection)
    LtiContext.objects.filter(pk__in=contexts).delete()


def deployments(connection: LmsConnection) -> list[Any]:
    """Allowed ones first."""
    if connection.registration is None:
        return []
    return list(connection.registration.deployments.order_by("-is_active", "deployment_id"))


def as_registration(connection: LmsConnection) -> Registration:
    """For PyLTI1p3, with our key opened."""
    kept = connection.registration
    public, private = keys.signing_key()
    made = Registration()
    made.set_issuer(kept.issuer).set_client_id(kept.client_id)
    made.set_auth_login_url(kept.auth_url).set_auth_token_url(kept.token_url)
    made.set_key_set_url(kept.keyset_url)
    if kept.audience:
        made.set_auth_audience(kept.audience)
    made.set_tool_public_key(public)
    made.set_tool_private_key(private)
    return made
