"""What people fix in an import: rules in all rows, single rows, the encoding, columns and speakers.

Every fix is an `ImportFix`: who made it and when, and who took it back. Rules, encoding and mapping are what the file is
checked with; a repaired row joins the version when the import is accepted, or the dataset's edits afterwards.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from django.db import IntegrityError, transaction
from django.utils import timezone

from datasets import formats
from datasets.intake import broken_rows
from datasets.models import DraftChange, FixKind, Import, ImportFix, ImportStatus
from datasets.services import drafts, import_files
from datasets.services.blocks import (
    Block,
    NamedRows,
    RowIds,
    StoredRow,
    Totals,
    packed,
    read_frames,
    row_from,
    unpack,
)
from teams.models import User


class FixRefused(Exception):
    """The fix can't be made; the message says why and what to do."""


@dataclass(frozen=True)
class BrokenShown:
    """A row that was left out, and what a person made of it."""

    row: formats.BrokenRow
    key: str
    fix: ImportFix | None

    @property
    def place(self) -> str:
        """Where it stands in the file."""
        return f"Item {self.row.item:,}" if self.row.item else f"Line {self.row.line:,}"

    @property
    def turns(self) -> list[tuple[str, str]]:
        """[role, text]: as repaired, else as far as they could be saved, with a question and an answer at least."""
        if self.fix is not None and self.fix.row:
            return [(turn["role"], turn["content"]) for turn in self.fix.row["messages"]]
        roles = {role for role, _ in self.row.turns}
        missing = [(role, "") for role in ("user", "assistant") if role not in roles]
        if missing and missing[0][0] == "user":
            system = [turn for turn in self.row.turns if turn[0] == "system"]
            return [
                *system,
                missing[0],
                *(turn for turn in self.row.turns if turn[0] != "system"),
                *missing[1:],
            ]
        return [*self.row.turns, *missing]


def open_fixes(import_: Import) -> dict[str, ImportFix]:
    """The repairs of single rows that stand, by the key of their row."""
    fixes = import_.fixes.filter(kind=FixKind.ROW, undone_at=None).select_related("made_by")
    return {fix.key: fix for fix in fixes}


def broken(import_: Import, start: int = 0, count: int | None = None) -> list[BrokenShown]:
    """Rows that were left out, in the order of the file."""
    fixes = open_fixes(import_)
    stop = None if count is None else start + count
    listed = islice(broken_rows.kept(import_files.broken(import_)), start, stop)
    return [
        BrokenShown(row, key, fixes.get(key))
        for row in listed
        for key in [broken_rows.key_of(row)]
    ]


def broken_count(import_: Import) -> int:
    """How many of the rows that were left out can be repaired on the page."""
    return sum(1 for _ in broken_rows.kept(import_files.broken(import_)))


def note(*, import_: Import, kind: FixKind, key: str, person: User | None) -> None:
    """Put on record that a person fixed something, once."""
    try:
        with transaction.atomic():
            ImportFix.objects.create(upload=import_, kind=kind, key=key, made_by=person)
    except IntegrityError:
        return  # the same fix stands already: somebody pressed twice


def unnote(*, import_: Import, kind: FixKind, key: str, person: User | None) -> None:
    """Put on record that a fix was taken back."""
    standing = import_.fixes.filter(kind=kind, undone_at=None)
    if key:
        standing = standing.filter(key=key)
    standing.update(undone_at=timezone.now(), undone_by=person)


def repair_row(
    *, import_: Import, shown: BrokenShown, turns: list[tuple[str, str]], person: User
) -> ImportFix:
    """What a person made of a broken row. After the import was accepted it goes to the dataset's edits at once.

    Raises FixRefused where the row breaks a rule, was repaired already, or the import was discarded.
    """
    key = shown.key
    row = _row_of(shown.row, turns)
    problems = formats.check_row(row, formats.Limits())
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise FixRefused(" ".join(f"{problem.message} {problem.fix}" for problem in errors))
    if import_.status == ImportStatus.ACCEPTED:
        return _into_edits(import_, key, row, person)
    if not import_.is_open:
        raise FixRefused("This import was discarded, and its rows with it.")
    fix, _ = ImportFix.objects.update_or_create(
        upload=import_,
        kind=FixKind.ROW,
        key=key,
        undone_at=None,
        defaults={"row": row.as_dict(), "made_by": person},
    )
    return fix


def _row_of(broken_row: formats.BrokenRow, turns: list[tuple[str, str]]) -> formats.Row:
    said = [(role, text.replace("\r\n", "\n").strip()) for role, text in turns]
    messages: list[formats.Message] = [
        {"role": role, "content": text} for role, text in said if text
    ]
    return formats.Row(line=broken_row.line, messages=messages)


def _into_edits(import_: Import, key: str, row: formats.Row, person: User) -> ImportFix:
    if import_.dataset is None:
        raise FixRefused("The dataset of this import was deleted.")
    if import_.fixes.filter(kind=FixKind.ROW, key=key, undone_at=None).exists():
        raise FixRefused(
            "This row was repaired already. Change it among the dataset's rows or edits."
        )
    made = ImportFix(
        upload=import_, kind=FixKind.ROW, key=key, row=row.as_dict(), made_by=person
    )

    def remember(change: DraftChange) -> None:
        """In the edit's own transaction: of two presses at once, one adds the row and the other nothing."""
        made.row_id = change.row_id
        made.save()

    try:
        drafts.put_row(dataset=import_.dataset, row=row, person=person, then=remember)
    except drafts.EditRefused as refusal:
        raise FixRefused(str(refusal)) from None
    except IntegrityError:
        raise FixRefused(
            "Somebody repaired this row just now. Look at the dataset's edits."
        ) from None
    return made


def undo_row(*, import_: Import, key: str, person: User) -> None:
    """Take a repaired row back, from the edits too. Raises FixRefused where it is part of a version by now."""
    fix = open_fixes(import_).get(key)
    if fix is None:
        return
    if fix.row_id:
        draft = drafts.draft_of(import_.dataset) if import_.dataset else None
        if draft is None or not draft.changes.filter(row_id=fix.row_id).exists():
            raise FixRefused(
                "The row is part of a version by now. Remove it there, among the dataset's rows."
            )
        drafts.take_back(draft=draft, row_id=fix.row_id)
    elif not import_.is_open:
        raise FixRefused(
            "The row is part of a version by now. Remove it there, among the dataset's rows."
        )
    unnote(import_=import_, kind=FixKind.ROW, key=key, person=person)


# What becomes of repaired rows ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Whole:
    """The good rows of an import and the repaired ones behind them, with all that a version says about them."""

    blocks: Iterable[Block]
    content_hash: str
    row_count: int
    turn_count: int
    token_estimate: int
    shape: str
    repaired: int


def repaired_rows(import_: Import) -> list[tuple[int, formats.Row]]:
    """(id of the fix, row) of those repairs whose row is still broken in the file as it is read now."""
    fixes = open_fixes(import_)
    if not fixes:
        return []
    keys = [broken_rows.key_of(row) for row in broken_rows.kept(import_files.broken(import_))]
    standing = [fixes[key] for key in keys if key in fixes]
    return [(fix.pk, row_from(fix.row)) for fix in standing if fix.row]


def keys_in(repaired: list[tuple[int, formats.Row]]) -> set[int]:
    return {fix_id for fix_id, _ in repaired}


def keys_of(import_: Import) -> set[int]:
    """As `keys_in`, of what stands now."""
    return keys_in(repaired_rows(import_))


def with_repaired(import_: Import, repaired: list[tuple[int, formats.Row]]) -> Whole:
    """The rows of a version: as they were read where nothing was repaired, else counted anew with the repaired ones."""
    path = import_files.rows(import_)
    good = read_frames(path) if path.exists() else iter(())
    if not repaired:
        return Whole(
            blocks=good,
            content_hash=import_.content_hash,
            row_count=import_.good_rows,
            turn_count=import_.turn_count,
            token_estimate=import_.token_estimate,
            shape=import_.shape,
            repaired=0,
        )
    totals, ids = Totals(), RowIds()
    blocks = list(_counted(good, totals, ids))
    named = [_named(row, ids) for _, row in repaired]
    added = list(packed(named, totals))
    return Whole(
        blocks=chain(blocks, added),
        content_hash=totals.content_hash,
        row_count=totals.rows,
        turn_count=totals.turns,
        token_estimate=totals.token_estimate,
        shape=totals.shape,
        repaired=len(repaired),
    )


def _counted(blocks: Iterator[Block], totals: Totals, ids: RowIds) -> Iterator[Block]:
    for block in blocks:
        for row in unpack(block.data):
            ids.given.add(row.id)
            totals.add(NamedRows.of(row, formats.fingerprint(row)))
        yield block


def _named(row: formats.Row, ids: RowIds) -> NamedRows:
    fingerprint = formats.fingerprint(row)
    return NamedRows.of(StoredRow.of(row, ids.give(row, fingerprint)), fingerprint)
