"""A team's endpoint: which runs answer there, who may ask, and what each call costs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Avg, Count, Sum
from django.utils import timezone

from teams.days import start_of_today
from teams.models import Membership, Team, User
from teams.services import audit, money, second_factor
from teams.services.money import Charge
from teams.services.sweeping import each_alone
from training.models import (
    CallStatus,
    Deployment,
    EndpointCall,
    EndpointKey,
    FineTuningJob,
    RunStatus,
    TrainingRun,
)
from training.models.endpoint import SHOWN_CHARACTERS
from training.services import charges, deleted
from training.services.calls.outcome import Outcome
from training.services.calls.settle import settle
from training.services.calls.usage import TokenUsage

SUBJECT = money.ENDPOINT
HOLD_LIFETIME = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(minutes=15)
MOST_KEYS = 20
NOTHING_KNOWN = TokenUsage(0, 0, 0, exact=False)


class EndpointRefused(Exception):
    """It cannot be done; the message says why, for a person."""


class KeyRefused(Exception):
    """The key opens nothing now; the message says why, and names nobody."""


class TooManyCalls(Exception):
    """More calls in a minute than the key allows. `wait`: seconds until one is free."""

    def __init__(self, limit: int, wait: int) -> None:
        self.wait = wait
        super().__init__(f"This key may ask {limit} times a minute. Try again in {wait} s.")


class DayIsSpent(Exception):
    """The key's cap for a day is reached."""


def deploy(*, team: Team, run: TrainingRun, person: User) -> Deployment:
    """Let a finished run answer at the endpoint. Raises EndpointRefused."""
    if run.team_id != team.pk or run.status != RunStatus.SUCCEEDED:
        raise EndpointRefused(
            "Only a run of your team that is done can answer. Choose one from the list."
        )
    try:
        with transaction.atomic():
            deleted.hold_still(run)
            made = Deployment.objects.create(team=team, run=run, created_by=person)
            audit.record(
                course=team.course,
                person=person,
                action="run deployed",
                what=str(run),
                team=team,
            )
            return made
    except deleted.RunDeleted as gone:
        raise EndpointRefused(str(gone)) from gone
    except IntegrityError as error:
        raise EndpointRefused(f"{run} answers there already.") from error


def stop(*, deployment: Deployment, person: User) -> None:
    """Stopping twice changes nothing."""
    running = Deployment.objects.filter(pk=deployment.pk, stopped_at=None)
    if running.update(stopped_at=timezone.now()):
        team = deployment.team
        audit.record(
            course=team.course,
            person=person,
            action="run stopped answering",
            what=str(deployment.run),
            team=team,
        )


def make_key(
    *, team: Team, name: str, per_minute: int, daily_cap: int, person: User, trains: bool = True
) -> tuple[EndpointKey, str]:
    """The row and the key itself, which nobody can read again. Raises EndpointRefused."""
    if team.endpoint_keys.filter(revoked_at=None).count() >= MOST_KEYS:
        raise EndpointRefused(f"A team can have {MOST_KEYS} keys. Revoke one that nobody uses.")
    secret = EndpointKey.new_secret()
    made = EndpointKey.objects.create(
        team=team,
        name=name,
        start=secret[:SHOWN_CHARACTERS],
        digest=EndpointKey.digest_of(secret),
        per_minute=per_minute,
        daily_cap=daily_cap,
        trains=trains,
        created_by=person,
    )
    audit.record(
        course=team.course, person=person, action="endpoint key made", what=name, team=team
    )
    return made, secret


def revoke(*, key: EndpointKey, person: User) -> None:
    """It stops working at once, for good."""
    if EndpointKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
        audit.record(
            course=key.team.course,
            person=person,
            action="endpoint key revoked",
            what=key.name,
            team=key.team,
        )


def key_of(secret: str) -> EndpointKey:
    """The key that works now. Raises KeyRefused for an unknown or revoked one, and for one that has stopped (`_why_stopped`)."""
    rows = EndpointKey.objects.select_related("team__course", "created_by").filter(
        revoked_at=None
    )
    key = rows.filter(digest=EndpointKey.digest_of(secret)).first()
    if key is None:
        raise KeyRefused(
            "This key is not known here or was revoked. Make one on your team's endpoint page."
        )
    if why := _why_stopped(key, _makers([key])):
        raise KeyRefused(f"This key has stopped working: {why}.")
    return key


@dataclass(frozen=True)
class KeyShown:
    """A key and why it does not work now; empty where it does."""

    key: EndpointKey
    stopped: str


def keys_of(team: Team) -> list[KeyShown]:
    """Two queries."""
    keys = list(team.endpoint_keys.select_related("created_by", "team__course"))
    makers = _makers(keys)
    return [
        KeyShown(key, "it was revoked" if key.revoked_at else _why_stopped(key, makers))
        for key in keys
    ]


def _makers(keys: list[EndpointKey]) -> dict[int, Membership]:
    """By person: the places in the course of those who made `keys`, all of one team, if they may still enter."""
    people = [key.created_by_id for key in keys]
    places = Membership.objects.filter(
        course__in=[key.team.course_id for key in keys], person__in=people
    )
    places = places.filter(active=True, person__is_active=True)
    return {place.person_id: place for place in places.select_related("person", "course")}


def _why_stopped(key: EndpointKey, makers: dict[int, Membership]) -> str:
    """Nothing is written down: a key works again when its maker is back, or the course goes on."""
    if key.team.course.is_over():
        return "the course is over"
    maker = makers.get(key.created_by_id or 0)
    if maker is None or not maker.may_enter(key.team):
        return "whoever made it is no longer in the team"
    if second_factor.needed_by(maker) and maker.person.second_factor_at is None:
        return "whoever made it needs a second factor, and has none yet"
    return ""


def deployed(team: Team, model: str, *, trains: bool = True) -> TrainingRun | None:
    """The run that answers to this model name: `run-<number>` where it was deployed, `ft:…` where a job trained it.

    A key that does not fine-tune (`trains`) reaches the models of jobs that programs started, not those of people.
    """
    if model.startswith("ft:"):
        jobs = FineTuningJob.objects.for_team(team)
        job = (jobs if trains else jobs.started_by_programs()).whose_model_is(model)
        return job.run if job else None
    number = model.removeprefix("run-")
    if number == model or not number.isdecimal() or len(number) > 9:
        return None
    rows = Deployment.objects.filter(team=team, stopped_at=None, run__number=int(number))
    found = rows.select_related("run__team__course", "run__base_model").first()
    return found.run if found else None


def open_call(*, key: EndpointKey, run: TrainingRun, most: int, streamed: bool) -> EndpointCall:
    """Hold the most that one call can cost. Raises TooManyCalls, DayIsSpent, BudgetRefused or RunDeleted; then nothing was
    held."""
    with transaction.atomic():
        deleted.hold_still(run)
        one_at_a_time(key)
        _check_rate(key)
        check_day(key, most)
        call = EndpointCall.objects.create(api_key=key, run=run, streamed=streamed, cost=most)
        money.hold(
            team=run.team,
            key=call.hold_key,
            paid_for=call.paid_for,
            amount=most,
            person=key.created_by,
            subject_kind=SUBJECT,
            lifetime=HOLD_LIFETIME,
        )
    return call


def _check_rate(key: EndpointKey) -> None:
    now = timezone.now()
    recent = key.calls.filter(at__gt=now - timedelta(minutes=1)).order_by("-at")
    times = list(recent.values_list("at", flat=True)[: key.per_minute])
    if len(times) >= key.per_minute:
        wait = (times[-1] + timedelta(minutes=1) - now).total_seconds() if times else 60
        raise TooManyCalls(key.per_minute, max(1, round(wait)))


def one_at_a_time(key: EndpointKey) -> None:
    """Calls and jobs of one key are counted one at a time; ask in the transaction that makes one."""
    EndpointKey.objects.select_for_update().get(pk=key.pk)


def check_day(key: EndpointKey, most: int) -> None:
    """Raises DayIsSpent where `most` micro-dollars more could pass the key's cap for a day, jobs and calls together."""
    if not most:
        return  # free bots answer whatever the cap
    today = start_of_today(key.team.course)
    spent = key.calls.filter(at__gte=today).aggregate(sum=Sum("cost"))["sum"] or 0
    spent += _spent_on_jobs(key, today)
    if spent + most > key.daily_cap:
        cap = money.dollars(key.daily_cap)
        raise DayIsSpent(
            f"This key may spend {cap} a day, and this can cost {money.dollars(most)}, which could pass that. "
            "It starts again at midnight."
        )


def _spent_on_jobs(key: EndpointKey, since: datetime) -> int:
    """What the key's jobs were charged; of those that are not settled, the most they can cost."""
    runs = TrainingRun.objects.filter(
        api_job__api_key=key, api_job__created_at__gte=since
    ).with_charge()
    spent = 0
    for run in runs:
        charged: int | None = run.charged  # type: ignore[attr-defined]
        spent += run.most_cost if charged is None else charged
    return spent


def close_call(
    *,
    call: EndpointCall,
    status: CallStatus,
    usage: TokenUsage | None,
    outcome: Outcome = Outcome.ANSWERED,
    at_most: TokenUsage = NOTHING_KNOWN,
) -> bool:
    """The call's last move and its money. True when this call ended it. `at_most`: what a lost one may have used."""
    cost = (
        call.cost if outcome is Outcome.LOST else 0
    )  # while it is open, its cost is the most that was held
    counted: dict[str, int] = {}
    if usage is not None:
        cost = min(_charge(call, usage).cost, call.cost)
        counted = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    with transaction.atomic():
        if not _move(call, status, cost, **counted):
            return False
        charge = partial(_charge, call)
        settle(
            key=call.hold_key,
            outcome=outcome,
            usage=usage,
            at_most=lambda: at_most,
            charge=charge,
        )
    return True


def _move(call: EndpointCall, status: CallStatus, cost: int, **counted: int) -> bool:
    took = round(1000 * (timezone.now() - call.at).total_seconds())
    rows = EndpointCall.objects.filter(pk=call.pk, status=CallStatus.OPEN)
    return bool(rows.update(status=status, cost=cost, milliseconds=max(0, took), **counted))


def _charge(call: EndpointCall, usage: TokenUsage) -> Charge:
    assert call.run is not None, "a run is not deleted while a call of it is open"
    run = call.run
    return charges.answer_charge(
        charges.cost_or_hold(
            lambda: charges.chat_cost(run, **usage.counted), run=run, hold_key=call.hold_key
        ),
        usage,
        method=run.method,
        subject_kind=SUBJECT,
        subject_id=str(call.key),
        person=call.api_key.created_by,
    )


def sweep() -> int:
    """Close calls whose web process died: nobody knows what they cost, so they are booked at their most."""
    old = EndpointCall.objects.filter(
        status=CallStatus.OPEN, at__lt=timezone.now() - FORGOTTEN_AFTER
    )
    return each_alone(
        old.select_related("run__team__course", "run__base_model", "api_key__created_by"),
        _close_lost,
    )


def _close_lost(call: EndpointCall) -> bool:
    return close_call(call=call, status=CallStatus.FAILED, usage=None, outcome=Outcome.LOST)


@dataclass(frozen=True)
class Use:
    """One deployed run's calls: micro-dollars, milliseconds on average."""

    deployment: Deployment
    calls: int
    failed: int
    cost: int
    milliseconds: float | None


def use_of(team: Team) -> list[Use]:
    """Of each run that answers now. Three queries."""
    running = list(
        Deployment.objects.filter(team=team, stopped_at=None).select_related("run", "created_by")
    )
    calls = EndpointCall.objects.filter(run__in=[row.run_id for row in running]).order_by()
    totals: dict[int, dict[str, Any]] = {
        row["run_id"]: dict(row)
        for row in calls.values("run_id").annotate(
            calls=Count("pk"), cost=Sum("cost"), took=Avg("milliseconds")
        )
    }
    failed = dict(
        calls.filter(status=CallStatus.FAILED).values_list("run_id").annotate(Count("pk"))
    )
    nothing: dict[str, Any] = {"calls": 0, "cost": 0, "took": None}
    found = [(row, totals.get(row.run_id, nothing)) for row in running]
    return [
        Use(row, n["calls"], failed.get(row.run_id, 0), n["cost"] or 0, n["took"])
        for row, n in found
    ]
