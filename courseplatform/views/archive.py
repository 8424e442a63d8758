"""A course as a file: taken along, made again elsewhere, and deleted here; and a team that never did anything."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from courseplatform import archive, removing
from courseplatform.demo import removal as demo_course
from courseplatform.demo import state as demo_state
from teams.access import Access, SignedInRequest, course_maker_view, course_view
from teams.body_limits import takes_file
from teams.forms import ArchiveForm, DeleteCourseForm
from teams.models import ArchiveKind, ArchiveStatus, Course
from teams.services import archive_exports, archive_imports, audit
from teams.services.disk import DiskFull
from training.views.bundles import export_page, exported_file


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_archive(request: SignedInRequest, course: Course) -> HttpResponse:
    """Have everything of the course written as a zip (POST), and how far that is."""
    refusal = ""
    if request.method == "POST":
        try:
            archive.refuse_while_busy(course)
            archive_exports.ask(
                course=course, person=request.user, size=archive.estimate(course)
            )
            return redirect("course_archive", course.pk)
        except archive_exports.ExportRefused as refused:
            refusal = str(refused)
    export = archive_exports.newest(course=course)
    context = {"section": "course", "export": export, "refusal": refusal}
    return export_page(request, "teams/course_export.html", context)


@course_view(Access.INSTRUCTOR)
@require_GET
def course_archive_file(request: SignedInRequest, course: Course) -> HttpResponseBase:
    """The file. That it was taken along is on record, with the moment of which it tells."""
    export = archive_exports.newest(course=course)
    when = timezone.localtime(export.alive_at).date().isoformat() if export else ""
    answer = exported_file(export, f"course-{course.pk}-{when}.zip")
    assert export is not None
    after: dict[str, object] = {"of": export.alive_at.isoformat()}
    audit.record(
        course=course,
        person=request.user,
        action=removing.EXPORTED,
        what=str(course),
        after=after,
    )
    return answer


@course_maker_view
@require_http_methods(["GET", "POST"])
@takes_file("COURSE_ARCHIVE_MAX_BYTES")
def course_import(request: SignedInRequest) -> HttpResponse:
    form = ArchiveForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            import_ = archive_imports.receive(
                kind=ArchiveKind.COURSE,
                person=request.user,
                team=None,
                file=form.cleaned_data["file"],
            )
        except (archive_imports.OneAtATime, DiskFull) as refused:
            form.add_error("file", str(refused))
        else:
            return redirect("course_import_detail", import_.key)
    return render(
        request, "teams/course_import.html", {"form": form}, status=422 if form.errors else 200
    )


@course_maker_view
@require_GET
def course_import_detail(request: SignedInRequest, key: UUID) -> HttpResponse:
    """How far the import is; then the course, or why there is none and the form once more."""
    mine = request.user.archive_imports.filter(kind=ArchiveKind.COURSE).select_related("course")
    import_ = get_object_or_404(mine, key=key)
    if import_.status == ArchiveStatus.DONE and import_.course is not None:
        messages.success(
            request,
            f"{import_.course} is here, with its data, runs and grades, and new join codes. Its people are names until you "
            "invite them: see People.",
        )
        address = reverse("course_home", args=[import_.course.pk])
        return (
            HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)
        )
    context = {"import": import_, "form": ArchiveForm()}
    if request.htmx and import_.is_at_work:
        return render(request, "teams/course_import.html#waiting", context)
    page = render(request, "teams/course_import.html", context)
    if request.htmx:
        page["HX-Refresh"] = "true"
    return page


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_delete(request: SignedInRequest, course: Course) -> HttpResponse:
    """For ever, after an export, and only for somebody who writes the course's name."""
    form, name, uploads = (
        DeleteCourseForm(request.POST or None, course=course),
        str(course),
        list[str](),
    )
    if request.method == "POST" and form.is_valid():
        leave = "leave_uploads" in request.POST
        try:
            removing.delete_course(course=course, person=request.user, leave_uploads=leave)
        except removing.RemovalRefused as error:
            uploads = error.files if isinstance(error, removing.UploadsRemain) else []
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{name} is deleted.")
            return redirect("home")
    export = removing.last_export(course)
    context = {
        "form": form,
        "exported_at": removing.moment_of(export) if export else None,
        "uploads": uploads,
        "section": "course",
    }
    return render(
        request, "teams/course_delete.html", context, status=422 if form.errors else 200
    )


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def demo_remove(request: SignedInRequest, course: Course) -> HttpResponse:
    """The demo course with all its files, at one press. What works for it at this moment is stopped first."""
    if demo_state.of_course(course.pk) is None:
        raise Http404("This is not the demo course.")
    refusal = ""
    if request.method == "POST":
        try:
            demo_course.remove(course=course, person=request.user)
        except removing.RemovalRefused as error:
            refusal = str(error)
        else:
            messages.success(
                request,
                "The demo course and its files are gone. Make your own course whenever you like.",
            )
            return redirect("home")
    context = {"refusal": refusal, "section": "course"}
    return render(request, "teams/demo_remove.html", context, status=422 if refusal else 200)


@course_view(Access.DELETES)
@require_POST
def team_remove(request: SignedInRequest, course: Course, edited_id: int) -> HttpResponse:
    team = get_object_or_404(course.teams.select_related("course"), pk=edited_id)
    try:
        removing.remove_team(team=team, person=request.user)
        messages.success(request, f"{team.name} is removed. Its people are still in the course.")
    except removing.RemovalRefused as error:
        messages.error(request, str(error))
        return redirect("team_settings", course_id=course.pk, edited_id=edited_id)
    return redirect("course_home", course_id=course.pk)
