"""From a stored file to UTF-8 chunks: unpacking, encodings, and the refusal of what can never be a dataset."""

import codecs
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import BinaryIO

from datasets.formats.encodings import (
    ENCODING_NAMES,
    ONE_BYTE,
    Guess,
    encoding_of,
    guessed,
    samples,
)
from datasets.formats.rows import Limits, UnreadableFile

CHUNK = 256 * 1024
_BOMB_FLOOR = 16 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
Progress = Callable[[int, int, int], None]

_OTHER_KINDS: tuple[tuple[bytes, str, str, str], ...] = (
    (
        b"%PDF",
        "pdf",
        "This is a PDF document, not a dataset.",
        "Copy its text out and paste it, or save a table as CSV.",
    ),
    (
        b"\x89PNG",
        "image",
        "This is a picture (PNG).",
        "Type the conversation as text; a picture can't be read here.",
    ),
    (
        b"\xff\xd8\xff",
        "image",
        "This is a picture (JPEG).",
        "Type the conversation as text; a picture can't be read here.",
    ),
    (
        b"GIF8",
        "image",
        "This is a picture (GIF).",
        "Type the conversation as text; a picture can't be read here.",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "old_office",
        "This is an old Word or Excel file.",
        "Open it and save it as .xlsx or CSV.",
    ),
    (
        b"PAR1",
        "parquet",
        "This is a Parquet file.",
        "Export it as JSON lines (pandas: to_json(orient='records', lines=True)).",
    ),
    (
        b"SQLite format 3",
        "database",
        "This is an SQLite database.",
        "Export the table you mean as CSV.",
    ),
    (
        b"7z\xbc\xaf",
        "archive",
        "This is a 7-Zip archive.",
        "Unpack it and upload the file inside.",
    ),
    (b"Rar!", "archive", "This is a RAR archive.", "Unpack it and upload the file inside."),
    (
        b"\xfd7zXZ",
        "archive",
        "This is an .xz archive.",
        "Unpack it and upload the file inside, or pack it as .gz.",
    ),
    (
        b"(\xb5/\xfd",
        "archive",
        "This is a .zst archive.",
        "Unpack it and upload the file inside, or pack it as .gz.",
    ),
    (
        b"\x7fELF",
        "program",
        "This is a program, not a dataset.",
        "Choose the .jsonl, .json, .csv, .tsv, .xlsx, .vtt or .txt file.",
    ),
    (
        b"MZ\x90",
        "program",
        "This is a program, not a dataset.",
        "Choose the .jsonl, .json, .csv, .tsv, .xlsx, .vtt or .txt file.",
    ),
    (
        b"{\\rtf",
        "rich_text",
        "This is a rich text (RTF) document.",
        "Save it as plain text (UTF-8).",
    ),
)
_HTML = re.compile(
    rb"^\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_CONTROLS = bytes(c for c in range(32) if c not in (9, 10, 12, 13, 27))


class Source:
    """One file being read. `head` is its first text (UTF-8, no BOM); `chunks()` gives all of it, once.

    `encoding`, `compressed` and `is_sheet` are known after construction. Raises `UnreadableFile` now or while reading.
    """

    def __init__(
        self,
        source: BinaryIO | Path,
        limits: Limits,
        on_progress: Progress | None,
        encoding: str = "",
    ) -> None:
        """`encoding`: what a person chose; empty: found out by the first bytes."""
        self.guess = Guess(encoding or "utf-8")
        self.chosen = encoding
        self.replaced = 0
        """Bytes that mean nothing in the encoding; � stands in their place."""
        self.limits, self.on_progress = limits, on_progress
        self.owns = isinstance(source, Path)
        self.file: BinaryIO = _opened(source) if isinstance(source, Path) else source
        self.rows_so_far = 0
        self.stored_read = self.text_read = self._told = 0
        self.total = _size(self.file)
        first = self.file.read(CHUNK)
        self.stored_read = len(first)
        self.compressed = first[:2] == _GZIP
        self.is_sheet = first[:4] in _ZIP
        self.encoding = "utf-8"
        if self.is_sheet:
            refuse_other_zips(self.file, limits)
            self.head = b""
            return
        plain = self._gunzip(first) if self.compressed else self._stored(first)
        self._text = self._as_utf8(plain)
        self.head = next(self._text, b"")
        if not self.head.strip():
            self.head = self._skip_blank_start()

    def close(self) -> None:
        if self.owns:
            self.file.close()

    def chunks(self) -> Iterator[bytes]:
        """All of the text, UTF-8, in chunks of bounded size, the head first."""
        yield self.head
        yield from self._text

    def _skip_blank_start(self) -> bytes:
        blank = self.head
        for chunk in self._text:
            blank += chunk
            if chunk.strip():
                return blank
            if len(blank) > 4 * CHUNK:
                break
        raise UnreadableFile(
            "empty",
            "The file is empty.",
            "Choose the file again; the download may have been cut off.",
        )

    def _stored(self, first: bytes) -> Iterator[bytes]:
        yield first
        while chunk := self.file.read(CHUNK):
            self.stored_read += len(chunk)
            yield chunk

    def _gunzip(self, first: bytes) -> Iterator[bytes]:
        unpacker = zlib.decompressobj(31)
        unpacked = 0
        try:
            for chunk in self._stored(first):
                data = chunk
                while True:
                    out = unpacker.decompress(data, CHUNK)
                    data = unpacker.unconsumed_tail
                    unpacked += len(out)
                    if (
                        unpacked > _BOMB_FLOOR
                        and unpacked > self.limits.max_unpack_ratio * self.stored_read
                    ):
                        raise _bomb(unpacked // max(1, self.stored_read))
                    if out:
                        yield out
                    if unpacker.eof:
                        data = unpacker.unused_data.lstrip(b"\x00")
                        if not data:
                            break
                        unpacker = zlib.decompressobj(31)
                    elif not data and len(out) < CHUNK:
                        break
        except zlib.error:
            message = "The compressed file (.gz) is damaged."
            raise UnreadableFile(
                "gz_damaged", message, "Pack it again, or upload it unpacked."
            ) from None
        if not unpacker.eof:
            raise UnreadableFile(
                "gz_damaged", "The compressed file (.gz) is cut off.", "Upload it again, whole."
            )

    def _as_utf8(self, plain: Iterator[bytes]) -> Iterator[bytes]:
        """Refuses what is no text by the first chunk, then yields UTF-8 without a byte order mark."""
        first = next(plain, b"")
        while len(first) < 4096 and (more := next(plain, b"")):
            first += more
        refuse_by_start(first, self.compressed)
        self.guess = (
            Guess(self.chosen, "certain", samples(first)) if self.chosen else guessed(first)
        )
        self.encoding = self.guess.name
        if self.encoding in ("utf-8", "utf-8-sig"):
            yield from self._counted(first.removeprefix(codecs.BOM_UTF8))
            for chunk in plain:
                yield from self._counted(chunk)
            return
        decoder = codecs.getincrementaldecoder(self.encoding)(
            "replace" if self.encoding in ONE_BYTE else "strict"
        )
        try:
            yield from self._counted(self._recoded(decoder.decode(first).lstrip("\ufeff")))
            for chunk in plain:
                yield from self._counted(self._recoded(decoder.decode(chunk)))
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            name = ENCODING_NAMES.get(self.encoding, self.encoding)
            message = f"The file looks like {name} but breaks off or is damaged ({type(error).__name__})."
            raise UnreadableFile(
                "damaged_encoding", message, "Save it again as UTF-8."
            ) from None

    def _recoded(self, text: str) -> bytes:
        self.replaced += text.count("\ufffd") if self.encoding in ONE_BYTE else 0
        return text.encode("utf-8")

    def _counted(self, chunk: bytes) -> Iterator[bytes]:
        self.text_read += len(chunk)
        if self.text_read > self.limits.max_bytes:
            allowed = f"{self.limits.max_bytes / 1024**2:,.0f} MB"
            message = f"The file holds more than {allowed} of text, the limit here."
            raise UnreadableFile(
                "too_large", message, "Split it, or ask your instructor to raise the limit."
            )
        if self.on_progress and self.stored_read - self._told >= 1024 * 1024:
            self._told = self.stored_read
            self.on_progress(self.stored_read, self.total, self.rows_so_far)
        if chunk:
            yield chunk


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        reason = {
            "FileNotFoundError": "There is no such file",
            "IsADirectoryError": "This is a folder, not a file",
        }
        told = reason.get(
            type(error).__name__,
            f"The file can't be opened ({error.strerror or type(error).__name__})",
        )
        raise UnreadableFile(
            "cannot_open", f"{told}: {path.name or path}.", "Check the name and the permissions."
        ) from None


def _size(file: BinaryIO) -> int:
    try:
        here = file.tell()
        end = file.seek(0, io.SEEK_END)
        file.seek(here)
        return end - here
    except (OSError, ValueError):
        return 0


def _bomb(ratio: int) -> UnreadableFile:
    message = f"The compressed file grows {ratio:,} times when unpacked; files like that are made to fill up a disk."
    return UnreadableFile(
        "zip_bomb", message, "Upload the unpacked file if it is a real dataset."
    )


def refuse_by_start(first: bytes, compressed: bool = False) -> None:
    """Raises `UnreadableFile` where the first bytes belong to something that is no dataset."""
    if not first.strip(b"\x00 \t\r\n") and len(first) < CHUNK:
        if first.count(b"\x00"):
            raise UnreadableFile(
                "binary",
                "The file holds no text, only zero bytes.",
                "Choose the dataset file again.",
            )
        raise UnreadableFile(
            "empty",
            "The file is empty.",
            "Choose the file again; the download may have been cut off.",
        )
    if compressed and (first[:2] == _GZIP or first[:4] in _ZIP):
        raise UnreadableFile(
            "packed_twice", "The file is packed twice.", "Unpack it once and upload the result."
        )
    for magic, code, message, fix in _OTHER_KINDS:
        if first.startswith(magic):
            raise UnreadableFile(code, message, fix)
    if first[:4] == b"RIFF" and first[8:12] in (b"WEBP", b"WAVE", b"AVI "):
        raise UnreadableFile(
            "image", "This is a picture, sound or film.", "Type the conversation as text."
        )
    if first.startswith(b"version https://git-lfs.github.com/spec/"):
        message = "This is a Git-LFS pointer: it names the real file but does not hold it."
        raise UnreadableFile(
            "git_lfs_pointer",
            message,
            "Run `git lfs pull` and upload the file you get, or download it whole.",
        )
    if _HTML.match(first[:4096].removeprefix(codecs.BOM_UTF8)):
        message = "This is a web page (HTML), not the file it shows."
        raise UnreadableFile(
            "html_page", message, "On the page, use “Download” or “Raw”, and upload that file."
        )
    if first[:200].lstrip().startswith(b"<?xml"):
        raise UnreadableFile(
            "xml", "This is an XML file.", "Save the data as JSON lines or CSV."
        )
    if encoding_of(first) == "utf-8" and _is_binary(first):
        message = "This is a binary file, not text."
        raise UnreadableFile(
            "binary", message, "Choose the .jsonl, .json, .csv, .tsv, .xlsx, .vtt or .txt file."
        )


def _is_binary(first: bytes) -> bool:
    sample = first[:8192]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls > len(sample) * (0.02 if len(sample) >= 64 else 0.3)


def refuse_other_zips(file: BinaryIO, limits: Limits) -> None:
    """Lets only a sane .xlsx pass; leaves the file at its start."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError):
        message = "This is a damaged zip or Excel file."
        raise UnreadableFile(
            "zip_damaged", message, "Save it again, or export it as CSV."
        ) from None
    names = {entry.filename for entry in entries}
    if any(name.startswith("word/") for name in names):
        message = "This is a Word document."
        raise UnreadableFile(
            "docx", message, "Copy its text and paste it, or save a table as CSV."
        )
    if not any(name.startswith("xl/") for name in names):
        inside = ", ".join(sorted(names)[:3]) or "nothing"
        raise UnreadableFile(
            "zip",
            f"This is a zip archive (with {inside}).",
            "Unpack it and upload the file inside.",
        )
    unpacked = sum(entry.file_size for entry in entries)
    packed = max(1, sum(entry.compress_size for entry in entries))
    if unpacked > _BOMB_FLOOR and unpacked > limits.max_unpack_ratio * packed:
        raise _bomb(unpacked // packed)
    allowed = min(limits.max_bytes, limits.max_sheet_bytes)
    if unpacked > allowed:
        largest = max(entries, key=lambda entry: entry.file_size).filename[:80]
        size = f"{unpacked / 1024**2:,.0f} MB, most of it {largest}"
        message = (
            f"The Excel file unpacks to {size}; {allowed / 1024**2:,.0f} MB is the limit here."
        )
        raise UnreadableFile("too_large", message, "Split it, or save it as CSV.")
    file.seek(0)


def suffix_of(filename: str) -> str:
    """How a file's name ends, in small letters: of `rows.csv.gz` it is `.csv`."""
    path = PurePath(filename.strip().lower())
    return PurePath(path.stem).suffix if path.suffix in (".gz", ".gzip") else path.suffix
