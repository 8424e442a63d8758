"""Whose way in is the university's sign-in service: they are mailed no password links, which would lead around it."""

from django.conf import settings

from teams.models import User


def configured() -> bool:
    return bool(settings.OIDC_ISSUER and settings.OIDC_CLIENT_ID)


def lets_in(address: str, person: User | None = None) -> bool:
    """Whether this person signs in there: linked already, or with an address of the university's own domains.

    Without OIDC_EMAIL_DOMAINS nobody knows who has an account there, so only who is linked counts. Who runs the platform
    keeps the password: they are needed when the service is away.
    """
    if not configured() or (person is not None and person.is_staff):
        return False
    if person is not None and person.identities.filter(issuer=settings.OIDC_ISSUER).exists():
        return True
    domains = [domain.lower() for domain in settings.OIDC_EMAIL_DOMAINS]
    return address.lower().rpartition("@")[2] in domains
