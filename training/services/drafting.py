"""Drafting rows: held for before, written by a worker one row after the other, resumed where it broke off, paid once.

The row in the database decides: a worker claims it by one UPDATE with a lease, and writes under that lease only. What was
written is a row each, so a drafting that is taken up again asks only for what is missing. Nothing a model writes is training
data before a person accepts it (`draft_rows`).
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import django_rq
import httpx
import redis.exceptions
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from datasets import formats
from datasets.models import DatasetVersion
from datasets.services import privacy
from datasets.services.reading import newest, plain, stored_rows
from teams import queues
from teams.models import User
from teams.services import audit, money
from teams.services.prices import PriceUnknown
from teams.services.sweeping import each_alone
from training.models import DraftedRow, Drafting, DraftingStatus, RowState
from training.models.lease import new_lease
from training.services import draft_money, writers
from training.services.calls import client
from training.services.calls.client import NotPaidFor
from training.services.calls.outcome import CallFailed, Outcome
from training.services.calls.prepare import PreparedCall
from training.services.calls.purse import Purse
from training.services.calls.settle import book_unanswered
from training.services.calls.usage import TokenUsage
from training.services.draft_checks import Checker, DraftFinding
from training.services.draft_offer import DraftingRefused, calls_for, examples_in, offer, row_of
from training.services.endpoints import NotReady
from training.services.writers import Exchange, NoWriter, Writer, exchange_in

log = logging.getLogger(__name__)

JOB = "training.jobs.draft_rows"
QUEUE = queues.INTERVIEWS
JOB_SECONDS = 3600
TRIES = 2
ANSWER_SECONDS = 90.0
SILENT_FOR = timedelta(minutes=5)  # more than two tries of one row take
LONGEST_TEXT = 4_000  # characters of one drafted row that are kept
KEPT_UNDECIDED = timedelta(days=30)
AWAY = "The writer does not answer at the moment. The rows so far are kept; start again for the rest."
REFUSES = (
    "The writer's server refused to answer. Tell your instructor. The rows so far are kept."
)
SLOW = "The writer took too long, or the connection broke off. The rows so far are kept; start again for the rest."
USED_UP = "The rows so far used up all that this may cost, because answers got lost on the way. Start again for the rest."
DATA_GONE = "The examples were deleted while rows were being written."


def start(
    *,
    version: DatasetVersion,
    row_ids: list[str],
    writer: str,
    wanted: int,
    topic: str,
    person: User,
) -> Drafting:
    """Hold the most that it can cost and send for a worker. Raises as `offer`, and BudgetRefused."""
    topic = " ".join(topic.split())[:120]
    found = offer(version=version, row_ids=row_ids, writer=writer, wanted=wanted, topic=topic)
    team = version.dataset.team
    try:
        with transaction.atomic():
            drafting = Drafting.objects.create(
                team=team,
                dataset=version.dataset,
                version=version,
                examples=row_ids,
                writer=found.writer.reference,
                writer_name=found.writer.name[:240],
                run=found.writer.bot,
                topic=topic,
                wanted=wanted,
                created_by=person,
            )
            money.hold(
                team=team,
                key=drafting.hold_key,
                paid_for=drafting.paid_for,
                amount=found.most,
                expected=found.expected,
                person=person,
                subject_kind=drafting.paid_for.kind,
            )
            what = f"{wanted} rows after {version} by {found.writer.name}"
            audit.record(
                course=team.course, team=team, person=person, action="rows drafted", what=what
            )
    except IntegrityError as error:
        raise DraftingRefused(
            "Rows are being written for your team already. Wait until they are done, or stop that."
        ) from error
    send_for_worker(drafting)
    return drafting


def send_for_worker(drafting: Drafting) -> None:
    """A lost call is sent again by `sweep`; a call too many finds the row claimed."""
    try:
        queue = django_rq.get_queue(QUEUE, commit_mode="auto")
        queue.enqueue_call(JOB, args=(drafting.pk,), timeout=JOB_SECONDS)
    except redis.exceptions.RedisError as error:
        log.warning("drafting %s waits for the sweeper: Redis is away (%s)", drafting.key, error)


def stop(*, drafting: Drafting) -> bool:
    """No more rows are asked for; what is written stays. False where it was over already."""
    with transaction.atomic():
        waiting = Drafting.objects.filter(pk=drafting.pk, status=DraftingStatus.WAITING)
        if waiting.update(status=DraftingStatus.STOPPED, finished_at=timezone.now()):
            money.release(key=drafting.hold_key)
            return True
    writing = Drafting.objects.filter(pk=drafting.pk, status=DraftingStatus.WRITING)
    return bool(writing.update(stop_asked=True))


def claim(drafting_id: int) -> Drafting | None:
    """One worker at a time: a new one, or one whose worker fell silent, which may have had one call under way."""
    now, lease = timezone.now(), new_lease()
    rows = Drafting.objects.filter(pk=drafting_id)
    begun = {"status": DraftingStatus.WRITING, "heartbeat_at": now, "lease": lease}
    fresh = rows.filter(status=DraftingStatus.WAITING).update(**begun)
    silent = rows.filter(status=DraftingStatus.WRITING, heartbeat_at__lt=now - SILENT_FOR)
    if not fresh and not silent.update(**begun):
        return None
    drafting = rows.select_related(
        "team__course", "dataset", "version__dataset__team", "run", "created_by"
    ).get()
    if not fresh:
        draft_money.book_interrupted(drafting)
    return drafting


def carry_out(drafting_id: int) -> str:
    """The worker's part. Returns what came of it, for the job's record."""
    drafting = claim(drafting_id)
    if drafting is None:
        return "nothing to do"
    purse = Purse(0)
    trouble = ""
    try:
        purse = Purse(draft_money.left(drafting))
        _write_missing(drafting, purse)
    except NotPaidFor:
        trouble = USED_UP
    except CallFailed as failed:
        trouble = _why(failed)
    except (NoWriter, NotReady, PriceUnknown) as gone:
        trouble = str(gone)
    if _holds(drafting).exists():  # whoever took it over has booked what was under way
        book_unanswered(
            key=drafting.hold_key,
            calls=purse.unanswered,
            charge=partial(draft_money.charge_of, drafting),
        )
    return end(drafting, trouble)


def _holds(drafting: Drafting) -> QuerySet[Drafting]:
    """The drafting, as long as the lease is ours."""
    return Drafting.objects.filter(
        pk=drafting.pk, status=DraftingStatus.WRITING, lease=drafting.lease
    )


def _write_missing(drafting: Drafting, purse: Purse) -> None:
    """Row by row, while the lease is ours and nobody asked to stop."""
    version = drafting.version
    if version is None:
        raise NoWriter(DATA_GONE)
    one = writers.writer(drafting.team, drafting.writer)
    prices = writers.prices_of(drafting)
    if one.leaves and (refusal := privacy.cloud_refusal(version)):
        raise NoWriter(refusal)
    examples = examples_in(version, drafting.examples)
    calls = calls_for(
        one,
        examples,
        prices,
        topic=drafting.topic,
        seed=version.content_hash,
        wanted=drafting.wanted,
    )
    checker = Checker(_beside(drafting, version))
    there = set(drafting.rows.values_list("position", flat=True))
    with client.connected() as web:
        for position, call in enumerate(calls):
            if position in there:
                continue
            if not _beat(drafting):
                return
            written = _ask(web, one, call, purse, position)
            if not _keep(drafting, position, written, checker):
                return


@dataclass(frozen=True)
class _Written:
    text: str
    exchange: Exchange | None
    usage: TokenUsage


def _ask(
    web: httpx.Client, one: Writer, call: PreparedCall, purse: Purse, position: int
) -> _Written:
    """Raises CallFailed, NotPaidFor, NotReady."""
    answer = client.ask(web, call, purse=purse, tries=TRIES, seconds=ANSWER_SECONDS)
    purse.put_back(call.most - call.cost(answer.usage))
    text = answer.text.replace("\x00", "")[:LONGEST_TEXT]
    exchange = exchange_in(text)
    if one.bot is None or exchange is None:
        return _Written(text, exchange, answer.usage)
    own = writers.answer_call(one, exchange.asked, position=position)
    said = client.ask(web, own, purse=purse, tries=TRIES, seconds=ANSWER_SECONDS)
    told = said.text.replace("\x00", "").strip()[:LONGEST_TEXT]
    return _Written(told, Exchange(exchange.asked, told) if told else None, answer.usage)


def _keep(drafting: Drafting, position: int, written: _Written, checker: Checker) -> bool:
    """One more row, and a heartbeat. False where the drafting is somebody else's by now."""
    exchange = written.exchange
    findings: list[DraftFinding] = []
    if exchange is not None:
        findings = checker.look(row_of(exchange.asked, exchange.said))
    DraftedRow.objects.get_or_create(
        drafting=drafting,
        position=position,
        defaults={
            "question": exchange.asked if exchange else "",
            "answer": exchange.said if exchange else written.text,
            "findings": findings,
            "state": RowState.OPEN if exchange else RowState.UNUSABLE,
            **written.usage.counted,
        },
    )
    return _beat(drafting)


def _beat(drafting: Drafting) -> bool:
    """False where it is somebody else's by now, or somebody asked to stop."""
    return bool(_holds(drafting).filter(stop_asked=False).update(heartbeat_at=timezone.now()))


def _beside(drafting: Drafting, version: DatasetVersion) -> Iterator[formats.Row]:
    """What a drafted row must not repeat: the dataset's newest rows, and what was drafted before."""
    latest = newest(version.dataset) or version
    yield from (plain(row) for row in stored_rows(latest))
    for row in drafting.rows.exclude(state=RowState.UNUSABLE):
        yield row_of(row.question, row.answer)


def end(drafting: Drafting, trouble: str = "") -> str:
    """The last move and the money for all that was written, together. Somebody else's drafting is left alone."""
    with transaction.atomic():
        mine = _holds(drafting).select_for_update(of=("self",)).first()
        if mine is None:
            return "someone else has it"
        status = DraftingStatus.FAILED if trouble else DraftingStatus.DONE
        if mine.stop_asked and not trouble:
            status = DraftingStatus.STOPPED
        Drafting.objects.filter(pk=drafting.pk).update(
            status=status, trouble=trouble[:500], finished_at=timezone.now()
        )
        draft_money.settle(drafting)
    return str(status)


def _why(failed: CallFailed) -> str:
    if failed.outcome is Outcome.REFUSED:
        return REFUSES
    return AWAY if failed.outcome is Outcome.NEVER_REACHED else SLOW


def sweep() -> int:
    """For the clock: send again for a worker where the call or the worker was lost. How many."""
    late = timezone.now() - SILENT_FOR
    return each_alone(Drafting.objects.at_work().filter(heartbeat_at__lt=late), _send_again)


def _send_again(drafting: Drafting) -> bool:
    waiting = Drafting.objects.filter(pk=drafting.pk, status=DraftingStatus.WAITING)
    waiting.update(heartbeat_at=timezone.now())
    send_for_worker(drafting)
    return True


def prune() -> int:
    """For the clock: what was written for a dataset that is gone, and what nobody decided on for a month. How many."""
    over = Drafting.objects.exclude(status__in=[DraftingStatus.WAITING, DraftingStatus.WRITING])
    orphans, _ = over.filter(dataset=None).delete()
    old = timezone.now() - KEPT_UNDECIDED
    texts = DraftedRow.objects.filter(drafting__finished_at__lt=old).exclude(
        state=RowState.ACCEPTED
    )
    forgotten, _ = texts.delete()
    return orphans + forgotten
