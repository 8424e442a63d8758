"""A zip file that anybody may have made: its list of members is looked at before any of them is read."""

import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from teams.sandbox_child import Refusal

PIECE = 1 << 20
# real weights and rows shrink by 1.1 to 20
MOST_RATIO = 200
RATIO_FROM_BYTES = 10_000_000
MOST_NAME = 200
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    UnicodeDecodeError,
)
AGAIN = "Export it again."


@dataclass(frozen=True)
class ZipLimits:
    """Of the whole file: how many members, and how many bytes they may unpack to."""

    members: int
    unpacked_bytes: int


def open_zip(file: IO[bytes], limits: ZipLimits) -> zipfile.ZipFile:
    """Raises Refusal with the member's name. Nothing has been unpacked then."""
    try:
        archive = zipfile.ZipFile(file)
    except (*BROKEN, ValueError, IndexError) as broken:
        raise Refusal(
            "", "", f"This is not a zip file, or it is damaged ({broken}). Download it again."
        ) from broken
    members = archive.infolist()
    if len(members) > limits.members:
        raise Refusal(
            "", "", f"It holds {len(members):,} files; the most is {limits.members:,}."
        )
    seen: set[str] = set()
    for member in members:
        _check_member(member)
        _check_twice(member, seen)
    if sum(member.file_size for member in members) > limits.unpacked_bytes:
        raise Refusal("", "", f"It unpacks to more than {limits.unpacked_bytes // 10**6:,} MB.")
    return archive


def names_of(archive: zipfile.ZipFile) -> list[str]:
    """The files in it, in its order."""
    return [member.filename for member in archive.infolist() if not member.is_dir()]


def pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """A member's bytes, at most as many as it was said to have. Raises Refusal where it is damaged."""
    try:
        with archive.open(name) as member:
            while piece := member.read(PIECE):
                yield piece
    except BROKEN as broken:
        raise Refusal(name, "", f"It is damaged ({broken}). Download it again.") from broken


def text_of(archive: zipfile.ZipFile, name: str, *, most_bytes: int) -> bytes:
    """A small member. Raises Refusal for one that is too big to be what it should be."""
    if archive.getinfo(name).file_size > most_bytes:
        raise Refusal(
            name,
            "",
            f"It is bigger than {most_bytes / 10**6:g} MB, far more than such a file holds.",
        )
    return b"".join(pieces(archive, name))


def lines_of(
    archive: zipfile.ZipFile, name: str, *, most_lines: int, longest: int
) -> Iterator[bytes]:
    """Its lines, those that are empty left out. Raises Refusal for too many, or for one that is too long."""
    found = 0
    try:
        with archive.open(name) as member:
            while line := member.readline(longest + 1):
                if len(line) > longest:
                    raise Refusal(
                        name, f"line {found + 1}", f"It is longer than {longest:,} bytes."
                    )
                if line.strip():
                    found += 1
                    if found > most_lines:
                        raise Refusal(name, "", f"It has more than {most_lines:,} lines.")
                    yield line
    except BROKEN as broken:
        raise Refusal(name, "", f"It is damaged ({broken}). Download it again.") from broken


def _check_member(member: zipfile.ZipInfo) -> None:
    # zipfile cuts a name at its first NUL, so that "a.json\0.exe" would pass for "a.json".
    name = member.orig_filename
    _check_name(name, member.is_dir())
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "a device"
        raise Refusal(name, "", f"It is {what}, not a file.")
    if member.flag_bits & 0x1:
        raise Refusal(name, "", "It is locked with a password. Export it again without one.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refusal(
            name, "", f"It is packed in a way that this platform does not use. {AGAIN}"
        )
    if member.file_size > RATIO_FROM_BYTES and member.file_size > MOST_RATIO * max(
        1, member.compress_size
    ):
        raise Refusal(
            name,
            "",
            f"It unpacks to more than {MOST_RATIO} times its size, which no real file does.",
        )


def _check_name(name: str, is_dir: bool) -> None:
    parts = PurePosixPath(name).parts
    outside = name.startswith("/") or ".." in parts or "\\" in name or ":" in name
    if outside or not name.isprintable() or not parts or len(name) > MOST_NAME:
        raise Refusal(name, "", "Its name points outside the archive, or is no name of a file.")
    if PurePosixPath(name).as_posix() != name.removesuffix("/" if is_dir else ""):
        raise Refusal(name, "", "Its name is written in a roundabout way.")


def _check_twice(member: zipfile.ZipInfo, seen: set[str]) -> None:
    """Also names that some file systems take for one: they differ in capitals or in how an accent is written."""
    same = unicodedata.normalize("NFKC", member.filename).casefold()
    if same in seen:
        raise Refusal(member.filename, "", "Two files in it have this name.")
    seen.add(same)
