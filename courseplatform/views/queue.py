"""What runs for whom, what waits, what failed and why."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from courseplatform import fleet
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course
from training.services import reconcile


@course_view(Access.INSTRUCTOR)
def course_queue(request: SignedInRequest, course: Course) -> HttpResponse:
    workers, trouble = fleet.workers(course)
    context = {
        "workers": workers,
        "redis_trouble": trouble,
        "crashing": fleet.crashing(),
        "servers": fleet.servers(),
        "active": fleet.active_runs(course),
        "failed": fleet.failed_runs(course),
        "waits": fleet.waits(course),
        "disk": fleet.disk(),
        "section": "queue",
    }
    return render(request, "teams/course_queue.html", context)


@course_view(Access.INSTRUCTOR)
@require_POST
def queue_wake(request: SignedInRequest, course: Course) -> HttpResponse:
    """The same round that the scheduler makes, now: for runs whose worker or wake-up call was lost."""
    found = reconcile.reconcile()
    touched = len({*found.handed_on, *found.ended, *found.woken, *found.settled, *found.cleaned})
    said = f"{touched} run{'' if touched == 1 else 's'} set right." if touched else "Nothing was stranded."
    messages.success(request, said)
    return redirect("course_queue", course_id=course.pk)
