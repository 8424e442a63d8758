"""Costs beside what they bought: per team with its grade, estimates beside actual costs, each entry with what it paid for."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from courseplatform import value
from teams.access import Access, SignedInRequest, course_view, team_view
from teams.models import (
    BudgetRequest,
    Course,
    CourseAccount,
    LedgerEntry,
    SubjectKind,
    Team,
)
from teams.services import billing, costs, money, providers, team_ledger

NEAR = 0.8  # of its budget: the first alert goes out there


@course_view(Access.ASSISTANT)
def course_costs(request: SignedInRequest, course: Course) -> HttpResponse:
    rows, points, bill = costs.by_team(course), value.points_by_team(course), billing.shown()
    open_requests = BudgetRequest.objects.filter(
        account__team__course=course, state=BudgetRequest.State.OPEN
    )
    requests = list(open_requests.select_related("account__team", "person"))
    context = {
        "rows": [_row(row, points.get(row.team.pk)) for row in rows],
        "graded": bool(points),
        "spent": sum(row.spent for row in rows),
        "held": sum(row.held for row in rows),
        "limit": sum(row.limit for row in rows),
        "would_have_cost": sum(row.would_have_cost for row in rows),
        "beyond": costs.beyond_holds(course),
        "requests": requests,
        "needs": _needs(rows, requests),
        "forecast": costs.forecast(course),
        "whole": CourseAccount.objects.filter(course=course).first(),
        "bill": bill,
        "bill_days": billing.days_of(course, bill),
        "section": "costs",
    }
    return render(request, "teams/course_costs.html", context)


def _needs(rows: list[costs.TeamCosts], requests: list[BudgetRequest]) -> list[str]:
    """One sentence for each team that may need its instructor's decision: who asks, and who has used 80 % or more."""
    asking = {one.account.team_id: one.amount for one in requests}
    sentences = []
    for row in rows:
        is_near = row.share >= NEAR and not row.team.practice
        used = [f"at {100 * (row.spent + row.held) // row.limit} %"] if is_near else []
        wanted = (
            [f"asked for {money.dollars(asking[row.team.pk])} more"]
            if row.team.pk in asking
            else []
        )
        if used or wanted:
            sentences.append(f"{row.team.name} {' and '.join(used + wanted)}")
    return sentences


def _row(row: costs.TeamCosts, points: value.Points | None) -> dict[str, Any]:
    return {
        "costs": row,
        "bar": list(costs.segments(row)),
        "points": points,
        "per_point": points.price(row.spent) if points else None,
    }


@course_view(Access.ASSISTANT)
def course_estimates(request: SignedInRequest, course: Course) -> HttpResponse:
    """Estimate and actual side by side, and by how much they differ."""
    context = {"rows": value.estimates(course), "newest": value.NEWEST, "section": "costs"}
    return render(request, "teams/course_estimates.html", context)


@course_view(Access.ASSISTANT)
def course_ledger_entry(request: SignedInRequest, course: Course, entry_id: int) -> HttpResponse:
    rows = LedgerEntry.objects.filter(account__team__course=course).select_related(
        "account__team", "person", "purpose", "corrects", "correction"
    )
    entry = get_object_or_404(rows, pk=entry_id)
    return _entry_page(request, entry, entry.account.team, "costs")


@team_view(Access.MEMBER)
def team_ledger_entry(request: SignedInRequest, team: Team, key: str) -> HttpResponse:
    """One of the team's own, by its key: numbers would tell how much was charged in between."""
    rows = (
        team_ledger.own_entries(team)
        .exclude(subject_kind=SubjectKind.CORRECTION)
        .select_related("person")
    )
    return _entry_page(request, get_object_or_404(rows, key=key), team, "team")


def _entry_page(
    request: SignedInRequest, entry: LedgerEntry, team: Team, section: str
) -> HttpResponse:
    is_instructor = request.membership.looks_on
    subject = value.subject_of(entry, team, is_instructor=is_instructor)
    context = {
        "entry": entry,
        "spender": team,
        "subject": subject,
        "section": section,
        "provider_names": providers.names(),
    }
    return render(request, "teams/ledger_entry.html", context)
