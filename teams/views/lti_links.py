"""The page on which an instructor chooses, inside the LMS, what a link there opens."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from teams.access import public_view
from teams.models import LmsLaunch
from teams.services import throttle
from teams.services.lti import deep_links
from teams.services.lti.connections import LtiRefused
from teams.views.lti_frame import in_any_frame, refused
from teams.views.sign_in import place, too_many


def picker(
    request: HttpRequest, launch: LmsLaunch, ticket: str, said: str = "", status: int = 200
) -> HttpResponse:
    """The ticket stands in the page: browsers bring no cookie inside another site."""
    context = {
        "launch": launch,
        "ticket": ticket,
        "choices": deep_links.CHOICES,
        "several": "several" in launch.asks,
        "said": said,
    }
    return in_any_frame(render(request, "teams/lti_pick.html", context, status=status))


@public_view
@csrf_exempt
@never_cache
@require_POST
def lti_pick(request: HttpRequest) -> HttpResponse:
    """What was chosen, signed, in a form that goes back to the LMS by itself."""
    ticket = request.POST.get("ticket", "")
    try:
        throttle.count("lms-launch", place=place(request))
        launch = deep_links.asked_by(ticket)
        answer = deep_links.answer(ticket=ticket, chosen=request.POST.getlist("page"))
    except throttle.TooMany as error:
        return too_many(request, error)
    except LtiRefused as error:
        if error.field == "page":
            return picker(request, launch, ticket, str(error), status=422)
        return refused(request, error)
    page = render(request, "teams/lti_picked.html", {"answer": answer})
    return in_any_frame(page, form_action=answer.origin)
