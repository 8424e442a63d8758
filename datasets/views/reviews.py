"""Review by teachers. Course views show rows under a code: no team, no person, no file name, no dataset name."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from datasets.models import DatasetVersion, Review
from datasets.services import reviews
from datasets.services.blocks import StoredRow
from datasets.services.reviews import BlindReview
from datasets.views.versions import find_version, frame, position
from teams.access import Access, SignedInRequest, course_view, team_view
from teams.models import Course, Team

PAGE = 20


def _paged(request: SignedInRequest, version: DatasetVersion) -> dict[str, Any]:
    start = min(max(position(request), position(request, "row") - 1), version.row_count - 1)
    return {
        "items": reviews.reviewed(version, request.user, start, start + PAGE),
        "previous": max(0, start - PAGE) if start else None,
        "next": start + PAGE if start + PAGE < version.row_count else None,
    }


def _row(request: HttpRequest, version: DatasetVersion, row_id: str) -> tuple[StoredRow, int]:
    given = request.POST.get("position", "")
    place = int(given) if given.isdecimal() and len(given) < 10 else 0
    try:
        return reviews.find_row(version, row_id, place), place
    except reviews.NoSuchRow:
        raise Http404("No such row.") from None


@course_view(Access.PROFESSOR)
@require_GET
def review_list(request: SignedInRequest, course: Course) -> HttpResponse:
    found = reviews.open_for(course, request.user)
    return render(
        request,
        "datasets/review_list.html",
        {"section": "review", "course": course, "reviews": found},
    )


def find_review(request: SignedInRequest, course: Course, code: UUID) -> BlindReview:
    """By the code that this reader knows it by, or 404."""
    for one in reviews.open_for(course, request.user):
        if one.code == code:
            return one
    raise Http404("No such review.")


@course_view(Access.PROFESSOR)
@require_GET
def review_detail(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    blind = find_review(request, course, code)
    context = {"section": "review", "course": course, "blind": blind} | _paged(
        request, blind.review.version
    )
    return render(request, "datasets/review_detail.html", context)


@course_view(Access.PROFESSOR)
@require_POST
def review_comment(
    request: SignedInRequest, course: Course, code: UUID, row_id: str
) -> HttpResponse:
    blind = find_review(request, course, code)
    version = blind.review.version
    row, place = _row(request, version, row_id)
    try:
        reviews.comment(
            version=version,
            row=row,
            person=request.user,
            text=request.POST.get("text", ""),
            by_reviewer=True,
        )
    except ValueError as refusal:
        messages.error(request, str(refusal))
    return _reviewed(request, course, blind, place)


@course_view(Access.PROFESSOR)
@require_POST
def review_approve(
    request: SignedInRequest, course: Course, code: UUID, row_id: str
) -> HttpResponse:
    blind = find_review(request, course, code)
    version = blind.review.version
    row, place = _row(request, version, row_id)
    wanted = request.POST.get("approved") == "yes"
    reviews.approve(version=version, row=row, person=request.user, approved=wanted)
    return _reviewed(request, course, blind, place)


def _reviewed(
    request: SignedInRequest, course: Course, blind: BlindReview, place: int
) -> HttpResponse:
    """The row again: in place where htmx asks, else the page at that row."""
    if not request.htmx:
        return redirect(f"/courses/{course.pk}/review/{blind.code}/?row={place + 1}")
    item = reviews.reviewed(blind.review.version, request.user, place, place + 1)[0]
    return render(
        request,
        "datasets/review_detail.html#row",
        {"course": course, "blind": blind, "item": item},
    )


@team_view(Access.MEMBER)
@require_GET
def version_review(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    """What teachers said, for the team."""
    version = find_version(team, dataset_id, number)
    context = frame(team, version, "review") | _paged(request, version)
    context |= {
        "review": Review.objects.for_team(team).filter(version=version).first(),
        "progress": reviews.progress(version.dataset),
    }
    return render(request, "datasets/version_review.html", context)


@team_view(Access.MEMBER)
@require_POST
def review_ask(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    reviews.ask(version=version, person=request.user)
    messages.success(request, "Your professor sees these rows now, without your names.")
    return redirect("version_review", team.pk, dataset_id, number)


@team_view(Access.MEMBER)
@require_POST
def review_close(request: HttpRequest, team: Team, dataset_id: int, number: int) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    reviews.close(review=get_object_or_404(Review.objects.for_team(team), version=version))
    return redirect("version_review", team.pk, dataset_id, number)


@team_view(Access.MEMBER)
@require_POST
def review_answer(
    request: SignedInRequest, team: Team, dataset_id: int, number: int, row_id: str
) -> HttpResponse:
    """The team's own remark on a row."""
    version = find_version(team, dataset_id, number)
    row, place = _row(request, version, row_id)
    text = request.POST.get("text", "")
    try:
        reviews.comment(
            version=version, row=row, person=request.user, text=text, by_reviewer=False
        )
    except ValueError as refusal:
        messages.error(request, str(refusal))
    return redirect(
        f"/teams/{team.pk}/datasets/{dataset_id}/versions/{number}/review/?row={place + 1}"
    )
