"""The same course for another term."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from courseplatform import copying
from teams.access import Access, SignedInRequest, course_view
from teams.forms import CopyCourseForm
from teams.models import Course


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_copy(request: SignedInRequest, course: Course) -> HttpResponse:
    form = CopyCourseForm(request.POST or None, initial={"name": course.name})
    if request.method == "POST" and form.is_valid():
        made = copying.copy_course(course=course, person=request.user, **form.cleaned_data)
        messages.success(
            request, f"{made} is ready: nobody is in it but you. Give out its new join codes."
        )
        return redirect("course_home", course_id=made.pk)
    context = {"form": form, "section": "course"}
    return render(request, "teams/course_copy.html", context, status=422 if form.errors else 200)
