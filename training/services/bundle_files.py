"""Opens a run bundle that anybody may have made: nothing in it is believed, run or unpacked before it was looked at.

Names, sizes and hashes first; then each kind of file by its own rules. Weights are safetensors or nothing: no pickle is read.
"""

import hashlib
import hmac
import json
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from teams.models import Method
from training.services.bundle import EVENTS, MANIFEST, ROWS, SCHEMA, SIGNATURE, signature

MOST_FILES, MOST_BYTES, MOST_TEXT_BYTES = 40, 1_000_000_000, 5_000_000
MOST_LINES_BYTES = 250_000_000  # rows and curves are read into memory
MOST_RATIO, RATIO_FROM_BYTES = 200, 10_000_000  # real weights and rows shrink by 1.1 to 20
PIECE = 1 << 20
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5")
WEIGHTS = "adapter/adapter_model.safetensors"
ALLOWED: dict[str, frozenset[str]] = {
    Method.LORA: frozenset(
        {
            "result.json", WEIGHTS, "adapter/adapter_config.json", "adapter/chat_template.jinja", "adapter/README.md",
            "adapter/tokenizer.json", "adapter/tokenizer_config.json", "adapter/special_tokens_map.json",
        }
    ),
    Method.DSPY: frozenset({"result.json", "program.json"}),
    Method.OPENAI: frozenset({"result.json", "result.csv", "train.jsonl", "validation.jsonl"}),
}  # fmt: skip
NEEDED = {
    Method.LORA: (WEIGHTS, "adapter/adapter_config.json"),
    Method.DSPY: ("program.json",),
    Method.OPENAI: (),
}
Text = Annotated[str, Meta(max_length=300)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class BundleRefused(Exception):
    """This file is not taken; the message says why and what to do."""


class BundleFile(msgspec.Struct, frozen=True):
    path: Text
    sha256: Hash
    bytes: Annotated[int, Meta(ge=0, le=MOST_BYTES)]


class BundleData(msgspec.Struct, frozen=True):
    name: Text
    content_hash: Text
    shape: Text = "messages"


class Figures(msgspec.Struct, frozen=True):
    step: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    total_steps: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    train_loss: float | None = None
    validation_loss: float | None = None
    score_before: float | None = None
    score_after: float | None = None


Setting = int | float | str | bool | list[str] | dict[str, float] | None


class Manifest(msgspec.Struct, frozen=True):
    """`run.json`, typed: what does not fit is refused with the field's name."""

    schema: int
    run: UUID
    method: Method
    base_model: Text
    seed: Annotated[int, Meta(ge=0, lt=2**31)]
    dataset: BundleData
    files: Annotated[list[BundleFile], Meta(max_length=MOST_FILES)]
    settings: dict[Text, Setting]
    name: Annotated[str, Meta(max_length=80)] = ""
    words: Text = ""
    model: Annotated[str, Meta(max_length=200)] = ""
    rehearsal: bool = False
    figures: Figures = Figures()
    result: dict[str, Any] = {}


@dataclass(frozen=True)
class Bundle:
    """An opened bundle whose names, sizes and hashes are right. `signed`: this platform wrote it, and nobody changed it."""

    manifest: Manifest
    signed: bool
    sha256: str
    archive: zipfile.ZipFile

    @property
    def artifacts(self) -> list[BundleFile]:
        return [file for file in self.manifest.files if file.path not in (ROWS, EVENTS)]

    def text(self, path: str) -> bytes:
        """A small file. Raises BundleRefused for one that is too big to be what it should be."""
        if self.archive.getinfo(path).file_size > MOST_TEXT_BYTES:
            raise BundleRefused(
                f"{path} is bigger than {MOST_TEXT_BYTES // 10**6} MB, far more than such a file holds."
            )
        return self.archive.read(path)


def open_bundle(file: IO[bytes]) -> Bundle:
    """Raises BundleRefused. Reads every byte once, keeps none."""
    digest = hashlib.sha256()
    while piece := file.read(PIECE):
        digest.update(piece)
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
        _check_names(archive)
        text = archive.read(MANIFEST)
        manifest = _manifest(text)
        _check_files(archive, manifest)
        said = archive.read(SIGNATURE) if SIGNATURE in archive.namelist() else b""
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError) as broken:
        raise BundleRefused(
            f"This is not a zip file, or it is damaged ({broken}). Download the bundle again."
        ) from broken
    return Bundle(manifest, hmac.compare_digest(said, signature(text).encode()), digest.hexdigest(), archive)


def _check_names(archive: zipfile.ZipFile) -> None:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MOST_FILES + 2:
        raise BundleRefused(f"It holds {len(members)} files; a run's bundle has at most {MOST_FILES}.")
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise BundleRefused("Two files in it have the same name.")
    for member in members:
        _check_member(member)
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise BundleRefused("It unpacks to more than 1 GB.")
    if MANIFEST not in names:
        raise BundleRefused("There is no run.json in it. Use the zip that “Download all” on a run's page gives.")
    limits = {MANIFEST: MOST_TEXT_BYTES, SIGNATURE: MOST_TEXT_BYTES, ROWS: MOST_LINES_BYTES, EVENTS: MOST_LINES_BYTES}
    for member in members:
        if member.file_size > limits.get(member.filename, MOST_BYTES):
            raise BundleRefused(f"Its {member.filename} is too big to be one.")


def _check_member(member: zipfile.ZipInfo) -> None:
    name, parts = member.filename, PurePosixPath(member.filename).parts
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\x00" in name:
        raise BundleRefused(f"“{name[:80]}” points outside the bundle.")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise BundleRefused(f"“{name[:80]}” is a link, not a file.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleRefused(f"“{name[:80]}” is packed in a way that this platform does not use. Export the run again.")
    if member.flag_bits & 1:
        raise BundleRefused("It is locked with a password. Export the run again without one.")
    if name.lower().endswith(PICKLES):
        raise BundleRefused(f"{name[:80]} may hold a program (pickle). Only safetensors weights are taken.")
    if member.file_size > RATIO_FROM_BYTES and member.file_size > MOST_RATIO * max(1, member.compress_size):
        raise BundleRefused(f"“{name[:80]}” unpacks to {MOST_RATIO} times its size: this is no run's file.")


def _manifest(text: bytes) -> Manifest:
    try:
        found = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as wrong:
        raise BundleRefused(f"Its run.json is not one of this platform: {wrong}.") from wrong
    if found.schema != SCHEMA:
        raise BundleRefused(
            f"It was exported by another version of the platform (schema {found.schema}, this one reads {SCHEMA}). "
            "Export the run again."
        )
    return found


def _check_files(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    listed = {file.path: file for file in manifest.files}
    there = {member.filename for member in archive.infolist() if not member.is_dir()} - {MANIFEST, SIGNATURE}
    allowed = ALLOWED[manifest.method] | {ROWS, EVENTS}
    if strange := sorted(there - allowed):
        raise BundleRefused(f"“{strange[0][:80]}” does not belong to a {manifest.method.label} run.")
    if there != set(listed):
        odd = sorted(there ^ set(listed))[0]
        raise BundleRefused(f"run.json and the zip do not agree about “{odd[:80]}”. Download the bundle again.")
    for path in (ROWS, EVENTS, *NEEDED[manifest.method]):
        if path not in there:
            raise BundleRefused(f"{path} is missing.")
    for file in manifest.files:
        digest = hashlib.sha256()
        with archive.open(file.path) as member:
            while piece := member.read(PIECE):
                digest.update(piece)
        if archive.getinfo(file.path).file_size != file.bytes or digest.hexdigest() != file.sha256:
            raise BundleRefused(f"{file.path} is not what run.json says: its size or hash differs. Download it again.")


def unpack(bundle: Bundle, folder: Path, replaced: dict[str, bytes]) -> None:
    """Write the artefacts into `folder`; `replaced` are the files that this platform writes in its own words."""
    for file in bundle.artifacts:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.path in replaced:
            target.write_bytes(replaced[file.path])
            continue
        with bundle.archive.open(file.path) as member, target.open("wb") as out:
            while piece := member.read(PIECE):
                out.write(piece)


def read_json(bundle: Bundle, path: str) -> dict[str, Any]:
    """A JSON object. Raises BundleRefused."""
    try:
        data = json.loads(bundle.text(path))
    except (ValueError, RecursionError) as wrong:
        raise BundleRefused(f"{path} is not JSON: {wrong}.") from wrong
    if not isinstance(data, dict):
        raise BundleRefused(f"{path} is not a JSON object.")
    return data
