"""What ends when: models that their providers switch off, and providers that take no new jobs; and where else to run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from django.db.models import Count, Q
from django.utils import timezone

from teams.models import Course, Provider
from training.models import BaseModel, Hosting, RunStatus, TrainingRun

NO_NEW_JOBS: dict[str, tuple[date, str]] = {
    "api.openai.com": (date(2027, 1, 6), "OpenAI's deprecations page"),
}
"""Hosts whose services have said from when on they take no new fine-tuning jobs, and where they said so."""


@dataclass(frozen=True)
class Ending:
    """`runs`: bots of the course that answer until that day and no longer."""

    what: str
    on: date
    source: str
    runs: int = 0

    @property
    def over(self) -> bool:
        return self.on <= timezone.localdate()


def last_day_of_jobs(provider: Provider | None) -> tuple[date, str] | None:
    """From when on it takes no new jobs, and where it says so; None where it names no day."""
    host = urlsplit(provider.address).hostname if provider is not None else None
    return NO_NEW_JOBS.get(host or "")


def warnings_for(base: BaseModel) -> list[str]:
    """Said beside the form before a run starts."""
    said = []
    ends = last_day_of_jobs(base.provider)
    if ends is not None and base.hosting == Hosting.PROVIDER:
        said.append(f"{base.provider} takes no new fine-tuning jobs from {_day(ends[0])} on.")
    if base.shutdown_on:
        said.append(
            f"The provider switches {base} off on {_day(base.shutdown_on)}; chats with it end then."
        )
    return said


def of_course(course: Course | None) -> list[Ending]:
    """All that ends of what the course may use, soonest first; without a course: of what is offered everywhere."""
    switched_on = Provider.objects.switched_on()
    found = switched_on.filter(course=None) if course is None else switched_on.for_course(course)
    endings = []
    for provider in found:
        if (ends := last_day_of_jobs(provider)) is not None and provider.for_training:
            endings.append(Ending(f"{provider}: no new fine-tuning jobs", *ends))
    bases = BaseModel.objects.filter(provider__in=found, enabled=True, rehearsal=False).exclude(
        shutdown_on=None
    )
    counted = bases.select_related("provider").annotate(bots=_answering(course))
    return sorted(
        [*endings, *_of_models(counted)],
        key=lambda one: (one.on, one.what),
    )


def _of_models(bases: Iterable[BaseModel]) -> list[Ending]:
    """`bases` with how many `bots` each has."""
    named: dict[tuple[str, date], Ending] = {}
    for base in bases:
        if base.shutdown_on is None:
            continue
        key = (f"{base.provider}: {base.name}", base.shutdown_on)
        before = named[key].runs if key in named else 0
        named[key] = Ending(
            f"{key[0]} is switched off",
            key[1],
            base.shutdown_source,
            before + vars(base)["bots"],
        )
    return list(named.values())


def _answering(course: Course | None) -> Count:
    """Bots of the course that a base model has; without a course none, as every team is of one."""
    return Count("runs", filter=Q(runs__team__course=course, runs__status=RunStatus.SUCCEEDED))


def elsewhere(run: TrainingRun) -> list[BaseModel]:
    """Models of others, and this platform's own, that the run could be done with again: same rows, same settings."""
    if not run.trained_with.kept_by_provider or run.is_active:
        return []
    offered = BaseModel.objects.offered(run.team.course, run.method).first_choice_first()
    here = run.base_model.provider_id
    return [base for base in offered if base.provider_id != here]


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
