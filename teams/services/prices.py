"""The price book: dated rows with a source; unknown is never zero."""

from dataclasses import dataclass
from datetime import date

from django.db.models import F, Q
from django.utils import timezone

from teams.models import Course, Price, PriceKind

PER_MILLION = 1_000_000
REHEARSAL_PREFIX = "rehearsal-"


class PriceUnknown(LookupError):
    """No price row covers this model and kind today."""

    def __init__(self, provider: str, model: str, kind: str) -> None:
        super().__init__(
            f"No price is known for {kind} tokens of {model} at {provider}. An instructor can add one on the course's price page."
        )


@dataclass(frozen=True)
class Quote:
    """`per_million` in micro-dollars for a million tokens."""

    per_million: int
    source: str
    effective_from: date

    def cost(self, tokens: int) -> int:
        """Micro-dollars, rounded up: a provider never charges less than the exact product."""
        return -(-tokens * self.per_million // PER_MILLION)


def base_of(model: str) -> str:
    """The model whose price applies: `ft:gpt-4o-mini:org::id` -> `ft:gpt-4o-mini`; rehearsal names -> the real name."""
    if model.startswith("ft:"):
        return "ft:" + model.split(":")[1].removeprefix(REHEARSAL_PREFIX)
    return model.removeprefix(REHEARSAL_PREFIX)


def price_of(*, course: Course, provider: str, model: str, kind: PriceKind, on: date | None = None) -> Quote:
    """The newest price on or before `on` (today), the course's own before the platform's. Raises PriceUnknown."""
    day = on or timezone.localdate()
    row = (
        Price.objects.filter(Q(course=course) | Q(course=None), provider=provider, model=base_of(model), kind=kind)
        .filter(effective_from__lte=day)
        .order_by(F("course").asc(nulls_last=True), "-effective_from")
        .first()
    )
    if row is None:
        raise PriceUnknown(provider, base_of(model), kind)
    return Quote(row.per_million, row.source, row.effective_from)
