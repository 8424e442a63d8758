"""What a version's report says, put so that a page can show it: figures with their reading, bars with their shares."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

from datasets import checks, formats
from datasets.models import DatasetVersion, Shape
from datasets.services.reading import plain, stored_rows
from teams.methods import KnownMethod, known

LOOKED_AT_FOR_LOSSES = 2_000
SHOWN_VALUES = 12


@dataclass(frozen=True)
class SizeAdvice:
    """How a version's size fits one method. `verdict`: good, warn or bad."""

    method: str
    label: str
    wanted: str
    verdict: str
    sentence: str


VERDICTS = {"too_few": "bad", "few": "warn", "good": "good", "plenty": "good"}


def size_advice(version: DatasetVersion) -> list[SizeAdvice]:
    """The guide's sizes per method against this version's rows."""
    return [_advice(method, checks.guideline(method, version.row_count)) for method in known()]


def _advice(method: KnownMethod, told: dict[str, Any]) -> SizeAdvice:
    return SizeAdvice(
        method.name, method.label, told["span"], VERDICTS[told["verdict"]], told["sentence"]
    )


@dataclass(frozen=True)
class Bar:
    name: str
    count: int
    percent: int
    kind: str = "given"
    """given by people, suggested by rule, or none"""


@dataclass(frozen=True)
class Chart:
    title: str
    bars: list[Bar]


def page(version: DatasetVersion) -> dict[str, Any] | None:
    """The report as the page shows it; None while the version has not been measured."""
    if version.measured_at is None:
        return None
    found: dict[str, Any] = version.report["quality"]
    return {
        **found,
        "sampled": version.report["sampled"],
        "token_sizes": version.report.get(
            "token_sizes"
        ),  # None: measured before tokens were counted
        "charts": [_chart(label, counts) for label, counts in found["coverage"].items()],
        "suggestions": any(
            name for counts in found["coverage"].values() for name in counts["suggested"]
        ),
        "sizes": size_advice(version),
        "beyond_percent": round(100 * found["language"]["beyond_grade_2"]["share"], 1),
        "beyond_words": [word for word, _ in found["language"]["beyond_grade_2"]["top"]],
        "adult_phrases": [phrase for phrase, _ in found["language"]["adult_phrases"]],
        "opening_bars": [
            Bar(opening["words"], opening["count"], max(1, round(100 * opening["share"])))
            for opening in found["openings"]
        ],
    }


def _chart(label: str, counts: dict[str, dict[str, int]]) -> Chart:
    """Labels that people gave, then what the rules suggest for rows without one, then the rest."""
    given, suggested = dict(counts["given"]), dict(counts["suggested"])
    unlabelled = given.pop("", 0)
    suggested.pop("", None)
    total = (sum(given.values()) + unlabelled) or 1
    known = [_bar(name, count, total, "given") for name, count in _ranked(given)]
    guessed = [_bar(name, count, total, "suggested") for name, count in _ranked(suggested)]
    open_ = max(0, unlabelled - sum(suggested.values()))
    rest = [_bar("no label", open_, total, "none")] if open_ else []
    return Chart(
        label.replace("_", " ").capitalize(),
        known[:SHOWN_VALUES] + guessed[:SHOWN_VALUES] + rest,
    )


def _ranked(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])


def _bar(name: str, count: int, total: int, kind: str) -> Bar:
    return Bar(name, count, max(1, round(100 * count / total)), kind)


@dataclass(frozen=True)
class Export:
    shape: str
    label: str
    lost: list[tuple[str, int]]
    left_out: int
    looked_at: int


def exports(version: DatasetVersion) -> list[Export]:
    """For each shape, what writing the version in it loses, counted over the first rows."""
    looked_at = [plain(row) for row in islice(stored_rows(version), LOOKED_AT_FOR_LOSSES)]
    return [_export(shape, looked_at) for shape in Shape]


def _export(shape: Shape, rows: list[formats.Row]) -> Export:
    counted: dict[str, int] = {}
    left_out = 0
    for row in rows:
        try:
            formats.to_shape(row, shape)
        except formats.ConversionRefused:
            left_out += 1
            continue
        for loss in formats.losses(row, shape):
            counted[loss] = counted.get(loss, 0) + 1
    ranked = sorted(counted.items(), key=lambda item: -item[1])
    return Export(shape.value, shape.label, ranked, left_out, len(rows))
