"""Signing in, joining, and where to go first."""

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_http_methods

from teams import oidc
from teams.access import SignedInRequest, public_view, signed_in_view
from teams.forms import FirstAccountForm, JoinForm, PasswordLinkForm, SignInForm, SignUpForm
from teams.models import Course, Membership, Role, User
from teams.services import courses, first_account, invitations, people

BACKEND = "django.contrib.auth.backends.ModelBackend"

sign_in = public_view(
    auth_views.LoginView.as_view(
        template_name="teams/sign_in.html",
        authentication_form=SignInForm,
        redirect_authenticated_user=True,
        extra_context={
            "first_account_wanted": first_account.wanted,
            "outside_service": lambda: settings.OIDC_NAME if oidc.configured() else "",
        },
    )
)
sign_out = public_view(auth_views.LogoutView.as_view())
password_change = signed_in_view(
    auth_views.PasswordChangeView.as_view(template_name="teams/password_change.html", success_url=reverse_lazy("home"))
)


password_set = public_view(
    auth_views.PasswordResetConfirmView.as_view(
        template_name="teams/password_set.html",
        success_url=reverse_lazy("home"),
        post_reset_login=True,
        post_reset_login_backend=BACKEND,
    )
)


@public_view
@require_http_methods(["GET", "POST"])
def password_forgotten(request: HttpRequest) -> HttpResponse:
    """Mail a link to set a new password. The answer is the same for known and unknown addresses."""
    form = PasswordLinkForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        invitations.send_password_link(email=form.cleaned_data["email"])
        messages.success(
            request, "If this address has an account, a link is on its way to it. Look in the spam folder too."
        )
        return redirect("sign_in")
    return render(request, "teams/password_forgotten.html", {"form": form}, status=422 if form.errors else 200)


@public_view
@require_http_methods(["GET", "POST"])
def first_account_new(request: HttpRequest) -> HttpResponse:
    """On a platform without any account: the first one, for whoever has the set-up code from the server's log."""
    if not first_account.wanted():
        return render(request, "teams/first_account.html", status=410)
    form = FirstAccountForm(request.POST or None)
    if request.method == "GET":
        first_account.print_code()
    elif form.is_valid():
        given = {name: form.cleaned_data[name] for name in ("name", "email", "password")}
        try:
            person = first_account.make(given_code=form.cleaned_data["code"], **given)
        except first_account.SetUpRefused as error:
            form.add_error("code", str(error))
        else:
            login(request, person, backend=BACKEND)
            messages.success(request, "The platform is yours. Next: create your course.")
            return redirect("home")
    return render(request, "teams/first_account.html", {"form": form}, status=422 if form.errors else 200)


def start_page(membership: Membership) -> HttpResponse:
    """Where this person's work is: their team, the grading queue, or the course."""
    if membership.team_id:
        return redirect("team_home", team_id=membership.team_id)
    if membership.role == Role.PROFESSOR:
        return redirect("grading_queue", course_id=membership.course_id)
    return redirect("course_home", course_id=membership.course_id)


@signed_in_view
def home(request: SignedInRequest) -> HttpResponse:
    """Straight to the only course; a choice where there are several; how to join where there is none."""
    active = request.user.memberships.filter(active=True)
    memberships = list(active.select_related("course", "team").order_by("-course__created_at"))
    may_create = request.user.has_perm("teams.add_course")
    if len(memberships) == 1 and not may_create and not request.user.is_staff:
        return start_page(memberships[0])
    return render(
        request, "teams/home.html", {"memberships": memberships, "may_create": may_create, "form": JoinForm()}
    )


@public_view
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    """Enter a course by its code; someone without an account makes one in the same step."""
    signed_in = request.user.is_authenticated
    form_class = JoinForm if signed_in else SignUpForm
    form = form_class(request.POST or None, initial={"code": request.GET.get("code", "")})
    if request.method == "POST" and form.is_valid():
        try:
            if signed_in:
                membership = courses.join_course(person=cast(User, request.user), code=form.cleaned_data["code"])
            else:
                membership = people.sign_up(**form.cleaned_data)
                login(request, membership.person, backend=BACKEND)
        except courses.CourseRefused as error:
            form.add_error("code", str(error))
        else:
            course: Course = membership.course
            messages.success(request, f"Welcome to {course}. You are here as {membership.get_role_display().lower()}.")
            return start_page(membership)
    return render(request, "teams/join.html", {"form": form}, status=422 if form.errors else 200)
