"""Pages that an LMS shows inside its own: they show nothing of anybody who is signed in."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from teams.services.lti.connections import LtiRefused


def in_any_frame(answer: HttpResponse, *, form_action: str = "") -> HttpResponse:
    """`form_action`: an origin that a form of the page goes to."""
    answer.xframe_options_exempt = True
    kept = {"frame-ancestors": ["*"]}
    if form_action:
        kept["form-action"] = [form_action]
    answer._csp_replace = kept  # type: ignore[attr-defined]  # as django-csp's own decorator keeps it
    return answer


def refused(request: HttpRequest, error: LtiRefused, status: int = 400) -> HttpResponse:
    answer = render(request, "teams/lti_refused.html", {"said": str(error)}, status=status)
    return in_any_frame(answer)
