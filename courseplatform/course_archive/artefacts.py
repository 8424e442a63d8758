"""The files of an imported course's runs: put into the folders of the runs, by names of the method's list only."""

from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from courseplatform.course_archive.rows import ArchiveRefused
from courseplatform.course_archive.tables import RUN
from teams.safe_files import file_in
from training.archives.adapter import AdapterConfig
from training.archives.manifest import CONFIG, PROGRAM, RESULT
from training.archives.program import Program, document
from training.models import Artifact, Hosting, TrainingRun
from training.services import adapters, finish, json_files, kept_files, run_storage
from training.services.base_names import name_base
from training.services.endpoints import public_address

if TYPE_CHECKING:
    from courseplatform.course_archive.bringing import Arrival

MOST_BYTES = 4_000_000_000
PIECE = 1 << 20


class Files(msgspec.Struct, frozen=True):
    """What the child says of one run's files. `files`: place in the method's list, and bytes, in the order of `files`."""

    run: int
    files: list[tuple[int, int]]
    config: AdapterConfig | None = None
    tensors: dict[str, tuple[int, int]] = {}
    template: str = ""
    program: Program | None = None


class Artefacts:
    """Reads `artefacts` and `files` of the child together."""

    def __init__(self, arrival: "Arrival") -> None:
        self.arrival = arrival

    def keep(self) -> None:
        runs = self.arrival.known.of(RUN)
        with (
            self.arrival.box.open("artefacts", most_bytes=MOST_BYTES) as told,
            self.arrival.box.open("files", most_bytes=MOST_BYTES) as content,
        ):
            for line in told:
                self.arrival.beat("Keeping the runs’ files")
                said = msgspec.json.decode(line, type=Files)
                run = TrainingRun.objects.select_related("base_model").get(pk=runs[said.run])
                self._keep_run(run, said, content)

    def _keep_run(self, run: TrainingRun, said: Files, content: BinaryIO) -> None:
        rewritten = self._rewritten(run, said)
        names = kept_files.in_a_course()[run.method].files
        run.folder.mkdir(parents=True, mode=0o700)
        for place, size in said.files:
            name = names[place]
            target = file_in(run.folder, name)
            target.parent.mkdir(exist_ok=True)
            ours = rewritten.get(name)
            with target.open("wb") as out:
                _copy(content, size, None if ours is not None else out)
                if ours is not None:
                    out.write(ours)
        if run.trained_with.is_program and said.program is not None:
            run.result["prompt_tokens"] = finish.program_prompt_tokens(run.folder)
            run.save(update_fields=["result"])
        if any(names[place] == RESULT for place, _ in said.files):
            json_files.write_json(run.file(RESULT), run.result)
        if run.is_adapter:
            name_base(run.folder, run.base_model)
        Artifact.objects.bulk_create(run_storage.keep_artifacts(run))

    def _rewritten(self, run: TrainingRun, said: Files) -> dict[str, bytes]:
        """Files that this platform writes in its own words."""
        base = run.base_model
        if said.config is not None:
            if not run.is_adapter:
                raise ArchiveRefused(
                    f"runs, {run}: It brings an adapter, and {base.name} is a provider’s model."
                )
            if base.hosting != Hosting.ELSEWHERE:
                try:
                    adapters.check_fits(said.tensors, base)
                    adapters.check_template(said.template, base, signed=False)
                except adapters.AdapterRefused as refused:
                    raise ArchiveRefused(f"runs, {run}: {refused}") from refused
            return {CONFIG: adapters.config_text(said.config, base)}
        if run.trained_with.is_program and said.program is not None:
            address = public_address(base)
            return {
                PROGRAM: document(
                    said.program, model=base.name, base_url=address, local=base.local
                )
            }
        return {}


def _copy(content: BinaryIO, size: int, out: Any) -> None:
    """`size` bytes of what the child unpacked, or over them where there is no `out`."""
    while size:
        piece = content.read(min(PIECE, size))
        if not piece:
            raise ArchiveRefused("The runs’ files are cut off. Export the course again.")
        size -= len(piece)
        if out is not None:
            out.write(piece)
