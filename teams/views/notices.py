"""What a person should know, and what an instructor tells everyone."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from teams.access import Access, SignedInRequest, course_view, signed_in_view
from teams.forms import AnnouncementForm, NoticeChoiceForm
from teams.impersonation import SESSION_KEY
from teams.models import Course
from teams.services import notices


@signed_in_view
@require_http_methods(["GET", "POST"])
def notice_list(request: SignedInRequest) -> HttpResponse:
    """My newest notices, and where I want which. Looking reads them, but not through somebody else's eyes."""
    form = NoticeChoiceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        notices.choose(
            person=request.user,
            **{name: set(kinds) for name, kinds in form.cleaned_data.items()},
        )
        messages.success(request, "Saved.")
        return redirect("notice_list")
    in_app, by_mail = notices.chosen(person=request.user)
    mine = list(request.user.notices.select_related("course")[:100])
    if SESSION_KEY not in request.session:
        notices.read_all(person=request.user)
    page = "teams/notice_list.html#notices" if request.htmx else "teams/notice_list.html"
    form = NoticeChoiceForm(initial={"in_app": in_app, "by_mail": by_mail})
    return render(request, page, {"notices": mine, "form": form})


@signed_in_view
@require_GET
def notice_bell(request: SignedInRequest) -> HttpResponse:
    """The bar's counter, asked for by every open page: 204 while nothing is new since the page's `seen`."""
    bell = notices.bell(person=request.user)
    if request.GET.get("seen") == bell.mark:
        return HttpResponse(status=204)
    answer = render(request, "components/notice_bell.html", {"notice_bell": bell})
    return trigger_client_event(answer, "notices") if bell.unread else answer


@course_view(Access.STUDENT)
def course_notices(request: SignedInRequest, course: Course) -> HttpResponse:
    """Announcements of the course; instructors write them here."""
    context = {
        "announcements": course.announcements.select_related("author")[:50],
        "form": AnnouncementForm(),
    }
    return render(request, "teams/course_notices.html", {**context, "section": "notices"})


@course_view(Access.ASSISTANT)
@require_POST
def announcement_new(request: SignedInRequest, course: Course) -> HttpResponse:
    form = AnnouncementForm(request.POST)
    if not form.is_valid():
        messages.error(request, "An announcement has 1 to 2,000 characters.")
        return redirect("course_notices", course_id=course.pk)
    try:
        notices.announce(course=course, author=request.user, text=form.cleaned_data["text"])
        messages.success(request, "Everyone in the course has been told.")
    except notices.AnnouncedAlready as error:
        messages.warning(request, str(error))
    return redirect("course_notices", course_id=course.pk)
