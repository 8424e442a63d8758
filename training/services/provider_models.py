"""What a provider offers: models with prices, their sources, and the day on which they are switched off."""

from dataclasses import dataclass, field
from datetime import date

from django.db import transaction

from teams.models import Price, PriceKind, Provider, User
from teams.services import audit, prices, providers
from teams.services.providers import ProviderRefused
from training.models import ACTIVE, BaseModel, Hosting, RunEvent, TrainingRun
from training.services import asked_models
from training.services.charges import trained_name

ONLY_ASKED = ""
"""In place of a method, of a model that judges or drafts and that no run starts from."""

PriceKey = tuple[bool, PriceKind]
"""Whether it is of what was trained from the model, and of which tokens."""


@dataclass(frozen=True)
class WantedModel:
    """`methods`: what it is for; none where it is only asked, to judge or to draft.

    `per_million`: micro-dollars where they are known; an unknown price is not there.
    """

    name: str
    label: str
    methods: tuple[str, ...]
    shutdown_on: date | None
    shutdown_source: str
    source: str
    effective_from: date
    per_million: dict[PriceKey, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ShownModel:
    """A model of a provider with all rows of it, one for each method, and the newest prices.

    `asked_for`: what it is asked for as itself, in words.
    """

    name: str
    rows: list[BaseModel]
    prices: list[Price]
    asked_for: list[str]

    @property
    def enabled(self) -> bool:
        return any(row.enabled for row in self.rows)


def shown(provider: Provider) -> list[ShownModel]:
    """By name."""
    by_name: dict[str, list[BaseModel]] = {}
    for row in provider.models.filter(rehearsal=False).order_by("name", "method"):
        by_name.setdefault(row.name, []).append(row)
    book = _book(provider)
    models = []
    for name, rows in by_name.items():
        prices_of = book.get(name, [])
        models.append(ShownModel(name, rows, prices_of, _asked_for(provider, name, prices_of)))
    return models


def _asked_for(provider: Provider, name: str, known: list[Price]) -> list[str]:
    kinds = {price.kind for price in known if price.model == name}
    if not {PriceKind.INPUT, PriceKind.OUTPUT} <= kinds or not asked_models.may_be_asked(name):
        return []
    said = {"judging": provider.for_judge, "drafting rows": provider.for_drafting}
    return [words for words, on in said.items() if on]


def _book(provider: Provider) -> dict[str, list[Price]]:
    """The newest price of each kind, under the name of the model that it is of or that it was trained from."""
    rows = Price.objects.filter(course=provider.course, provider=provider.code)
    newest: dict[tuple[str, str], Price] = {}
    for row in rows.order_by("model", "kind", "effective_from", "revision"):
        newest[row.model, row.kind] = row
    found: dict[str, list[Price]] = {}
    for (model, _), row in newest.items():
        found.setdefault(model.removeprefix("ft:"), []).append(row)
    return found


def save(*, provider: Provider, person: User, wanted: WantedModel) -> list[BaseModel]:
    """The model in the list of its provider, with what is said of it, and its prices in the book from their date on.

    Raises ProviderRefused.
    """
    if not wanted.methods and not is_asked(provider):
        raise ProviderRefused("Say what teams may use it for.", field="for_training")
    methods = wanted.methods or (ONLY_ASKED,)
    with transaction.atomic():
        told = {
            "label": wanted.label,
            "shutdown_on": wanted.shutdown_on,
            "shutdown_source": wanted.shutdown_source,
        }
        kept = {"hosting": Hosting.PROVIDER, "course": provider.course, "enabled": True, **told}
        rows = []
        for method in methods:
            row, _ = BaseModel.objects.update_or_create(
                provider=provider, method=method, name=wanted.name, defaults=kept
            )
            rows.append(row)
        provider.models.filter(name=wanted.name).exclude(method__in=methods).update(
            enabled=False
        )
        _price(provider, person, wanted, rows[0])
        what = f"{wanted.name} at {provider}"
        after = {"for": list(wanted.methods), "switched off on": str(wanted.shutdown_on or "")}
        audit.record(
            course=provider.course,
            person=person,
            action="provider's model saved",
            what=what,
            after=after,
        )
    return rows


def is_asked(provider: Provider) -> bool:
    """Whether its models judge or draft, beside what runs do with them."""
    return provider.for_judge or provider.for_drafting


def _price(provider: Provider, person: User, wanted: WantedModel, base: BaseModel) -> None:
    for (trained, kind), per_million in wanted.per_million.items():
        price = Price(
            course=provider.course,
            provider=provider.code,
            model=trained_name(base) if trained else wanted.name,
            kind=kind,
            per_million=per_million,
            effective_from=wanted.effective_from,
            source=wanted.source,
        )
        try:
            with transaction.atomic():
                prices.add(price=price, person=person)
        except prices.PriceTaken:
            continue  # the same to the letter: there is nothing to add


def switch(*, provider: Provider, name: str, person: User) -> bool:
    """Offer a model to new runs, or no more. Gives whether it is offered now."""
    with transaction.atomic():
        rows = provider.models.select_for_update().filter(name=name)
        on = not any(row.enabled for row in rows)
        rows.update(enabled=on)
        what = f"{name} at {provider}"
        audit.record(
            course=provider.course,
            person=person,
            action="provider's model switched",
            what=what,
            after={"offered": on},
        )
    return on


def remove(*, provider: Provider, person: User) -> None:
    """The provider with its keys, and its models out of all lists. Raises ProviderRefused while runs wait for it."""
    with transaction.atomic():
        waiting = TrainingRun.objects.filter(
            base_model__provider=provider, status__in=ACTIVE
        ).count()
        if waiting:
            raise ProviderRefused(
                f"{waiting} run{'s' if waiting > 1 else ''} still work{'' if waiting > 1 else 's'} there. Disable the "
                "provider, wait until they end or cancel them, then remove it."
            )
        providers.forget(provider=provider, person=person)
        provider.models.update(enabled=False)
        _note_files_left(provider)


def _note_files_left(provider: Provider) -> None:
    """Rows that could not be deleted there while its key was here: nobody can ask any more, so the run says so."""
    for run in TrainingRun.objects.filter(base_model__provider=provider).exclude(
        provider_files=[]
    ):
        said = f"The provider was removed here while uploaded rows were still there: {', '.join(run.provider_files)}."
        RunEvent.objects.create(run=run, kind="note", data={"message": said})
        TrainingRun.objects.filter(pk=run.pk).update(provider_files=[])
