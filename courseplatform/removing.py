"""Deleting a whole course, once it was taken along as a file; and a team that never did anything.

The tables are the archive's, in the opposite order: what is deleted is what the file holds. Everywhere else runs, charges
and grades stay protected from being deleted along with something.
"""

from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from courseplatform import archive
from courseplatform.erasing_rows import forget_freed_pages
from datasets.models import Dataset, Import
from evaluation.models import Turn
from teams import live
from teams.models import (
    ArchiveExport,
    ArchiveImport,
    AuditEntry,
    Course,
    Hold,
    HoldState,
    LedgerEntry,
    Role,
    Team,
    User,
)
from teams.services import audit, erasing, person_exports, proofs
from teams.services.lti import connections
from teams.services.storage import files
from training.models import ENDED, TrainingRun
from training.services import cloud

EXPORTED_WITHIN = timedelta(hours=24)
EXPORTED = "course exported"


class RemovalRefused(Exception):
    """Nothing was deleted; the text says why and what to do."""


class UploadsRemain(RemovalRefused):
    """Rows that were uploaded for training are still at the provider. `files`: their ids there."""

    def __init__(self, files: list[str]) -> None:
        self.files = files
        super().__init__(
            "Rows of this course that were uploaded for training are still at the provider, which could not be reached or "
            "refused to delete them. Nothing was deleted. Try again in some minutes."
        )


def last_export(course: Course) -> AuditEntry | None:
    """The newest one that is young enough to delete the course after."""
    since = timezone.now() - EXPORTED_WITHIN
    return course.audit_entries.filter(action=EXPORTED, at__gte=since).first()


def moment_of(export: AuditEntry) -> datetime:
    """Of which moment the exported file tells: of one before it was downloaded."""
    said = (export.after or {}).get("of")
    return datetime.fromisoformat(said) if isinstance(said, str) else export.at


def delete_course(
    *, course: Course, person: User, leave_uploads: bool = False, demo: bool = False
) -> None:
    """Everything of the course, its files, and the accounts of students who are in no other course.

    Raises RemovalRefused; UploadsRemain where uploaded rows are still at the provider, unless they are left there by
    `leave_uploads`: with the runs their ids go too, so that only the record knows them from then on. A `demo` course needs
    no export: it can be made again.
    """
    if last_export(course) is None and not demo:
        raise RemovalRefused(
            "Export the course first: deleting it is for ever, and the file is all that is left."
        )
    for run in _with_uploads(course).filter(
        status__in=ENDED
    ):  # asks the provider, so before anything is locked
        if not cloud.clean_up(run):
            break  # it is away: no need to wait for that again and again
    name = str(course)
    with transaction.atomic():
        _refuse_while_busy(course)
        left = [file_id for run in _with_uploads(course) for file_id in run.provider_files]
        if left and not leave_uploads:
            raise UploadsRemain(left)
        places = [run.place for run in TrainingRun.objects.filter(team__course=course)]
        runs = len(places)
        places += [one.place for one in Import.objects.filter(team__course=course)]
        places += [
            one.place
            for one in ArchiveImport.objects.filter(Q(team__course=course) | Q(course=course))
        ]
        places += [one.place for one in ArchiveExport.objects.filter(course=course)]
        counts: dict[str, object] = {
            "people": course.memberships.count(),
            "teams": course.teams.count(),
            "runs": runs,
        }
        names = [import_.names() for import_ in ArchiveImport.objects.filter(course=course)]
        students = list(_students_of_this_course_alone(course))
        topics = _topics(course)
        connections.forget_course(course)
        places += person_exports.places_of(students)
        manifests = proofs.manifest("files of runs, uploads and archives", places)
        gone = delete_rows(course)
        _forget_files(places)
        erasing.forget_platform_wide(students)
        person_exports.forget_people(students)
        User.objects.filter(pk__in=[student.pk for student in students]).delete()
        for imported in names:
            imported.delete()
        proofs.keep(
            course=None,
            what="a whole course",
            subject=name,
            by=person,
            database=gone | {"accounts": len(students)},
            files=manifests,
            places=places,
            provider=[f"file {one} was left there" for one in left],
        )
        before = counts | ({"files left at the provider": left} if left else {})
        audit.record(
            course=None, person=person, action="course deleted", what=name, before=before
        )
        transaction.on_commit(lambda: _remove_files(places))
    live.forget(topics)


def _topics(course: Course) -> list[str]:
    """The live channels of all that anybody could watch here."""
    runs = TrainingRun.objects.filter(team__course=course).only("key")
    turns = Turn.objects.filter(conversation__run__team__course=course).only("key")
    uploads = Import.objects.filter(team__course=course).only("key")
    return [one.topic for found in (runs, turns, uploads) for one in found.iterator()]


def delete_rows(course: Course) -> dict[str, int]:
    """Every row of the course, in the opposite order of their references. How many, by table."""
    gone: dict[str, int] = {}
    for model in reversed(archive.in_order()):
        _, found = _rows(model, course).delete()
        for label, count in found.items():
            gone[label] = gone.get(label, 0) + count
    return gone


def _with_uploads(course: Course) -> models.QuerySet[TrainingRun]:
    return (
        TrainingRun.objects.with_related().filter(team__course=course).exclude(provider_files=[])
    )


def _refuse_while_busy(course: Course) -> None:
    Course.objects.select_for_update().get(pk=course.pk)
    holds = Hold.objects.filter(account__team__course=course, state=HoldState.OPEN)
    if TrainingRun.objects.active().filter(team__course=course).exists() or holds.exists():
        raise RemovalRefused(
            "Something in this course is still running. Wait until the queue page is empty."
        )


def _students_of_this_course_alone(course: Course) -> models.QuerySet[User]:
    mine = course.memberships.filter(role=Role.STUDENT).values("person")
    found = User.objects.filter(pk__in=mine, is_staff=False, user_permissions=None)
    return found.exclude(memberships__in=course.memberships.model.objects.exclude(course=course))


def _rows(model: type[models.Model], course: Course) -> models.QuerySet[models.Model]:
    """Of the tables that also hold what comes with the platform, only the course's own rows."""
    return model._base_manager.filter(**{archive.paths()[model][0]: course.pk})


def _forget_files(places: list[str]) -> None:
    """In the transaction, so that they are destroyed even where storage is away at its end."""
    for place in places:
        files.forget_rows(place)


def _remove_files(places: list[str]) -> None:
    files.destroy_all(places)
    forget_freed_pages()


def remove_team(*, team: Team, person: User) -> None:
    """A team that left no trace. Its people stay in the course. Raises RemovalRefused."""
    with transaction.atomic():
        locked = Team.objects.select_for_update().get(pk=team.pk)
        worked = (
            Dataset.objects.filter(team=locked).exists()
            or TrainingRun.objects.filter(team=locked).exists()
            or LedgerEntry.objects.filter(account__team=locked).exists()
        )
        if worked:
            raise RemovalRefused(
                f"{team} has data, runs or costs, which stay on record. Move its people to other teams instead."
            )
        audit.record(course=team.course, person=person, action="team removed", what=team.name)
        places = [one.place for one in Import.objects.filter(team=locked)]
        places += [one.place for one in ArchiveImport.objects.filter(team=locked)]
        places += [one.place for one in ArchiveExport.objects.filter(team=locked)]
        locked.delete()
        _forget_files(places)
        transaction.on_commit(lambda: _remove_files(places))
