"""Setting one's scale on anchor transcripts: each graded once, compared with the agreed levels after committing."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from evaluation.anchors import CRITERIA, TRANSCRIPTS, Agreed, AnchorTranscript
from evaluation.models import Calibration, CalibrationLevel, Criterion, RubricVersion
from teams.models import Course, Membership, Role


@dataclass(frozen=True)
class Compared:
    """One criterion of one transcript. `chosen` and `difference` (chosen − agreed) are None before committing."""

    criterion: Criterion
    agreed: Agreed
    chosen: int | None

    @property
    def difference(self) -> int | None:
        return None if self.chosen is None else self.chosen - self.agreed.level


@dataclass(frozen=True)
class Progress:
    """How far one grader is. `same` and `near` count criteria of committed transcripts: same level, at most one apart."""

    grader: Membership
    done: int
    judged: int
    same: int
    near: int
    offset: float | None

    @property
    def of(self) -> int:
        return len(TRANSCRIPTS)

    @property
    def calibrated(self) -> bool:
        return self.done == self.of


def criteria() -> dict[str, Criterion]:
    """The built-in rubric's criteria that the transcripts are judged by, in its order."""
    shipped = RubricVersion.objects.filter(course=None).order_by("number")[0]
    rows = shipped.criteria.filter(key__in=CRITERIA).prefetch_related("levels")
    return {row.key: row for row in rows}


def transcript(number: int) -> AnchorTranscript | None:
    """The one at this place in the list, from 1. Its key stays inside: it is also a demo team's name."""
    return TRANSCRIPTS[number - 1] if 1 <= number <= len(TRANSCRIPTS) else None


def commit(*, grader: Membership, anchor: AnchorTranscript, levels: Mapping[str, int]) -> Calibration:
    """Keep a grader's levels, by criterion key. A second commit changes nothing: the first impression is what counts."""
    try:
        with transaction.atomic():
            made = Calibration.objects.create(grader=grader, transcript=anchor.key)
            CalibrationLevel.objects.bulk_create(
                CalibrationLevel(calibration=made, criterion_key=key, level=levels[key]) for key in CRITERIA
            )
    except IntegrityError:
        return Calibration.objects.get(grader=grader, transcript=anchor.key)
    return made


def compared(*, grader: Membership, anchor: AnchorTranscript) -> list[Compared]:
    """What the grader chose beside what was agreed, for each criterion."""
    rows = CalibrationLevel.objects.filter(calibration__grader=grader, calibration__transcript=anchor.key)
    chosen = dict(rows.values_list("criterion_key", "level"))
    return [Compared(row, anchor.agreed[key], chosen.get(key)) for key, row in criteria().items()]


def progress_of(grader: Membership) -> Progress:
    return _progress([grader])[0]


def progress_in(course: Course) -> list[Progress]:
    """Every professor of the course, by name."""
    rows = Membership.objects.filter(course=course, role=Role.PROFESSOR, active=True).select_related("person")
    return _progress(list(rows))


def _progress(graders: list[Membership]) -> list[Progress]:
    agreed = {anchor.key: anchor.agreed for anchor in TRANSCRIPTS}
    done: dict[int, set[str]] = {grader.pk: set() for grader in graders}
    differences: dict[int, list[int]] = {grader.pk: [] for grader in graders}
    rows = CalibrationLevel.objects.filter(calibration__grader__in=graders)
    names = ("calibration__grader_id", "calibration__transcript", "criterion_key", "level")
    for grader_id, key, criterion, level in rows.values_list(*names):
        if criterion not in agreed.get(key, {}):
            continue  # a transcript that no longer ships
        done[grader_id].add(key)
        differences[grader_id].append(level - agreed[key][criterion].level)
    return [_summed(grader, len(done[grader.pk]), differences[grader.pk]) for grader in graders]


def _summed(grader: Membership, done: int, differences: list[int]) -> Progress:
    return Progress(
        grader,
        done,
        judged=len(differences),
        same=sum(one == 0 for one in differences),
        near=sum(abs(one) <= 1 for one in differences),
        offset=sum(differences) / len(differences) if differences else None,
    )
