"""A team's pairs of answers: how many there are from where, and into which dataset they go."""

from collections import Counter

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from datasets.services import pairs as pair_rows
from evaluation.pair_forms import PairsForm
from evaluation.services import preference_pairs
from evaluation.services.preference_pairs import PairsRefused
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from teams.services.disk import DiskFull

SHOWN = 100


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def pair_list(request: SignedInRequest, team: Team) -> HttpResponse:
    datasets = preference_pairs.open_datasets(team)
    form = PairsForm(request.POST if request.method == "POST" else None, datasets=datasets)
    if request.method == "POST" and form.is_valid():
        try:
            version = preference_pairs.make_version(
                team=team,
                person=request.user,
                dataset=form.dataset,
                name=form.cleaned_data["name"],
            )
        except (PairsRefused, DiskFull) as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"{version}: {version.note}")
            return redirect(f"{reverse('run_new', args=[team.pk, 'dpo'])}?version={version.pk}")
    found = preference_pairs.collect(team)
    counted = Counter(pair.source for pair in found)
    context = {
        "section": "runs",
        "team": team,
        "form": form,
        "total": len(found),
        "sources": [(pair_rows.WORDS[source], counted[source]) for source in pair_rows.WORDS],
        "waiting": [(one, len(preference_pairs.missing_in(one, found))) for one in datasets],
        "pairs": preference_pairs.collect(team, seen_by=request.user)[:SHOWN],
    }
    return render(
        request, "evaluation/pair_list.html", context, status=422 if form.errors else 200
    )
