"""The price book: dated rows with a source; unknown is never zero."""

from dataclasses import dataclass
from datetime import date

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from teams.models import Course, Price, PriceKind, Provider, User
from teams.services import audit
from teams.services.money import dollars

PER_MILLION = 1_000_000


class PriceUnknown(LookupError):
    """No price row covers this model and kind today."""

    def __init__(self, provider: str, model: str, kind: str) -> None:
        super().__init__(
            f"No price is known for {kind} tokens of {model} at {provider}. An instructor can add one on the course's price page."
        )


class PriceTaken(Exception):
    """The book has this very price from that day on; the text says what to do."""


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
    """The model whose price applies: `ft:gpt-4o-mini:org::id` -> `ft:gpt-4o-mini`."""
    if model.startswith("ft:"):
        return "ft:" + model.split(":")[1]
    return model


def price_of(
    *, course: Course, provider: str, model: str, kind: PriceKind, on: date | None = None
) -> Quote:
    """The newest price on or before `on` (today), the course's own before the platform's. Raises PriceUnknown."""
    day = on or timezone.localdate()
    row = (
        Price.objects.for_course(course)
        .filter(provider=provider, model=base_of(model), kind=kind, effective_from__lte=day)
        .order_by(F("course").asc(nulls_last=True), "-effective_from", "-revision")
        .first()
    )
    if row is None:
        raise PriceUnknown(provider, base_of(model), kind)
    return Quote(row.per_million, row.source, row.effective_from)


def training_prices(course: Course | None = None) -> list[Price]:
    """What training costs at the providers of the platform's own book, and of the course's: of each model the newest price
    that counts today. What a provider cost that was removed since is not among them."""
    mine = Q(course=None) if course is None else Q(course=None) | Q(course=course)
    removed = Provider.objects.exclude(removed_at=None).values("code")
    rows = Price.objects.filter(
        mine, kind=PriceKind.TRAINING, effective_from__lte=timezone.localdate()
    ).exclude(provider__in=removed)
    newest: dict[tuple[str, str], Price] = {}
    for row in rows.order_by("provider", "model", "effective_from", "revision"):
        newest[row.provider, row.model] = row
    return list(newest.values())


def book(course: Course) -> "QuerySet[Price]":
    """Every price that counts or counted in `course`; `corrected` on those that a later revision of the same day replaced."""
    same = {
        name: OuterRef(name)
        for name in ("course", "provider", "model", "kind", "effective_from")
    }
    later = Price.objects.filter(**same, revision__gt=OuterRef("revision"))
    return Price.objects.for_course(course).annotate(corrected=Exists(later))


def add(*, price: Price, person: User) -> Price | None:
    """Save a new price of `price.course`'s own; what it corrects, where the course had another from the same day on.

    Raises PriceTaken where the last of that day is the same to the letter (a form sent twice), or was written at this moment.
    """
    what = f"{price.model}: {price.get_kind_display().lower()}, from {price.effective_from.isoformat()}"
    same_day = Price.objects.filter(
        course=price.course, provider=price.provider, model=price.model, kind=price.kind
    )
    corrected = (
        same_day.filter(effective_from=price.effective_from).order_by("-revision").first()
    )
    if corrected and (corrected.per_million, corrected.source) == (
        price.per_million,
        price.source,
    ):
        raise PriceTaken(f"This course has this price for {what}, already.")
    price.revision = corrected.revision + 1 if corrected else 1
    try:
        with transaction.atomic():
            price.save(force_insert=True)
            audit.record(
                course=price.course,
                person=person,
                action="price corrected" if corrected else "price added",
                what=what,
                before=_a_million(corrected) if corrected else None,
                after=_a_million(price),
            )
    except IntegrityError as error:
        raise PriceTaken(
            f"Somebody wrote a price for {what}, at this moment. Look at the price book before you correct it."
        ) from error
    return corrected


def _a_million(price: Price) -> str:
    return f"{dollars(price.per_million)} a million"
