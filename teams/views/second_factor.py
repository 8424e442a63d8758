"""The second step of signing in, and the page on which one sets it up and sees where one is signed in."""

import json
from typing import Any

import segno
from django.contrib import messages
from django.contrib.auth.hashers import check_password
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from fido2.server import Fido2Server
from fido2.webauthn import (
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    UserVerificationRequirement,
)

from teams import second_step
from teams.access import SignedInRequest, public_view, signed_in_view
from teams.models import TotpDevice, User
from teams.services import second_factor, throttle
from teams.services.refused import CourseRefused
from teams.services.second_factor import WrongCode
from teams.views.sign_in import place, too_many

CHALLENGE = "passkey_challenge"
NEW_CHALLENGE = "new_passkey_challenge"


def _server(request: HttpRequest) -> Fido2Server:
    """For the host that the browser asks, which ALLOWED_HOSTS let in; its answers must name exactly this origin."""
    host = request.get_host()
    origin = f"{request.scheme}://{host}"
    rp = PublicKeyCredentialRpEntity(
        name=second_factor.ISSUER, id=host.rpartition(":")[0] or host
    )
    return Fido2Server(rp, verify_origin=lambda said: said == origin)


def _next(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "") or request.GET.get("next", "")
    inside = url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    )
    return wanted if inside else ""


# --- The second step ---------------------------------------------------------------------------------------------------


@public_view
@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def second_step_page(request: HttpRequest) -> HttpResponse:
    """A code or a passkey, of whoever's password was right; or once more before the account's sign-in is changed."""
    person = request.user
    if not isinstance(person, User) or person.second_factor_at is None:
        return redirect("home")
    said = ""
    if request.method == "POST":
        try:
            _check(request, person)
            second_step.shown(request)
            return redirect(_next(request) or "home")
        except throttle.TooMany as error:
            return too_many(request, error)
        except WrongCode as error:
            said = str(error)
    keys = second_factor.known_keys(person)
    options: dict[str, Any] = {}
    if keys:
        asked, state = _server(request).authenticate_begin(
            keys, user_verification=UserVerificationRequirement.PREFERRED
        )
        request.session[CHALLENGE], options = state, dict(asked)
    context = {
        "said": said,
        "options": options,
        "next": _next(request),
        "has_app": TotpDevice.objects.filter(person=person).exclude(confirmed_at=None).exists(),
    }
    return render(request, "teams/second_step.html", context, status=422 if said else 200)


def _check(request: HttpRequest, person: User) -> None:
    """Raises WrongCode and TooMany. A challenge is taken out of the session first: no answer counts twice."""
    if not request.POST.get("credential"):
        second_factor.check_code(
            person=person, code=request.POST.get("code", "")[:40], place=place(request)
        )
        return
    state = request.session.pop(CHALLENGE, None)
    if state is None:
        raise WrongCode("This page was open too long. Try the passkey again.")
    second_factor.check_passkey(
        person=person,
        server=_server(request),
        state=state,
        answer=_credential(request),
        place=place(request),
    )


def _credential(request: HttpRequest) -> dict[str, Any]:
    try:
        answer = json.loads(request.POST.get("credential", "")[:20_000])
    except ValueError as error:
        raise WrongCode("The browser sent no passkey. Try again.") from error
    if not isinstance(answer, dict):
        raise WrongCode("The browser sent no passkey. Try again.")
    return answer


# --- The account's page ------------------------------------------------------------------------------------------------


@signed_in_view
@never_cache
def account_security(request: SignedInRequest) -> HttpResponse:
    """How this account signs in, and where it is signed in."""
    person = request.user
    app = TotpDevice.objects.filter(person=person).exclude(confirmed_at=None).first()
    context = {
        "app": app,
        "passkeys": person.passkeys.all(),
        "codes_left": person.recovery_codes.count(),
        "browsers": person.signed_in_browsers.all(),
        "this_key": second_step.key_in_list(request),
        "needed": "needed" in request.GET and person.second_factor_at is None,
        "next": _next(request),
        "has_password": person.has_usable_password(),
    }
    return render(request, "teams/account_security.html", context)


def _first_proof(request: SignedInRequest) -> str:
    """Why nothing is changed yet; empty where it may be. An open browser that somebody finds is not enough."""
    person = request.user
    if person.second_factor_at is not None or not person.has_usable_password():
        return ""
    throttle.count("password-change", about=person.email)
    if check_password(request.POST.get("password", ""), person.password):
        throttle.forgive("password-change", about=person.email)
        return ""
    return "This is not your password. Nothing was changed."


def _asks_again(request: SignedInRequest) -> HttpResponse | None:
    """To the second step first, where the person has one and showed it too long ago."""
    if request.user.second_factor_at is None or second_step.is_fresh(request):
        return None
    back = request.path if request.method == "GET" else reverse("account_security")
    return redirect(f"{reverse('second_step')}?{urlencode({'next': back})}")


def _done(request: SignedInRequest, codes: list[str]) -> HttpResponse:
    """The first factor ends all other sign-ins and shows the recovery codes; a further one needs neither."""
    second_step.shown(request)
    if not codes:
        messages.success(request, "Saved. It works from now on.")
        return redirect("account_security")
    second_factor.sign_out_everywhere(request.user, but=second_step.key_in_list(request))
    return _codes(request, codes)


def _codes(request: SignedInRequest, codes: list[str]) -> HttpResponse:
    context = {"codes": codes, "next": _next(request)}
    return render(request, "teams/recovery_codes.html", context)


@signed_in_view
@never_cache
@sensitive_post_parameters("code", "password")
@require_http_methods(["GET", "POST"])
def totp_new(request: SignedInRequest) -> HttpResponse:
    """An authenticator app: scan, then enter its first code."""
    if (first := _asks_again(request)) is not None:
        return first
    said = ""
    try:
        secret = second_factor.begin_app(request.user)
        if request.method == "POST" and not (said := _first_proof(request)):
            codes = second_factor.confirm_app(
                person=request.user, code=request.POST.get("code", "")[:40]
            )
            return _done(request, codes)
    except throttle.TooMany as error:
        return too_many(request, error)
    except WrongCode as error:
        said = str(error)
    except CourseRefused as error:
        messages.error(request, str(error))
        return redirect("account_security")
    picture = segno.make(second_factor.app_address(request.user, secret))
    context = {
        "said": said,
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "picture": picture.svg_data_uri(scale=5, border=4, light="white"),
        "next": _next(request),
        "asks_password": request.user.second_factor_at is None
        and request.user.has_usable_password(),
    }
    return render(request, "teams/totp_new.html", context, status=422 if said else 200)


@signed_in_view
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def passkey_new(request: SignedInRequest) -> HttpResponse:
    """A passkey of this device or of a security key."""
    if (first := _asks_again(request)) is not None:
        return first
    said = ""
    if request.method == "POST":
        try:
            if not (said := _first_proof(request)):
                return _done(request, _add_passkey(request))
        except throttle.TooMany as error:
            return too_many(request, error)
        except (WrongCode, CourseRefused) as error:
            said = str(error)
    person = request.user
    asked, state = _server(request).register_begin(
        PublicKeyCredentialUserEntity(
            id=person.page_mark.encode(), name=person.email, display_name=person.name
        ),
        second_factor.known_keys(person),
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    request.session[NEW_CHALLENGE] = state
    context = {
        "said": said,
        "options": dict(asked),
        "next": _next(request),
        "asks_password": person.second_factor_at is None and person.has_usable_password(),
    }
    return render(request, "teams/passkey_new.html", context, status=422 if said else 200)


def _add_passkey(request: SignedInRequest) -> list[str]:
    state = request.session.pop(NEW_CHALLENGE, None)
    refused = "The passkey was not accepted. Try again."
    if state is None:
        raise WrongCode(refused)
    try:
        data = _server(request).register_complete(state, _credential(request))
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        raise WrongCode(refused) from error
    name = request.POST.get("name", "").strip()
    return second_factor.add_passkey(person=request.user, name=name, data=data)


@signed_in_view
@require_POST
def factor_change(request: SignedInRequest) -> HttpResponse:
    """Remove a factor, or make new recovery codes. Both need the second factor, just shown."""
    if request.user.second_factor_at is None:
        return redirect("account_security")
    if (first := _asks_again(request)) is not None:
        return first
    if request.POST.get("do") == "codes":
        return _codes(request, second_factor.new_recovery_codes(request.user))
    second_factor.remove(person=request.user, what=request.POST.get("remove", ""))
    messages.success(request, "It no longer signs you in.")
    return redirect("account_security")


@signed_in_view
@require_POST
def browser_end(request: SignedInRequest) -> HttpResponse:
    """Sign out in another browser, or in all others."""
    if request.POST.get("do") == "all":
        key = second_step.key_in_list(request)
        ended = second_factor.sign_out_everywhere(request.user, but=key)
        messages.success(
            request, f"Signed out in {ended} other browser{'' if ended == 1 else 's'}."
        )
        return redirect("account_security")
    wanted = request.POST.get("browser", "")
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 15 else 0
    if second_factor.sign_out_there(person=request.user, browser_id=number):
        messages.success(request, "Signed out there.")
    else:
        messages.warning(request, "That browser was signed out already.")
    return redirect("account_security")
