"""Starting a run: checked, priced and held in one transaction; queued when it is committed."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Max

from datasets.models import DatasetVersion
from datasets.services import sources
from teams.methods import label_of
from teams.models import DiskKind, Team, User
from teams.services import audit, disk, money
from teams.services.prices import PriceUnknown
from training.models import BaseModel, DeletedRun, TrainingRun
from training.services import charges, estimate, queue
from training.services.method_work import Plan, work_of
from training.services.openai_api import own_jobs


class LaunchRefused(Exception):
    """This run cannot start; the message says why and what to do."""


@dataclass(frozen=True)
class Wanted:
    """A run that somebody wants to start. `key`: of the form, so that one sent twice starts one run."""

    method: str
    base_model: BaseModel
    dataset_version: DatasetVersion
    settings: dict[str, Any]
    seed: int
    name: str
    key: UUID | None = None
    starts_from: TrainingRun | None = None


@dataclass(frozen=True)
class Priced:
    """A run that may start: what it will cost, and the bytes that it may come to keep."""

    wanted: Wanted
    estimate: estimate.Estimate
    size: int


def launch(
    *,
    team: Team,
    person: User,
    method: str,
    base_model: BaseModel,
    dataset_version: DatasetVersion,
    settings: dict[str, Any],
    seed: int,
    name: str,
    key: UUID | None = None,
    starts_from: TrainingRun | None = None,
) -> TrainingRun:
    """Start a run. With the `key` of a form that was sent twice, the run that it started the first time.

    Raises LaunchRefused, or money.BudgetRefused when the most it can cost does not fit the team's budget.
    """
    wanted = Wanted(method, base_model, dataset_version, settings, seed, name, key, starts_from)
    priced = price(team, wanted)
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)  # run numbers are given one at a time
        if key is not None and (
            before := TrainingRun.objects.for_team(team).filter(key=key).first()
        ):
            return before
        return create(team, person, priced)


def price(team: Team, wanted: Wanted) -> Priced:
    """What it costs to run this. Raises LaunchRefused where it cannot start."""
    chosen: dict[str, Any] = {
        "method": wanted.method,
        "base_model": wanted.base_model,
        "settings": wanted.settings,
    }
    refusal = why_not(
        team=team, version=wanted.dataset_version, starts_from=wanted.starts_from, **chosen
    )
    if refusal:
        raise LaunchRefused(refusal)
    try:
        estimated = estimate.estimate(
            course=team.course,
            dataset_version=wanted.dataset_version,
            seed=wanted.seed,
            **chosen,
        )
    except PriceUnknown as unknown:
        raise LaunchRefused(str(unknown)) from unknown
    size = work_of(wanted.method).disk(
        wanted.dataset_version, wanted.base_model, wanted.settings
    )
    return Priced(wanted, estimated, size)


def create(team: Team, person: User, priced: Priced, **fields: Any) -> TrainingRun:
    """The run, its disk and its hold; queued when the transaction commits. Call while the team's row is locked.

    `fields`: more of the row. Raises LaunchRefused, or money.BudgetRefused.
    """
    wanted, estimated = priced.wanted, priced.estimate
    _refuse_deleted_start(wanted)
    run = TrainingRun.objects.create(
        key=wanted.key or uuid4(),
        team=team,
        number=next_number(team),
        name=wanted.name,
        method=wanted.method,
        base_model=wanted.base_model,
        dataset_version=wanted.dataset_version,
        starts_from=wanted.starts_from,
        settings=wanted.settings,
        seed=wanted.seed,
        created_by=person,
        expected_cost=estimated.expected,
        most_cost=estimated.most,
        provider=charges.provider_name(wanted.base_model),
        idle_speed=estimated.idle_speed,
        **fields,
    )
    _reserve_disk(run, priced.size)
    if run.is_own_job:
        own_jobs.keep(run)
    money.hold(
        team=team,
        key=run.hold_key,
        paid_for=run.paid_for,
        amount=estimated.most,
        person=person,
        expected=estimated.expected,
    )
    audit.record(
        course=team.course, person=person, action="run launched", what=str(run), team=team
    )
    transaction.on_commit(lambda: queue.dispatch(run))
    return run


def _refuse_deleted_start(wanted: Wanted) -> None:
    """Deleting a run waits for the team's row, which is ours now: from here on the start stays until this run has ended."""
    start = wanted.starts_from
    if start is not None and not TrainingRun.objects.filter(pk=start.pk).exists():
        raise LaunchRefused(
            f"{start} was deleted a moment ago. Choose another run to start from."
        )


def _reserve_disk(run: TrainingRun, size: int) -> None:
    try:
        disk.reserve(team=run.team, key=run.disk_key, kind=DiskKind.RUN, size=size)
    except disk.DiskFull as full:
        raise LaunchRefused(str(full)) from full


def why_not(
    *,
    team: Team,
    method: str,
    base_model: BaseModel,
    version: DatasetVersion,
    settings: dict[str, Any],
    starts_from: TrainingRun | None = None,
) -> str | None:
    """Why this run cannot start, with what to do; None when it can. Money is looked at when it is held."""
    if version.dataset.team_id != team.pk:
        return "This dataset belongs to another team."
    if not BaseModel.objects.offered(team.course, method).filter(pk=base_model.pk).exists():
        return f"{base_model} is not offered for {label_of(method)} in this course. Choose one from the list."
    if unknown := sources.refusal(version):
        return unknown
    plan = Plan(team, method, base_model, version, settings, starts_from)
    return work_of(method).refusal(plan)


def next_number(team: Team) -> int:
    """Ask while the team's row is locked: numbers are given one at a time, and that of a deleted run never again."""
    highest: int | None = TrainingRun.objects.for_team(team).aggregate(highest=Max("number"))[
        "highest"
    ]
    deleted: int | None = DeletedRun.objects.filter(team=team).aggregate(highest=Max("number"))[
        "highest"
    ]
    return max(highest or 0, deleted or 0) + 1
