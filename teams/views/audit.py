"""Who changed what in this course."""

import csv
import io

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from teams.access import Access, SignedInRequest, course_view
from teams.models import Course
from teams.services.costs import safe_cell
from teams.templatetags.units import in_words


@course_view(Access.ASSISTANT)
def course_audit(request: SignedInRequest, course: Course) -> HttpResponse:
    entries = course.audit_entries.select_related("person", "team")
    page = Paginator(entries, 50).get_page(request.GET.get("page"))
    return render(request, "teams/course_audit.html", {"page": page, "section": "course"})


@course_view(Access.ASSISTANT)
def course_audit_csv(request: SignedInRequest, course: Course) -> HttpResponse:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["time", "person", "action", "what", "team", "before", "after", "imported"])
    for entry in (
        course.audit_entries.select_related("person", "team").order_by("id").iterator(2000)
    ):
        values = [
            entry.person or "",
            entry.action,
            entry.what,
            entry.team or "",
            in_words(entry.before),
            in_words(entry.after),
            "imported" if entry.imported else "",
        ]
        writer.writerow(
            [timezone.localtime(entry.at).isoformat(), *(safe_cell(value) for value in values)]
        )
    headers = {"Content-Disposition": f'attachment; filename="audit-{course.pk}.csv"'}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
