"""What an archive brings of the platform's own: base models, the built-in rubric and script. Never a row for all courses."""

from typing import TYPE_CHECKING, Any

from django.db import models

from courseplatform.course_archive.rows import (
    ArchiveRefused,
    Line,
    insert,
    model_of,
    refused,
    values_of,
)
from courseplatform.course_archive.tables import BY_LABEL, COURSE, Table
from evaluation.models import RubricVersion
from teams.models import Course
from training import methods
from training.models import BaseModel, Hosting, TrainingRun, Trial
from training.services import base_models

if TYPE_CHECKING:
    from courseplatform.course_archive.bringing import Arrival

RUBRIC = ("evaluation.rubricversion", "evaluation.criterion", "evaluation.level")
SCRIPT = ("evaluation.interviewscript", "evaluation.interviewquestion")
Values = dict[str, Any]


def keep_base_models(arrival: "Arrival", table: Table, lines: list[Line]) -> None:
    """Those that this platform offers everywhere are its own, and one that it has looked at before may be loaded. Any other
    is known by its name only, and an instructor may add it in the usual way."""
    made: list[tuple[int, models.Model]] = []
    for number, row in lines:
        values = _values(arrival, table, (number, row))
        here = BaseModel.objects.filter(
            course=None, method=values["method"], name=values["name"]
        ).first()
        if here is not None:
            arrival.known.of(table.label)[row["id"]] = here.pk
            continue
        values["rehearsal"] = bool(values.get("rehearsal"))
        if methods.get(values["method"]).leaves_adapter and base_models.is_known_here(
            values["name"]
        ):
            values |= {
                "hosting": Hosting.HUGGING_FACE,
                "trial": Trial.WAITING,
            }  # the clock has it tried
        else:
            values |= {"hosting": Hosting.ELSEWHERE, "enabled": False}
        made.append((row["id"], BaseModel(**values)))
    insert(table, made, arrival.known)


def _values(arrival: "Arrival", table: Table, line: Line) -> Values:
    """With the new course, also where the platform there had the row for everyone."""
    course, (number, row) = _course(arrival), line
    if row.get("course_id") is None:
        row = {**row, "course_id": next(iter(arrival.known.of(COURSE)))}
    return values_of(table, (number, row), arrival.known) | {"course_id": course.pk}


def _course(arrival: "Arrival") -> Course:
    if arrival.course is None:
        raise ArchiveRefused(f"{COURSE}.jsonl: There is no course in this file.")
    return arrival.course


def keep_with_its_parts(arrival: "Arrival", table: Table, lines: list[Line]) -> None:
    """A rubric or a script is kept as a whole, once the last of its tables is here."""
    arrival.waiting[table.label] = lines
    for labels in (RUBRIC, SCRIPT):
        if table.label == labels[-1]:
            _keep_whole(arrival, labels)


def _own_last(line: Line) -> tuple[bool, int]:
    """By number; what is no number is refused when the row is read."""
    number = line[1].get("number")
    return line[1].get("course_id") is not None, number if isinstance(number, int) else 0


def _keep_whole(arrival: "Arrival", labels: tuple[str, ...]) -> None:
    top = BY_LABEL[labels[0]]
    made: list[tuple[int, models.Model]] = []
    # What was built in there and is not the same here comes first: the newest of the course's own stays the newest.
    lines = sorted(arrival.waiting[labels[0]], key=_own_last)
    foreign = 0
    for number, row in lines:
        values = _values(arrival, top, (number, row))
        if row.get("course_id") is None:
            if _same_here(arrival, labels, row, values):
                continue
            foreign += 1
        made.append((row["id"], model_of(top)(**values)))
    if foreign:
        for place, (_, one) in enumerate(made, start=1):
            one.number = place  # type: ignore[attr-defined]
    insert(top, made, arrival.known)
    for label in labels[1:]:
        _keep_parts(arrival, BY_LABEL[label])


def _keep_parts(arrival: "Arrival", table: Table) -> None:
    """Those of the platform's own are known already, and none is ever added to it."""
    known, made = arrival.known.of(table.label), list[tuple[int, models.Model]]()
    parent, label = next(iter(table.refs.items()))
    ours = _built_in(label)
    for number, row in arrival.waiting[table.label]:
        if row["id"] in known:
            continue
        values = values_of(table, (number, row), arrival.known)
        if values[parent] in ours:
            raise refused(
                table, number, parent, "It would be added to what comes with this platform."
            )
        made.append((row["id"], model_of(table)(**values)))
    insert(table, made, arrival.known)


def _built_in(label: str) -> set[int]:
    way = {"evaluation.criterion": "rubric__course"}.get(label, "course")
    found = model_of(BY_LABEL[label])._default_manager.filter(**{f"{way}__isnull": True})
    return set(found.values_list("pk", flat=True))


def _same_here(arrival: "Arrival", labels: tuple[str, ...], row: Values, values: Values) -> bool:
    """Whether the platform's own of this number says the same to the letter; then all its parts are known too."""
    here = (
        model_of(BY_LABEL[labels[0]])
        ._default_manager.filter(course=None, number=values["number"])
        .first()
    )
    if here is None or here.name != values["name"]:  # type: ignore[attr-defined]
        return False
    found = {labels[0]: {row["id"]: here.pk}}
    for label in labels[1:]:
        table = BY_LABEL[label]
        parent, above = next(iter(table.refs.items()))
        mine = {
            one[1]["id"]: one[1]
            for one in arrival.waiting[label]
            if one[1].get(parent) in found[above]
        }
        ours = list(
            model_of(table)
            ._default_manager.filter(**{f"{parent}__in": found[above].values()})
            .values()
        )
        by_words = {_words(table, one, one[parent]): one["id"] for one in ours}
        pairs = {
            number: by_words.get(_words(table, one, found[above][one[parent]]))
            for number, one in mine.items()
        }
        if (
            len(mine) != len(ours)
            or None in pairs.values()
            or len(set(pairs.values())) < len(pairs)
        ):
            return False
        found[label] = {number: int(pk or 0) for number, pk in pairs.items()}
    for label, numbers in found.items():
        arrival.known.of(label).update(numbers)
    return True


def _words(table: Table, row: Values, parent: int) -> str:
    return repr((parent, [row.get(name) for name in (*table.plain, *table.documents)]))


def snapshot(values: Values) -> Values:
    """What was handed in, with the run, the files, the model and the numbers that it has here."""
    run = TrainingRun.objects.select_related("base_model", "dataset_version").get(
        pk=values["run_id"]
    )
    rubric = RubricVersion.objects.get(pk=values["rubric_id"])
    said = values["bundle"]
    return {
        "schema": 1,
        "run": {"number": run.number, "key": str(run.key)},
        "method": run.method,
        "base_model": run.base_model.name,
        "settings": said["settings"],
        "seed": run.seed,
        "dataset": {**said["dataset"], "version": run.dataset_version_id},
        "artifacts": [
            {"path": found.path, "sha256": found.sha256} for found in run.artifacts.all()
        ],
        "chat": {**said["chat"], "provider": run.provider, "model": run.result_model},
        "rubric": {**said["rubric"], "id": rubric.pk},
    }
