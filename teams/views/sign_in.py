"""Signing in, joining, and where to go first."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from teams import known_browser, lms_sessions, oidc, second_step
from teams.access import SignedInRequest, public_view, signed_in_view
from teams.forms import FirstAccountForm, JoinForm, PasswordLinkForm, SignInForm, SignUpForm
from teams.models import Course, Membership, Role, User
from teams.services import (
    courses,
    first_account,
    identity,
    invitations,
    links,
    mail,
    people,
    second_factor,
    throttle,
)

BACKEND = "django.contrib.auth.backends.ModelBackend"


def too_many(request: HttpRequest, error: throttle.TooMany) -> HttpResponse:
    """How long to wait, in words; the same for who exists and who does not."""
    answer = render(request, "teams/too_many.html", {"said": str(error)}, status=429)
    answer["Retry-After"] = str(error.wait)
    return answer


def place(request: HttpRequest) -> str:
    """Where a request comes from; behind a proxy only if that is one of TRUSTED_PROXIES."""
    return throttle.place_of(request.META.get("REMOTE_ADDR", ""))


class SignInView(auth_views.LoginView):
    """Failed tries count: about the account that was named, whether or not it exists, and from the place."""

    template_name = "teams/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True
    extra_context = {
        "first_account_wanted": first_account.wanted,
        "outside_service": lambda: settings.OIDC_NAME if oidc.configured() else "",
    }

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        about = request.POST.get("username", "")[:254]
        mark = known_browser.mark_of(request, about)
        try:
            throttle.check("sign-in", place=place(request))
            # Before the password is looked at: many tries at once are as many.
            throttle.count(
                "sign-in-again" if mark else "sign-in", about=f"{about} {mark}".strip()
            )
        except throttle.TooMany as error:
            return too_many(request, error)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        try:
            throttle.count("sign-in", place=place(self.request))
        except throttle.TooMany as error:
            return too_many(self.request, error)
        return super().form_invalid(form)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        email = form.cleaned_data["username"]
        if mark := known_browser.mark_of(self.request, email):
            throttle.forgive("sign-in-again", about=f"{email} {mark}")
        else:
            throttle.forgive("sign-in", about=email)
        response = super().form_valid(form)
        lms_sessions.release(self.request)
        known_browser.remember(response, email)
        return response


class PasswordChangeView(auth_views.PasswordChangeView):
    """Whoever finds an open browser must not guess the password in it."""

    template_name = "teams/password_change.html"
    success_url = reverse_lazy("home")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            throttle.count("password-change", about=cast(User, request.user).email)
        except throttle.TooMany as error:
            return too_many(request, error)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """By one conditional UPDATE: a password that was taken away while this one was typed stays away."""
        person = cast(User, self.request.user)
        try:
            identity.change_password(person=person, password=form.cleaned_data["new_password1"])
        except identity.LinkUsed:
            return redirect("sign_in")
        update_session_auth_hash(self.request, person)
        second_factor.sign_out_everywhere(person, but=second_step.key_in_list(self.request))
        messages.success(
            self.request, "Your password is changed. Other browsers are signed out."
        )
        return redirect(self.success_url)


class PasswordSetView(auth_views.PasswordResetConfirmView):
    """Behind a mailed link: a first or a new password, and the proof that the address is this person's."""

    template_name = "teams/password_set.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.validlink:
            return self.render_to_response(self.get_context_data())
        try:
            throttle.count("password-set", about=str(self._person.pk), place=place(request))
        except throttle.TooMany as error:
            return too_many(request, error)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            identity.set_password_by_link(
                person=self._person, password=form.cleaned_data["new_password1"]
            )
        except identity.LinkUsed:
            self.validlink = False
            return self.render_to_response(self.get_context_data())
        self.request.session.pop(auth_views.INTERNAL_RESET_SESSION_TOKEN, None)
        login(self.request, self._person, backend=BACKEND)
        lms_sessions.release(self.request)
        return redirect("home")

    @property
    def _person(self) -> User:
        """Whom the link is for; there is somebody wherever the link is valid."""
        return cast(User, self.user)


sign_in = public_view(SignInView.as_view())
sign_out = public_view(auth_views.LogoutView.as_view())
password_change = signed_in_view(PasswordChangeView.as_view())
password_set = public_view(PasswordSetView.as_view())


@public_view
@require_http_methods(["GET", "POST"])
def password_forgotten(request: HttpRequest) -> HttpResponse:
    """Mail a link to set a new password. The answer is the same for known and unknown addresses."""
    form = PasswordLinkForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        email = form.cleaned_data["email"]
        try:
            throttle.count("password-link", about=email, place=place(request))
        except throttle.TooMany as error:
            return too_many(request, error)
        invitations.send_password_link(email=email)
        messages.success(
            request,
            "If this address has an account, a link is on its way to it. Look in the spam folder too.",
        )
        return redirect("sign_in")
    return render(
        request,
        "teams/password_forgotten.html",
        {"form": form},
        status=422 if form.errors else 200,
    )


@public_view
@require_http_methods(["GET", "POST"])
def first_account_new(request: HttpRequest) -> HttpResponse:
    """On a platform without any account: the first one, for whoever has the set-up code from the server's log."""
    if not first_account.wanted():
        return render(request, "teams/first_account.html", status=410)
    form = FirstAccountForm(request.POST or None)
    if request.method == "GET":
        first_account.print_code()
        return render(request, "teams/first_account.html", {"form": form})
    try:
        throttle.count("set-up", about="the platform", place=place(request))
    except throttle.TooMany as error:
        return too_many(request, error)
    if form.is_valid() and (person := _first_account(form)) is not None:
        identity.send_confirmation(person)
        login(request, person, backend=BACKEND)
        messages.success(request, "The platform is yours. Next: create your course.")
        return redirect("home")
    return render(request, "teams/first_account.html", {"form": form}, status=422)


def _first_account(form: FirstAccountForm) -> User | None:
    given = {name: form.cleaned_data[name] for name in ("name", "email", "password")}
    try:
        return first_account.make(given_code=form.cleaned_data["code"], **given)
    except first_account.SetUpRefused as error:
        form.add_error("code", str(error))
        return None


@signed_in_view
@require_http_methods(["GET", "POST"])
def address(request: SignedInRequest) -> HttpResponse:
    """Whether the address is confirmed; a button that mails the link once more."""
    if request.method == "POST":
        try:
            throttle.count("confirm", about=request.user.email, place=place(request))
        except throttle.TooMany as error:
            return too_many(request, error)
        if identity.send_confirmation(request.user):
            messages.success(
                request,
                f"A link is on its way to {request.user.email}. Look in the spam folder too.",
            )
        else:
            messages.warning(
                request, "A link left less than two minutes ago. Wait for it first."
            )
        return redirect("address")
    return render(request, "teams/address.html", {"mail_leaves": mail.leaves_this_machine()})


@signed_in_view
@require_http_methods(["GET", "POST"])
def address_confirm(request: SignedInRequest, token: str) -> HttpResponse:
    """Behind the mailed link, for the signed-in owner. A press of a button: programs that look at mail open links too."""
    valid = links.confirm_tokens.check_token(request.user, token)
    if request.method == "POST" and valid:
        identity.prove(request.user)
        messages.success(request, "Thank you: your address is confirmed.")
        return redirect("home")
    return render(
        request, "teams/address_confirm.html", {"valid": valid}, status=200 if valid else 410
    )


def start_page(membership: Membership) -> HttpResponse:
    """Where this person's work is: their team, the grading queue, or the course."""
    if membership.team_id:
        return redirect("team_home", team_id=membership.team_id)
    if membership.role == Role.PROFESSOR:
        return redirect("grading_queue", course_id=membership.course_id)
    if membership.role == Role.OBSERVER:
        return redirect("course_observed", course_id=membership.course_id)
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
        request,
        "teams/home.html",
        {"memberships": memberships, "may_create": may_create, "form": JoinForm()},
    )


@public_view
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    """Enter a course by its code; somebody without an account is mailed the link that makes one."""
    signed_in = request.user.is_authenticated
    form_class = JoinForm if signed_in else SignUpForm
    form = form_class(request.POST or None, initial={"code": request.GET.get("code", "")})
    if request.method == "POST" and form.is_valid():
        about = "" if signed_in else form.cleaned_data["email"]
        try:
            throttle.count("join", about=about, place=place(request))
            if signed_in:
                return _join(request, form.cleaned_data["code"])
            people.ask_to_join(**form.cleaned_data)
            context = {
                "email": form.cleaned_data["email"],
                "mail_leaves": mail.leaves_this_machine(),
            }
            return render(request, "teams/join_sent.html", context)
        except throttle.TooMany as error:
            return too_many(request, error)
        except courses.CourseRefused as error:
            form.add_error("code", str(error))
    return render(request, "teams/join.html", {"form": form}, status=422 if form.errors else 200)


def _join(request: HttpRequest, code: str) -> HttpResponse:
    return _welcome(request, courses.join_course(person=cast(User, request.user), code=code))


def _welcome(request: HttpRequest, membership: Membership) -> HttpResponse:
    course: Course = membership.course
    messages.success(
        request, f"Welcome to {course}. You are here as {membership.get_role_display().lower()}."
    )
    return start_page(membership)


@public_view
@require_http_methods(["GET", "POST"])
def join_enter(request: HttpRequest, token: str) -> HttpResponse:
    """Behind the mailed link: the password of one's choice, and the course."""
    joining = links.read_join(token)
    if joining is None:
        return render(request, "teams/join_enter.html", status=410)
    if people.has_own_way_in(joining):
        messages.warning(
            request, "This address has an account. Sign in, and you enter the course."
        )
        return redirect(
            f"{reverse('sign_in')}?{urlencode({'next': links.code_link(joining.code)})}"
        )
    person = User(email=joining.email, name=joining.name)
    form: SetPasswordForm[User] = SetPasswordForm(person, request.POST or None)
    if request.method == "POST":
        try:
            throttle.count("password-set", about=joining.email, place=place(request))
            if form.is_valid():
                membership = people.enter_by_link(
                    joining=joining, password=form.cleaned_data["new_password1"]
                )
                login(request, membership.person, backend=BACKEND)
                return _welcome(request, membership)
        except throttle.TooMany as error:
            return too_many(request, error)
        except courses.CourseRefused as error:
            form.add_error(None, str(error))
    context = {"form": form, "joining": joining}
    return render(request, "teams/join_enter.html", context, status=422 if form.errors else 200)
