from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasets.forms import JustificationForm, SourceForm
from datasets.models import Dataset, SourceRecord
from datasets.services import privacy, rework, sources, versions
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


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def dataset_source(request: SignedInRequest, team: Team, dataset_id: int) -> HttpResponse:
    """Where the rows are from, and which consent allows children's words in them."""
    dataset = get_object_or_404(Dataset.objects.for_team(team), pk=dataset_id)
    record = SourceRecord.objects.filter(dataset=dataset).select_related("recorded_by").first()
    initial = {name: getattr(record, name) for name in sources.FIELDS} if record else None
    form = SourceForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        saved = sources.record(dataset=dataset, person=request.user, **form.cleaned_data)
        if saved.missing:
            messages.warning(
                request,
                f"Saved. Still missing before these rows may be used: {', '.join(saved.missing)}.",
            )
        else:
            messages.success(request, "Saved.")
        return redirect("dataset_source", team.pk, dataset.pk)
    newest = dataset.versions.order_by("-number").first()
    context = {
        "team": team,
        "dataset": dataset,
        "record": record,
        "form": form,
        "refusal": sources.refusal(newest) if newest else None,
        "section": "datasets",
    }
    status = 422 if form.errors else 200
    return render(request, "datasets/dataset_source.html", context, status=status)
