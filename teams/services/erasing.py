"""Removing what says who a student was. The team's work stays, signed by nobody."""

import re
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.db import transaction
from django.db.models import Q, QuerySet

from teams.models import (
    ArchiveExport,
    ArchiveKind,
    AuditEntry,
    Course,
    LmsLaunch,
    LmsSeat,
    MailChoice,
    Membership,
    Notice,
    OutgoingMail,
    Role,
    ToldOnce,
    User,
)
from teams.services import (
    archive_exports,
    audit,
    person_exports,
    proofs,
    retention_notice,
    second_factor,
)
from teams.services.courses import CourseRefused

FILES_OF_A_PERSON = "files of their own data and archives of their courses"
ERASED = "Former student"
FORMER = "Former member"


def erase(*, membership: Membership, person: User | None) -> None:
    """Remove name, address, password, notices and sign-in records of a student, in every course of theirs.

    Raises CourseRefused for anybody but a student, and while the account is used in a course where `person` (the
    instructor; None for the platform's own clock) is not an instructor.
    """
    student = membership.person
    if student.is_staff or student.memberships.exclude(role=Role.STUDENT).exists():
        raise CourseRefused(
            f"{student} is not only a student here or elsewhere. Ask whoever runs the platform."
        )
    if person is not None and _courses_of_others(student, person):
        raise CourseRefused(
            f"{student} is in a course of another instructor too. Take them out here, and ask whoever runs the platform."
        )
    with transaction.atomic():
        address = student.email
        places = _places_of(student)
        manifests = proofs.manifest(FILES_OF_A_PERSON, places)
        gone = _forget(student, f"{ERASED} {student.pk}")
        proofs.keep(
            course=membership.course,
            what="personal data of one person",
            subject=address,
            by=person,
            database=gone,
            files=manifests,
            places=places,
        )
        audit.record(
            course=membership.course,
            person=person,
            action="personal data erased",
            what=student.name,
        )


def erase_account(*, account: User, person: User) -> None:
    """The same for anybody's account, by those who run the platform. Grades and announcements stay, signed by nobody.

    Raises CourseRefused for somebody who runs the platform, and for the only instructor of a course.
    """
    if account.is_staff:
        raise CourseRefused(
            f"{account} runs this platform. Nobody's account that does is erased."
        )
    for mine in account.memberships.filter(role=Role.INSTRUCTOR, active=True).select_related(
        "course"
    ):
        if mine.course.memberships.filter(role=Role.INSTRUCTOR, active=True).count() == 1:
            raise CourseRefused(
                f"{account} is the only instructor of {mine.course}. Make somebody else instructor first."
            )
    with transaction.atomic():
        only_student = not account.memberships.exclude(role=Role.STUDENT).exists()
        address = account.email
        places = _places_of(account)
        manifests = proofs.manifest(FILES_OF_A_PERSON, places)
        gone = _forget(account, f"{ERASED if only_student else FORMER} {account.pk}")
        proofs.keep(
            course=None,
            what="personal data of one person",
            subject=address,
            by=person,
            database=gone,
            files=manifests,
            places=places,
        )
        for course in (None, *Course.objects.filter(memberships__person=account)):
            audit.record(
                course=course, person=person, action="personal data erased", what=account.name
            )


def _places_of(person: User) -> list[str]:
    """Of files that name them: their own data, and archives of their courses."""
    courses = Course.objects.filter(memberships__person=person)
    archives = ArchiveExport.objects.filter(course__in=courses, kind=ArchiveKind.COURSE)
    return person_exports.places_of([person]) + [one.place for one in archives]


def _forget(person: User, new_name: str) -> dict[str, int]:
    """How many rows were removed or emptied, by table."""
    gone = {"audit entries": _forget_in_log(person, new_name)}
    person_exports.forget_people([person])
    for course in Course.objects.filter(memberships__person=person).distinct():
        archive_exports.forget_course(course)
    for model in (AccessAttempt, AccessLog, AccessFailureLog):
        found, _ = model.objects.filter(username__iexact=person.email).delete()
        gone["records of sign-ins"] = gone.get("records of sign-ins", 0) + found
    mine = {
        "notices": Notice.objects.filter(person=person),
        "notices told once": ToldOnce.objects.filter(person=person),
        "choices of mail": MailChoice.objects.filter(person=person),
        "mails": OutgoingMail.objects.filter(Q(person=person) | Q(address__iexact=person.email)),
        "links to the university": person.identities.all(),
        "links to an LMS": person.lms_identities.all(),
        "seats of an LMS": LmsSeat.objects.filter(membership__person=person),
        "launches from an LMS": LmsLaunch.objects.filter(email__iexact=person.email),
    }
    for name, rows in mine.items():
        gone[name], _ = rows.delete()
    gone["sign-ins"] = second_factor.sign_out_everywhere(person)
    gone["second factors"] = person.passkeys.count() + person.recovery_codes.count()
    second_factor.forget_factors(person)
    person.user_permissions.clear()
    gone["memberships"] = person.memberships.update(
        active=False, imported_email="", student_id=""
    )
    person.name, person.email, person.is_active = (
        new_name,
        f"erased-{person.pk}@invalid.example",
        False,
    )
    person.set_unusable_password()
    person.save()
    return gone | {"accounts": 1}


def _courses_of_others(student: User, person: User) -> bool:
    mine = Course.objects.filter(
        memberships__person=person, memberships__role=Role.INSTRUCTOR, memberships__active=True
    )
    return student.memberships.filter(active=True).exclude(course__in=mine).exists()


def _forget_in_log(student: User, new_name: str) -> int:
    """The log of every course of theirs keeps what was done, without the name it was done to. How many entries."""
    entries = AuditEntry.objects.filter(Q(course__memberships__person=student) | Q(course=None))
    return _scrub(entries.distinct(), {new_name: student})


def forget_platform_wide(students: list[User]) -> None:
    """For accounts that go with their course: the platform's own log keeps what was done, without their names."""
    _scrub(
        AuditEntry.objects.filter(course=None),
        {f"{ERASED} {student.pk}": student for student in students},
    )


def _scrub(entries: QuerySet[AuditEntry], students: dict[str, User]) -> int:
    """`students`: by what stands in place of their names and addresses."""
    changed = []
    for entry in entries.iterator(1000):
        said = (entry.what, entry.before, entry.after)
        for new_name, student in students.items():
            entry.what, entry.before, entry.after = (
                _without(value, student, new_name)
                for value in (entry.what, entry.before, entry.after)
            )
        if said != (entry.what, entry.before, entry.after):
            changed.append(entry)
    AuditEntry.objects.bulk_update(changed, ["what", "before", "after"], batch_size=500)
    return len(changed)


def _without(value: Any, student: User, new_name: str) -> Any:
    if isinstance(value, str):
        said = re.sub(re.escape(student.email), new_name, value, flags=re.IGNORECASE)
        return (
            re.sub(rf"(?<!\w){re.escape(student.name)}(?!\w)", new_name, said)
            if student.name
            else said
        )
    if isinstance(value, list):
        return [_without(one, student, new_name) for one in value]
    if isinstance(value, dict):
        return {key: _without(one, student, new_name) for key, one in value.items()}
    return value


def apply_retention() -> int:
    """Erase the students of courses that ended longer ago than they keep data, and announced it; returns how many.

    Who is also in a course that still keeps data, or has another role anywhere, is left alone.
    """
    ended = Course.objects.filter(keep_days__isnull=False, ends_on__isnull=False)
    over = [one for one in ended if retention_notice.may_act(one)]
    students = Membership.objects.filter(course__in=over, role=Role.STUDENT).exclude(
        person__name__startswith=ERASED
    )
    by_person = {
        membership.person_id: membership
        for membership in students.select_related("person", "course")
    }
    needed = set(
        Membership.objects.filter(person__in=by_person)
        .exclude(course__in=over)
        .values_list("person_id", flat=True)
    )
    return sum(
        _erase_quietly(one) for person_id, one in by_person.items() if person_id not in needed
    )


def _erase_quietly(membership: Membership) -> int:
    try:
        erase(membership=membership, person=None)
    except CourseRefused:
        return 0
    return 1
