"""What a course's teams spent, for the instructor's page and its CSV."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, TextIO

from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from teams.methods import choices, label_of
from teams.models import BudgetAccount, Course, LedgerEntry, LedgerSum, Team, User
from teams.services import ledger_sums, team_ledger

LEDGER_COLUMNS = [
    "time",
    "team",
    "person",
    "what",
    "id",
    "method",
    "provider",
    "model",
    "dollars",
    "would have cost",
    "rehearsal",
    "input tokens",
    "cached input tokens",
    "output tokens",
    "training tokens",
    "compute seconds",
    "confidence",
    "price",
    "above the hold",
]
NEWEST_BEYOND = 20
LONGEST_ID = 19  # digits; databases hold no longer one
FIRST_YEAR = 2000
LAST_YEAR = 2100
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class TeamCosts:
    """Micro-dollars of one team. `by_method` has each method and "chat"."""

    team: Team
    limit: int
    held: int
    spent: int
    by_method: dict[str, int] = field(default_factory=dict)
    would_have_cost: int = 0
    entries: int = 0

    @property
    def share(self) -> float:
        """Spent and held as a share of the limit."""
        return (self.spent + self.held) / self.limit if self.limit else 0.0


def by_team(course: Course) -> list[TeamCosts]:
    """One row per team of the course, in two queries."""
    return _costs(BudgetAccount.objects.filter(team__course=course))


def of_team(team: Team) -> TeamCosts:
    """As far as the team itself is told today (`team_ledger`)."""
    row = _costs(BudgetAccount.objects.filter(team=team))[0]
    hidden = team_ledger.untold(team)
    row.spent -= hidden.spent
    row.held -= hidden.held
    row.would_have_cost -= hidden.would_have_cost
    if hidden.spent:
        row.by_method[ledger_sums.CHAT] -= hidden.spent
    return row


def _costs(accounts: QuerySet[BudgetAccount]) -> list[TeamCosts]:
    rows = {
        account.team_id: TeamCosts(account.team, account.limit, account.held, account.spent)
        for account in accounts.select_related("team").order_by("team__name")
    }
    sums = LedgerSum.objects.filter(account__in=accounts.values("pk"), field=LedgerSum.Field.USE)
    for found in sums.select_related("account"):
        row = rows[found.account.team_id]
        row.by_method[found.group] = found.cost
        row.would_have_cost += found.would_have_cost
        row.entries += found.entries
    return list(rows.values())


GROUPS = (
    LedgerSum.Field.METHOD,
    LedgerSum.Field.MODEL,
    LedgerSum.Field.PERSON,
    LedgerSum.Field.DAY,
)


def grouped(course: Course, field: str) -> list[dict[str, Any]]:
    """Rows {value, group, cost, would, entries} of the course's ledger by one of GROUPS, dearest first; days in order.

    `value` is what `entries_of` takes, `group` what a person reads.
    """
    sums = LedgerSum.objects.filter(account__team__course=course, field=field).values("group")
    totals = sums.annotate(
        cost=Sum("cost"), would=Sum("would_have_cost"), entries=Sum("entries")
    )
    rows: list[dict[str, Any]] = [
        dict(row, value=row["group"])
        for row in totals.order_by("group" if field == LedgerSum.Field.DAY else "-cost", "group")
    ]
    if field == LedgerSum.Field.PERSON:
        names = dict(User.objects.filter(memberships__course=course).values_list("pk", "name"))
        for row in rows:
            row["group"] = names.get(int(row["group"] or 0), "")
    elif field == LedgerSum.Field.DAY:
        for row in rows:
            row["group"] = date.fromisoformat(row["group"])
    elif field == LedgerSum.Field.METHOD:
        for row in rows:
            row["group"] = label_of(row["group"])
    return rows


def entries_of(course: Course, field: str, value: str) -> QuerySet[LedgerEntry]:
    """The course's entries behind one row of `grouped`, newest first. Raises ValueError for a value that cannot be one."""
    rows = LedgerEntry.objects.filter(account__team__course=course).select_related(
        "account__team", "person"
    )
    if (
        field == LedgerSum.Field.DAY
    ):  # a range, because a date of each row would have to be calculated
        day = date.fromisoformat(value)
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise ValueError(f"{value[:40]!r} is no day of a course")
        begun, ended = (
            timezone.make_aware(datetime.combine(one, time.min))
            for one in (day, day + timedelta(days=1))
        )
        return rows.filter(at__gte=begun, at__lt=ended)
    if field == LedgerSum.Field.PERSON:
        if value and not (value.isdecimal() and len(value) < LONGEST_ID):
            raise ValueError(f"{value[:40]!r} is no person's id")
        return rows.filter(person=int(value)) if value else rows.filter(person=None)
    return rows.filter(**{field: value})


@dataclass(frozen=True)
class BeyondHolds:
    """What was used above what was held, which no team pays: micro-dollars, in how many entries, and the newest of them."""

    total: int
    number: int
    newest: list[LedgerEntry]


def beyond_holds(course: Course) -> BeyondHolds | None:
    """None where every use kept to its hold."""
    rows = LedgerEntry.objects.filter(account__team__course=course, beyond_hold__gt=0)
    found = rows.order_by().aggregate(total=Sum("beyond_hold"), number=Count("pk"))
    if not found["number"]:
        return None
    newest = rows.select_related("account__team").order_by("-id")[:NEWEST_BEYOND]
    return BeyondHolds(found["total"], found["number"], list(newest))


def forecast(course: Course) -> int | None:
    """Micro-dollars spent by the last day if the pace since the first day stays; None where the dates do not allow it."""
    today = timezone.localdate()
    if (
        not course.starts_on
        or not course.ends_on
        or not course.starts_on < today <= course.ends_on
    ):
        return None
    spent = (
        BudgetAccount.objects.filter(team__course=course).aggregate(sum=Sum("spent"))["sum"] or 0
    )
    return int(
        spent
        * ((course.ends_on - course.starts_on).days + 1)
        // ((today - course.starts_on).days + 1)
    )


def segments(row: TeamCosts) -> Iterator[tuple[str, str, float, float]]:
    """(class, label, start %, width %) of each method's part in the team's limit, for one bar."""
    start = 0.0
    for name, label in [*choices(), ("chat", "Chat")]:
        width = 100 * row.by_method.get(name, 0) / row.limit if row.limit else 0.0
        if width:
            yield name, label, start, min(width, 100 - start)
            start = min(100.0, start + width)


def safe_cell(value: object) -> str:
    """A spreadsheet must not run what a team called itself."""
    text = str(value)
    return (
        "'" + text
        if text.startswith(FORMULA_STARTS) and not isinstance(value, int | float)
        else text
    )


CSV_FIELDS = (
    *(
        "at",
        "account__team__name",
        "person__name",
        "person__email",
        "subject_kind",
        "subject_id",
        "method",
    ),
    *(
        "provider",
        "model",
        "delta",
        "would_have_cost",
        "rehearsal",
        "input_tokens",
        "cached_input_tokens",
    ),
    *(
        "output_tokens",
        "training_tokens",
        "compute_seconds",
        "confidence",
        "price_note",
        "beyond_hold",
    ),
)


def write_ledger_csv(course: Course, out: TextIO) -> None:
    """Every ledger entry of the course, oldest first; money in dollars with six decimals.

    Plain values, not models: of 200,000 entries those take most of the time.
    """
    writer = csv.writer(out)
    writer.writerow(LEDGER_COLUMNS)
    entries = (
        LedgerEntry.objects.filter(account__team__course=course)
        .order_by("id")
        .values_list(*CSV_FIELDS)
    )
    for at, team, name, email, *rest in entries.iterator(2000):
        what, (delta, would, rehearsal), tokens, (seconds, confidence, note, beyond) = (
            rest[:5],
            rest[5:8],
            rest[8:12],
            rest[12:],
        )
        money = [
            f"{delta / 1e6:.6f}",
            "" if would is None else f"{would / 1e6:.6f}",
            "yes" if rehearsal else "no",
        ]
        texts = [safe_cell(value) for value in (team, name or email or "", *what)]
        measured = [
            *tokens,
            f"{seconds:.1f}",
            confidence,
            safe_cell(note),
            f"{beyond / 1e6:.6f}" if beyond else "",
        ]
        writer.writerow(
            [timezone.localtime(at, course.zone).isoformat(), *texts, *money, *measured]
        )
