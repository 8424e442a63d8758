"""A whole course as one zip: a JSON line for each row of each table, and the files of its runs. And back again, elsewhere.

Which tables belong is found from the models themselves, by their foreign keys to the course, so that a new table is not
forgotten. No password, join code or key of the platform is in it. Reading maps every reference through the archive's own
rows: nothing in it can point at what another course has.
"""

import base64
import json
import re
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DatabaseError, models, transaction
from django.db.models import Q

from teams.models import BudgetAccount, Course, Hold, HoldState, LedgerEntry, Membership, Role, User
from teams.services import audit, identity, invitations, ledger_sums
from training.models import Artifact, TrainingRun
from training.run_files import is_file_in, open_in

FORMAT = 1
OURS = ("teams", "datasets", "training", "evaluation")
LEFT_OUT = frozenset(
    {
        "teams.notice",
        "teams.mailchoice",
        "teams.outgoingmail",
        "teams.teamrequest",  # who is in which team is told by the memberships
        "teams.budgetalert",
        "teams.ledgersum",
        "datasets.import",
        "teams.diskaccount",  # of this machine's disk
        "teams.diskuse",
        "teams.archiveimport",
        "training.endpointkey",  # a key opens one platform only
        "training.endpointcall",
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
SECRET = {"teams.course": ("student_code", "professor_code")}
MONEY, CORRECTION = ("teams.hold", "teams.ledgerentry"), "correction"
MOST_BYTES = 4 * 1024**3
Row = dict[str, Any]
UNREADABLE = (zipfile.BadZipFile, json.JSONDecodeError, KeyError, TypeError, ValueError, DatabaseError, ValidationError)


class ArchiveRefused(Exception):
    """The course cannot be written or the file cannot be read; the message says why and what to do."""


def label(model: type[models.Model]) -> str:
    return model._meta.label_lower


def references(model: type[models.Model]) -> list[Any]:
    """Foreign keys to our own tables, people among them."""
    columns: tuple[Any, ...] = model._meta.concrete_fields
    return [one for one in columns if one.is_relation and one.related_model._meta.app_label in OURS]


@cache
def paths() -> dict[type[models.Model], list[str]]:
    """Every table of a course, with the lookups that lead to it: {LedgerEntry: ["account__team__course"], …}."""
    found: dict[type[models.Model], list[str]] = {Course: ["pk"]}
    rest = [one for one in apps.get_models() if one._meta.app_label in OURS and label(one) not in LEFT_OUT]
    while True:
        near = {model: _lookups(model, found) for model in rest if model not in found and model is not User}
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
    """Each table after those that it refers to; money last, because its keys name runs by their number."""
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
    return sorted(done, key=lambda model: label(model) in MONEY)


# --- Writing ---------------------------------------------------------------------------------------------------------


def write(course: Course, out: IO[bytes]) -> None:
    """Raises ArchiveRefused while something is still running: what is half done cannot be told elsewhere."""
    busy = TrainingRun.objects.active().filter(team__course=course).count()
    if busy or Hold.objects.filter(account__team__course=course, state=HoldState.OPEN).exists():
        raise ArchiveRefused(
            "Something in this course is still running. Wait until the queue page is empty, then try again."
        )
    people: set[int] = set()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.json", json.dumps({"format": FORMAT, "course": str(course)}))
        for model in in_order():
            with archive.open(f"{label(model)}.jsonl", "w", force_zip64=True) as lines:
                for row in _rows(model, course):
                    people |= {value for one, value in _people_in(model, row)}
                    lines.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
        known = User.objects.filter(pk__in=people).order_by("pk").values("pk", "email", "name")
        archive.writestr("people.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in known))
        for artifact in Artifact.objects.filter(run__team__course=course).select_related("run"):
            if not is_file_in(artifact.run.folder, artifact.path):
                continue
            name = f"runs/{artifact.run.key}/{artifact.path}"
            with (
                open_in(artifact.run.folder, artifact.path) as file,
                archive.open(name, "w", force_zip64=True) as member,
            ):
                shutil.copyfileobj(file, member)


def _rows(model: type[models.Model], course: Course) -> Iterator[Row]:
    """The course's own rows, and the platform's that they refer to (the built-in rubric, base models)."""
    way = paths()[model][0]
    wanted = Q(**{way: course.pk})
    if label(model) in COMMON:
        wanted |= Q(**{f"{way}__isnull": True})
    for one in model._default_manager.filter(wanted).order_by("pk").iterator(500):
        yield _as_row(one)


def _as_row(one: models.Model) -> Row:
    hidden = SECRET.get(label(type(one)), ())
    row = {
        column.attname: getattr(one, column.attname)
        for column in one._meta.concrete_fields
        if column.name not in hidden
    }
    row = {name: _plain(value) for name, value in row.items()}
    for many in one._meta.many_to_many:
        row[many.name] = sorted(getattr(one, many.name).values_list("pk", flat=True))
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
        (one.attname, row[one.attname]) for one in references(model) if one.related_model is User and row[one.attname]
    ]


# --- Reading ---------------------------------------------------------------------------------------------------------


@dataclass
class Reader:
    """`ids`: by table, the archive's key of a row -> the row's key here. `renamed`: unique keys that were taken here."""

    archive: zipfile.ZipFile
    ids: dict[str, dict[int, int]] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    course: Course | None = None

    def lines(self, name: str) -> Iterator[Row]:
        """Rows of one member, with taken keys replaced in their text."""
        if name not in self.archive.namelist():
            return
        pattern = re.compile("|".join(map(re.escape, self.renamed))) if self.renamed else None
        with self.archive.open(name) as lines:
            for number, raw in enumerate(lines, start=1):
                text = raw.decode()
                text = pattern.sub(lambda found: self.renamed[found[0]], text) if pattern else text
                row = json.loads(text)
                if not isinstance(row, dict):
                    raise ArchiveRefused(f"{name}, line {number}: not a row.")
                yield row


def read(file: IO[bytes], *, person: User) -> Course:
    """Make the archive's course here, with `person` as an instructor of it, or nothing at all. Raises ArchiveRefused."""
    try:
        with zipfile.ZipFile(file) as archive, transaction.atomic():
            _check(archive)
            reader = Reader(archive)
            reader.renamed = _taken_keys(reader)
            reader.ids["teams.user"] = _people(reader)
            for model in in_order():
                _read_table(reader, model)
            course = reader.course
            if course is None:
                raise ArchiveRefused("There is no course in this file.")
            Membership.objects.update_or_create(
                course=course, person=person, defaults={"role": Role.INSTRUCTOR, "team": None, "active": True}
            )
            audit.record(course=course, person=person, action=audit.IMPORTED, what=str(course))
            ledger_sums.rebuild(BudgetAccount.objects.filter(team__course=course))
            _write_files(reader)
    except UNREADABLE as error:
        raise ArchiveRefused(f"This is not a course archive of this platform, or it is damaged ({error}).") from error
    return course


def _check(archive: zipfile.ZipFile) -> None:
    about = json.loads(archive.read("about.json")) if "about.json" in archive.namelist() else {}
    if about.get("format") != FORMAT:
        raise ArchiveRefused("This is not a course archive that this version of the platform can read.")
    if sum(one.file_size for one in archive.infolist()) > MOST_BYTES:
        raise ArchiveRefused("This archive unpacks to more than 4 GB.")


def _taken_keys(reader: Reader) -> dict[str, str]:
    """Unique keys that a row here has already (the same archive read twice): each gets a new one, wherever it stands."""
    taken: dict[str, str] = {}
    for model in in_order():
        for one in model._meta.concrete_fields:
            if isinstance(one, models.UUIDField) and one.unique:
                keys = [row[one.attname] for row in reader.lines(f"{label(model)}.jsonl")]
                here = model._default_manager.filter(**{f"{one.name}__in": keys}).values_list(one.name, flat=True)
                taken |= {str(key): str(uuid.uuid4()) for key in here}
    return taken


def _people(reader: Reader) -> dict[int, int]:
    """By e-mail address; who has no account here gets one that no password opens until its owner sets one."""
    found = {}
    for row in reader.lines("people.jsonl"):
        account, new = User.objects.get_or_create(email=str(row["email"]).lower(), defaults={"name": row["name"][:120]})
        if new:
            account.set_unusable_password()
            account.save(update_fields=["password"])
        elif identity.hand_over(account):
            invitations.send_password_link(email=account.email)
        found[int(row["pk"])] = account.pk
    return found


def _read_table(reader: Reader, model: type[models.Model]) -> None:
    known = reader.ids.setdefault(label(model), {})
    for row in reader.lines(f"{label(model)}.jsonl"):
        key = int(row[model._meta.pk.attname])
        values = _mapped(reader, model, row)
        if values is None:
            continue
        if (same := _same_shared_row(reader, model, values)) is not None:
            known[key] = same
            continue
        made = _make(reader, model, key, values)
        known[key] = made.pk
        if isinstance(made, Course):
            reader.course = made
        for many in model._meta.many_to_many:
            targets = reader.ids.get(label(many.related_model), {})
            getattr(made, many.name).set([targets[one] for one in row[many.name] if one in targets])


def _mapped(reader: Reader, model: type[models.Model], row: Row) -> Row | None:
    """The row's values here; None when it needs something that was left out."""
    values = {}
    for one in model._meta.concrete_fields:
        if one.primary_key or one.attname not in row:
            continue
        value = row[one.attname]
        if one.is_relation and one.related_model is not None and value is not None:
            value = reader.ids.get(label(one.related_model), {}).get(value)
            if value is None and not one.null:
                return None
        elif isinstance(one, models.BinaryField):
            value = base64.b64decode(value["base64"])
        elif not one.is_relation:
            value = one.to_python(value)
        values[one.attname] = value
    return values


def _same_shared_row(reader: Reader, model: type[models.Model], values: Row) -> int | None:
    """The platform's own row that this one is a copy of, found by what makes it unique."""
    if label(model) not in COMMON or values.get("course_id") is not None:
        return None
    for rule in model._meta.constraints:
        if (
            isinstance(rule, models.UniqueConstraint)
            and rule.fields
            and rule.condition in (None, Q(course__isnull=True))
        ):
            columns = [model._meta.get_field(name).attname for name in rule.fields]  # type: ignore[union-attr]
            wanted = {f"{name}__isnull" if values[name] is None else name: values[name] or True for name in columns}
            if "course_id" not in wanted and "course_id__isnull" not in wanted:
                wanted |= {f"{paths()[model][0]}__isnull": True}
            return model._default_manager.filter(**wanted).values_list("pk", flat=True).first()
    return None


def _make(reader: Reader, model: type[models.Model], key: int, values: Row) -> models.Model:
    if label(model) in COMMON and values.get("course_id", 0) is None and reader.course is not None:
        values["course_id"] = reader.course.pk  # the platform there had it for everyone; here only this course has it
    if label(model) in MONEY:
        _name_money(reader, model, values)
    made = model(**values)
    if isinstance(made, TrainingRun):
        made.provider_files, made.provider_job, made.lease = [], "", ""
        if made.result_model.startswith("run-"):
            made.result_model = f"run-{made.key}"
    for one in model._meta.concrete_fields:
        generated = isinstance(one, models.CharField) and one.unique and one.has_default() and one.attname in values
        if generated and model._default_manager.filter(**{one.name: values[one.attname]}).exists():
            setattr(made, one.attname, one.get_default())
    made.save_base(raw=True, force_insert=True)  # raw: dates stay what they were
    return made


def _name_money(reader: Reader, model: type[models.Model], values: Row) -> None:
    """Keys of charges, and what they name, as they are here. Files from before there were corrections know one time only."""
    values["key"] = _money_key(reader, model, str(values["key"]))
    if values.get("subject_kind") == CORRECTION:
        values["subject_id"] = values["key"].removeprefix(f"{CORRECTION}-")
    if model is LedgerEntry:
        values.setdefault("for_time", values["at"])


def _money_key(reader: Reader, model: type[models.Model], key: str) -> str:
    """`run-<id>` and `correction-<id>` name a run and a charge by their numbers here; another key that is taken gets the
    course's number."""
    kind, _, number = key.partition("-")
    known = reader.ids.get({"run": "training.trainingrun", CORRECTION: "teams.ledgerentry"}.get(kind, ""), {})
    if number.isdigit() and int(number) in known:
        return f"{kind}-{known[int(number)]}"
    taken = model._default_manager.filter(key=key).exists() or kind in ("run", CORRECTION)
    return f"{key}-c{reader.course.pk}" if taken and reader.course else key


def _write_files(reader: Reader) -> None:
    """The runs' files, each only into the folder of the run that the archive says it is of."""
    for artifact in Artifact.objects.filter(run__team__course=reader.course).select_related("run"):
        old = next((before for before, now in reader.renamed.items() if now == str(artifact.run.key)), None)
        name = f"runs/{old or artifact.run.key}/{artifact.path}"
        inside = PurePosixPath(artifact.path)
        if name not in reader.archive.namelist() or inside.is_absolute() or ".." in inside.parts:
            continue
        target = Path(artifact.run.folder) / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(reader.archive.read(name))
