"""JSON fields of a course archive: the shape of each. Pure: it runs in the child that reads the archive.

What a document does not name is left out of it; what does not fit its shape is refused.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from datasets.services.blocks import StoredRow, row_from
from second_grade.interview import Metrics
from training.archives import contents
from training.archives.manifest import Setting, Text

LONG = 20_000
Document = Callable[[Any], Any]
MORE_RESULT = (
    "schema",
    "seed",
    "stopped_by",
    "notes",
    "usage",
    "failed_examples",
    "score",
    "learning_curve",
)
"""What the pages of a run read beside what a run archive brings. Never: checkpoints (a model's name at a provider), the
machine, and how long a program's prompt is, which prices its answers."""
EVENT = (
    *contents.SHOWN,
    "status",
    "message",
    "step",
    "tokens",
    "tokens_per_second",
    "used",
    "allowed",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "code",
    "fix",
)
Phrases = Annotated[
    list[Annotated[str, Meta(max_length=1_000)]], Meta(max_length=100)
]  # as its form takes them
RowIds = Annotated[
    list[Annotated[str, Meta(max_length=contents.LONGEST_ROW_ID)]], Meta(max_length=500_000)
]
Prompt = Annotated[str, Meta(max_length=LONG)]


class Chat(msgspec.Struct, frozen=True):
    """How a handed-in bot is asked. Its model and provider are not read: they are the imported run's."""

    system_prompt: Prompt = ""
    temperature: Annotated[float, Meta(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, Meta(ge=1, le=4_000)] = 300


class Dated(msgspec.Struct, frozen=True):
    """A dataset or a rubric as it was when a bot was handed in. Its number here is the platform's to say."""

    name: Text = ""
    number: Annotated[int, Meta(ge=0, lt=2**31)] = 1
    sha256: Annotated[str, Meta(max_length=64)] = ""


class Snapshot(msgspec.Struct, frozen=True):
    """What was handed in. Files, run and base model are those of the imported run."""

    chat: Chat = Chat()
    dataset: Dated = Dated()
    rubric: Dated = Dated()
    settings: Annotated[dict[Text, Setting], Meta(max_length=100)] = {}


class Score(msgspec.Struct, frozen=True):
    """A criterion's level in a committed grade. `criterion`: its row in the archive."""

    criterion: Annotated[int, Meta(ge=0, lt=2**63)]
    name: Text = ""
    level: Annotated[int, Meta(ge=0, le=100)] | None = None
    cannot_judge: bool = False
    comment: Prompt = ""


Level = Annotated[int, Meta(ge=0, le=100)]
Share = Annotated[float, Meta(ge=0, le=100)]
Weight = Annotated[int, Meta(ge=0, le=100)]


class ReleasedMark(msgspec.Struct, frozen=True):
    grader: Level
    level: Level | None = None
    cannot_judge: bool = False
    comment: Prompt = ""


class ReleasedSettled(msgspec.Struct, frozen=True):
    level: Level
    reason: Prompt = ""


class ReleasedCriterion(msgspec.Struct, frozen=True):
    key: Text
    weight: Weight
    marks: Annotated[list[ReleasedMark], Meta(max_length=100)]
    final: Share | None = None
    settled: ReleasedSettled | None = None


class ReleasedComment(msgspec.Struct, frozen=True):
    grader: Level
    comment: Prompt = ""


class ReleasedTag(msgspec.Struct, frozen=True):
    label: Text
    criterion: Text = ""


class ReleasedTurn(msgspec.Struct, frozen=True):
    turn: Annotated[str, Meta(max_length=36)]
    tags: Annotated[list[ReleasedTag], Meta(max_length=200)]
    better: Annotated[list[Prompt], Meta(max_length=100)]


class Released(msgspec.Struct, frozen=True):
    """A version of a result, as `evaluation.services.frozen.Content`."""

    points: Annotated[int, Meta(ge=0, le=30_000)]
    shares: Annotated[list[Share], Meta(max_length=10)]
    criteria: Annotated[list[ReleasedCriterion], Meta(max_length=100)]
    comments: Annotated[list[ReleasedComment], Meta(max_length=100)]
    marked: Annotated[list[ReleasedTurn], Meta(max_length=5_000)]


class VerdictAnswer(msgspec.Struct, forbid_unknown_fields=True):
    """One answer of a run's verdict, and how it read."""

    question: Text
    answer: Prompt
    changed: bool
    language: bool
    childlike: bool
    repeats: bool
    right: bool | None = None


def _as(kind: Any) -> Document:
    def convert(value: Any) -> Any:
        return contents.bounded(msgspec.to_builtins(msgspec.convert(value, kind)), longest=LONG)

    return convert


def _row_ids(value: Any) -> Any:
    return msgspec.convert(value, RowIds)  # longer than other documents may be


def _kept(names: tuple[str, ...]) -> Document:
    def keep(value: Any) -> Any:
        found = msgspec.convert(value, dict[str, Any])
        return contents.bounded(
            {name: found[name] for name in names if name in found}, longest=LONG
        )

    return keep


def _row(value: Any) -> Any:
    """A draft's changed row, as an upload could have made it; None where the change takes a row away."""
    if value is None:
        return None
    stored = row_from(msgspec.convert(value, dict[str, Any]))
    named = stored if isinstance(stored, StoredRow) else StoredRow.of(stored, "row")
    if trouble := contents.trouble_with(named):
        raise ValueError(trouble)
    return contents.bounded(
        {name: value[name] for name in value if name in StoredRow.__struct_fields__}
    )


def _metrics(value: Any) -> Any:
    """What a standard interview showed; nothing where it did not come to an end."""
    return _as(Metrics)(value) if value else {}


OBJECT = _as(Annotated[dict[Text, Any], Meta(max_length=100)])
DOCUMENTS: dict[tuple[str, str], Document] = {
    ("teams.auditentry", "before"): contents.bounded,
    ("teams.auditentry", "after"): contents.bounded,
    ("evaluation.interviewquestion", "right"): _as(Phrases),
    ("evaluation.interviewquestion", "mistaken"): _as(Phrases),
    ("training.trainingrun", "settings"): _as(
        Annotated[dict[Text, Setting], Meta(max_length=100)]
    ),
    ("training.trainingrun", "idle_speed"): OBJECT,
    ("training.trainingrun", "work"): OBJECT,
    ("training.trainingrun", "result"): _kept((*contents.KEPT_RESULT, *MORE_RESULT)),
    ("datasets.frozensplit", "validation_ids"): _row_ids,
    ("evaluation.submission", "bundle"): _as(Snapshot),
    ("training.runverdict", "answers"): _as(
        Annotated[list[VerdictAnswer], Meta(max_length=100)]
    ),
    ("training.runevent", "data"): _kept(EVENT),
    ("evaluation.interview", "metrics"): _metrics,
    ("datasets.draftchange", "row"): _row,
    ("evaluation.gradescale", "weights"): _as(
        Annotated[dict[Text, Weight], Meta(max_length=100)]
    ),
    ("evaluation.gradescale", "shares"): _as(Annotated[list[Share], Meta(max_length=10)]),
    ("evaluation.resultrelease", "content"): _as(Released),
    ("evaluation.graderevision", "scores"): _as(Annotated[list[Score], Meta(max_length=200)]),
}
