"""For whoever runs the platform: is it ready, what runs where in which version, and which mail did not leave."""

import redis
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from courseplatform.operations import preflight
from teams import presence
from teams.access import SignedInRequest, staff_view
from teams.services import mail
from teams.services.storage import health

MOST_MAILS = 100


@staff_view
@require_http_methods(["GET", "POST"])
def platform_operations(request: SignedInRequest) -> HttpResponse:
    if request.method == "POST":
        return _send_again(request)
    try:
        processes, trouble = presence.processes(), ""
    except redis.exceptions.RedisError:
        processes = []
        trouble = "Redis does not answer, so nobody can say which processes run."
    context = {
        "version": settings.VERSION,
        "lines": preflight.lines(),
        "storage": health.report(),
        "processes": processes,
        "trouble": trouble,
        "undelivered": mail.undelivered_anywhere()[:MOST_MAILS],
        "mail_leaves": mail.leaves_this_machine(),
    }
    return render(request, "courseplatform/operations.html", context)


def _send_again(request: SignedInRequest) -> HttpResponse:
    """One mail, or all."""
    wanted = request.POST.get("mail", "")
    number = mail.try_again_anywhere(only=int(wanted) if wanted.isdecimal() else None)
    if number:
        messages.success(
            request, f"{number} mail{'' if number == 1 else 's'} will be tried again now."
        )
    else:
        messages.info(request, "That mail is not waiting any more.")
    return redirect("platform_operations")
