"""What people are told about their data, what is given to them, and the proof that something is gone."""

import json

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from courseplatform.data_map import ELSEWHERE, PLACES
from teams.access import (
    Access,
    SignedInRequest,
    course_view,
    public_view,
    signed_in_view,
    staff_view,
)
from teams.impersonation import SESSION_KEY
from teams.models import Course, ErasureProof, PersonExport, PersonExportState, PolicyKind
from teams.services import person_exports, policies, proofs, retention_notice
from teams.services.refused import CourseRefused
from teams.services.storage import files
from teams.stored_downloads import stored_file

PAGE = 50


class PolicyForm(forms.Form):
    """`after`: the version that was shown, so that nobody's change goes unseen."""

    text = forms.CharField(
        label="The notice",
        max_length=policies.MOST_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 16}),
        help_text="An empty line begins a new paragraph.",
    )
    after = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


@public_view
@require_GET
def privacy(request: HttpRequest) -> HttpResponse:
    """The platform's notices, for anybody, before they join too."""
    return render(request, "privacy/notices.html", {"notices": policies.shown(None)})


@signed_in_view
@require_GET
def data_map(request: SignedInRequest) -> HttpResponse:
    """What is stored where, how long, and who sees it."""
    places = list(dict.fromkeys(PLACES.values()))
    return render(request, "privacy/data_map.html", {"places": [*places, *ELSEWHERE]})


@course_view(Access.READER)
@require_GET
def course_privacy(request: SignedInRequest, course: Course) -> HttpResponse:
    context = {"notices": policies.shown(course), "due_on": retention_notice.due_on(course)}
    return render(request, "privacy/notices.html", context)


@staff_view
@require_http_methods(["GET", "POST"])
def policy_edit(request: SignedInRequest, kind: str) -> HttpResponse:
    return _edit(request, None, kind)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_policy_edit(request: SignedInRequest, course: Course, kind: str) -> HttpResponse:
    return _edit(request, course, kind)


def _edit(request: SignedInRequest, course: Course | None, name: str) -> HttpResponse:
    if name not in PolicyKind.values:
        raise Http404("No such notice.")
    kind = PolicyKind(name)
    earlier = policies.history(course, kind)
    now = next(one for one in policies.shown(course) if one.kind == kind)
    initial = {"text": now.text, "after": earlier[0].number if earlier else 0}
    form = PolicyForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            made = policies.save(
                course=course, kind=kind, person=request.user, **form.cleaned_data
            )
        except CourseRefused as error:
            form.add_error(None, str(error))
            form.data = {**form.data.dict(), "after": str(initial["after"])}  # type: ignore[attr-defined]
        else:
            messages.success(
                request, f"Saved as version {made.number}. Earlier versions are kept."
            )
            return redirect("course_privacy", course.pk) if course else redirect("privacy")
    context = {"form": form, "kind": kind, "earlier": earlier}
    return render(
        request, "privacy/notice_edit.html", context, status=422 if form.errors else 200
    )


@signed_in_view
@never_cache
@require_http_methods(["GET", "POST"])
def own_data(request: SignedInRequest) -> HttpResponse:
    """One's own data as a file: ask for it, see how far it is, download it."""
    if request.method == "POST":
        person_exports.ask(request.user)
        return redirect("own_data")
    export = PersonExport.objects.filter(person=request.user).first()
    return render(request, "privacy/own_data.html", {"export": export})


@signed_in_view
@never_cache
@require_GET
def own_data_file(request: SignedInRequest) -> HttpResponseBase:
    """The file, from wherever it is kept. Raises CannotGive where the storage is away or lost it.

    For nobody else: staff who look through her eyes see her pages, and take no copy of all that is kept of her.
    """
    if SESSION_KEY in request.session:
        return render(request, "teams/impersonate_refused.html", status=403)
    export = PersonExport.objects.filter(
        person=request.user, state=PersonExportState.READY
    ).first()
    if export is None or files.found(export.place, export.file_name) is None:
        messages.warning(request, "There is no file now. Ask for it once more.")
        return redirect("own_data")
    return stored_file(export.place, export.file_name, "my-data.zip", "application/zip")


@course_view(Access.INSTRUCTOR)
@require_GET
def course_erasures(request: SignedInRequest, course: Course) -> HttpResponse:
    return _erasures(request, course)


@staff_view
@require_GET
def platform_erasures(request: SignedInRequest) -> HttpResponse:
    return _erasures(request, None)


def _erasures(request: SignedInRequest, course: Course | None) -> HttpResponse:
    """Newest first; or those about the address or row that was typed. As JSON where it is asked for."""
    wanted = request.GET.get("q", "").strip()[:300]
    rows = (
        proofs.about(wanted) if wanted else ErasureProof.objects.select_related("course", "by")
    )
    if course is not None:
        rows = rows.filter(course=course)
    if request.GET.get("as") == "json":
        told = [_told(one) for one in rows[:1000]]
        response = HttpResponse(json.dumps(told, indent=1), content_type="application/json")
        response["Content-Disposition"] = 'attachment; filename="erasures.json"'
        return response
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "privacy/erasures.html", {"page": page, "q": wanted})


def _told(proof: ErasureProof) -> dict[str, object]:
    return {
        "what": proof.what,
        "subject": proof.subject,
        "database": proof.database,
        "files": proof.files,
        "storage asked afterwards, nothing left": proof.destroyed_at
        and proof.destroyed_at.isoformat(),
        "places still to be destroyed": len(proof.to_destroy),
        "provider": proof.provider,
        "at": proof.made_at.isoformat(),
        "no backup holds it from": proof.backups_until.isoformat(),
    }
