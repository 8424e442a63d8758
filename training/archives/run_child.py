"""Reads one run archive, in the child of `teams.sandbox`. See `training.services.imported` for the other half.

In: `upload`. Out, in the scratch folder: `manifest` (run.json as it came), `rows`, `events`, and a file for each artefact,
named by its place in the method's list (`file-0`, …). No name out of the archive is ever a name on a disk.
"""

import hashlib
import zipfile
from pathlib import Path
from typing import IO, Any

import msgspec

from teams.sandbox_child import Refusal, Tell, input_file
from training.archives import adapter, contents, program
from training.archives.manifest import (
    CONFIG,
    EVENTS,
    MANIFEST,
    MOST_BYTES,
    MOST_FILES,
    MOST_LINES_BYTES,
    MOST_TEXT_BYTES,
    PICKLES,
    PROGRAM,
    ROWS,
    SIGNATURE,
    TEMPLATE,
    WEIGHTS,
    KeptFiles,
    Manifest,
    read_manifest,
)
from training.archives.zips import (
    PIECE,
    ZipLimits,
    lines_of,
    names_of,
    open_zip,
    pieces,
    text_of,
)

LIMITS = ZipLimits(members=MOST_FILES + 2, unpacked_bytes=MOST_BYTES)


def main(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """`request`: `methods`, a KeptFiles by its name. Raises Refusal.

    Gives `{manifest, result, signature, sha256, files, rows, config, tensors, template, program}`.
    """
    upload = input_file("upload")
    sha256 = _hash_of(upload)
    archive = open_zip(upload, LIMITS)
    text = _manifest_of(archive)
    shapes = msgspec.convert(request["methods"], dict[str, KeptFiles])
    manifest = read_manifest(text, shapes)
    kept = shapes[manifest.method]
    _check_files(archive, manifest, kept)
    Path("manifest").write_bytes(text)
    tell({"stage": "rows and curves"})
    rows = _write_rows(archive, manifest)
    _write_events(archive)
    tell({"stage": "files"})
    files = _write_files(archive, manifest, kept)
    signature = (
        text_of(archive, SIGNATURE, most_bytes=1_000) if SIGNATURE in names_of(archive) else b""
    )
    return {
        "manifest": msgspec.to_builtins(msgspec.structs.replace(manifest, result={})),
        "result": _result(manifest),
        "signature": signature.decode("ascii", "replace"),
        "sha256": sha256,
        "files": files,
        "rows": rows,
        **_artefacts(archive, kept),
    }


def _manifest_of(archive: zipfile.ZipFile) -> bytes:
    if MANIFEST not in names_of(archive):
        raise Refusal(
            "",
            "",
            "There is no run.json in it. Use the zip that “Download all” on the page of a finished run gives.",
        )
    return text_of(archive, MANIFEST, most_bytes=MOST_TEXT_BYTES)


def _check_files(archive: zipfile.ZipFile, manifest: Manifest, kept: KeptFiles) -> None:
    """Which files are there, and that each is what run.json says of it."""
    listed = {file.path: file for file in manifest.files}
    there = set(names_of(archive)) - {MANIFEST, SIGNATURE}
    for name in sorted(there):
        if name.lower().endswith(PICKLES):
            raise Refusal(
                name, "", "It may hold a program (pickle). Only safetensors weights are taken."
            )
        if name not in (*kept.files, ROWS, EVENTS):
            raise Refusal(
                name, "", f"Such a file does not belong to a run of {manifest.method}."
            )
    if there != set(listed):
        raise Refusal(
            sorted(there ^ set(listed))[0],
            "",
            "run.json and the zip do not agree about it. Download it again.",
        )
    for name in (ROWS, EVENTS, *kept.needed):
        if name not in there:
            raise Refusal(name, "", "It is missing from the archive.")
    for name, most in ((ROWS, MOST_LINES_BYTES), (EVENTS, MOST_LINES_BYTES)):
        if archive.getinfo(name).file_size > most:
            raise Refusal(name, "", "It is too big to be one.")
    for file in manifest.files:
        digest = hashlib.sha256()
        for piece in pieces(archive, file.path):
            digest.update(piece)
        if (
            archive.getinfo(file.path).file_size != file.bytes
            or digest.hexdigest() != file.sha256
        ):
            raise Refusal(
                file.path,
                "",
                "It is not what run.json says: its size or hash differs. Download it again.",
            )


def _write_rows(archive: zipfile.ZipFile, manifest: Manifest) -> dict[str, Any]:
    lines = lines_of(archive, ROWS, most_lines=contents.MOST_ROWS, longest=contents.LONGEST_LINE)
    with Path("rows").open("wb") as out:
        totals = contents.write_rows(lines, ROWS, out)
    if not totals.rows:
        raise Refusal(ROWS, "", "There is no row in it.")
    if totals.content_hash != manifest.dataset.content_hash:
        raise Refusal(
            ROWS,
            "",
            "Its rows are not those that run.json names: the hash of the dataset differs.",
        )
    return {
        "rows": totals.rows,
        "turns": totals.turns,
        "tokens": totals.token_estimate,
        "content_hash": totals.content_hash,
    }


def _write_events(archive: zipfile.ZipFile) -> None:
    lines = lines_of(
        archive, EVENTS, most_lines=contents.MOST_EVENTS, longest=contents.LONGEST_LINE
    )
    with Path("events").open("wb") as out:
        for event in contents.events(lines):
            out.write(contents.as_line(msgspec.to_builtins(event)))


def _write_files(archive: zipfile.ZipFile, manifest: Manifest, kept: KeptFiles) -> list[int]:
    """Places in the method's list of the files that there are."""
    there = {file.path for file in manifest.files}
    found = []
    for place, name in enumerate(kept.files):
        if name in there:
            _copy(archive, name, Path(f"file-{place}"))
            found.append(place)
    return found


def _copy(archive: zipfile.ZipFile, name: str, to: Path) -> None:
    with to.open("wb") as out:
        for piece in pieces(archive, name):
            out.write(piece)


def _result(manifest: Manifest) -> dict[str, Any]:
    try:
        return contents.result(manifest.result, seed=manifest.seed)
    except ValueError as wrong:
        raise Refusal(MANIFEST, "result", f"It cannot be kept: {wrong}.") from wrong


def _artefacts(archive: zipfile.ZipFile, kept: KeptFiles) -> dict[str, Any]:
    """What an adapter or a program consists of, in named fields."""
    if kept.is_program:
        return {
            "program": read_program(
                text_of(archive, PROGRAM, most_bytes=MOST_TEXT_BYTES), PROGRAM
            )
        }
    if not kept.leaves_adapter:
        return {}
    config = adapter.read_config(text_of(archive, CONFIG, most_bytes=MOST_TEXT_BYTES))
    place = kept.files.index(WEIGHTS)
    with Path(f"file-{place}").open("rb") as file:
        tensors = adapter.read_weights(file, _size_of(file), config.r)
    template = ""
    if TEMPLATE in names_of(archive):
        template = text_of(archive, TEMPLATE, most_bytes=MOST_TEXT_BYTES).decode(
            "utf-8", "replace"
        )
    return {"config": msgspec.to_builtins(config), "tensors": tensors, "template": template}


def _hash_of(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(PIECE):
        digest.update(piece)
    file.seek(0)
    return digest.hexdigest()


def _size_of(file: IO[bytes]) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def read_program(text: bytes, member: str) -> dict[str, Any]:
    """The program as plain data of named fields. Raises Refusal."""
    try:
        return dict(msgspec.to_builtins(program.read_program(text)))
    except program.ProgramRefused as refused:
        raise Refusal(member, refused.field, str(refused)) from refused
