"""Taking one row out of everything that a team keeps."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from courseplatform import erasing_rows
from datasets.models import DatasetVersion
from datasets.services.erasing import TryAgain
from datasets.services.reading import row_at
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team


@team_view(Access.MEMBER_DELETES)
@require_http_methods(["GET", "POST"])
def row_erase(
    request: SignedInRequest, team: Team, dataset_id: int, number: int, position: int
) -> HttpResponse:
    """What will go, and why; then it goes. The row is named by its id, so that nothing else is hit where places moved."""
    version = get_object_or_404(
        DatasetVersion.objects.for_team(team), dataset_id=dataset_id, number=number
    )
    row = row_at(version, position)
    if row is None:
        raise Http404("No such row.")
    refusal = ""
    if request.method == "POST":
        if request.POST.get("row_id") != row.id:
            refusal = "Rows have moved since this page was shown. This is the row that stands here now."
        else:
            try:
                done = erasing_rows.begin(
                    version=version,
                    row_id=row.id,
                    person=request.user,
                    reason=request.POST.get("reason", ""),
                )
            except (erasing_rows.ErasureRefused, TryAgain) as refused:
                refusal = str(refused)
            else:
                if done is None:
                    messages.info(request, erasing_rows.UNDER_WAY)
                else:
                    found, runs = done
                    numbers = [run.number for run in runs]
                    messages.success(
                        request, _told(team, len(found.versions), found.uploads, numbers)
                    )
                return redirect("version_detail", team.pk, dataset_id, number)
    context = {
        "section": "datasets",
        "team": team,
        "version": version,
        "row": row,
        "position": position,
        "refusal": refusal,
    }
    return render(request, "datasets/row_erase.html", context, status=422 if refusal else 200)


def _told(team: Team, versions: int, uploads: int, runs: list[int]) -> SafeString:
    told = f"The row is gone from {versions} version{'' if versions == 1 else 's'}"
    told += f" and {uploads} uploaded file{'' if uploads == 1 else 's'}." if uploads else "."
    if not runs:
        return format_html("{}", told)
    links = [(reverse("run_delete", args=[team.pk, number]), number) for number in runs[:10]]
    named = format_html_join(", ", '<a href="{}">run {}</a>', links)
    more = "…" if len(runs) > 10 else ""
    said = "{} Bots keep what they learnt from it. Where that matters, train again, and delete {}{}."
    return format_html(said, told, named, more)
