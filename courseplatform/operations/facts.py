"""What /metrics tells beside this process's own counts: read from rows and Redis when it is asked.

Every web process tells the same of these, whichever is asked. No label names a person, a team, a course or a model:
labels are kinds, states, queues and hosts, of which there are few.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import django_rq
import redis
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Q, Sum
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from courseplatform import service_state
from courseplatform.operations import measured
from evaluation.models import Turn, TurnStatus
from teams import presence
from teams.models import CourseAccount, Hold, HoldState, LedgerEntry, MailState, OutgoingMail
from training.models import ACTIVE, RunStatus, TrainingRun

RECENT = timedelta(minutes=5)
QUANTILES = (0.5, 0.95)
MOST_TURNS = 5_000
TOKEN_KINDS = ("input", "cached_input", "output", "training")


class Tokens:
    """Tokens of all charges. A charge never changes, so only those since the last time are added up."""

    def __init__(self) -> None:
        self._newest = 0
        self._sums: Counter[str] = Counter()

    def sums(self) -> dict[str, int]:
        new = LedgerEntry.objects.filter(pk__gt=self._newest).order_by()
        newest = new.order_by("-pk").values_list("pk", flat=True).first()
        if newest is not None:
            fields = {kind: Sum(f"{kind}_tokens", default=0) for kind in TOKEN_KINDS}
            self._sums.update(new.filter(pk__lte=newest).aggregate(**fields))
            self._newest = newest
        return {kind: self._sums[kind] for kind in TOKEN_KINDS}


class Facts(Collector):
    """`course_database_up` and `course_redis_up` are there always, the others where their source answers."""

    def __init__(self) -> None:
        self._tokens = Tokens()

    def collect(self) -> Iterable[Metric]:
        yield from self._guarded("course_database_up", "database", self._of_rows, DatabaseError)
        yield from self._guarded(
            "course_redis_up", "Redis", _of_redis, redis.exceptions.RedisError
        )
        failing = service_state.read(settings.SERVICE_STATE)
        yield _gauge("course_services_failing", "Services that keep ending.", len(failing))

    def _guarded(
        self,
        name: str,
        what: str,
        source: Callable[[], Iterator[Metric]],
        error: type[Exception],
    ) -> Iterator[Metric]:
        try:
            found = list(source())
        except error:
            yield _gauge(name, f"1 while the {what} answers.", 0)
            return
        yield _gauge(name, f"1 while the {what} answers.", 1)
        yield from found

    def _of_rows(self) -> Iterator[Metric]:
        yield _runs()
        yield _leases()
        yield from _money()
        yield from _mail()
        yield from _answers()
        tokens = CounterMetricFamily(
            "course_tokens", "Tokens charged, by kind.", labels=["kind"]
        )
        for kind, number in self._tokens.sums().items():
            tokens.add_metric([kind], number)
        yield tokens


def _gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, value=value)


def _runs() -> Metric:
    found = GaugeMetricFamily("course_runs", "Runs not ended, by state.", labels=["state"])
    rows = TrainingRun.objects.filter(status__in=ACTIVE).order_by()
    counted = dict(rows.values_list("status").annotate(Count("id")))
    for state in ACTIVE:
        found.add_metric([RunStatus(state).value], counted.get(state, 0))
    return found


def _leases() -> Metric:
    found = GaugeMetricFamily("course_leases", "Runs that a worker holds.", labels=["state"])
    held = TrainingRun.objects.exclude(lease="").order_by()
    now = timezone.now()
    counted = held.aggregate(
        fresh=Count("id", filter=Q(lease_until__gte=now)),
        expired=Count("id", filter=Q(lease_until__lt=now)),
    )
    for state, number in counted.items():
        found.add_metric([state], number)
    return found


def _money() -> Iterator[Metric]:
    open_holds = Hold.objects.filter(state=HoldState.OPEN)
    yield _gauge("course_holds_open", "Holds not settled yet.", open_holds.count())
    overdue = open_holds.filter(expires_at__lt=timezone.now()).count()
    yield _gauge("course_holds_overdue", "Open holds that should be closed by now.", overdue)
    sums = CourseAccount.objects.aggregate(
        held=Sum("held", default=0), spent=Sum("spent", default=0)
    )
    yield _gauge("course_held_dollars", "US dollars held.", sums["held"] / 1e6)
    yield _gauge("course_spent_dollars", "US dollars charged.", sums["spent"] / 1e6)


def _mail() -> Iterator[Metric]:
    waiting = OutgoingMail.objects.filter(state=MailState.WAITING).count()
    yield _gauge("course_mail_waiting", "Mail that has not left yet.", waiting)
    failed = OutgoingMail.objects.filter(state=MailState.FAILED).count()
    yield _gauge("course_mail_failed", "Mail that could not be delivered.", failed)


def _answers() -> Iterator[Metric]:
    going = Turn.objects.filter(status=TurnStatus.STREAMING).count()
    yield _gauge("course_answers_under_way", "Answers of bots that are being made.", going)
    recent = Turn.objects.filter(
        status=TurnStatus.DONE,
        heartbeat_at__gte=timezone.now() - RECENT,
        first_token_ms__isnull=False,
    )
    told = recent.values_list("first_token_ms", flat=True).order_by()[:MOST_TURNS]
    waits = sorted(milliseconds or 0 for milliseconds in told)
    yield _gauge(
        "course_answers_recent", "Answers that ended in the last 5 minutes.", len(waits)
    )
    found = GaugeMetricFamily(
        "course_first_token_seconds",
        "Seconds from asking a bot to its first word, of those; absent where there are none.",
        labels=["quantile"],
    )
    for quantile in QUANTILES if waits else ():
        place = min(len(waits) - 1, int(quantile * len(waits)))
        found.add_metric([str(quantile)], waits[place] / 1000)
    yield found


def _of_redis() -> Iterator[Metric]:
    told = presence.processes()
    queues = GaugeMetricFamily("course_queue_length", "Jobs that wait.", labels=["queue"])
    for name in settings.RQ_QUEUES:
        queues.add_metric([name], django_rq.get_queue(name).count)
    yield queues
    counted = Counter((one.kind, one.version, one.state) for one in told)
    found = GaugeMetricFamily(
        "course_processes", "Processes that were heard of.", labels=["kind", "version", "state"]
    )
    for labels, number in sorted(counted.items()):
        found.add_metric(list(labels), number)
    yield found


measured.registry.register(Facts())
