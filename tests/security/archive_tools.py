"""Zip files of every hostile kind, and the sandbox's child played in this process, so that thousands can be tried."""

import contextlib
import io
import os
import struct
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from courseplatform.course_archive import bringing
from teams import sandbox, sandbox_child
from teams.models import ArchiveImport, ArchiveKind, ArchiveStatus
from training.services import imported

Members = dict[str, bytes]


def zipped(members: Members, packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def unzipped(file: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_member(members: Members, name: str, content: bytes = b"x", **changes: Any) -> bytes:
    """The archive and one more member, whose entry says what `changes` say."""
    out = io.BytesIO(zipped(members))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        for field, value in changes.items():
            setattr(entry, field, value)
        archive.writestr(entry, content)
    return out.getvalue()


def hostile_zips(members: Members) -> dict[str, bytes]:
    """By what is wrong with them. `members`: an honest archive's."""
    names = ["../../escaped", "/etc/escaped", "a\\..\\escaped", "C:/escaped", "./run.json", "a//b", "x" * 300, "a\nb"]
    found = {f"name {name!r}"[:40]: with_member(members, name) for name in names}
    first = next(iter(members))
    found["a link"] = with_member(members, "linked", b"/etc/passwd", external_attr=0o120777 << 16)
    found["a device"] = with_member(members, "device", b"", external_attr=0o020666 << 16)
    found["capitals"] = with_member(members, first.upper())
    found["a name twice"] = with_member(members, first)
    found["NUL in a name"] = with_member(members, "abcdescaped").replace(b"abcdescaped", b"a\x00cdescaped")
    found["packed otherwise"] = zipped(members, zipfile.ZIP_LZMA)
    found["a bomb"] = with_member(members, "bomb", bytes(30_000_000))
    found["100,000 members"] = zipped({f"{number}": b"" for number in range(100_000)})
    found["locked"] = _flagged(zipped(members), 0x1)
    found["lying sizes"] = _lying(zipped(members))
    found["zip64 lies"] = _zip64_lies(zipped(members))
    found["cut off"] = zipped(members)[:-30]
    found["no zip"] = b"<html>Sign in</html>"
    found["empty"] = b""
    return found


def _entries(file: bytearray) -> Iterator[int]:
    start = file.find(b"PK\x01\x02")
    while start >= 0:
        yield start
        start = file.find(b"PK\x01\x02", start + 4)


def _flagged(file: bytes, flag: int) -> bytes:
    changed = bytearray(file)
    for start in list(_entries(changed)):
        changed[start + 8] |= flag
    return bytes(changed)


def _lying(file: bytes) -> bytes:
    """Each member says that it unpacks to nearly nothing."""
    changed = bytearray(file)
    for start in list(_entries(changed)):
        changed[start + 24 : start + 28] = struct.pack("<I", 3)
    return bytes(changed)


def _zip64_lies(file: bytes) -> bytes:
    """Sizes that stand in an extra field which is not there."""
    changed = bytearray(file)
    for start in list(_entries(changed)):
        changed[start + 20 : start + 28] = b"\xff" * 8
    return bytes(changed)


def arrived(kind: ArchiveKind, person: Any, file: bytes, team: Any = None) -> ArchiveImport:
    """An upload that a worker has begun to read."""
    ArchiveImport.objects.filter(person=person).update(status=ArchiveStatus.DONE)
    made = ArchiveImport.objects.create(
        kind=kind, team=team, person=person, filename="x.zip", size=len(file), status=ArchiveStatus.READING
    )
    made.folder.mkdir(parents=True)
    made.file_path.write_bytes(file)
    return made


class Room(sandbox.Box):
    """A box whose child is this process: no limits, the same code."""

    def run(self, request: Any, *, on_message: Any = None, on_tick: Any = None) -> dict[str, Any]:
        before = Path.cwd()
        sandbox_child._inputs.update({name: os.dup(file.fileno()) for name, file in self.inputs.items()})
        os.chdir(self.scratch)
        try:
            return dict(import_module(self.module).main(dict(request), on_message or (lambda told: None)))
        except sandbox_child.Refusal as refusal:
            raise sandbox.Refused(refusal.member, refusal.field, refusal.reason) from refusal
        finally:
            os.chdir(before)
            sandbox_child._inputs.clear()


_real = sandbox.opened
PLAYED = (imported.CHILD, bringing.CHILD)


@contextlib.contextmanager
def opened_here(module: str, *, limits: Any, files: Any, folder: Path) -> Iterator[sandbox.Box]:
    """In place of `sandbox.opened`, for the readers of archives; all others get a child of their own."""
    if module not in PLAYED:
        with _real(module, limits=limits, files=files, folder=folder) as box:
            yield box
        return
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as inputs:
        opened = {name: inputs.enter_context(path.open("rb")) for name, path in files.items()}
        yield Room(module, limits, folder, opened)


def brought(person: Any, file: bytes) -> Any:
    """The course of an archive, as the worker makes it, on this test's connection."""
    return bringing.bring_course(import_=arrived(ArchiveKind.COURSE, person, file), beat=lambda stage: None)
