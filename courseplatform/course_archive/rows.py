"""Rows of an archive as rows of this database: every value checked by its own field, inserted in short transactions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, models, transaction
from django.db.backends.base.operations import BaseDatabaseOperations
from django.utils import timezone

from courseplatform.course_archive.tables import COURSE, Table
from evaluation.models import Grade, Grading, Hearing

AT_ONCE = 500
"""Rows in one transaction: a course of any size keeps nobody else from writing for longer than that takes."""
FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2100, 1, 1)
CLOCKS_DIFFER = timedelta(minutes=10)
LATER = frozenset(
    {
        "expires_at",
        "due_on",
        "starts_on",
        "ends_on",
        "shutdown_on",
        "effective_from",
        "starts_at",
    }
)
"""What may lie ahead. All else has happened: a future entry would hide what happens here from the nightly bill."""
# SQLite would keep any number in any column; PostgreSQL and the pages would not.
RANGES = BaseDatabaseOperations.integer_field_ranges
Line = tuple[int, dict[str, Any]]
TYPES: tuple[tuple[type[models.Field[Any, Any]], type | tuple[type, ...]], ...] = (
    (models.BooleanField, bool),
    (models.FloatField, (int, float)),
    (models.IntegerField, int),
    (models.UUIDField, str),
    (models.DateField, str),
    (models.CharField, str),
    (models.TextField, str),
)


class ArchiveRefused(Exception):
    """The archive is not taken; the message says which member and field, why, and what to do."""


def refused(table: Table, number: int, name: str, why: str) -> ArchiveRefused:
    place = f"{table.member}, line {number}" + (f", {name}" if name else "")
    return ArchiveRefused(f"{place}: {why}")


@dataclass
class Known:
    """`ids`: by table, a row's number in the archive -> here. `keys`: random names in the archive -> here."""

    ids: dict[str, dict[int, int]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    people: dict[int, int] = field(default_factory=dict)

    def of(self, label: str) -> dict[int, int]:
        return self.ids.setdefault(label, {})


def model_of(table: Table) -> type[models.Model]:
    return apps.get_model(table.label)


def values_of(table: Table, line: Line, known: Known) -> dict[str, Any]:
    """The row's values here. Raises ArchiveRefused for one that its field would not take from a person's form."""
    number, row = line
    model = model_of(table)
    values: dict[str, Any] = {}
    for name in (*table.plain, *table.documents):
        if name in row:
            values[name] = _checked(table, number, model._meta.get_field(name), row[name])
    for name in table.keys:
        values[name] = (
            UUID(known.keys.setdefault(str(row[name]), str(uuid4()))) if name in row else uuid4()
        )
    for name, label in table.refs.items():
        values[name] = _reference(table, line, name, known.of(label))
    for name in table.people:
        values[name] = _reference(table, line, name, known.people)
    if model is Grade:
        values["grader_id"] = _grader(table, number, values)
    return values


def _grader(table: Table, number: int, values: dict[str, Any]) -> int:
    """Whose marks they are follows from what they are of: a grading or a hearing, which are here by now."""
    grading, hearing = values["grading_id"], values["hearing_id"]
    if (grading is None) == (hearing is None):
        raise refused(
            table,
            number,
            "grading_id",
            "A grade is of a grading or of a hearing, and of one of them.",
        )
    if grading is not None:
        return Grading.objects.get(pk=grading).grader_id
    return Hearing.objects.get(pk=hearing).listener_id


def _reference(table: Table, line: Line, name: str, known: dict[int, int]) -> int | None:
    number, row = line
    column: Any = model_of(table)._meta.get_field(name.removesuffix("_id"))
    wanted = row.get(name)
    if wanted is None:
        # A row of no course would be the whole platform's.
        if not column.null or table.refs.get(name) == COURSE:
            raise refused(table, number, name, "It must name a row of this archive.")
        return None
    if wanted not in known:
        raise refused(table, number, name, "It names a row that is not in this archive.")
    return known[wanted]


def _checked(table: Table, number: int, column: Any, value: Any) -> Any:
    if value is None:
        if not column.null:
            raise refused(table, number, column.name, "It may not be empty.")
        return None
    if isinstance(column, models.JSONField):
        return value
    for kind, plain in TYPES:
        if isinstance(column, kind):
            if not isinstance(value, plain) or (isinstance(value, bool) and plain is not bool):
                raise refused(
                    table, number, column.name, "It is of another kind than this field holds."
                )
            break
    low, high = RANGES.get(column.get_internal_type(), (None, None))
    if low is not None and high is not None and not low <= value <= high:
        raise refused(table, number, column.name, f"It is not between {low} and {high}.")
    try:
        value = column.to_python(value)
        if (
            column.choices
            and value not in dict(column.flatchoices)
            and not (column.blank and value == "")
        ):
            raise ValidationError("It is none of the values that this field can have.")
        column.run_validators(value)
    except ValidationError as wrong:
        raise refused(table, number, column.name, " ".join(wrong.messages)) from wrong
    return _in_time(table, number, column.name, value)


def _in_time(table: Table, number: int, name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        if timezone.is_naive(value):
            raise refused(table, number, name, "It is a time without a time zone.")
        if name not in LATER and value > timezone.now() + CLOCKS_DIFFER:
            raise refused(table, number, name, "It lies in the future.")
    if isinstance(value, date):
        day = value.date() if isinstance(value, datetime) else value
        if not FIRST_DAY <= day < LAST_DAY:
            raise refused(
                table, number, name, f"It is not between {FIRST_DAY.year} and {LAST_DAY.year}."
            )
    return value


def insert(table: Table, made: Sequence[tuple[int, models.Model]], known: Known) -> None:
    """Insert the rows, remember their numbers, and give them back the times that Django sets by itself.

    `made`: the row's number in the archive, and the row. Raises ArchiveRefused where two rows contradict each other.
    """
    model, here = model_of(table), known.of(table.label)
    stamped = [one for one in model._meta.concrete_fields if _is_stamped(one)]
    for some in _batches(made):
        times = [[getattr(row, one.attname) for one in stamped] for _, row in some]
        try:
            with transaction.atomic():
                model._default_manager.bulk_create([row for _, row in some])
                _set_times(
                    model,
                    stamped,
                    [(times[place], row.pk) for place, (_, row) in enumerate(some)],
                )
        except DatabaseError as wrong:
            raise ArchiveRefused(
                f"{table.member}: Two rows contradict each other, or a rule that all courses keep to ({str(wrong)[:200]})."
            ) from wrong
        here.update({number: row.pk for number, row in some})


def _is_stamped(column: Any) -> bool:
    return bool(getattr(column, "auto_now", False) or getattr(column, "auto_now_add", False))


def _set_times(
    model: type[models.Model], stamped: list[Any], rows: list[tuple[list[Any], Any]]
) -> None:
    """By hand, because `bulk_create` writes now into each of these columns. One that the archive left out keeps that."""
    for place, column in enumerate(stamped):
        wanted = [
            (column.get_db_prep_save(times[place], connection), pk)
            for times, pk in rows
            if times[place] is not None
        ]
        if wanted:
            name, table = (
                connection.ops.quote_name(column.column),
                connection.ops.quote_name(model._meta.db_table),
            )
            key = connection.ops.quote_name(str(model._meta.pk.column))
            with connection.cursor() as cursor:
                cursor.executemany(f"UPDATE {table} SET {name} = %s WHERE {key} = %s", wanted)  # noqa: S608  (names of ours)


def _batches(
    made: Sequence[tuple[int, models.Model]],
) -> Iterator[Sequence[tuple[int, models.Model]]]:
    for start in range(0, len(made), AT_ONCE):
        yield made[start : start + AT_ONCE]


def fresh_name(text: str, known: Known) -> str:
    """A random name in a text as it is here. One that this archive has no row for becomes one that nothing has."""
    try:
        UUID(text)
    except ValueError:
        return text
    return known.keys.setdefault(text, str(uuid4()))
