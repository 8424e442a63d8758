"""The files of the runs in a course archive: only those that a run of its method leaves, each looked at as a run archive's."""

import zipfile
from pathlib import Path
from typing import IO, Any

import msgspec

from courseplatform.course_archive.tables import FILES, MOST_RUNS, RUN
from teams.sandbox_child import Refusal, Tell
from training.archives import adapter
from training.archives.manifest import (
    CONFIG,
    MOST_TEXT_BYTES,
    PROGRAM,
    TEMPLATE,
    WEIGHTS,
    KeptFiles,
)
from training.archives.run_child import read_program
from training.archives.zips import names_of, pieces, text_of

Row = dict[str, Any]


class Runs:
    """By a run's key in the archive: its number and its method. `methods`: what each may bring."""

    def __init__(self, methods: dict[str, KeptFiles]) -> None:
        self.methods = methods
        self.known: dict[str, tuple[int, str]] = {}

    def add(self, number: int, row: Row) -> None:
        key, method = row.get("key"), row.get("method")
        member, place = f"{RUN}.jsonl", f"line {number}"
        if key is None or key in self.known or len(self.known) == MOST_RUNS:
            raise Refusal(
                member,
                f"{place}, key",
                f"Each run has a key of its own, and there are at most {MOST_RUNS:,}.",
            )
        if method not in self.methods:
            raise Refusal(member, f"{place}, method", "This platform knows no such method.")
        self.known[key] = (row["id"], method)

    def write_files(
        self, archive: zipfile.ZipFile, out: IO[bytes], told: IO[bytes], tell: Tell
    ) -> None:
        """In `told` a line a run: its number, `files` as [place in the method's list, bytes], and what an adapter or a
        program consists of."""
        found: dict[str, dict[str, str]] = {}
        for name in names_of(archive):
            if name.startswith(FILES):
                key, _, inside = name.removeprefix(FILES).partition("/")
                if key not in self.known:
                    raise Refusal(name, "", "It belongs to a run that is not in the archive.")
                if inside not in self.methods[self.known[key][1]].files:
                    raise Refusal(
                        name,
                        "",
                        f"Such a file does not belong to a run of {self.known[key][1]}.",
                    )
                found.setdefault(key, {})[inside] = name
        for key, files in found.items():
            run, method = self.known[key]
            kept = self.methods[method]
            copied = _copied(archive, kept, files, out)
            told.write(
                msgspec.json.encode(
                    {"run": run, "files": copied, **_looked_at(archive, kept, files)}
                )
                + b"\n"
            )
            tell({"stage": "files"})


def _copied(
    archive: zipfile.ZipFile, kept: KeptFiles, files: dict[str, str], out: IO[bytes]
) -> list[list[int]]:
    places = []
    for place, inside in enumerate(kept.files):
        if inside in files:
            start = out.tell()
            for piece in pieces(archive, files[inside]):
                out.write(piece)
            places.append([place, out.tell() - start])
    return places


def _looked_at(archive: zipfile.ZipFile, kept: KeptFiles, files: dict[str, str]) -> Row:
    """What an adapter or a program consists of, in named fields."""
    if kept.is_program and PROGRAM in files:
        text = text_of(archive, files[PROGRAM], most_bytes=MOST_TEXT_BYTES)
        return {"program": read_program(text, files[PROGRAM])}
    if not {WEIGHTS, CONFIG, TEMPLATE} & files.keys():
        return {}
    for needed in (WEIGHTS, CONFIG):
        if needed not in files:
            raise Refusal(next(iter(files.values())), "", f"The adapter's {needed} is missing.")
    config = adapter.read_config(text_of(archive, files[CONFIG], most_bytes=MOST_TEXT_BYTES))
    template = b""
    if TEMPLATE in files:
        template = text_of(archive, files[TEMPLATE], most_bytes=MOST_TEXT_BYTES)
    return {
        "config": msgspec.to_builtins(config),
        "tensors": _tensors(archive, files[WEIGHTS], config.r),
        "template": template.decode("utf-8", "replace"),
    }


def _tensors(archive: zipfile.ZipFile, name: str, rank: int) -> dict[str, Any]:
    weights = Path("weights")
    with weights.open("wb") as out:
        for piece in pieces(archive, name):
            out.write(piece)
    with weights.open("rb") as file:
        found = adapter.read_weights(file, weights.stat().st_size, rank)
    weights.unlink()
    return dict(found)
