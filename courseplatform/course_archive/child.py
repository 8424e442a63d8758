"""Reads one course archive, in the child of `teams.sandbox`. See `bringing` for the other half.

In: `upload`. Out, in the scratch folder: `rows`, a JSON object a line `[line in its member, row]`, table after table;
`blocks`, the rows of datasets as stored blocks; `files`, the runs' files one behind the other. The answer says where what
lies; `artefacts` says the same of files. No name out of the archive is ever a name on a disk.
"""

import base64
import binascii
import json
import math
import re
import zipfile
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import msgspec

from courseplatform.course_archive.dataset_rows import Datasets
from courseplatform.course_archive.documents import DOCUMENTS
from courseplatform.course_archive.run_files import Runs
from courseplatform.course_archive.tables import (
    ABOUT,
    BLOCK,
    BY_LABEL,
    EARLIER_NAMES,
    FILES,
    FORMAT,
    MOST_LINES,
    MOST_PEOPLE,
    PEOPLE,
    PLACE,
    PROOFS,
    RUN,
    TABLES,
    VERSION,
    Table,
)
from teams.sandbox_child import Refusal, Tell, input_file
from training.archives.contents import storable_text
from training.archives.manifest import KeptFiles
from training.archives.zips import ZipLimits, lines_of, names_of, open_zip, text_of

LIMITS = ZipLimits(members=25_000, unpacked_bytes=2_000_000_000)
LONGEST_LINE = 8_000_000
LONGEST_TEXT = 200_000
MOST_LISTED = 10_000
RUN_FILE = re.compile(r"runs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(.+)")
EMAIL = re.compile(r"[^@\s]{1,200}@[^@\s]{1,100}")
Row = dict[str, Any]


def main(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """`request`: `methods`, a KeptFiles by its name. Raises Refusal.

    Gives `{tables: {label: [offset, lines]}, people, proofs, files, …}`.
    """
    archive = open_zip(input_file("upload"), LIMITS)
    _check_members(archive)
    _check_about(archive)
    kept = msgspec.convert(request["methods"], dict[str, KeptFiles])
    reading = _Reading(archive, tell, kept)
    with Path("rows").open("wb") as out, Path("blocks").open("wb") as blocks:
        tables = reading.write_tables(out, blocks)
    with Path("files").open("wb") as out, Path("artefacts").open("wb") as told:
        reading.runs.write_files(archive, out, told, tell)
    return {"tables": tables, "people": _people(archive), "proofs": _proofs(archive)}


def _check_members(archive: zipfile.ZipFile) -> None:
    known = {ABOUT, PEOPLE, PROOFS, *(table.member for table in TABLES)}
    for name in names_of(archive):
        if name not in known and not (name.startswith(FILES) and RUN_FILE.fullmatch(name)):
            raise Refusal(name, "", "Such a file does not belong to a course archive.")


def _check_about(archive: zipfile.ZipFile) -> None:
    if ABOUT not in names_of(archive):
        raise Refusal(
            "",
            "",
            "This is not a course archive: there is no about.json in it. Use what “Export the course” made.",
        )
    about = _decoded(text_of(archive, ABOUT, most_bytes=100_000), ABOUT, "")
    if about.get("format") != FORMAT:
        raise Refusal(
            ABOUT,
            "format",
            "This is not a course archive that this version of the platform can read.",
        )


def _decoded(text: bytes, member: str, place: str) -> Row:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise Refusal(member, place, f"It is not a JSON object: {wrong}.") from wrong


class _Reading:
    """Goes through the tables in their order."""

    def __init__(
        self, archive: zipfile.ZipFile, tell: Tell, methods: dict[str, KeptFiles]
    ) -> None:
        self.archive, self.tell = archive, tell
        self.names = set(names_of(archive))
        self.lines = 0
        self.datasets, self.runs = Datasets(), Runs(methods)
        for number, row in self._rows(BY_LABEL[PLACE]):
            self.datasets.add_place(number, row)
        self.lines = 0

    def write_tables(self, out: IO[bytes], blocks: IO[bytes]) -> dict[str, list[int]]:
        found = {}
        for table in TABLES:
            start, count = out.tell(), 0
            for number, row in self._rows(table):
                if table.label == BLOCK:
                    row = self.datasets.block(number, row, blocks)
                elif table.label == VERSION:
                    row = self.datasets.version(number, row)
                elif table.label == RUN:
                    self.runs.add(number, row)
                out.write(
                    json.dumps([number, row], ensure_ascii=False, allow_nan=False).encode()
                    + b"\n"
                )
                count += 1
            found[table.label] = [start, count]
            self.tell({"stage": table.label})
        return found

    def _rows(self, table: Table) -> Any:
        """Each line's number and its row, cleaned field by field."""
        if table.member not in self.names:
            return
        lines = lines_of(self.archive, table.member, most_lines=MOST_LINES, longest=LONGEST_LINE)
        seen: set[int] = set()
        for number, line in enumerate(lines, start=1):
            self.lines += 1
            if self.lines > MOST_LINES:
                raise Refusal(
                    "", "", f"It holds more than {MOST_LINES:,} rows in all tables together."
                )
            row = cleaned(table, number, _decoded(line, table.member, f"line {number}"))
            if row["id"] in seen:
                raise Refusal(
                    table.member, f"line {number}, id", "Another row has the same number."
                )
            seen.add(row["id"])
            yield number, row


def cleaned(table: Table, number: int, row: Row) -> Row:
    """The row with named fields of a plain kind. Raises Refusal with the field's name."""
    found: Row = {}
    for written, value in row.items():
        name = EARLIER_NAMES.get((table.label, written), written)
        place = f"line {number}, {name[:60]}"
        if name in table.never:
            continue
        try:
            found[name] = _cleaned_value(table, name, value)
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            msgspec.MsgspecError,
            RecursionError,
        ) as wrong:
            raise Refusal(
                table.member, place, f"{str(wrong)[:300].rstrip('.') or 'It does not fit'}."
            ) from wrong
    if not isinstance(found.get("id"), int):
        raise Refusal(table.member, f"line {number}, id", "A row without a number of its own.")
    return found


def _cleaned_value(table: Table, name: str, value: Any) -> Any:
    if name == "id":
        return _row_number(value)
    if name in table.refs or name in table.people:
        return None if value is None else _row_number(value)
    if name in table.documents:
        return DOCUMENTS[table.label, name](value)
    if name in table.keys:
        return str(UUID(value))
    if name in table.lists:
        return [_row_number(one) for one in msgspec.convert(value, list[int])[:MOST_LISTED]]
    if (table.label, name) == (BLOCK, "rows"):
        return _bytes(value)
    if name in table.plain:
        return _scalar(value)
    raise ValueError("An archive may not bring this field")


def _row_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        raise ValueError("This is not the number of a row")
    return value


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, str) and len(value) <= LONGEST_TEXT:
        if storable_text(value) != value:
            raise ValueError("It holds a character that no table can keep")
        return value
    raise ValueError("This is neither a text, a number, a day nor empty, or it is too long")


def _bytes(value: Any) -> Any:
    try:
        return base64.b64decode(msgspec.convert(value, dict[str, str])["base64"], validate=True)
    except binascii.Error as wrong:
        raise ValueError(f"This is not base64: {wrong}") from wrong


def _people(archive: zipfile.ZipFile) -> list[Row]:
    """Number, address and name of everybody whom a row names."""
    found = []
    for number, row in _small_lines(archive, PEOPLE, MOST_PEOPLE):
        email, name = str(row.get("email", "")), str(row.get("name", ""))
        place = f"line {number}"
        if row.keys() - {"pk", "email", "name"}:
            raise Refusal(
                PEOPLE,
                f"{place}, {sorted(row.keys() - {'pk', 'email', 'name'})[0]}",
                "An archive may not bring this field.",
            )
        if not EMAIL.fullmatch(email) or not email.isprintable():
            raise Refusal(PEOPLE, f"{place}, email", "This is not an e-mail address.")
        try:
            known = {
                "pk": _row_number(row.get("pk")),
                "email": email.lower(),
                "name": _scalar(name)[:120],
            }
        except ValueError as wrong:
            raise Refusal(PEOPLE, place, f"{wrong}.") from wrong
        found.append(known)
    if len({row["pk"] for row in found}) < len(found):
        raise Refusal(PEOPLE, "pk", "Two people in it have the same number.")
    return found


def _proofs(archive: zipfile.ZipFile) -> list[Row]:
    """What the platform that wrote the archive signed of models in a provider's account."""
    found = []
    for _, row in _small_lines(archive, PROOFS, 5_000):
        texts = {name: str(row.get(name, ""))[:200] for name in ("key", "model", "proof")}
        found.append({name: text if text.isprintable() else "" for name, text in texts.items()})
    return found


def _small_lines(archive: zipfile.ZipFile, member: str, most: int) -> Any:
    if member in names_of(archive):
        for number, line in enumerate(
            lines_of(archive, member, most_lines=most, longest=10_000), start=1
        ):
            yield number, _decoded(line, member, f"line {number}")
