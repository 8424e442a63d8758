"""What a person should know, and what an instructor tells everyone."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from teams.access import Access, SignedInRequest, course_view, signed_in_view
from teams.forms import AnnouncementForm, MailChoiceForm
from teams.impersonation import SESSION_KEY
from teams.models import Course, MailChoice, NoticeKind
from teams.services import notices


@signed_in_view
@require_http_methods(["GET", "POST"])
def notice_list(request: SignedInRequest) -> HttpResponse:
    """My newest notices, and which of them I want by e-mail."""
    form = MailChoiceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        notices.choose_mail(person=request.user, wanted=set(form.cleaned_data["wanted"]))
        messages.success(request, "Saved.")
        return redirect("notice_list")
    unwanted = set(MailChoice.objects.filter(person=request.user, wanted=False).values_list("kind", flat=True))
    wanted = [kind for kind in NoticeKind.values if kind not in unwanted]
    mine = list(request.user.notices.select_related("course")[:100])
    if SESSION_KEY not in request.session:
        notices.read_all(person=request.user)
    context = {"notices": mine, "form": MailChoiceForm(initial={"wanted": wanted})}
    return render(request, "teams/notice_list.html", context)


@course_view(Access.STUDENT)
def course_notices(request: SignedInRequest, course: Course) -> HttpResponse:
    """Announcements of the course; instructors write them here."""
    context = {"announcements": course.announcements.select_related("author")[:50], "form": AnnouncementForm()}
    return render(request, "teams/course_notices.html", {**context, "section": "notices"})


@course_view(Access.INSTRUCTOR)
@require_POST
def announcement_new(request: SignedInRequest, course: Course) -> HttpResponse:
    form = AnnouncementForm(request.POST)
    if form.is_valid():
        notices.announce(course=course, author=request.user, text=form.cleaned_data["text"])
        messages.success(request, "Everyone in the course has been told.")
    else:
        messages.error(request, "An announcement has 1 to 2,000 characters.")
    return redirect("course_notices", course_id=course.pk)
