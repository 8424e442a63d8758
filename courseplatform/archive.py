"""A whole course as one zip: a JSON line for each row of each table, and the files of its runs.

Which tables belong is found from the models themselves, by their foreign keys to the course, so that none is forgotten;
which of their fields are written stands in `course_archive.tables`. No password, join code or key of the platform is in it.
How it is read: `course_archive.bringing`.
"""

import base64
import json
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from typing import IO, Any

from django.apps import apps
from django.db import connection, models
from django.db.models import Q

from courseplatform.course_archive import tables
from evaluation.models import Interview, JudgeOpinion, OpinionStatus, Turn, TurnStatus
from teams.models import Course, DiskAccount, Hold, HoldState, User
from teams.services.archive_exports import ExportRefused
from training import methods
from training.models import Artifact, Drafting, TrainingRun
from training.services import run_storage
from training.services.bundle import model_proof

OURS = ("teams", "datasets", "training", "evaluation")
LEFT_OUT = frozenset(
    {
        "teams.notice",
        "teams.toldonce",
        "teams.mailchoice",
        "teams.outgoingmail",
        "teams.teamrequest",  # who is in which team is told by the memberships
        "teams.budgetalert",
        "teams.handover",
        "teams.policytext",  # another institution's words must not come in unread
        "teams.erasureproof",
        "teams.ledgersum",
        "datasets.import",
        "teams.provider",  # an account with a key, which never leaves
        "teams.lmsconnection",  # an LMS trusts one platform only, and knows people by names of its own
        "teams.lmscourse",
        "teams.lmsidentity",
        "teams.lmsseat",
        "teams.lmslaunch",
        "evaluation.lmsgrade",
        "teams.diskaccount",  # of this machine's disk
        "teams.diskuse",
        "teams.archiveimport",
        "teams.archiveexport",
        "training.endpointkey",  # a key opens one platform only
        "training.endpointcall",
        "training.apifile",  # what it became, a dataset and a run, comes along
        "training.finetuningjob",
        "training.host",
        "training.modelserver",  # of the operator
        "training.loadedadapter",
        "training.drafting",  # rows that were accepted come with their versions
        "training.draftedrow",
        "training.mergedmodel",  # made anew where somebody asks for it
    }
)
# Some of their rows belong to no course: what comes with the platform. No path to a course may lead through them.
COMMON = frozenset(
    {
        "training.basemodel",
        "evaluation.rubricversion",
        "evaluation.criterion",
        "evaluation.level",
        "evaluation.interviewscript",
        "evaluation.interviewquestion",
    }
)
ROWS_BESIDE = 5_000_000
"""Bytes, packed: talks, grades and costs of a course."""
Row = dict[str, Any]


class ArchiveRefused(ExportRefused):
    """The course cannot be written; the message says why and what to do."""


def label(model: type[models.Model]) -> str:
    return model._meta.label_lower


def references(model: type[models.Model]) -> list[Any]:
    """Foreign keys to our own tables, people among them."""
    columns: tuple[Any, ...] = model._meta.concrete_fields
    return [
        one for one in columns if one.is_relation and one.related_model._meta.app_label in OURS
    ]


@cache
def paths() -> dict[type[models.Model], list[str]]:
    """Every table of a course, with the lookups that lead to it: {LedgerEntry: ["account__team__course"], …}."""
    found: dict[type[models.Model], list[str]] = {Course: ["pk"]}
    rest = [
        one
        for one in apps.get_models()
        if one._meta.app_label in OURS and label(one) not in LEFT_OUT
    ]
    while True:
        near = {
            model: _lookups(model, found)
            for model in rest
            if model not in found and model is not User
        }
        if not any(near.values()):
            return found
        found |= {model: lookups for model, lookups in near.items() if lookups}


def _lookups(model: type[models.Model], found: dict[type[models.Model], list[str]]) -> list[str]:
    ways = []
    for one in references(model):
        leads_past = label(one.related_model) in COMMON and label(model) not in COMMON
        if one.related_model in found and not one.null and not leads_past:
            further = found[one.related_model][0]
            ways.append(one.name if further == "pk" else f"{one.name}__{further}")
    if not ways:
        ways = [one.name for one in references(model) if one.related_model is Course]
    return sorted(ways, key=len)


def in_order() -> list[type[models.Model]]:
    """Each table after those that it refers to."""
    done: list[type[models.Model]] = []
    rest = list(paths())
    while rest:
        ready = [
            model
            for model in rest
            if all(
                one.related_model in (*done, model, User) or one.related_model not in paths()
                for one in references(model)
            )
        ]
        assert ready, f"tables that refer to each other in a circle: {rest}"
        done += ready
        rest = [model for model in rest if model not in ready]
    return done


# --- Writing ---------------------------------------------------------------------------------------------------------


def write(course: Course, out: IO[bytes]) -> None:
    """As the course is at this moment. Raises ExportRefused while something is still running, and where one of its files cannot
    be given now: a course that lacks one must not be taken for whole, for it may be deleted next."""
    with one_moment():
        refuse_while_busy(course)
        _write(course, out)


@contextmanager
def one_moment() -> Iterator[None]:
    """All that is read here is of one moment, whatever others write meanwhile. Nothing can be written in it."""
    if connection.in_atomic_block:  # a test's
        yield
        return
    snapshot = (
        "ISOLATION LEVEL REPEATABLE READ READ ONLY"
        if connection.vendor == "postgresql"
        else "DEFERRED"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN {snapshot}")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def refuse_while_busy(course: Course) -> None:
    """Raises ArchiveRefused: what is half done cannot be told elsewhere."""
    if _is_busy(course):
        raise ArchiveRefused(
            "Something in this course is still running. Wait until the queue page is empty, then try again."
        )


def estimate(course: Course) -> int:
    """Bytes that the file may come to: what its teams keep, and its rows beside that."""
    whole = DiskAccount.objects.filter(course=course).first()
    return ROWS_BESIDE + (whole.used if whole else 0)


def _write(course: Course, out: IO[bytes]) -> None:
    people: set[int] = set()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "about.json", json.dumps({"format": tables.FORMAT, "course": str(course)})
        )
        for model in in_order():
            with archive.open(f"{label(model)}.jsonl", "w", force_zip64=True) as lines:
                for row in _rows(model, course):
                    people |= {value for one, value in _people_in(model, row)}
                    lines.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
        known = User.objects.filter(pk__in=people).order_by("pk").values("pk", "email", "name")
        archive.writestr(
            "people.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in known)
        )
        archive.writestr(tables.PROOFS, "".join(_proofs(course)))
        for artifact in Artifact.objects.filter(run__team__course=course).select_related(
            "run__team"
        ):
            name = f"runs/{artifact.run.key}/{artifact.path}"
            with (
                run_storage.opened_for_export(artifact.run, artifact.path) as file,
                archive.open(name, "w", force_zip64=True) as member,
            ):
                shutil.copyfileobj(file, member)


def _is_busy(course: Course) -> bool:
    return (
        TrainingRun.objects.active().filter(team__course=course).exists()
        or Hold.objects.filter(account__team__course=course, state=HoldState.OPEN).exists()
        or Drafting.objects.at_work().filter(team__course=course).exists()
        or Interview.objects.active().filter(run__team__course=course).exists()
        or Turn.objects.filter(
            conversation__run__team__course=course, status=TurnStatus.STREAMING
        ).exists()
        or JudgeOpinion.objects.filter(
            interview__run__team__course=course, status=OpinionStatus.ASKING
        ).exists()
    )


def _rows(model: type[models.Model], course: Course) -> Iterator[Row]:
    """The course's own rows, and the platform's that they refer to (the built-in rubric, base models)."""
    way = paths()[model][0]
    wanted = Q(**{way: course.pk})
    if label(model) in COMMON:
        wanted |= Q(**{f"{way}__isnull": True})
    for one in model._default_manager.filter(wanted).order_by("pk").iterator(500):
        yield _as_row(one)


def _proofs(course: Course) -> Iterator[str]:
    """For each model that this platform trained at a provider: what lets it be asked again where the course comes back."""
    away = methods.where(lambda method: method.kept_by_provider)
    runs = TrainingRun.objects.filter(team__course=course, method__in=away)
    ours = TrainingRun.objects.on_this_machine().values("pk")
    runs = runs.exclude(pk__in=ours).exclude(result_model="")
    for run in runs:
        yield (
            json.dumps(
                {"key": str(run.key), "model": run.result_model, "proof": model_proof(run)}
            )
            + "\n"
        )


def _as_row(one: models.Model) -> Row:
    """The fields that `course_archive.tables` names."""
    table = tables.BY_LABEL[label(type(one))]
    row = {name: _plain(getattr(one, name)) for name in table.written if name not in table.lists}
    for name in table.lists:
        row[name] = sorted(getattr(one, name).values_list("pk", flat=True))
    return row


def _plain(value: Any) -> Any:
    """As JSON can say it; times to the microsecond, bytes as base64."""
    if isinstance(value, bytes | memoryview):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _people_in(model: type[models.Model], row: Row) -> list[tuple[str, int]]:
    return [
        (one.attname, row[one.attname])
        for one in references(model)
        if one.related_model is User and row[one.attname]
    ]
