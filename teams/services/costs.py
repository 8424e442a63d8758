"""What a course's teams spent, for the instructor's page and its CSV."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TextIO

from django.db.models import QuerySet, Sum
from django.utils import timezone

from teams.models import BudgetAccount, Course, LedgerEntry, LedgerSum, Method, Team, User

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
]
LONGEST_ID = 19  # digits; databases hold no longer one
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
    return _costs(BudgetAccount.objects.filter(team=team))[0]


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


GROUPS = (LedgerSum.Field.METHOD, LedgerSum.Field.MODEL, LedgerSum.Field.PERSON, LedgerSum.Field.DAY)


def grouped(course: Course, field: str) -> list[dict[str, Any]]:
    """Rows {value, group, cost, would, entries} of the course's ledger by one of GROUPS, dearest first; days in order.

    `value` is what `entries_of` takes, `group` what a person reads.
    """
    sums = LedgerSum.objects.filter(account__team__course=course, field=field).values("group")
    totals = sums.annotate(cost=Sum("cost"), would=Sum("would_have_cost"), entries=Sum("entries"))
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
            row["group"] = Method(row["group"]).label
    return rows


def entries_of(course: Course, field: str, value: str) -> QuerySet[LedgerEntry]:
    """The course's entries behind one row of `grouped`, newest first. Raises ValueError for a value that cannot be one."""
    rows = LedgerEntry.objects.filter(account__team__course=course).select_related("account__team", "person")
    if field == LedgerSum.Field.DAY:
        return rows.filter(at__date=date.fromisoformat(value))
    if field == LedgerSum.Field.PERSON:
        if value and not (value.isdecimal() and len(value) < LONGEST_ID):
            raise ValueError(f"{value[:40]!r} is no person's id")
        return rows.filter(person=int(value)) if value else rows.filter(person=None)
    return rows.filter(**{field: value})


def forecast(course: Course) -> int | None:
    """Micro-dollars spent by the last day if the pace since the first day stays; None where the dates do not allow it."""
    today = timezone.localdate()
    if not course.starts_on or not course.ends_on or not course.starts_on < today <= course.ends_on:
        return None
    spent = BudgetAccount.objects.filter(team__course=course).aggregate(sum=Sum("spent"))["sum"] or 0
    return int(spent * ((course.ends_on - course.starts_on).days + 1) // ((today - course.starts_on).days + 1))


def segments(row: TeamCosts) -> Iterator[tuple[str, str, float, float]]:
    """(class, label, start %, width %) of each method's part in the team's limit, for one bar."""
    start = 0.0
    for name, label in [*Method.choices, ("chat", "Chat")]:
        width = 100 * row.by_method.get(name, 0) / row.limit if row.limit else 0.0
        if width:
            yield name, label, start, min(width, 100 - start)
            start = min(100.0, start + width)


def safe_cell(value: object) -> str:
    """A spreadsheet must not run what a team called itself."""
    text = str(value)
    return "'" + text if text.startswith(FORMULA_STARTS) and not isinstance(value, int | float) else text


def write_ledger_csv(course: Course, out: TextIO) -> None:
    """Every ledger entry of the course, oldest first; money in dollars with six decimals."""
    writer = csv.writer(out)
    writer.writerow(LEDGER_COLUMNS)
    entries = (
        LedgerEntry.objects.filter(account__team__course=course)
        .select_related("account__team", "person")
        .order_by("id")
    )
    for entry in entries.iterator(2000):
        would = "" if entry.would_have_cost is None else f"{entry.would_have_cost / 1e6:.6f}"
        values = [
            entry.at.isoformat(),
            entry.account.team.name,
            entry.person or "",
            entry.subject_kind,
            entry.subject_id,
        ]
        values += [entry.method, entry.provider, entry.model]
        counts = [entry.input_tokens, entry.cached_input_tokens, entry.output_tokens, entry.training_tokens]
        writer.writerow(
            [safe_cell(value) for value in values]
            + [f"{entry.delta / 1e6:.6f}", would, "yes" if entry.rehearsal else "no", *counts]
            + [f"{entry.compute_seconds:.1f}", entry.confidence, safe_cell(entry.price_note)]
        )
