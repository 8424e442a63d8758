"""A run archive becomes a run of a team: labelled, never charged, with its rows, curves and answers.

The archive is read in the child of `teams.sandbox` (`training.archives.run_child`), in the files worker. What comes back is
plain data of named fields and files by our own names; here it is compared with what this course has, and kept.
"""

import hmac
import os
import shutil
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.utils import timezone
from msgspec import Meta

from datasets.models import Dataset, DatasetVersion
from datasets.services import versions
from datasets.services.blocks import read_frames
from teams import places, sandbox
from teams.models import ArchiveImport, DiskKind, Team, User
from teams.safe_files import file_in
from teams.services import archive_imports, audit, disk
from teams.services.storage import files
from training import methods
from training.archives import adapter, contents
from training.archives.manifest import (
    CONFIG,
    MANIFEST,
    MOST_BYTES,
    MOST_LINES_BYTES,
    MOST_TEXT_BYTES,
    PROGRAM,
    RESULT,
    Manifest,
    read_manifest,
)
from training.archives.program import Program, document
from training.models import Artifact, BaseModel, Origin, RunEvent, RunStatus, TrainingRun
from training.services import adapters, finish, json_files, kept_files, run_storage
from training.services.base_names import name_base
from training.services.bundle import signature
from training.services.charges import provider_name
from training.services.endpoints import public_address
from training.services.launch import next_number

CHILD = "training.archives.run_child"
LIMITS = sandbox.Limits(seconds=180, cpu_seconds=120, memory_mb=1024, file_mb=700, output_mb=8)
MOST_EVENTS_BYTES = 300_000_000


class ImportRefused(Exception):
    """This archive is not taken; the message says what in it, why, and what to do."""


class Counted(msgspec.Struct, frozen=True):
    rows: Annotated[int, Meta(ge=1, le=contents.MOST_ROWS)]
    turns: Annotated[int, Meta(ge=0)]
    tokens: Annotated[int, Meta(ge=0)]
    content_hash: Annotated[str, Meta(max_length=64)]


class Answer(msgspec.Struct, frozen=True):
    """What the child says. Its files are `manifest`, `rows`, `events`, and `file-<place>` for each of `files`."""

    manifest: Manifest
    result: dict[str, Any]
    signature: str
    sha256: Annotated[str, Meta(max_length=64)]
    files: list[int]
    rows: Counted
    config: adapter.AdapterConfig | None = None
    tensors: dict[str, tuple[int, int]] = {}
    template: str = ""
    program: Program | None = None


def read_run_archive(*, import_id: int, attempt: int) -> str:
    """The worker's job: the run, or a sentence why not. What the archive cannot help is raised, and tried again."""
    import_ = archive_imports.begin(import_id=import_id, attempt=attempt)
    if import_ is None:
        return "not needed"
    if archive_imports.is_hopeless(import_):
        archive_imports.refuse(import_, archive_imports.BROKE_DOWN)
        return "given up"
    beat = archive_imports.heartbeat(import_)
    try:
        run = import_run(import_=import_, beat=beat)
    except archive_imports.Superseded:
        return "superseded"
    except (ImportRefused, sandbox.SandboxError) as refused:
        archive_imports.refuse(import_, str(refused))
        return "refused"
    archive_imports.forget_file(import_)
    return f"run {run.pk}"


def import_run(*, import_: ArchiveImport, beat: Callable[[str], None]) -> TrainingRun:
    """Raises ImportRefused or sandbox.SandboxError with a sentence, and leaves nothing behind then."""
    assert import_.team is not None
    inputs = {"upload": files.local(import_.place, import_.file_path.name)}
    with sandbox.opened(
        CHILD, limits=LIMITS, files=inputs, folder=import_.folder / "box"
    ) as box:
        beat("Checking every file in it")
        told = kept_files.as_request(kept_files.of_runs())
        said = box.run({"methods": told}, on_tick=lambda: beat(""))
        answer = msgspec.convert(said, Answer, strict=False)
        return _Arrival(import_, import_.team, import_.person, box, answer).bring()


class _Arrival:
    """One archive that was read, on its way into `team`."""

    def __init__(
        self, import_: ArchiveImport, team: Team, person: User, box: sandbox.Box, answer: Answer
    ) -> None:
        self.import_, self.team, self.person, self.box, self.answer = (
            import_,
            team,
            person,
            box,
            answer,
        )
        self.manifest, self.signed = self._manifest()
        self.method = methods.get(self.manifest.method)
        self.base = self._base_model()
        # The same at every attempt, so that what an attempt left that was killed is found and replaced.
        self.key: UUID = import_.key
        self.folder = places.folder_of(places.of_run(self.key))

    def bring(self) -> TrainingRun:
        rewritten = self._rewritten()
        events = self._events()
        made: Dataset | None = None
        try:
            self._reserve_disk()  # before the first row or file of it is kept
            version = self._version_here()
            if version is None:
                name = f"{self.manifest.dataset.name} (imported)"
                made = versions.create_dataset(team=self.team, name=name, person=self.person)
                version = self._store(made)
            self._write_files(rewritten)
            return self._keep(version, events)
        except BaseException as failed:
            files.forget(places.of_run(self.key))
            disk.release(f"run-{self.key}")
            if made is not None:
                versions.delete_dataset(dataset=made, person=self.person)
            if isinstance(failed, disk.DiskFull):
                raise ImportRefused(str(failed)) from failed
            raise

    def _manifest(self) -> tuple[Manifest, bool]:
        """Where our signature is under it, run.json itself is believed and not what the child made of it."""
        with self.box.open("manifest", most_bytes=MOST_TEXT_BYTES) as file:
            text = file.read()
        if not hmac.compare_digest(self.answer.signature.encode(), signature(text).encode()):
            return self.answer.manifest, False
        return read_manifest(text, methods.names()), True

    def _base_model(self) -> BaseModel:
        wanted, method = self.manifest.base_model, self.method
        offered = BaseModel.objects.offered(self.team.course, method.name)
        base = offered.filter(name=wanted).first()
        if (
            base is None and self.manifest.base.weights_sha256
        ):  # the same weights, in a folder of another name
            base = offered.filter(weights_sha256=self.manifest.base.weights_sha256).first()
        if base is None:
            raise ImportRefused(
                f"{MANIFEST}, base_model: It was trained on {wanted}, which this course does not offer for {method.label} "
                "now. Ask your instructor to add that base model, then import it again."
            )
        return base

    def _rewritten(self) -> dict[str, bytes]:
        """Files that this platform writes in its own words, from the fields that were named."""
        if self.method.leaves_adapter and self.answer.config is not None:
            try:
                adapters.check_fits(self.answer.tensors, self.base)
                adapters.check_template(self.answer.template, self.base, signed=self.signed)
            except adapters.AdapterRefused as refused:
                raise ImportRefused(str(refused)) from refused
            return {CONFIG: adapters.config_text(self.answer.config, self.base)}
        if self.method.is_program and self.answer.program is not None:
            address = public_address(self.base)
            return {
                PROGRAM: document(
                    self.answer.program,
                    model=self.base.name,
                    base_url=address,
                    local=self.base.local,
                )
            }
        if not self.signed and not self.method.kept_by_provider:
            raise ImportRefused(
                "run.json.signature: This archive was not exported by this platform, or was changed since, and what a run "
                f"of {self.method.label} leaves cannot be checked. Upload its rows as a dataset and train again."
            )
        if not self.signed:
            raise ImportRefused(
                "run.json.signature: An OpenAI model stays in the provider's account. This archive was not exported by this "
                "platform, or was changed since, so its model cannot be used here. Upload its rows as a dataset and train again."
            )
        return {}

    def _events(self) -> list[contents.Event]:
        with self.box.open("events", most_bytes=MOST_EVENTS_BYTES) as file:
            return [msgspec.json.decode(line, type=contents.Event) for line in file]

    def _version_here(self) -> DatasetVersion | None:
        """The team's own version with this content."""
        hashed = self.answer.rows.content_hash
        return DatasetVersion.objects.for_team(self.team).filter(content_hash=hashed).first()

    def _store(self, dataset: Dataset) -> DatasetVersion:
        """The archive's rows. Raises disk.DiskFull."""
        data, counted = self.manifest.dataset, self.answer.rows
        path = self.import_.folder / "rows"
        self.box.take("rows", to=path, most_bytes=MOST_LINES_BYTES)
        return versions.store(
            dataset=dataset,
            blocks=read_frames(path),
            content_hash=counted.content_hash,
            row_count=counted.rows,
            turn_count=counted.turns,
            token_estimate=counted.tokens,
            shape=data.shape if data.shape in SHAPES else "messages",
            person=self.person,
            note="Came with an imported run.",
            source_name="run archive",
        )

    def _write_files(self, rewritten: dict[str, bytes]) -> None:
        names = self.method.archive_files
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        for place in self.answer.files:
            if not 0 <= place < len(names) or names[place] == RESULT:
                continue
            target = file_in(self.folder, names[place])
            target.parent.mkdir(exist_ok=True)
            if names[place] in rewritten:
                target.write_bytes(rewritten[names[place]])
            else:
                self.box.take(f"file-{place}", to=target, most_bytes=MOST_BYTES)
        if self.method.is_program:
            self.answer.result["prompt_tokens"] = finish.program_prompt_tokens(self.folder)
        json_files.write_json(file_in(self.folder, RESULT), self.answer.result)
        if self.method.leaves_adapter:
            name_base(self.folder, self.base)

    def _reserve_disk(self) -> None:
        """The files of the run. Raises disk.DiskFull."""
        size = 0
        for place in self.answer.files:
            with self.box.open(f"file-{place}", most_bytes=MOST_BYTES) as file:
                size += os.fstat(file.fileno()).st_size
        disk.reserve(team=self.team, key=f"run-{self.key}", kind=DiskKind.RUN, size=size)

    def _keep(self, version: DatasetVersion, events: list[contents.Event]) -> TrainingRun:
        run = self._run(version)
        artifacts = run_storage.keep_artifacts(run)
        rows = [RunEvent(run=run, kind=one.kind, step=one.step, data=one.data) for one in events]
        with transaction.atomic():
            Team.objects.select_for_update().get(pk=self.team.pk)
            run.number = next_number(self.team)
            run.save(force_insert=True)
            RunEvent.objects.bulk_create(rows, batch_size=1_000)
            Artifact.objects.bulk_create(artifacts)
            self._say_where_from(run)
            archive_imports.done(self.import_, report={"run": run.number})
        return run

    def _run(self, version: DatasetVersion) -> TrainingRun:
        manifest = self.manifest
        at_provider = self.method.kept_by_provider
        return TrainingRun(
            key=self.key,
            team=self.team,
            name=contents.storable_text(manifest.name) or "Imported run",
            method=manifest.method,
            base_model=self.base,
            dataset_version=version,
            settings=contents.bounded(manifest.settings),
            seed=manifest.seed,
            imported=True,
            status=RunStatus.SUCCEEDED,
            created_by=self.person,
            finished_at=timezone.now(),
            provider=provider_name(self.base),
            result=self.answer.result,
            result_model=manifest.model if at_provider else f"run-{self.key}",
            **msgspec.structs.asdict(manifest.figures),
        )

    def _say_where_from(self, run: TrainingRun) -> None:
        words = contents.storable_text(self.manifest.words) or f"run {self.manifest.run}"
        known = (
            TrainingRun.objects.for_team(run.team).filter(key=self.manifest.run).first()
            if self.signed
            else None
        )
        Origin.objects.create(
            run=run,
            kind=Origin.Kind.BUNDLE,
            source=known,
            words=words,
            sha256=self.answer.sha256,
            signed=self.signed,
            brought_by=self.person,
        )
        RunEvent.objects.create(
            run=run, kind="note", data={"message": f"Imported from a run archive: {words}."}
        )
        audit.record(
            course=run.team.course,
            team=run.team,
            person=self.person,
            action="run imported",
            what=str(run),
            after={"sha256": self.answer.sha256, "signed": self.signed, "from": words},
        )


SHAPES = ("dialogue", "messages", "instruction", "preference")
