"""Every night: the provider's own bill beside our ledgers, day by day. Old rows are never changed.

OpenAI's organization costs (`GET /organization/costs`, an admin key) come in days of UTC and may arrive late, so the last
week is looked at again each night. What the ledgers hold of unknown calls is lowered when the bill shows that they were not
billed; nothing else is booked from a bill, which names no team.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from teams.models import (
    FIRST_PROVIDER,
    AuditEntry,
    BillCheck,
    BilledDay,
    Confidence,
    Course,
    LedgerEntry,
    Provider,
)
from teams.services import audit, money, outgoing, providers, sealing

PROVIDER = FIRST_PROVIDER
DAYS_BACK = 7
FINAL_AFTER_DAYS = 3  # until then more may be billed
TIMEOUT_SECONDS = 30.0
MOST_PAGES = 50
NO_KEY = (
    "Nobody compares these costs with the provider's bill: no admin key is set. "
    "Whoever runs the platform can set OPENAI_ADMIN_KEY."
)


class BillUnreadable(Exception):
    """The provider did not give its costs; the message says why, for a person."""


@dataclass(frozen=True)
class Source:
    """Whose bill, and where. `provider`: its code; `guarded`: somebody typed the address in the browser."""

    provider: str
    base_url: str
    key: str
    guarded: bool = False


def source() -> Source | None:
    """Of the environment's provider. None where no bill can be had: no provider, or no admin key."""
    if settings.HAS_PROVIDER and settings.OPENAI_ADMIN_KEY:
        return Source(PROVIDER, settings.OPENAI_BASE_URL, settings.OPENAI_ADMIN_KEY)
    return None


def source_of(provider: Provider) -> Source | None:
    """Of any provider: None where it has no key for its costs, or one that cannot be opened."""
    if provider.from_environment:
        return source()
    try:
        key = providers.key_of(provider, "sealed_admin_key")
    except sealing.CannotOpen:
        return None
    return Source(provider.code, provider.address, key, guarded=True) if key else None


def with_bills() -> list[tuple[Provider, Source]]:
    """All providers, of courses and of everybody, whose bills can be read."""
    found = [(one, source_of(one)) for one in Provider.objects.kept()]
    return [(provider, asked) for provider, asked in found if asked is not None]


def check_bill(*, night: date | None = None) -> str:
    """Tonight's check of each provider, once. Returns what came of it, for the log; empty where there was nothing to do."""
    night = night or datetime.now(UTC).date()
    return "; ".join(said for _, asked in with_bills() if (said := _check_one(asked, night)))


def _check_one(asked: Source, night: date) -> str:
    if BillCheck.objects.filter(night=night, provider=asked.provider).exists():
        return ""
    days = [night - timedelta(days=back) for back in range(DAYS_BACK, 0, -1)]
    failed, billed = "", {}
    try:
        billed = billed_by_day(asked, days[0], night)
    except BillUnreadable as unreadable:
        failed = f"{unreadable} It is tried again tomorrow night."
    with transaction.atomic():
        # Only the one who makes the row goes on: a second clock waits here for the first, and finds it.
        made, first = BillCheck.objects.get_or_create(
            night=night, provider=asked.provider, defaults={"failed": failed[:300]}
        )
        if not first:
            return ""
        if not failed:
            _note(made, days, billed)
    return failed or f"{made.days.count()} days noted"


def _note(made: BillCheck, days: list[date], billed: dict[date, int]) -> None:
    """A row for each day that is new or has changed."""
    for day in days:
        if FINAL_AFTER_DAYS <= (made.night - day).days < DAYS_BACK:
            _lower_unknown(made.provider, day, billed)
        found = (billed.get(day, 0), booked_on(made.provider, day))
        last = BilledDay.objects.filter(check_made__provider=made.provider, day=day).first()
        if (last and (last.billed, last.booked) == found) or (last is None and not any(found)):
            continue
        BilledDay.objects.create(check_made=made, day=day, billed=found[0], booked=found[1])


def entries_on(provider: str, day: date) -> QuerySet[LedgerEntry]:
    """What the ledgers hold of a day of UTC, corrections on the day that they correct."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return _asked_for_here(provider).filter(
        for_time__gte=begin, for_time__lt=begin + timedelta(days=1)
    )


def _asked_for_here(provider: str) -> QuerySet[LedgerEntry]:
    """Not what came with an imported course: another platform asked for that, and it may be on another bill."""
    course = OuterRef("account__team__course")
    brought = AuditEntry.objects.filter(
        course=course, action=audit.IMPORTED, imported=False, at__gte=OuterRef("at")
    )
    return LedgerEntry.objects.filter(~Exists(brought), provider=provider)


def booked_on(provider: str, day: date) -> int:
    """What the ledgers know of, with what no team was charged because it went beyond a hold: the provider bills that too."""
    sums = entries_on(provider, day).aggregate(charged=Sum("delta"), beyond=Sum("beyond_hold"))
    return int(sums["charged"] or 0) + int(sums["beyond"] or 0)


def _lower_unknown(provider: str, day: date, billed: dict[date, int]) -> None:
    """Give back what was charged for calls that nobody knew were billed, as far as the bill shows that they were not.

    A run that went on over midnight is booked when it ends, and billed on both days: the day before counts too.
    """
    more = [
        booked_on(provider, one) - billed.get(one, 0) for one in (day - timedelta(days=1), day)
    ]
    too_much = min(more[1], sum(more))
    for entry in (
        entries_on(provider, day)
        .filter(confidence=Confidence.UNKNOWN, delta__gt=0)
        .order_by("id")
    ):
        back = min(entry.delta, too_much)
        if back > 0 and money.correct(
            entry=entry, delta=-back, why=f"The provider's bill of {day} does not have it."
        ):
            too_much -= back


def billed_by_day(asked: Source, first: date, until: date) -> dict[date, int]:
    """Micro-dollars of each day from `first`, without `until`. Raises BillUnreadable."""
    amounts: dict[tuple[date, str], Decimal] = {}
    for bucket in _buckets(asked, first, until):
        try:
            day = datetime.fromtimestamp(int(bucket["start_time"]), UTC).date()
            for position, result in enumerate(bucket["results"]):
                value, currency = (
                    Decimal(str(result["amount"]["value"])),
                    str(result["amount"]["currency"]).lower(),
                )
                if currency != "usd":
                    raise BillUnreadable(
                        f"The provider bills in {currency.upper()[:8]}, and budgets here are in USD."
                    )
                # The same line on two pages is one line: pages shift while costs arrive.
                name = f"{result.get('project_id')}/{result.get('line_item')}" + (
                    "" if result.get("line_item") else f"/{position}"
                )
                amounts[day, name] = value
        except (KeyError, TypeError, ValueError, InvalidOperation, OverflowError) as error:
            raise BillUnreadable(
                "The provider's costs came in a form that the platform does not know."
            ) from error
    totals: dict[date, Decimal] = {}
    for (day, _), value in amounts.items():
        totals[day] = totals.get(day, Decimal(0)) + value
    return {
        day: round(total * 1_000_000) for day, total in totals.items() if first <= day < until
    }


def _buckets(asked: Source, first: date, until: date) -> Iterator[dict[str, Any]]:
    start, end = (
        int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        for day in (first, until)
    )
    query: dict[str, str | int] = {
        "start_time": start,
        "end_time": end,
        "bucket_width": "1d",
        "group_by": "line_item",
    }
    given: dict[str, Any] = {
        "timeout": TIMEOUT_SECONDS,
        "headers": {"Authorization": f"Bearer {asked.key}"},
    }
    with outgoing.client(**given) if asked.guarded else httpx.Client(**given) as web:
        for _ in range(MOST_PAGES):
            page = _page(web, f"{asked.base_url.rstrip('/')}/organization/costs", query)
            yield from page["data"]
            if not page.get("has_more") or not page.get("next_page"):
                return
            query["page"] = str(page["next_page"])
    raise BillUnreadable("The provider's costs have no end.")


def _page(web: httpx.Client, address: str, query: dict[str, str | int]) -> dict[str, Any]:
    try:
        answer = web.get(address, params=query)
    except httpx.HTTPError as error:
        raise BillUnreadable(
            f"The provider could not be reached ({type(error).__name__})."
        ) from error
    if answer.status_code in (401, 403):
        raise BillUnreadable("The provider refused the admin key (OPENAI_ADMIN_KEY).")
    if answer.status_code != httpx.codes.OK:
        raise BillUnreadable(f"The provider answered {answer.status_code}.")
    try:
        page = json.loads(answer.content, parse_float=Decimal)
    except ValueError as error:
        raise BillUnreadable("The provider's answer could not be read.") from error
    if not isinstance(page, dict) or not isinstance(page.get("data"), list):
        raise BillUnreadable(
            "The provider's costs came in a form that the platform does not know."
        )
    return page


@dataclass(frozen=True)
class BillShown:
    """`note` where there is nothing to compare; days newest first, each as last found. Of all who use the account."""

    note: str
    last: BillCheck | None
    days: list[BilledDay]


def shown() -> BillShown:
    """Of the environment's provider."""
    return _shown(source())


def shown_of(provider: Provider) -> BillShown:
    """Of one provider: for staff, and for the instructors of the course whose account it is."""
    return _shown(source_of(provider))


def _shown(asked: Source | None) -> BillShown:
    if asked is None:
        return BillShown(note=NO_KEY, last=None, days=[])
    last = BillCheck.objects.filter(provider=asked.provider).first()
    rows = BilledDay.objects.filter(check_made__provider=asked.provider, day__gte=_first_shown())
    newest: dict[date, BilledDay] = {}
    for row in rows.select_related("check_made"):  # newest row of a day first
        newest.setdefault(row.day, row)
    note = "" if last else "The first comparison with the provider's bill is made tonight."
    return BillShown(note, last, list(newest.values()))


def _first_shown() -> date:
    return timezone.now().date() - timedelta(days=4 * DAYS_BACK)


@dataclass(frozen=True)
class CourseDay:
    """One day (UTC) of a course's own ledger; micro-dollars. `back`: given back because the bill does not have it.

    `difference`: how the whole bill stands to all ledgers together, -1, 0 or 1 and no amount, which would be other
    courses' money; None where that day was not compared.
    """

    day: date
    booked: int
    back: int
    difference: int | None


def days_of(course: Course, bill: BillShown) -> list[CourseDay]:
    """The course's part of what `bill` compares, newest day first. One query."""
    asked = source()
    if asked is None:
        return []
    begin = datetime.combine(_first_shown(), time.min, tzinfo=UTC)
    mine = (
        _asked_for_here(asked.provider)
        .filter(account__team__course=course, for_time__gte=begin)
        .order_by()
    )
    by_day = mine.annotate(day=TruncDate("for_time", tzinfo=UTC)).values("day").order_by("-day")
    compared = {row.day: (row.difference > 0) - (row.difference < 0) for row in bill.days}
    sums = by_day.annotate(
        booked=Sum("delta"), back=Sum("delta", filter=Q(corrects__isnull=False))
    )
    return [
        CourseDay(row["day"], row["booked"], -(row["back"] or 0), compared.get(row["day"]))
        for row in sums
    ]
