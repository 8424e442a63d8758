"""Which rubric a course grades with, and its versions. A version never changes: an edit makes the next one.

Two hashes tell edits apart (the idea is Open edX ORA2's): the structure says which criteria there are, how many levels each
has, what these mean and what each criterion weighs; the content also says every word and the order. Same structure: scores
stay comparable. What a level means is said by the person who edits it: no program can tell a better word from another scale.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q, QuerySet

from evaluation.models import Criterion, Level, RubricVersion
from evaluation.models.rubric import new_criterion_key
from teams.models import Course, User
from teams.services import audit

MIN_LEVELS = 2
MAX_LEVELS = 6
MAX_CRITERIA = 16
MAX_WEIGHT = 10


class Edit(StrEnum):
    NONE = "nothing changed"
    COSMETIC = "wording or order only: scores stay comparable"
    MEANING = "levels mean something else now: scores before and after are kept apart"
    STRUCTURAL = "criteria, levels or weights changed: compare scores with care"


class RubricRefused(Exception):
    """No version was made; the message says why and what to do."""


@dataclass(frozen=True)
class LevelDraft:
    label: str
    anchor: str


@dataclass(frozen=True)
class CriterionDraft:
    """`key` is that of the criterion it was edited from, `meaning` that of its levels."""

    key: str
    part: str
    unit: str
    name: str
    explanation: str
    weight: int
    levels: tuple[LevelDraft, ...]
    meaning: str = ""

    @property
    def content(self) -> dict[str, Any]:
        """Every word of it."""
        words = asdict(self)
        del words["meaning"]
        return words

    @property
    def structure(self) -> list[object]:
        """Without words."""
        return [self.key, self.part, self.unit, self.weight, len(self.levels)]


@dataclass(frozen=True)
class RubricDraft:
    """A rubric apart from its number: what a version is made from, and what is compared."""

    name: str
    criteria: tuple[CriterionDraft, ...]

    @property
    def content_hash(self) -> str:
        return _sha256({"name": self.name, "criteria": [one.content for one in self.criteria]})

    @property
    def structure_hash(self) -> str:
        """Without words and order; with what the person who edited said that the words mean."""
        return _sha256(sorted([*one.structure, one.meaning] for one in self.criteria))

    @property
    def parts(self) -> list[list[object]]:
        """The structure without what the levels mean."""
        return sorted((one.structure for one in self.criteria), key=str)


@dataclass(frozen=True)
class VersionRow:
    """One version in the list; `edit` compares it with the one it followed, None for the first."""

    version: RubricVersion
    draft: RubricDraft
    edit: Edit | None
    submissions: int


def rubric_for(course: Course) -> RubricVersion:
    """The course's own newest rubric, or the built-in one, which the migrations put there."""
    return available(course).order_by(F("course").asc(nulls_last=True), "-number")[0]


def available(course: Course) -> QuerySet[RubricVersion]:
    """The course's own versions and what comes with the platform."""
    return RubricVersion.objects.filter(Q(course=course) | Q(course=None))


def criteria_of(rubric: RubricVersion) -> list[Criterion]:
    """In the rubric's order, levels fetched."""
    return list(rubric.criteria.prefetch_related("levels"))


def draft_of(rubric: RubricVersion) -> RubricDraft:
    return RubricDraft(
        rubric.name, tuple(_drafted(criterion) for criterion in criteria_of(rubric))
    )


def _drafted(criterion: Criterion) -> CriterionDraft:
    levels = tuple(LevelDraft(level.label, level.anchor) for level in criterion.levels.all())
    return CriterionDraft(
        criterion.key,
        criterion.part,
        criterion.unit,
        criterion.name,
        criterion.explanation,
        criterion.weight,
        levels,
        criterion.meaning,
    )


def compare(before: RubricDraft, after: RubricDraft) -> Edit:
    if before.content_hash == after.content_hash:
        return Edit.NONE
    if before.parts != after.parts:
        return Edit.STRUCTURAL
    return Edit.COSMETIC if before.structure_hash == after.structure_hash else Edit.MEANING


def with_meanings(draft: RubricDraft, before: RubricDraft, *, same: bool) -> RubricDraft:
    """The draft with what its levels mean: as before where no word of a criterion's levels was changed, or where the
    person says that they mean the `same`; else something new.
    """
    earlier = {one.key: one for one in before.criteria}
    criteria = []
    for one in draft.criteria:
        was = earlier.get(one.key)
        kept = (
            was is not None
            and len(was.levels) == len(one.levels)
            and (same or was.levels == one.levels)
        )
        criteria.append(
            replace(one, meaning=was.meaning if was and kept else new_criterion_key())
        )
    return replace(draft, criteria=tuple(criteria))


def history(course: Course) -> list[VersionRow]:
    """The course's own versions, newest first, each compared with the one before it, the first with the built-in one."""
    own = (
        course.rubrics.annotate(used=Count("submissions"))
        .prefetch_related("criteria__levels")
        .order_by("number")
    )
    shipped = RubricVersion.objects.filter(course=None).order_by("-number")[0]
    rows: list[VersionRow] = []
    before = draft_of(shipped)
    for version in own:
        draft = RubricDraft(
            version.name, tuple(_drafted(criterion) for criterion in version.criteria.all())
        )
        rows.insert(0, VersionRow(version, draft, compare(before, draft), version.used))
        before = draft
    return rows


def save_version(
    *,
    course: Course,
    draft: RubricDraft,
    based_on: RubricVersion,
    person: User,
    same_meaning: bool = False,
) -> RubricVersion:
    """The course's next version; what is unchanged gives the version it was made from. New submissions use it from now on.

    `same_meaning`: levels whose words were changed mean what they meant, so that scores stay comparable.

    Raises RubricRefused when another version came between, so that nobody's edit is lost unseen.
    """
    before = rubric_for(course)
    if before.pk != based_on.pk:
        raise RubricRefused(
            f"Version {before.number} was saved while you were editing. What you wrote is below; "
            "compare it with that version, then save again."
        )
    draft = with_meanings(draft, draft_of(before), same=same_meaning)
    edit = compare(draft_of(before), draft)
    if edit is Edit.NONE:
        return before
    try:
        return _make(course, draft, edit, person)
    except IntegrityError as error:
        raise RubricRefused(
            "Someone saved a version at the same moment. Save again to put yours after it."
        ) from error


def use_again(*, course: Course, version: RubricVersion, person: User) -> RubricVersion:
    """An older version, or the built-in one, becomes the newest. The one in use already stays as it is."""
    before, draft = rubric_for(course), draft_of(version)
    edit = compare(draft_of(before), draft)
    if edit is Edit.NONE and before.course_id is not None:
        return before
    try:
        return _make(course, draft, edit, person)
    except IntegrityError as error:
        raise RubricRefused(
            "Someone saved a version at the same moment. Look at it, then decide again."
        ) from error


def _make(course: Course, draft: RubricDraft, edit: Edit, person: User) -> RubricVersion:
    with transaction.atomic():
        newest = course.rubrics.order_by("-number").first()
        before = newest or RubricVersion.objects.filter(course=None).order_by("-number")[0]
        made = RubricVersion.objects.create(
            course=course, number=before.number + 1, name=draft.name
        )
        for position, one in enumerate(draft.criteria, start=1):
            fields: dict[str, Any] = asdict(one)
            del fields["levels"]
            criterion = Criterion.objects.create(rubric=made, position=position, **fields)
            Level.objects.bulk_create(
                Level(criterion=criterion, value=value, label=level.label, anchor=level.anchor)
                for value, level in enumerate(one.levels, start=1)
            )
        audit.record(
            course=course,
            person=person,
            action="rubric saved",
            what=str(made),
            after={"edit": str(edit)},
        )
    return made


def _sha256(value: object) -> str:
    return hashlib.sha256(
        json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
    ).hexdigest()
