"""Providers as rows: made, changed, switched and removed by an instructor for a course, by an operator for all courses.

Keys go in and never come out but to be used: `key_of`. Whoever changes where a provider is gives its key again, so that
nobody sends a colleague's key to an address of their own.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from teams.models import Course, Provider, User
from teams.services import audit, outgoing, sealing

SECRETS = {"key": "sealed_key", "admin_key": "sealed_admin_key", "secret": "sealed_secret"}
"""What somebody says of a provider -> where it is kept sealed."""
CAPABILITIES = ("for_training", "for_dspy", "for_judge", "for_drafting")
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
TOLD = ("name", "dialect", "base_url", *CAPABILITIES)


class ProviderRefused(Exception):
    """Nothing was changed; the message says why and what to do. `field`: of the form, where it is one's."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Wanted:
    """What somebody says of a provider. Empty secrets: as they were."""

    name: str
    dialect: str
    base_url: str
    key: str = field(default="", repr=False)
    admin_key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    options: dict[str, str] = field(default_factory=dict)
    for_training: bool = True
    for_dspy: bool = False
    for_judge: bool = False
    for_drafting: bool = False


def for_new_work(course: Course, **capability: bool) -> list[Provider]:
    """Those at which new work of the course may begin; `capability`: a field such as for_judge=True."""
    return list(Provider.objects.for_course(course).switched_on().filter(**capability))


def names() -> dict[str, str]:
    """How people call each provider that the ledger names by its code; also those that were removed."""
    return dict(Provider.objects.values_list("code", "name"))


def has_any(course: Course | None, **capability: bool) -> bool:
    """Whether somebody outside this machine may be asked in the course, or at all where no course is named.

    `capability` as in `for_new_work`.
    """
    found = Provider.objects.switched_on().filter(**capability)
    return (found if course is None else found.for_course(course)).exists()


def key_of(provider: Provider, which: str = "sealed_key") -> str:
    """Empty where none is kept. Raises sealing.CannotOpen."""
    if provider.from_environment:
        named = {
            "sealed_key": settings.OPENAI_API_KEY,
            "sealed_admin_key": settings.OPENAI_ADMIN_KEY,
        }
        return str(named.get(which, ""))
    return sealing.open_sealed(getattr(provider, which), owner=_owner(provider, which))


def add(*, course: Course | None, person: User, wanted: Wanted) -> Provider:
    """A new provider of a course, or of the operator for all. Raises ProviderRefused."""
    if not wanted.key:
        raise ProviderRefused("Enter the key that this provider gave you.", field="key")
    _check_address(wanted.base_url)
    made = Provider(course=course, code=_code(wanted.name), created_by=person)
    _fill(made, wanted)
    with transaction.atomic():
        _save(made)
        _record(made, person, "provider added", after=_told(made))
    return made


def change(*, provider: Provider, person: User, wanted: Wanted) -> Provider:
    """Raises ProviderRefused."""
    if provider.from_environment:
        _change_environments(provider, person, wanted)
        return provider
    moved = (wanted.base_url.rstrip("/"), wanted.dialect) != (provider.address, provider.dialect)
    moved = moved or wanted.options != provider.options
    if moved:
        _check_address(wanted.base_url)
        missing = [
            name
            for name, sealed in SECRETS.items()
            if getattr(provider, sealed) and not getattr(wanted, name)
        ]
        if missing:
            raise ProviderRefused(
                "Enter this again: the keys that are kept go to the address that they were entered for, and to no other.",
                field=missing[0],
            )
    before, keys = _told(provider), wanted.key or wanted.admin_key or wanted.secret
    _fill(provider, wanted)
    if moved or keys:
        provider.tried_at, provider.tried_well, provider.tried_said = None, False, ""
    with transaction.atomic():
        _save(provider)
        after = _told(provider) | ({"keys": "new ones"} if keys else {})
        _record(provider, person, "provider changed", before=before, after=after)
    return provider


def switch(*, provider: Provider, person: User) -> None:
    """On or off for new work; bots that it trained answer either way, and jobs under way go on."""
    with transaction.atomic():
        Provider.objects.filter(pk=provider.pk).update(enabled=not provider.enabled)
        provider.refresh_from_db(fields=["enabled"])
        _record(provider, person, "provider switched", after={"enabled": provider.enabled})


def forget(*, provider: Provider, person: User) -> None:
    """Its keys are deleted and nothing is asked there any more. Its row stays, for the ledger. Raises ProviderRefused."""
    if provider.from_environment:
        raise ProviderRefused(
            "This one is set where the platform is started. Take OPENAI_API_KEY out of the environment there, or disable "
            "it here."
        )
    with transaction.atomic():
        gone: dict[str, Any] = {
            "removed_at": timezone.now(),
            "enabled": False,
            **dict.fromkeys(SECRETS.values(), ""),
        }
        if Provider.objects.filter(pk=provider.pk, removed_at=None).update(**gone):
            _record(provider, person, "provider removed", before=_told(provider))
    provider.refresh_from_db()


def seal_anew() -> tuple[int, list[Provider]]:
    """Every key under today's first secret: how many texts, and the providers whose keys cannot be opened."""
    rows = Provider.objects.kept().filter(from_environment=False)
    return sealing.rows_anew(rows, *SECRETS.values())


def _fill(provider: Provider, wanted: Wanted) -> None:
    for name in ("name", "dialect", "options", *CAPABILITIES):
        setattr(provider, name, getattr(wanted, name))
    provider.base_url = wanted.base_url.rstrip("/")
    for name, which in SECRETS.items():
        if text := getattr(wanted, name):
            setattr(provider, which, sealing.seal(text, owner=_owner(provider, which)))


def _change_environments(provider: Provider, person: User, wanted: Wanted) -> None:
    """Of the environment's own only what it is used for is chosen here."""
    before = _told(provider)
    for name in CAPABILITIES:
        setattr(provider, name, getattr(wanted, name))
    with transaction.atomic():
        _save(provider)
        _record(provider, person, "provider changed", before=before, after=_told(provider))


def _check_address(url: str) -> None:
    if why := outgoing.refusal(url):
        raise ProviderRefused(why, field="base_url")


def _save(provider: Provider) -> None:
    try:
        with transaction.atomic():
            provider.save()
    except IntegrityError as error:
        raise ProviderRefused(
            f"There is a provider named {provider.name} already.", field="name"
        ) from error


def _code(name: str) -> str:
    """As runs and the ledger will name it. The end is drawn, so that no name is ever given twice."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(5))
    return f"{slugify(name)[:30] or 'provider'}-{drawn}"


def _owner(provider: Provider, which: str) -> str:
    return f"{provider.code}/{which}"


def _told(provider: Provider) -> dict[str, Any]:
    return {name: getattr(provider, name) for name in TOLD}


def _record(provider: Provider, person: User, action: str, **said: Any) -> None:
    audit.record(
        course=provider.course, person=person, action=action, what=provider.name, **said
    )
