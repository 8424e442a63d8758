"""People of an imported course: names without access, until an instructor invites who they are.

A file that names an address gives nobody a role (docs/adr/0007). The invitation does, as any other does; what the name
did in the course is then that person's.
"""

from typing import Any

from django.db import transaction
from django.db.models import ForeignObjectRel

from teams.models import Course, Membership, User
from teams.services import audit, identity
from teams.services.courses import CourseRefused

NOWHERE = (
    "@people.invalid"  # where the address of a name leads: no mail ever goes there (RFC 2606)
)


def waiting(course: Course) -> Any:
    """Memberships that came with the course and that nobody has been invited to yet."""
    return course.memberships.exclude(imported_email="").select_related("person", "team")


def invite(*, membership: Membership, person: User) -> Membership:
    """Invite whoever has the address that the archive names; the work of the name becomes theirs.

    Raises CourseRefused where there is nobody to invite, or they are in the course already.
    """
    with transaction.atomic():
        found = (
            Membership.objects.select_for_update()
            .select_related("person", "course")
            .get(pk=membership.pk)
        )
        if not found.imported_email:
            raise CourseRefused(
                f"{found.person} did not come with an imported course, or is invited already."
            )
        name, course = found.person, found.course
        account, new = User.objects.get_or_create(
            email=found.imported_email.lower(), defaults={"name": name.name}
        )
        if new:
            account.set_unusable_password()
            account.save(update_fields=["password"])
        if not account.is_active:
            raise CourseRefused(
                f"The account of {account} is switched off by whoever runs this platform."
            )
        if course.memberships.filter(person=account).exists():
            raise CourseRefused(
                f"{account} is in this course already, beside the imported {name}. Take one of the two out of the course."
            )
        _check_room(found)
        Membership.objects.filter(pk=found.pk).update(
            person=account, active=True, imported_email=""
        )
        _hand_over(name, account)
        found.refresh_from_db()
        audit.record(course=course, person=person, action="invited", what=str(found))
        identity.give_by_address(account=account, course=course)
    return found


def invite_all(*, course: Course, person: User) -> tuple[int, list[str]]:
    """How many were invited, and why others were not."""
    invited, refused = 0, []
    for membership in waiting(course):
        try:
            invite(membership=membership, person=person)
            invited += 1
        except CourseRefused as why:
            refused.append(str(why))
    return invited, refused


def _check_room(membership: Membership) -> None:
    team = membership.team
    if (
        team is not None
        and team.memberships.filter(active=True).count() >= membership.course.team_size
    ):
        raise CourseRefused(
            f"{team} is full by now. Take {membership.person} out of that team first."
        )


def _hand_over(name: User, account: User) -> None:
    """Every row that names the name: all are of the one course that it came with."""
    if not name.email.endswith(NOWHERE):
        return
    relations = [
        one
        for one in User._meta.get_fields(include_hidden=True)
        if isinstance(one, ForeignObjectRel)
    ]
    for relation in relations:
        if relation.one_to_many or relation.one_to_one:
            rows: Any = relation.related_model
            rows._base_manager.filter(**{relation.field.name: name.pk}).update(
                **{relation.field.name: account.pk}
            )
    name.delete()
