"""Setting one's scale on anchor interviews: a level for each criterion, once, beside the intended one right after it.

An instructor can require it: then a grade is not submitted before all of them are done (`waits_for`).
"""

from dataclasses import dataclass

from django.db import transaction
from django.urls import reverse

from evaluation.anchor_interviews import TRANSCRIPTS
from evaluation.anchors import CRITERIA, Agreed, AnchorTranscript
from evaluation.models import (
    Calibration,
    CalibrationLevel,
    CalibrationRule,
    Criterion,
    RubricVersion,
)
from evaluation.services.telling import tell_professor
from teams.models import Course, Membership, NoticeKind, Role, User
from teams.services import audit


@dataclass(frozen=True)
class Compared:
    """One criterion of one interview. `chosen` and `difference` (chosen − intended) are None before she chose."""

    criterion: Criterion
    agreed: Agreed
    chosen: int | None

    @property
    def difference(self) -> int | None:
        return None if self.chosen is None else self.chosen - self.agreed.level


@dataclass(frozen=True)
class Progress:
    """How far one grader is: `done` interviews in full, `judged` levels, of which `same` as intended and `near` at most
    one apart; `offset` is the mean difference."""

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

    @property
    def levels(self) -> int:
        """How many there are to choose in all."""
        return len(TRANSCRIPTS) * len(CRITERIA)


def criteria() -> dict[str, Criterion]:
    """The built-in rubric's criteria that the transcripts are judged by, in its order."""
    shipped = RubricVersion.objects.filter(course=None).order_by("number")[0]
    rows = shipped.criteria.filter(key__in=CRITERIA).prefetch_related("levels")
    return {row.key: row for row in rows}


def transcript(number: int) -> AnchorTranscript | None:
    """The one at this place in the list, from 1. Its key stays inside."""
    return TRANSCRIPTS[number - 1] if 1 <= number <= len(TRANSCRIPTS) else None


def choose(*, grader: Membership, anchor: AnchorTranscript, key: str, level: int) -> None:
    """Keep a grader's level for one criterion. A second choice changes nothing: the first impression is what counts."""
    kept, _ = Calibration.objects.get_or_create(grader=grader, transcript=anchor.key)
    CalibrationLevel.objects.get_or_create(
        calibration=kept, criterion_key=key, defaults={"level": level}
    )


def compared(*, grader: Membership, anchor: AnchorTranscript) -> list[Compared]:
    """What the grader chose beside what is intended, for each criterion."""
    rows = CalibrationLevel.objects.filter(
        calibration__grader=grader, calibration__transcript=anchor.key
    )
    chosen = dict(rows.values_list("criterion_key", "level"))
    return [
        Compared(row, anchor.agreed[key], chosen.get(key)) for key, row in criteria().items()
    ]


def progress_of(grader: Membership) -> Progress:
    return _progress([grader])[0]


def progress_in(course: Course) -> list[Progress]:
    """Every professor of the course, by name."""
    rows = Membership.objects.filter(
        course=course, role=Role.PROFESSOR, active=True
    ).select_related("person")
    return _progress(list(rows))


def _progress(graders: list[Membership]) -> list[Progress]:
    agreed = {anchor.key: anchor.agreed for anchor in TRANSCRIPTS}
    done: dict[int, dict[str, int]] = {
        grader.pk: {} for grader in graders
    }  # levels by interview
    differences: dict[int, list[int]] = {grader.pk: [] for grader in graders}
    rows = CalibrationLevel.objects.filter(calibration__grader__in=graders)
    names = ("calibration__grader_id", "calibration__transcript", "criterion_key", "level")
    for grader_id, key, criterion, level in rows.values_list(*names):
        if criterion not in agreed.get(key, {}):
            continue  # of an interview that no longer ships
        done[grader_id][key] = done[grader_id].get(key, 0) + 1
        differences[grader_id].append(level - agreed[key][criterion].level)
    found = []
    for grader in graders:
        whole = sum(levels == len(CRITERIA) for levels in done[grader.pk].values())
        found.append(_summed(grader, whole, differences[grader.pk]))
    return found


def _summed(grader: Membership, done: int, differences: list[int]) -> Progress:
    return Progress(
        grader,
        done,
        judged=len(differences),
        same=sum(one == 0 for one in differences),
        near=sum(abs(one) <= 1 for one in differences),
        offset=sum(differences) / len(differences) if differences else None,
    )


def is_required(course: Course) -> bool:
    return CalibrationRule.objects.filter(course=course).exists()


def waits_for(grader: Membership) -> bool:
    """Whether this professor has to calibrate before she grades, and has not."""
    required = hasattr(
        grader.course, "calibration_rule"
    )  # where its page fetched it, no query more
    return required and not progress_of(grader).calibrated


def require(*, course: Course, required: bool, person: User) -> bool:
    """Have professors calibrate before they grade, or no longer; whoever has to is told. False where nothing changed."""
    with transaction.atomic():
        Course.objects.select_for_update().get(pk=course.pk)
        if is_required(course) == required:
            return False
        if required:
            CalibrationRule.objects.create(course=course)
        else:
            CalibrationRule.objects.filter(course=course).delete()
        words = ["not required", "required"] if required else ["required", "not required"]
        audit.record(
            course=course,
            person=person,
            action="calibration",
            what=str(course),
            before=words[0],
            after=words[1],
        )
        if required:
            _tell_uncalibrated(course)
    return True


def _tell_uncalibrated(course: Course) -> None:
    text = (
        "Please calibrate before you grade: put eight short anchor interviews on the scale. What you entered on the "
        "grading page is kept."
    )
    for one in progress_in(course):
        if not one.calibrated:
            tell_professor(
                one.grader,
                NoticeKind.WAITING,
                text,
                reverse("calibration_list", args=[course.pk]),
            )
