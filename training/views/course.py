"""What the instructor sets for the training of all teams of a course."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from teams.access import Access, SignedInRequest, course_view
from teams.models import Course
from training.forms import PolicyForm
from training.services.policy import change_policy, policy_of


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_training(request: SignedInRequest, course: Course) -> HttpResponse:
    policy = policy_of(course)
    form = PolicyForm(request.POST or None, instance=policy)
    if request.method == "POST" and form.is_valid():
        change_policy(course=course, person=request.user, team_runs_at_once=form.cleaned_data["team_runs_at_once"])
        messages.success(request, "Kept. It holds from now on; nothing that is at work is stopped.")
        return redirect("course_training", course_id=course.pk)
    context = {"section": "queue", "form": form}
    return render(request, "training/course_training.html", context, status=422 if form.is_bound else 200)
