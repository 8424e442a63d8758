from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from datasets.forms import JustificationForm
from datasets.services import privacy, rework, versions
from datasets.views.versions import find_version, frame, position, whole_number
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team

PAGE = 50


@team_view(Access.MEMBER)
@require_GET
def version_privacy(
    request: HttpRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    findings: list[dict[str, Any]] = version.report.get("privacy", [])
    start = position(request)
    context = frame(team, version, "privacy") | {
        "refusal": privacy.cloud_refusal(version),
        "findings": privacy.shown(version, start, start + PAGE),
        "looked_by_model": version.looked_by_model,
        "kept": len(findings),
        "found": version.report.get("privacy_found", len(findings)),
        "previous": max(0, start - PAGE) if start else None,
        "next": start + PAGE if start + PAGE < len(findings) else None,
        "form": JustificationForm(initial={"reason": version.privacy_justification}),
    }
    return render(request, "datasets/version_privacy.html", context)


@team_view(Access.MEMBER)
@require_POST
def privacy_justify(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    try:
        privacy.justify(
            version=version, person=request.user, reason=request.POST.get("reason", "")
        )
    except ValueError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request,
            "Your reason is kept with the version. Its rows may go to a cloud provider now.",
        )
    return redirect("version_privacy", team.pk, dataset_id, number)


@team_view(Access.MEMBER)
@require_POST
def finding_justify(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    """One finding found harmless, with a reason; or (`reopen`) the reason taken back."""
    version = find_version(team, dataset_id, number)
    place, text = whole_number(request.POST.get("place", "")), request.POST.get("text", "")
    try:
        if "reopen" in request.POST:
            privacy.reopen_finding(version=version, place=place, text=text, person=request.user)
        else:
            reason = request.POST.get("reason", "")
            privacy.justify_finding(
                version=version, place=place, text=text, person=request.user, reason=reason
            )
    except (ValueError, privacy.FindingGone) as refusal:
        messages.error(request, str(refusal))
    page = reverse("version_privacy", args=[team.pk, dataset_id, number])
    return redirect(f"{page}?from={place - place % PAGE}#finding-{place}")


@team_view(Access.MEMBER)
@require_POST
def privacy_pseudonyms(
    request: SignedInRequest, team: Team, dataset_id: int, number: int
) -> HttpResponse:
    version = find_version(team, dataset_id, number)
    try:
        made = rework.make(version=version, person=request.user, work="pseudonyms")
    except versions.NothingChanged:
        messages.info(
            request,
            "There was nothing to replace. Health and family have no stand-in: rewrite those rows yourselves.",
        )
        return redirect("version_privacy", team.pk, dataset_id, number)
    except (rework.QueueAway, privacy.TryAgain) as away:
        messages.error(request, str(away))
        return redirect("version_privacy", team.pk, dataset_id, number)
    if made is None:
        messages.info(request, rework.UNDER_WAY)
        return redirect("version_privacy", team.pk, dataset_id, number)
    replaced = max(0, version.open_privacy_findings - made.open_privacy_findings)
    left = made.open_privacy_findings
    rest = (
        f" {left} finding{'' if left == 1 else 's'} stay: look at its privacy page."
        if left
        else ""
    )
    messages.success(
        request,
        f"Version {made.number} has stand-ins for {replaced} finding{'' if replaced == 1 else 's'}.{rest}",
    )
    return redirect("version_detail", team.pk, dataset_id, made.number)
