"""What those who run the platform decide about an account: open or closed, and whether it may create courses."""

from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import Q, QuerySet

from teams.models import User
from teams.services import audit, identity, invitations
from teams.services.courses import CourseRefused


def find(wanted: str) -> QuerySet[User]:
    """By a part of the name or address, switched off ones too; with `may_create` without a query for each."""
    found = User.objects.filter(Q(name__icontains=wanted) | Q(email__icontains=wanted))
    return found.prefetch_related("user_permissions").order_by("name", "pk")


def close(*, account: User, person: User) -> None:
    """Nobody enters with it any more, on any page, from now on; all work stays. Raises CourseRefused for oneself."""
    if account.pk == person.pk:
        raise CourseRefused(
            "You cannot switch your own account off. Ask somebody else who runs this platform."
        )
    _set_open(account, False, person)


def reopen(*, account: User, person: User) -> None:
    """Raises CourseRefused for somebody whose personal data was erased: nobody could sign in with it."""
    if account.email.endswith("@invalid.example"):
        raise CourseRefused(
            "The personal data of this account was erased. Invite the person anew."
        )
    _set_open(account, True, person)


def _set_open(account: User, is_open: bool, person: User) -> None:
    with transaction.atomic():
        if User.objects.filter(pk=account.pk, is_active=not is_open).update(is_active=is_open):
            _record(
                account, person, "account switched on" if is_open else "account switched off"
            )


def allow_courses(*, account: User, person: User) -> None:
    """Who never proved the address gets the link to a password, and whoever has the account is out until then."""
    with transaction.atomic():
        if identity.hand_over(account):
            invitations.send_password_link(email=account.email)
        account.user_permissions.add(_course_permission())
        _record(account, person, "may create courses")


def forbid_courses(*, account: User, person: User) -> None:
    """The courses that they made stay theirs."""
    with transaction.atomic():
        account.user_permissions.remove(_course_permission())
        _record(account, person, "may not create courses any more")


def _course_permission() -> Permission:
    return Permission.objects.get(codename="add_course", content_type__app_label="teams")


def _record(account: User, person: User, action: str) -> None:
    """On the platform's record, and in each course that the person is in."""
    courses = [membership.course for membership in account.memberships.select_related("course")]
    for course in (None, *courses):
        audit.record(course=course, person=person, action=action, what=str(account))
