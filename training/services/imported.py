"""A run bundle becomes a run of a team: labelled, never charged, with its rows, curves and answers."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import msgspec
from django.conf import settings as django_settings
from django.db import transaction
from django.utils import timezone

from datasets import formats
from datasets.models import DatasetVersion
from datasets.services import versions
from datasets.services.blocks import StoredRow
from datasets.services.reading import plain
from teams.models import Method, Team, User
from teams.services import audit
from training.launcher import storable
from training.models import Artifact, BaseModel, Origin, RunEvent, RunStatus, TrainingRun
from training.services import bundle_contents, finish, spec
from training.services.bundle import EVENT_KINDS, EVENTS, ROWS
from training.services.bundle_files import Bundle, BundleRefused, open_bundle, unpack
from training.services.charges import provider_name
from training.services.launch import next_number

MOST_ROWS, MOST_EVENTS, LONGEST_LINE, LONGEST_TEXT = 200_000, 50_000, 1_000_000, 4_000
KEPT_RESULT = (
    "system_prompt",
    "instructions",
    "demos",
    "examples",
    "versions",
    "data_sha256",
    "stopped",
    "hyperparameters",
    "metrics",
)
LONGEST_ROW_ID = 40  # as what is said of single rows is kept
TABLES, MOST_SHOWN = ("demos", "examples"), 200
OF_THE_OTHER_MACHINE = (
    "tokens_per_second", "seconds_per_step", "seconds_per_token", "train_seconds", "load_seconds", "validation_seconds",
    "sample_seconds", "seconds_per_answer", "save_seconds", "wall_seconds", "peak_memory_mb",
)  # fmt: skip


def import_bundle(*, team: Team, person: User, file: IO[bytes]) -> TrainingRun:
    """Raises BundleRefused with a sentence, and leaves nothing behind then."""
    bundle = open_bundle(file)
    base = _base_model(bundle, team)
    replaced = bundle_contents.contents(bundle, base)
    rows, events = _rows(bundle), _events(bundle)
    folder = Path(django_settings.RUNS_ROOT) / str(key := uuid4())
    try:
        unpack(bundle, folder, replaced)
        result = _result(bundle, folder)
        spec.write_json(folder / finish.RESULT_FILE, result)
        with transaction.atomic():
            version = _version(bundle, team, person, rows)
            run = _run(bundle, team, person, base, version, key=key, result=result)
            RunEvent.objects.bulk_create([RunEvent(run=run, **event) for event in events], batch_size=1_000)
            Artifact.objects.bulk_create(finish.collect_artifacts(run))
            _say_where_from(bundle, run, person)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return run


def _base_model(bundle: Bundle, team: Team) -> BaseModel:
    manifest = bundle.manifest
    base = BaseModel.objects.offered(team.course, manifest.method).filter(name=manifest.base_model).first()
    if base is None:
        raise BundleRefused(
            f"It was trained on {manifest.base_model}, which this course does not offer for {manifest.method.label} now. "
            "Ask your instructor to add that base model, then import it again."
        )
    return base


def _rows(bundle: Bundle) -> list[StoredRow]:
    """Every row through the same reader as an upload's."""
    found = []
    for number, line in enumerate(_lines(bundle, ROWS, MOST_ROWS), start=1):
        try:
            row = msgspec.json.decode(line, type=StoredRow)
            read, problems = formats.from_object(formats.to_shape(plain(row), row.shape), line=number)
        except (msgspec.MsgspecError, formats.ConversionRefused, KeyError, TypeError) as wrong:
            raise BundleRefused(f"{ROWS}, line {number}: not a row of this platform ({wrong}).") from wrong
        if read is None or read.messages != row.messages:
            said = problems[0].message if problems else "it reads differently here"
            raise BundleRefused(f"{ROWS}, line {number}: {said}")
        if len(row.id) > LONGEST_ROW_ID:
            raise BundleRefused(f"{ROWS}, line {number}: its id is longer than {LONGEST_ROW_ID} characters.")
        found.append(row)
    return found


def _lines(bundle: Bundle, path: str, most: int) -> Iterator[bytes]:
    found = 0
    with bundle.archive.open(path) as member:
        while line := member.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE or found == most:
                raise BundleRefused(f"{path} has more than {most:,} lines, or a line longer than a million characters.")
            if line.strip():
                found += 1
                yield line


def _events(bundle: Bundle) -> list[dict[str, Any]]:
    """Curve points, answers and scores, each with the fields that the pages read and no other."""
    found = []
    for number, line in enumerate(_lines(bundle, EVENTS, MOST_EVENTS), start=1):
        try:
            event = storable(json.loads(line))
            kind, step, data = event["kind"], event["step"], event["data"]
        except (ValueError, TypeError, KeyError, RecursionError) as wrong:
            raise BundleRefused(f"{EVENTS}, line {number}: not an event ({wrong}).") from wrong
        numbered = step is None or (isinstance(step, int) and 0 <= step < 2**31)
        if kind not in EVENT_KINDS or not numbered or not isinstance(data, dict):
            raise BundleRefused(f"{EVENTS}, line {number}: not an event of a run.")
        found.append({"kind": kind, "step": step, "data": {name: _small(data[name]) for name in data if name in SHOWN}})
    return found


SHOWN = {"loss", "total_steps", "learning_rate", "stage", "question", "answer", "score", "low", "high", "n", "failed"}


def _small(value: Any) -> Any:
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _result(bundle: Bundle, folder: Path) -> dict[str, Any]:
    """What the pages and the chat read of a result. Speeds belong to the machine that made it: they would spoil estimates."""
    said = storable(bundle.manifest.result)
    result = {name: said[name] for name in KEPT_RESULT if name in said}
    if "system_prompt" in result:
        result["system_prompt"] = str(result["system_prompt"] or "")[:20_000]
    for name in TABLES:
        if name in result:
            result[name] = _table(result[name])
    if "instructions" in result:
        result["instructions"] = str(result["instructions"])[:20_000]
    if isinstance(metrics := result.get("metrics"), dict):
        result["metrics"] = {name: _small(metrics[name]) for name in metrics if name not in OF_THE_OTHER_MACHINE}
    if bundle.manifest.method == Method.DSPY:
        result["prompt_tokens"] = finish.program_prompt_tokens(folder)
    return {**result, "schema": 1, "seed": bundle.manifest.seed, "imported": True}


def _table(said: Any) -> list[dict[str, Any]]:
    rows = [row for row in said if isinstance(row, dict)] if isinstance(said, list) else []
    return [{str(name): _small(value) for name, value in row.items()} for row in rows[:MOST_SHOWN]]


def _version(bundle: Bundle, team: Team, person: User, rows: list[StoredRow]) -> DatasetVersion:
    """The team's own version with this content, or a new dataset with the bundle's rows."""
    data = bundle.manifest.dataset
    here = DatasetVersion.objects.for_team(team).filter(content_hash=data.content_hash).first()
    if here is not None:
        return here
    try:
        made = versions.create_version(
            dataset=versions.create_dataset(team=team, name=f"{data.name} (imported)", person=person),
            rows=rows,
            shape=data.shape,
            person=person,
            note="Came with an imported run.",
            source_name="run bundle",
        )
    except (versions.NoRows, msgspec.ValidationError) as wrong:
        raise BundleRefused(f"Its rows cannot be kept: {wrong}") from wrong
    if made.content_hash != data.content_hash:
        raise BundleRefused("Its rows are not those that run.json names: the hash of the dataset differs.")
    return made


def _run(
    bundle: Bundle,
    team: Team,
    person: User,
    base: BaseModel,
    version: DatasetVersion,
    *,
    key: Any,
    result: dict[str, Any],
) -> TrainingRun:
    manifest, now = bundle.manifest, timezone.now()
    Team.objects.select_for_update().get(pk=team.pk)
    return TrainingRun.objects.create(
        key=key,
        team=team,
        number=next_number(team),
        name=manifest.name or "Imported run",
        method=manifest.method,
        base_model=base,
        dataset_version=version,
        settings=storable(manifest.settings),
        seed=manifest.seed,
        rehearsal=base.rehearsal,
        status=RunStatus.SUCCEEDED,
        created_by=person,
        finished_at=now,
        provider=provider_name(base),
        result=result,
        result_model=manifest.model if manifest.method == Method.OPENAI else f"run-{key}",
        **msgspec.structs.asdict(manifest.figures),
    )


def _say_where_from(bundle: Bundle, run: TrainingRun, person: User) -> None:
    words = storable(bundle.manifest.words) or f"run {bundle.manifest.run}"
    source = TrainingRun.objects.for_team(run.team).filter(key=bundle.manifest.run).first() if bundle.signed else None
    Origin.objects.create(
        run=run, kind=Origin.Kind.BUNDLE, source=source, words=words, sha256=bundle.sha256, signed=bundle.signed,
        brought_by=person,
    )  # fmt: skip
    RunEvent.objects.create(run=run, kind="note", data={"message": f"Imported from a bundle: {words}."})
    audit.record(
        course=run.team.course, team=run.team, person=person, action="run imported", what=str(run),
        after={"sha256": bundle.sha256, "signed": bundle.signed, "from": words},
    )  # fmt: skip
