from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasets.forms import NewDatasetForm, UploadForm
from datasets.models import Dataset, DatasetVersion, Import, ImportStatus
from datasets.services import drafts, imports, intake, machine_rows, samples, versions
from teams.access import Access, SignedInRequest, team_view
from teams.body_limits import takes_file
from teams.models import Team
from teams.services import disk


@team_view(Access.MEMBER)
@require_GET
def dataset_list(request: HttpRequest, team: Team) -> HttpResponse:
    context = {
        "section": "datasets",
        "team": team,
        "datasets": Dataset.objects.for_team(team).with_newest(),
        "imports": Import.objects.for_team(team).open(),
        "samples": samples.available(),
        "disk": disk.of_team(team),
    }
    return render(request, "datasets/dataset_list.html", context)


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
@takes_file("DATASET_MAX_BYTES")
def dataset_new(request: SignedInRequest, team: Team) -> HttpResponse:
    form = (
        NewDatasetForm(request.POST, request.FILES)
        if request.method == "POST"
        else NewDatasetForm()
    )
    if form.is_bound and form.is_valid():
        name = versions.free_name(team, form.chosen_name)
        try:
            made = imports.import_file(
                team=team, dataset=None, name=name, file=form.upload, person=request.user
            )
            return after_check(request, made)
        except (imports.NotReady, disk.DiskFull) as refusal:
            form.add_error(None, str(refusal))
    context = {"form": form, "samples": samples.available()}
    return upload_page(request, team, context)


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
@takes_file("DATASET_MAX_BYTES")
def dataset_upload(request: SignedInRequest, team: Team, dataset_id: int) -> HttpResponse:
    """The next version of a dataset from a file."""
    dataset = get_object_or_404(Dataset.objects.for_team(team), pk=dataset_id)
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_bound and form.is_valid():
        try:
            made = imports.import_file(
                team=team,
                dataset=dataset,
                name=dataset.name,
                file=form.upload,
                person=request.user,
            )
            return after_check(request, made)
        except (imports.NotReady, disk.DiskFull) as refusal:
            form.add_error(None, str(refusal))
    return upload_page(request, team, {"form": form, "dataset": dataset})


EXAMPLES = {
    "dialogue": '{"dialogue": [{"role": "teacher", "content": "What is 8 + 7?"}, '
    '{"role": "student", "content": "Um… I count up. 15!"}]}',
    "messages": '{"messages": [{"role": "system", "content": "You are a second-grade student."}, '
    '{"role": "user", "content": "What is 8 + 7?"}, {"role": "assistant", "content": "Um… I count up. 15!"}]}',
    "instruction": '{"instruction": "What is 8 + 7?", "output": "Um… I count up. 15!"}',
}
"""One row of each of the three shapes, on one line as in a file."""


def upload_page(request: HttpRequest, team: Team, context: dict[str, Any]) -> HttpResponse:
    form: UploadForm = context["form"]
    status = 422 if form.is_bound and form.errors else 200
    everything = {
        "section": "datasets",
        "team": team,
        "limits": intake.limits(),
        "examples": EXAMPLES,
        **context,
    }
    return render(request, "datasets/dataset_new.html", everything, status=status)


def _told_of(version: DatasetVersion) -> str:
    """That every row could be read, and nothing that the privacy check may contradict."""
    told = f"All {version.row_count:,} rows could be read: this is version {version.number}."
    if version.row_count == 1:
        told = f"The row could be read: this is version {version.number}."
    found = version.open_privacy_findings
    if found:
        told += f" The search for personal data has {found:,} finding{'' if found == 1 else 's'}: see Privacy."
    return told


def after_check(request: HttpRequest, import_: Import) -> HttpResponse:
    """Where a person goes when their file was taken: to the version it became, or to the report."""
    version = import_.version
    if import_.status == ImportStatus.ACCEPTED and version is not None:
        messages.success(request, _told_of(version))
        return redirect("version_detail", import_.team_id, version.dataset_id, version.number)
    if import_.status == ImportStatus.DISCARDED and version is not None:
        messages.info(
            request,
            f"Nothing changed: these are the rows of version {version.number}. No version was made.",
        )
        return redirect("version_detail", import_.team_id, version.dataset_id, version.number)
    return redirect("import_detail", import_.team_id, import_.key)


@team_view(Access.MEMBER)
@require_GET
def dataset_detail(request: HttpRequest, team: Team, dataset_id: int) -> HttpResponse:
    dataset = get_object_or_404(Dataset.objects.for_team(team), pk=dataset_id)
    found = list(DatasetVersion.objects.for_team(team).filter(dataset=dataset).without_report())
    shares = machine_rows.shares_of(version.pk for version in found)
    context = {
        "section": "datasets",
        "team": team,
        "dataset": dataset,
        "versions": found,
        "listed": [(version, shares.get(version.pk)) for version in found],
        "imports": Import.objects.for_team(team).open().filter(dataset=dataset),
        "draft": drafts.draft_of(dataset),
    }
    return render(request, "datasets/dataset_detail.html", context)


@team_view(Access.MEMBER_DELETES)
@require_POST
def dataset_delete(request: SignedInRequest, team: Team, dataset_id: int) -> HttpResponse:
    dataset = get_object_or_404(Dataset.objects.for_team(team), pk=dataset_id)
    try:
        versions.delete_dataset(dataset=dataset, person=request.user)
    except versions.VersionInUse as refusal:
        messages.error(request, str(refusal))
        return redirect("dataset_detail", team.pk, dataset.pk)
    messages.success(request, f"{dataset.name} was deleted.")
    return redirect("dataset_list", team.pk)


@team_view(Access.MEMBER)
@require_POST
def dataset_sample(request: SignedInRequest, team: Team, name: str) -> HttpResponse:
    """A dataset that comes with the platform, imported like any other file."""
    sample = samples.find(name)
    if sample is None:
        messages.error(request, "There is no such sample.")
        return redirect("dataset_list", team.pk)
    title = versions.free_name(team, sample.title)
    try:
        made = imports.import_file(
            team=team, dataset=None, name=title, file=sample.as_upload(), person=request.user
        )
    except imports.NotReady as refusal:
        messages.error(request, str(refusal))
        return redirect("dataset_list", team.pk)
    return after_check(request, made)
