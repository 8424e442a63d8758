"""A team's money as the team sees it: its own entries as they are, what graders caused by day and from the day after.

A grader's questions are charged to the team whose bot answers. Shown at once, an entry, a sum or the number of another
entry would tell the minute in which a professor grades; her name stands on the entry itself.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Q, QuerySet, Subquery, Sum
from django.db.models.functions import TruncDate

from teams.days import start_of_today
from teams.models import BudgetAccount, Hold, HoldState, LedgerEntry, Membership, Role, Team
from teams.services.money import GRADING


@dataclass(frozen=True)
class Figures:
    """Micro-dollars, as far as the team is told today. `really_left` is what it can hold, and is not shown."""

    limit: int
    spent: int
    held: int
    really_left: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.spent - self.held)


@dataclass(frozen=True)
class GradingDay:
    """What all graders' interviews of one day cost together, in micro-dollars."""

    day: date
    cost: int
    would_have_cost: int


def _by_graders(team: Team) -> Q:
    """Marked as a grader's when it was settled; or by a professor, in a ledger from before there was such a mark."""
    professors = Membership.objects.filter(course=team.course_id, role=Role.PROFESSOR)
    asked = Q(subject_kind=GRADING) | Q(person__in=professors.values("person"))
    theirs = LedgerEntry.objects.filter(asked, account__team=team)
    return asked | Q(corrects__in=theirs.values("pk"))


def own_entries(team: Team) -> QuerySet[LedgerEntry]:
    """What the team's people caused, newest first."""
    return LedgerEntry.objects.filter(account__team=team).exclude(_by_graders(team))


def grading_days(team: Team) -> list[GradingDay]:
    """The days before today on which graders interviewed the team's bots, newest first."""
    entries = LedgerEntry.objects.filter(
        _by_graders(team), account__team=team, at__lt=start_of_today(team.course)
    )
    days = entries.order_by().annotate(day=TruncDate("at")).values("day")
    summed = days.annotate(cost=Sum("delta"), would=Sum("would_have_cost")).order_by("-day")
    return [GradingDay(row["day"], row["cost"], row["would"] or 0) for row in summed]


@dataclass(frozen=True)
class Untold:
    """What the team is not told before tomorrow, in micro-dollars."""

    spent: int
    would_have_cost: int
    held: int


def untold(team: Team) -> Untold:
    return _untold(_account(team))


def figures(team: Team) -> Figures:
    account = _account(team)
    hidden = _untold(account)
    return Figures(
        account.limit, account.spent - hidden.spent, account.held - hidden.held, account.left
    )


def _account(team: Team) -> BudgetAccount:
    """With today's sums of graders, in one query."""
    today = LedgerEntry.objects.filter(
        _by_graders(team), account__team=team, at__gte=start_of_today(team.course)
    )
    holds = Hold.objects.filter(account__team=team, state=HoldState.OPEN, subject_kind=GRADING)
    accounts = BudgetAccount.objects.annotate(
        untold_spent=_sum_of(today, "delta"),
        untold_would=_sum_of(today, "would_have_cost"),
        untold_held=_sum_of(holds, "amount"),
    )
    return accounts.get(team=team)


def _sum_of(rows: QuerySet[LedgerEntry] | QuerySet[Hold], name: str) -> Subquery:
    summed = rows.order_by().values("account").annotate(sum=Sum(name))
    return Subquery(summed.values("sum"))


def _untold(account: Any) -> Untold:
    """`account` as `_account` annotates it."""
    return Untold(account.untold_spent or 0, account.untold_would or 0, account.untold_held or 0)
