"""Models of providers that are asked as themselves: to judge interviews, or to draft rows.

What a model may be used for is said of its provider; that it can be paid for, the price book says.
"""

import re
from dataclasses import dataclass

from django.utils import timezone

from teams.models import FIRST_PROVIDER, Course, Price, PriceKind, Provider
from training.models import BaseModel
from training.services import charges
from training.services.charges import TokenPrices
from training.services.endpoints import ChatEndpoint, provider_model

AT = " @ "
NOT_ASKED = r"^(ft:|gpt-5|o[1-9])"
"""Fine-tuned ones speak like children; those that reason first spend tokens that no limit on the answer holds down."""


@dataclass(frozen=True)
class AskedModel:
    """A model at a provider that may be asked in a course, and whose prices are known."""

    provider: Provider
    name: str

    def __str__(self) -> str:
        """As a person reads it in a list of choices."""
        return f"{self.name} ({self.provider})"

    @property
    def reference(self) -> str:
        """One text for the model and for where it is asked, to be stored and sent by forms."""
        return reference(self.provider.code, self.name)

    def prices(self, course: Course) -> TokenPrices:
        """Raises PriceUnknown where a price is gone since."""
        return charges.token_prices(course=course, model=self.name, provider=self.provider.code)

    def endpoint(self, *, max_tokens: int) -> ChatEndpoint:
        """Where it is asked. Raises NotReady."""
        return provider_model(self.provider, self.name, max_tokens=max_tokens)


def drafting_models(course: Course) -> list[AskedModel]:
    """What may draft rows in this course, by provider and name; empty where no provider may be asked for it."""
    return _usable(course, drafting_providers(course))


def drafting_providers(course: Course) -> list[Provider]:
    return _able(course, for_drafting=True)


def judging_models(course: Course) -> list[AskedModel]:
    """What may judge interviews in this course, by provider and name."""
    return _usable(course, judging_providers(course))


def judging_providers(course: Course) -> list[Provider]:
    return _able(course, for_judge=True)


def may_be_asked(name: str) -> bool:
    """Whether a model of this name is one that judges and drafts."""
    return re.match(NOT_ASKED, name) is None


def reference(code: str, model: str) -> str:
    """The model, and where it is asked unless that is at the provider of the environment."""
    return model if code == FIRST_PROVIDER else f"{model}{AT}{code}"


def split(named: str) -> tuple[str, str]:
    """(code of the provider, model) of a reference."""
    model, _, code = named.rpartition(AT)
    return (code, model) if model else (FIRST_PROVIDER, named)


def _able(course: Course, **capability: bool) -> list[Provider]:
    found = Provider.objects.for_course(course).filter(enabled=True, **capability)
    return [provider for provider in found if provider.has_key]


def _usable(course: Course, providers: list[Provider]) -> list[AskedModel]:
    found = []
    for provider in providers:
        names = _priced(course, provider) - _withdrawn(provider)
        found += [AskedModel(provider, name) for name in sorted(names)]
    return found


def _priced(course: Course, provider: Provider) -> set[str]:
    """Models whose input and output both have a price today: an unknown price is never 0."""
    rows = (
        Price.objects.for_course(course)
        .filter(provider=provider.code, effective_from__lte=timezone.localdate())
        .exclude(model__regex=NOT_ASKED)
    )
    asked = rows.filter(kind=PriceKind.INPUT).values_list("model", flat=True)
    answered = rows.filter(kind=PriceKind.OUTPUT).values_list("model", flat=True)
    return set(asked) & set(answered)


def _withdrawn(provider: Provider) -> set[str]:
    """Models that were taken off the provider's list, or that it has switched off."""
    known, offered = set(), set()
    for base in BaseModel.objects.filter(provider=provider):
        known.add(base.name)
        ended = base.shutdown_on is not None and base.shutdown_on <= timezone.localdate()
        if base.enabled and not ended:
            offered.add(base.name)
    return known - offered
