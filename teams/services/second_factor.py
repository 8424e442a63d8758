"""The second factor: setting one up, checking it, taking it away. pyotp makes the codes, fido2 checks passkeys.

Why our own rows: secrets are sealed, recovery codes are hashed, and a code is used up by one conditional UPDATE, so that
two requests at the same moment cannot both use it. Each check is counted (`throttle`) before it is looked at.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from time import time
from typing import Any

import pyotp
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import AttestedCredentialData, AuthenticationResponse, AuthenticatorData

from teams.models import (
    Course,
    MailKind,
    Membership,
    Passkey,
    RecoveryCode,
    Role,
    SecondFactorPolicy,
    SignedInBrowser,
    TotpDevice,
    User,
)
from teams.services import audit, mail, sealing, throttle
from teams.services.refused import CourseRefused

STEP_SECONDS = 30
MOST_PASSKEYS = 10
RECOVERY_CODES = 10
RECOVERY_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
ISSUER = "Course platform"


class WrongCode(Exception):
    """The text says what to do."""


# --- Who needs one -----------------------------------------------------------------------------------------------------


def needed_by(membership: Membership) -> bool:
    """Whether this person must have a second factor before they change anything in this course."""
    policies = {settings.SECOND_FACTOR, membership.course.second_factor}
    if SecondFactorPolicy.EVERYONE in policies:
        return True
    return SecondFactorPolicy.STAFF in policies and membership.role not in (
        Role.STUDENT,
        Role.OBSERVER,
    )


def needed_on_platform(person: User) -> bool:
    """The same for the pages of those who run the platform or make courses."""
    return settings.SECOND_FACTOR != SecondFactorPolicy.NOBODY and (
        person.is_staff or person.has_perm("teams.add_course")
    )


def mark_of(person: User) -> str:
    """What a session must hold to count as shown by a second factor; empty where the person has none."""
    return person.second_factor_at.isoformat() if person.second_factor_at else ""


# --- Setting up --------------------------------------------------------------------------------------------------------


def _owner(person: User) -> str:
    return f"teams.totpdevice.{person.pk}"


def seal_anew() -> tuple[int, list[TotpDevice]]:
    """Every app's secret under today's first one of the platform: how many, and the apps whose secret cannot be opened."""
    return sealing.rows_anew(TotpDevice.objects.select_related("person"), "sealed_secret")


def begin_app(person: User) -> str:
    """A secret for an authenticator app, in base32: the same one until it is confirmed. Raises CourseRefused for a second."""
    device = TotpDevice.objects.filter(person=person).first()
    if device is not None and device.confirmed_at:
        raise CourseRefused("You have an authenticator app already. Remove it first.")
    if device is not None:
        try:
            return sealing.open_sealed(device.sealed_secret, owner=_owner(person))
        except sealing.CannotOpen:
            device.delete()
    secret = pyotp.random_base32()
    TotpDevice.objects.get_or_create(
        person=person, defaults={"sealed_secret": sealing.seal(secret, owner=_owner(person))}
    )
    return secret


def app_address(person: User, secret: str) -> str:
    """What the QR code says."""
    return pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=ISSUER)


def confirm_app(*, person: User, code: str) -> list[str]:
    """The app shows the right code: it counts from now on. Recovery codes where these are the first. Raises WrongCode."""
    throttle.count("second-factor", about=str(person.pk))
    device = TotpDevice.objects.filter(person=person, confirmed_at=None).first()
    if device is None or not _use_code(device, code):
        raise WrongCode(
            "This is not the code that the app shows now. Look at the clock of your phone, and enter the newest code."
        )
    with transaction.atomic():
        TotpDevice.objects.filter(pk=device.pk).update(confirmed_at=timezone.now())
        return _added(person, "authenticator app")


def add_passkey(*, person: User, name: str, data: AuthenticatorData) -> list[str]:
    """`data`: as fido2 checked it. Recovery codes where this is the first factor. Raises CourseRefused."""
    found = data.credential_data
    if found is None:
        raise CourseRefused("The device sent no key. Try again.")
    if person.passkeys.count() >= MOST_PASSKEYS:
        raise CourseRefused(f"You have {MOST_PASSKEYS} passkeys. Remove one first.")
    with transaction.atomic():
        key_id = websafe_encode(found.credential_id)
        _, made = Passkey.objects.get_or_create(
            credential_id=key_id,
            defaults={
                "person": person,
                "name": name[:60] or "Passkey",
                "public_data": bytes(found),
                "counter": data.counter,
            },
        )
        if not made:
            raise CourseRefused("This passkey is known here already.")
        return _added(person, "passkey")


def _added(person: User, what: str) -> list[str]:
    """Inside a transaction. The first factor ends what was signed in without it."""
    first = User.objects.filter(pk=person.pk, second_factor_at=None)
    now = timezone.now()
    is_first = bool(first.update(second_factor_at=now))
    _record(person, person, f"second factor added: {what}")
    _tell(person, f"A second factor ({what}) was added to your account.")
    if not is_first:
        return []
    person.second_factor_at = now
    return new_recovery_codes(person)


def new_recovery_codes(person: User) -> list[str]:
    """Ten codes, to be shown once; the earlier ones no longer work."""
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        User.objects.select_for_update().get(pk=person.pk)
        person.recovery_codes.all().delete()
        RecoveryCode.objects.bulk_create(
            [RecoveryCode(person=person, digest=_digest(person, code)) for code in codes]
        )
        _record(person, person, "recovery codes made")
    return codes


def _new_code() -> str:
    """Ten characters, about 49 bits."""
    drawn = "".join(secrets.choice(RECOVERY_ALPHABET) for _ in range(10))
    return f"{drawn[:5]}-{drawn[5:]}"


def _digest(person: User, code: str) -> str:
    letters = "".join(one for one in code.upper() if one.isalnum())
    return salted_hmac(
        "teams.recovery_code", f"{person.pk}:{letters}", algorithm="sha256"
    ).hexdigest()


# --- Checking ----------------------------------------------------------------------------------------------------------


def check_code(*, person: User, code: str, place: str) -> None:
    """A code of the app, or a recovery code, which is then used up. Raises WrongCode, and TooMany after too many tries."""
    throttle.count("second-factor", about=str(person.pk), place=place)
    device = TotpDevice.objects.filter(person=person).exclude(confirmed_at=None).first()
    if device is not None and _use_code(device, code):
        throttle.forgive("second-factor", about=str(person.pk))
        return
    used, _ = RecoveryCode.objects.filter(person=person, digest=_digest(person, code)).delete()
    if not used:
        raise WrongCode(
            "This code does not work. Codes of the app change each half minute, and each works once."
        )
    throttle.forgive("second-factor", about=str(person.pk))
    left = person.recovery_codes.count()
    _record(person, person, "recovery code used")
    _tell(person, f"A recovery code was used to sign in to your account. {left} are left.")


def _use_code(device: TotpDevice, code: str) -> bool:
    """Right for this half minute or one beside it, and newer than any that was used: by one conditional UPDATE. Raises
    WrongCode where no code can be right any more."""
    digits = "".join(code.split())
    if len(digits) != 6 or not digits.isascii() or not digits.isdecimal():
        return False
    try:
        secret = sealing.open_sealed(device.sealed_secret, owner=_owner(device.person))
    except sealing.CannotOpen as lost:
        raise WrongCode(
            "Codes of this app no longer work here: the platform lost what it shares with the app. Use a recovery code "
            "or a passkey, then set the app up again, or ask who runs the platform to remove it."
        ) from lost
    app, now = pyotp.TOTP(secret), int(time()) // STEP_SECONDS
    for step in (now - 1, now, now + 1):
        if constant_time_compare(app.generate_otp(step), digits):
            newer = TotpDevice.objects.filter(pk=device.pk, last_step__lt=step)
            return bool(newer.update(last_step=step))
    return False


def known_keys(person: User) -> list[AttestedCredentialData]:
    return [AttestedCredentialData(bytes(one.public_data)) for one in person.passkeys.all()]


def check_passkey(
    *, person: User, server: Fido2Server, state: Any, answer: Mapping[str, Any], place: str
) -> None:
    """`state`: of the challenge, which the caller has taken out of the session. Raises WrongCode and TooMany."""
    throttle.count("second-factor", about=str(person.pk), place=place)
    refused = "This passkey was not accepted. Try again, or use a code."
    try:
        said = AuthenticationResponse.from_dict(answer)
        found = server.authenticate_complete(state, known_keys(person), said)
        counter = said.response.authenticator_data.counter
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WrongCode(refused) from error
    except Exception as error:  # cryptography's own: the signature is not this key's
        if type(error).__name__ != "InvalidSignature":
            raise
        raise WrongCode(refused) from error
    mine = Passkey.objects.filter(
        person=person, credential_id=websafe_encode(found.credential_id)
    )
    # A counter that does not grow is a copy of the key; keys that count nothing always say 0.
    fresh = mine.filter(
        Q(counter__lt=counter) | Q(counter=0) if counter == 0 else Q(counter__lt=counter)
    )
    if not fresh.update(counter=counter, used_at=timezone.now()):
        raise WrongCode(refused)
    throttle.forgive("second-factor", about=str(person.pk))


# --- Taking away -------------------------------------------------------------------------------------------------------


def remove(*, person: User, what: str) -> None:
    """`what`: "app", or a passkey's number. The person did so, freshly checked. Without any factor left there is none."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=person.pk)
        if what == "app":
            gone, _ = TotpDevice.objects.filter(person=person).delete()
        else:
            number = int(what) if what.isdecimal() and len(what) < 15 else 0
            gone, _ = Passkey.objects.filter(person=person, pk=number).delete()
        if not gone:
            return
        _record(person, person, "second factor removed")
        _tell(person, "A second factor was removed from your account.")
        has_app = TotpDevice.objects.filter(person=person).exclude(confirmed_at=None).exists()
        if not has_app and not person.passkeys.exists():
            forget_factors(person)


def forget_factors(person: User) -> None:
    """All of them, recovery codes too: a password is enough again. What is open stays open."""
    TotpDevice.objects.filter(person=person).delete()
    person.passkeys.all().delete()
    person.recovery_codes.all().delete()
    User.objects.filter(pk=person.pk).update(second_factor_at=None)
    person.second_factor_at = None


def reset(*, account: User, person: User, by_operator: bool) -> None:
    """For somebody who lost the device: who it is was checked by the instructor or the operator, who is on record.

    All their sessions end and they are told. Raises CourseRefused: an instructor resets nobody who has more to decide
    than a student, a professor or an assistant has, here or elsewhere.
    """
    if account.pk == person.pk:
        raise CourseRefused("Remove your own second factor on your account's page.")
    privileged = account.is_staff or account.has_perm("teams.add_course")
    teaches = account.memberships.filter(role=Role.INSTRUCTOR, active=True).exists()
    if not by_operator and (privileged or teaches or _in_courses_of_others(account, person)):
        raise CourseRefused(
            f"{account} teaches, or is in a course of another instructor too. Ask whoever runs this platform."
        )
    if account.second_factor_at is None:
        raise CourseRefused(f"{account} has no second factor.")
    with transaction.atomic():
        forget_factors(account)
        _record(account, person, "second factor reset")
        _tell(
            account,
            f"Your second factor was reset by {person}. Sign in with your password and set up a new one. "
            "If you did not ask for it, tell your instructor at once.",
        )
        sign_out_everywhere(account)


def _in_courses_of_others(account: User, person: User) -> bool:
    mine = Membership.objects.filter(person=person, role=Role.INSTRUCTOR, active=True)
    theirs = account.memberships.filter(active=True)
    return theirs.exclude(course__in=mine.values("course")).exists()


def _record(account: User, person: User, action: str) -> None:
    courses: list[Course | None] = [
        one.course for one in account.memberships.select_related("course")
    ]
    for course in courses or [None]:
        audit.record(course=course, person=person, action=action[:60], what=str(account))


def _tell(person: User, text: str) -> None:
    """Whoever did it: the owner hears of it."""
    mail.queue(
        kind=MailKind.NOTICE,
        people=[person],
        course=None,
        subject="The sign-in of your account was changed",
        text=f"Hello {person},\n\n{text}\n\n{settings.SITE_URL}\n",
    )


# --- Where somebody is signed in ---------------------------------------------------------------------------------------


def sign_out_there(*, person: User, browser_id: int) -> bool:
    """End one browser's sign-in. False where it is not this person's."""
    found = SignedInBrowser.objects.filter(person=person, pk=browser_id).first()
    if found is None:
        return False
    SessionStore(found.session_key).delete()
    found.delete()
    return True


def sign_out_everywhere(person: User, *, but: str = "") -> int:
    """End every sign-in except the session `but`. How many."""
    others = SignedInBrowser.objects.filter(person=person).exclude(session_key=but)
    count = 0
    for one in others:
        SessionStore(one.session_key).delete()
        one.delete()
        count += 1
    return count


def forget_old_browsers() -> int:
    """For the scheduler: sessions that ended by themselves."""
    over = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    gone, _ = SignedInBrowser.objects.filter(seen_at__lt=over).delete()
    return gone
