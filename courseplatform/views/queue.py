"""What runs for whom, what waits, what failed and why."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from courseplatform import worker_status
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course
from teams.services.storage.health import health
from training.services import hosts, reconcile


@course_view(Access.ASSISTANT)
def course_queue(request: SignedInRequest, course: Course) -> HttpResponse:
    workers, trouble = worker_status.workers(course)
    active = worker_status.active_runs(course)
    context = {
        "workers": workers,
        "redis_trouble": trouble,
        "crashing": worker_status.crashing(),
        "servers": worker_status.servers(),
        "active": active,
        "hosts": hosts.states(active),
        "failed": worker_status.failed_runs(course),
        "waits": worker_status.waits(course),
        "disk": worker_status.disk(),
        "storage": health(),
        "section": "queue",
    }
    return render(request, "teams/course_queue.html", context)


@course_view(Access.ASSISTANT)
@require_POST
def queue_wake(request: SignedInRequest, course: Course) -> HttpResponse:
    """The same round that the scheduler makes, now: for runs whose worker or wake-up call was lost."""
    found = reconcile.reconcile()
    touched = len({*found.handed_on, *found.ended, *found.woken, *found.settled, *found.cleaned})
    said = (
        f"{touched} run{'' if touched == 1 else 's'} recovered."
        if touched
        else "No run was stuck."
    )
    messages.success(request, said)
    return redirect("course_queue", course_id=course.pk)
