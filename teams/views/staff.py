"""For whoever runs the platform: its accounts, its record, and seeing it as another person does."""

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from teams import impersonation
from teams.access import SignedInRequest, signed_in_view, staff_view
from teams.models import AuditEntry, User
from teams.services import accounts, billing, erasing, mail, second_factor
from teams.services.courses import CourseRefused

MOST_FOUND = 20
PAGE_ACCOUNTS = 50
DECISIONS: dict[str, tuple[Callable[..., None], str]] = {
    "close": (accounts.close, "{} can no longer sign in. All their work stays."),
    "reopen": (accounts.reopen, "{} can sign in again."),
    "reset": (
        partial(second_factor.reset, by_operator=True),
        "The second factor of {} is gone; they set up a new one.",
    ),
    "erase": (
        erasing.erase_account,
        "Name and address are gone. What they made is still there.",
    ),
    "allow": (accounts.allow_courses, "{} may create courses."),
    "forbid": (
        accounts.forbid_courses,
        "{} may not create courses any more. The courses that they made stay.",
    ),
}


@staff_view
@require_http_methods(["GET", "POST"])
def account_list(request: SignedInRequest) -> HttpResponse:
    """All accounts: who may create courses, who is switched off."""
    if request.method == "POST" and request.POST.get("do") in DECISIONS:
        account = get_object_or_404(User, email=request.POST.get("person", ""))
        decide, said = DECISIONS[request.POST["do"]]
        try:
            decide(account=account, person=request.user)
            messages.success(request, said.format(account))
        except CourseRefused as error:
            messages.error(request, str(error))
        return redirect("account_list")
    wanted = request.GET.get("q", "").strip()
    page = Paginator(accounts.find(wanted), PAGE_ACCOUNTS).get_page(request.GET.get("page"))
    rows = [
        (one, any(right.codename == "add_course" for right in one.user_permissions.all()))
        for one in page
    ]
    context = {
        "page": page,
        "rows": rows,
        "q": wanted,
        "undelivered": mail.undelivered_anywhere()[:MOST_FOUND],
        "mail_leaves": mail.leaves_this_machine(),
    }
    return render(request, "teams/account_list.html", context)


@staff_view
def platform_audit(request: SignedInRequest) -> HttpResponse:
    """What happened outside all courses: sign-ins through the university, accounts, deleted courses."""
    entries = AuditEntry.objects.filter(course=None).select_related("person", "team")
    page = Paginator(entries, 50).get_page(request.GET.get("page"))
    return render(request, "teams/course_audit.html", {"page": page})


@staff_view
def platform_bill(request: SignedInRequest) -> HttpResponse:
    """Every course's money in one sum beside the provider's bill: what no single course's instructor may see."""
    others = [
        (one, billing.shown_of(one))
        for one, _ in billing.with_bills()
        if not one.from_environment
    ]
    return render(
        request, "teams/platform_bill.html", {"bill": billing.shown(), "others": others}
    )


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
    found = User.objects.filter(
        Q(name__icontains=wanted) | Q(email__icontains=wanted), is_active=True, is_staff=False
    )
    context = {"q": wanted, "found": found.order_by("name")[:MOST_FOUND] if wanted else []}
    return render(request, "teams/impersonate.html", context)


@signed_in_view
@require_POST
def impersonate_stop(request: SignedInRequest) -> HttpResponse:
    if impersonation.stop(request):
        messages.success(request, "You are yourself again.")
        return redirect("impersonate")
    return redirect("home")
