"""Files of every kind in, canonical rows or line problems out. Pure Python: no Django, no network, bounded memory.

    reader = formats.read(path, filename="week1.jsonl", limits=formats.Limits())
    for item in reader:                      # Row | Problem, in the order of the file, streaming
        if isinstance(item, formats.Problem): ...
    reader.recognition.sentence()            # "JSON lines (utf-8): 120 × dialogue"

`read(source, *, filename, limits=Limits(), shape="auto", mapping=None, fixes=frozenset(), encoding="",
    on_progress=None, on_broken=None) -> Reader`
    `source` is a path or a seekable binary file. Yields a `Row` for each good row and a `Problem` for each thing
    wrong; an
    `error` problem stands in place of its row, warnings come just before theirs. Raises `UnreadableFile(code, message,
    fix)` (also while iterating) where the file as a whole makes no sense, and nothing else, whatever the bytes.
    `shape`: "auto" or one of "dialogue", "messages", "instruction", "preference": rows of another shape are then
    errors.
    Any row of a file that is not yielded has an error problem at its line; nothing is dropped without one.
    `fixes`: codes of problems to repair on the way (see `FIXES`); each repair is told as an info `fixed_<code>`.
    `encoding`: what a person chose (one of `ENCODING_CHOICES`); empty: found out, and told where it is a guess.
    `on_broken(BrokenRow)` is called for each row that is left out, with what can be saved of it.
    `on_progress(bytes_read: int, bytes_total: int, rows: int)` is called about every 1 MB of the file as stored.

`Reader.runs()` yields the same, but plain chat rows that follow one another as one `PlainRun` (`len()`, `.rows()`): for speed.

`Row`, `Problem`, `Limits`, `ColumnMapping`, `Recognition`, `UnreadableFile`: see `rows.py`. The teacher speaks as
`user`, the
    second-grader as `assistant`.
`to_shape(row, shape) -> dict` writes a row as "dialogue", "messages", "instruction" (or "preference"); `losses(row,
shape) ->
    list[str]` says beforehand what would be lost (empty: nothing; then reading the result gives the same row).
`write(rows, shape) -> Iterator[bytes]` is the export: JSON lines, UTF-8.
`plain_digests(run) -> list[bytes]` are the fingerprints of a `PlainRun`, as bytes.
`fingerprint(row) -> str` is the sha256 (hex) of a row's content, not of its place: equal rows have equal fingerprints.
`version_hash(fingerprints) -> str` is the content hash of rows in order; `VersionHash` the same, fed as they come.
`fix(text, code) -> str | None` is one safe repair of one row's JSON text (None: it does not apply). `FIXES` names
them all:
    code -> a sentence that says what the repair does.
`check_row(row, limits) -> list[Problem]` are the row rules, for rows edited in the browser.
`from_object(value, *, line=1, limits=…) -> tuple[Row | None, list[Problem]]` recognises and checks one JSON value.
"""

from datasets.formats.convert import (
    ConversionRefused,
    VersionHash,
    fingerprint,
    losses,
    plain_digests,
    to_shape,
    version_hash,
    write,
)
from datasets.formats.encodings import CHOICES as ENCODING_CHOICES
from datasets.formats.encodings import ENCODING_NAMES
from datasets.formats.fixes import FIXES, fix
from datasets.formats.one_row import from_object
from datasets.formats.plainchat import PlainRun, PlainTurn
from datasets.formats.reader import Reader, read
from datasets.formats.rows import (
    LABELS,
    BrokenRow,
    ColumnMapping,
    Limits,
    Message,
    Problem,
    Recognition,
    Row,
    UnreadableFile,
)
from datasets.formats.rule_names import RULE_NAMES, rule_name
from datasets.formats.rules import check_row

__all__ = [
    "ENCODING_CHOICES",
    "ENCODING_NAMES",
    "FIXES",
    "LABELS",
    "RULE_NAMES",
    "BrokenRow",
    "ColumnMapping",
    "ConversionRefused",
    "Limits",
    "Message",
    "PlainRun",
    "PlainTurn",
    "Problem",
    "Reader",
    "Recognition",
    "Row",
    "UnreadableFile",
    "VersionHash",
    "check_row",
    "fingerprint",
    "fix",
    "from_object",
    "losses",
    "plain_digests",
    "read",
    "rule_name",
    "to_shape",
    "version_hash",
    "write",
]
