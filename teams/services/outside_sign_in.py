"""Who comes in through an outside sign-in service, and as whom.

An account is found by the service's own lasting name for the person; the first time, by an e-mail address that the
service says it verified. Nobody takes over an account: see `enter`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from teams.models import Course, OutsideIdentity, User
from teams.services import audit, first_account, identity, second_factor


class SignInRefused(Exception):
    """Nobody is signed in; the text says why and what to do."""


@dataclass(frozen=True)
class Claims:
    """What the service signed about a person; `email` is lower case."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str

    @classmethod
    def read(cls, issuer: str, claims: Mapping[str, Any]) -> "Claims":
        """Raises KeyError and ValueError for claims without a subject."""
        subject, email = str(claims["sub"]), str(claims.get("email") or "").strip().lower()
        if not 0 < len(subject) <= 255:
            raise ValueError("a subject has 1 to 255 characters")
        verified = claims.get("email_verified") in (True, "true")  # some services write the word
        return cls(issuer, subject, email, verified, str(claims.get("name") or "").strip()[:120])


def enter(claims: Claims) -> User:
    """The account to sign in, made or linked where this is the first time. Raises SignInRefused.

    The first link takes the account's password away: whoever set it may not have been the owner of the address. The
    owner sets another by mail.
    """
    _check_address(claims)
    try:
        person = _enter(claims)
    except IntegrityError:
        person = _enter(
            claims
        )  # the same person's other sign-in was faster: what it made is there now
    return person


def _enter(claims: Claims) -> User:
    with transaction.atomic():
        person = _known(claims) or _link(claims)
        if person.email.lower() == claims.email:
            identity.prove(person)  # by the service, which verified the address
        if not person.is_active:
            raise SignInRefused("This account is switched off. Ask your instructor.")
        audit.record(
            course=None, person=person, action="signed in", what=f"through {settings.OIDC_NAME}"
        )
    return person


def _known(claims: Claims) -> User | None:
    identities = OutsideIdentity.objects.select_related("person")
    identity = identities.filter(issuer=claims.issuer, subject=claims.subject).first()
    return identity.person if identity else None


def _check_address(claims: Claims) -> None:
    service, domains = (
        settings.OIDC_NAME,
        [domain.lower() for domain in settings.OIDC_EMAIL_DOMAINS],
    )
    if not _is_address(claims.email) or not claims.email_verified:
        raise SignInRefused(
            f"{service} did not confirm your e-mail address. Confirm it there first, then try again."
        )
    if domains and claims.email.rpartition("@")[2] not in domains:
        allowed = " or ".join(f"@{domain}" for domain in domains)
        raise SignInRefused(f"Only addresses that end in {allowed} can enter through {service}.")
    if first_account.wanted():
        raise SignInRefused(
            "This platform is not set up yet. Its first account is made on the sign-in page."
        )


def _is_address(email: str) -> bool:
    try:
        validate_email(email)
    except ValidationError:
        return False
    return True


def _with_address(claims: Claims) -> User | None:
    person = User.objects.select_for_update().filter(email__iexact=claims.email).first()
    # PostgreSQL takes ı for i here, and that is another address
    return person if person is not None and person.email.lower() == claims.email else None


def _link(claims: Claims) -> User:
    person = _with_address(claims)
    if person is None:
        person = User.objects.create_user(
            claims.email, None, name=claims.name or claims.email.partition("@")[0]
        )
    elif not person.is_active:
        raise SignInRefused("This account is switched off. Ask your instructor.")
    elif person.identities.filter(issuer=claims.issuer, subject=claims.subject).exists():
        return (
            person  # linked by another sign-in of theirs while this one waited for the account
        )
    elif person.identities.filter(issuer=claims.issuer).exists():
        # The address was given to somebody else at the service: the account stays with whom it was linked to.
        raise SignInRefused(
            f"The account with your address belongs to another person at {settings.OIDC_NAME}. Ask whoever runs this platform."
        )
    else:
        came_by_launch = identity.take_from_lms(person)
        if person.has_usable_password() or came_by_launch:
            person.set_unusable_password()  # which also ends the sessions of whoever was in
            person.save(update_fields=["password"])
            if not person.is_proven:
                second_factor.forget_factors(person)
    OutsideIdentity.objects.create(person=person, issuer=claims.issuer, subject=claims.subject)
    courses: list[Course | None] = [
        membership.course for membership in person.memberships.select_related("course")
    ]
    for course in courses or [None]:
        audit.record(
            course=course,
            person=person,
            action="sign-in linked",
            what=f"{person}: {settings.OIDC_NAME}",
        )
    return person
