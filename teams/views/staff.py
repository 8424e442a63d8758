"""For whoever runs the platform: see it as another person does."""

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from teams import impersonation
from teams.access import SignedInRequest, signed_in_view, staff_view
from teams.models import User

MOST_FOUND = 20


@staff_view
@require_http_methods(["GET", "POST"])
def impersonate(request: SignedInRequest) -> HttpResponse:
    """Find somebody by name or address, then look as they do."""
    if request.method == "POST":
        person = get_object_or_404(User, email=request.POST.get("person", ""))
        try:
            impersonation.start(request, person)
        except impersonation.CannotImpersonate as error:
            messages.error(request, str(error))
            return redirect("impersonate")
        return redirect("home")
    wanted = request.GET.get("q", "").strip()
    found = User.objects.filter(Q(name__icontains=wanted) | Q(email__icontains=wanted), is_active=True, is_staff=False)
    context = {"q": wanted, "found": found.order_by("name")[:MOST_FOUND] if wanted else []}
    return render(request, "teams/impersonate.html", context)


@signed_in_view
@require_POST
def impersonate_stop(request: SignedInRequest) -> HttpResponse:
    if impersonation.stop(request):
        messages.success(request, "You are yourself again.")
        return redirect("impersonate")
    return redirect("home")
