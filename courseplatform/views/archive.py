"""A course as a file: taken along, and made again elsewhere."""

import tempfile

from django.contrib import messages
from django.http import FileResponse, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from courseplatform import archive
from teams.access import Access, SignedInRequest, course_maker_view, course_view
from teams.forms import ArchiveForm
from teams.models import Course
from teams.services import audit


@course_view(Access.INSTRUCTOR)
@require_POST
def course_archive(request: SignedInRequest, course: Course) -> HttpResponse | FileResponse:
    """Everything of the course as a zip. A POST, because it takes a while and is on record."""
    out = tempfile.TemporaryFile()  # noqa: SIM115  (the response closes it)
    try:
        archive.write(course, out)
    except archive.ArchiveRefused as error:
        out.close()
        messages.error(request, str(error))
        return redirect("course_home", course_id=course.pk)
    audit.record(course=course, person=request.user, action="course exported", what=str(course))
    out.seek(0)
    name = f"course-{course.pk}-{timezone.localdate().isoformat()}.zip"
    return FileResponse(out, as_attachment=True, filename=name, content_type="application/zip")


@course_maker_view
@require_http_methods(["GET", "POST"])
def course_import(request: SignedInRequest) -> HttpResponse:
    form = ArchiveForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            course = archive.read(form.cleaned_data["file"], person=request.user)
        except archive.ArchiveRefused as error:
            form.add_error("file", str(error))
        else:
            messages.success(request, f"{course} is here, with its people, data, runs and grades, and new join codes.")
            return redirect("course_home", course_id=course.pk)
    return render(request, "teams/course_import.html", {"form": form}, status=422 if form.errors else 200)
