"""A professor's marks: drafts that save themselves and lose nothing, the commit, and revisions after it.

A save names the version it is based on. Based on an old one it is kept beside what is there (`UnappliedSave`), and its author
chooses; it never overwrites.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Max
from django.utils import timezone

from evaluation.models import (
    Criterion,
    CriterionScore,
    Grade,
    GradeRevision,
    GradeStatus,
    ResultRelease,
    Submission,
    Turn,
    TurnCorrection,
    UnappliedSave,
)
from evaluation.models.grading import UNDO
from evaluation.services import calibration, presenting
from evaluation.services.clean import clean
from evaluation.services.telling import change_waits, tell_instructors
from teams.models import NoticeKind, Team, User
from teams.services import audit

MAX_COMMENT_CHARACTERS = 4_000
FIRST_REVISION = 1
APART = 2  # levels between two professors from which on an instructor is asked to adjudicate
LOOKS = 3  # at what is there, where the same author's saves from a closing and an opening window cross


@dataclass(frozen=True)
class Marks:
    """One criterion as the grader sees it: a level, or "cannot judge", or neither yet."""

    level: int | None = None
    cannot_judge: bool = False
    comment: str = ""

    @property
    def scored(self) -> bool:
        return self.level is not None or self.cannot_judge


class Saved(StrEnum):
    SAVED = "saved"
    SAME = "same"
    KEPT_ASIDE = "kept aside"


class CannotCommit(Exception):
    """The grade stays a draft; the message says why."""


def save_score(
    *, score: CriterionScore, marks: Marks, version: int, before: Sequence[Marks] = ()
) -> Saved:
    """Write the marks of one criterion into the draft, unless they are based on an old version of it.

    `before`: what the same page has sent and got no answer to. Where that is what is there, its author has seen it.
    """
    marks, own = _as_kept(marks), [_as_kept(one) for one in before]
    fields = {"level": marks.level, "cannot_judge": marks.cannot_judge, "comment": marks.comment}
    with transaction.atomic():
        for _ in range(LOOKS):
            there = Marks(score.level, score.cannot_judge, score.comment)
            if there == marks:
                return Saved.SAME
            based_on = score.version if there in own else version
            row = CriterionScore.objects.filter(
                pk=score.pk, version=based_on, grade__status=GradeStatus.DRAFT
            )
            if row.update(version=F("version") + 1, **fields):
                _touch(score.grade)
                return Saved.SAVED
            score.refresh_from_db(fields=["level", "cannot_judge", "comment", "version"])
        return keep_aside(score.grade, marks, criterion=score.criterion)


def _as_kept(marks: Marks) -> Marks:
    return Marks(marks.level, marks.cannot_judge, clean(marks.comment)[:MAX_COMMENT_CHARACTERS])


def save_comment(
    *, grade: Grade, comment: str, version: int, before: Sequence[str] = ()
) -> Saved:
    """Write the overall comment into the draft, unless it is based on an old version of it. `before` as in `save_score`."""
    text, own = (
        clean(comment)[:MAX_COMMENT_CHARACTERS],
        [clean(one)[:MAX_COMMENT_CHARACTERS] for one in before],
    )
    with transaction.atomic():
        for _ in range(LOOKS):
            if grade.comment == text:
                return Saved.SAME
            based_on = grade.comment_version if grade.comment in own else version
            row = Grade.objects.filter(
                pk=grade.pk, comment_version=based_on, status=GradeStatus.DRAFT
            )
            if row.update(comment=text, comment_version=F("comment_version") + 1):
                _touch(grade)
                return Saved.SAVED
            grade.refresh_from_db(fields=["comment", "comment_version"])
        return keep_aside(grade, Marks(comment=text))


def keep_aside(
    grade: Grade, marks: Marks, *, criterion: Criterion | None = None, turn: Turn | None = None
) -> Saved:
    """Beside what is there, until its author chooses. Sent a second time because its answer was lost, it is kept once."""
    UnappliedSave.objects.get_or_create(
        grade=grade,
        criterion=criterion,
        turn=turn,
        level=marks.level,
        cannot_judge=marks.cannot_judge,
        comment=marks.comment,
        resolved_at=None,
    )
    return Saved.KEPT_ASIDE


def _touch(grade: Grade) -> None:
    Grade.objects.filter(pk=grade.pk).update(version=F("version") + 1, saved_at=timezone.now())


def choose(*, unapplied: UnappliedSave, use_it: bool) -> None:
    """End a conflict: put the kept save in the place of what is there, or let it go. It stays on record either way."""
    with transaction.atomic():
        open_row = UnappliedSave.objects.filter(pk=unapplied.pk, resolved_at=None)
        if not open_row.update(resolved_at=timezone.now()) or not use_it:
            return
        grading = unapplied.grade.grading
        if unapplied.turn_id is not None and grading is not None:
            TurnCorrection.objects.filter(grading=grading, turn=unapplied.turn_id).delete()
            if unapplied.comment:
                TurnCorrection.objects.create(
                    grading=grading, turn_id=unapplied.turn_id, answer=unapplied.comment
                )
        elif unapplied.criterion_id is None:
            row = Grade.objects.filter(pk=unapplied.grade_id, status=GradeStatus.DRAFT)
            row.update(comment=unapplied.comment, comment_version=F("comment_version") + 1)
        else:
            scores = CriterionScore.objects.filter(
                grade=unapplied.grade_id, criterion=unapplied.criterion_id
            )
            scores.filter(grade__status=GradeStatus.DRAFT).update(
                level=unapplied.level,
                cannot_judge=unapplied.cannot_judge,
                comment=unapplied.comment,
                version=F("version") + 1,
            )
        _touch(unapplied.grade)


def unscored(grade: Grade) -> list[CriterionScore]:
    return list(grade.scores.filter(level=None, cannot_judge=False).select_related("criterion"))


def commit(*, grade: Grade, seen_version: int, person: User, reason: str = "") -> GradeRevision:
    """Make the draft the grade. Revision 1 is kept for ever. Committing twice gives the first revision.

    `reason`: what the grade is based on, where the bot was asked nothing.
    Raises CannotCommit when another window changed something since `seen_version`, a conflict is open, or she has to
    calibrate first.
    """
    if grade.status == GradeStatus.DRAFT and calibration.waits_for(grade.grader):
        raise CannotCommit(
            "Your course asks you to calibrate first. Everything you entered is kept: calibrate, then submit."
        )
    with transaction.atomic():
        if (
            grade.unapplied.filter(resolved_at=None).exists()
            and grade.status == GradeStatus.DRAFT
        ):
            raise CannotCommit(
                "Two windows saved different marks. Choose between them below, then submit again."
            )
        draft = Grade.objects.filter(pk=grade.pk, status=GradeStatus.DRAFT, version=seen_version)
        if draft.update(status=GradeStatus.COMMITTED, committed_at=timezone.now()):
            _change_waits(grade, "another professor submitted a grade after the release.")
            submission = _submission(grade)
            if submission is not None and grade.grading_id is not None:
                _tell_of_disagreement(submission, grade)
            return _keep_revision(grade, person, reason=reason)
        grade.refresh_from_db()
        if grade.status == GradeStatus.COMMITTED:
            return grade.revisions.get(number=FIRST_REVISION)
        raise CannotCommit(
            "Something was changed in another window meanwhile. Look at the marks below, then submit again."
        )


def _tell_of_disagreement(submission: Submission, grade: Grade) -> None:
    """To the instructors, where this grade is two levels or more from another professor's."""
    others = CriterionScore.objects.exclude(grade=grade).filter(
        grade__grading__submission=submission, grade__status=GradeStatus.COMMITTED
    )
    theirs = others.exclude(level=None).values_list("criterion_id", "level")
    mine = {
        score.criterion_id: score
        for score in grade.scores.exclude(level=None).select_related("criterion")
    }
    apart = {
        mine[key].criterion.name
        for key, level in theirs
        if key in mine and abs((mine[key].level or 0) - (level or 0)) >= APART
    }
    if apart:
        names = "; ".join(sorted(apart))
        text = f"{submission.team.name}: professors are two or more levels apart on {names}. Please adjudicate."
        tell_instructors(submission, text, kind=NoticeKind.DISPUTED, event=f"apart-{grade.pk}")


def undo(*, grade: Grade) -> None:
    """Take back what was submitted moments ago: a draft again, as if nothing had been.

    Raises CannotCommit once that time is over, the grade was changed, or the team has seen it.
    """
    with transaction.atomic():
        since = timezone.now() - UNDO
        shown = ResultRelease.objects.filter(
            submission=_submission(grade), created_at__gte=since
        )
        if grade.committed_at and shown.filter(created_at__gte=grade.committed_at).exists():
            raise CannotCommit(
                "The result was released meanwhile. Use “Change the grade”, with a reason."
            )
        fresh = Grade.objects.filter(
            pk=grade.pk,
            status=GradeStatus.COMMITTED,
            committed_at__gte=since,
            grading__submission__replaced_at=None,
        )  # true of a presentation too, which belongs to no submission
        once = fresh.annotate(made=Count("revisions")).filter(made=FIRST_REVISION)
        if not Grade.objects.filter(pk__in=once.values("pk")).update(
            status=GradeStatus.DRAFT, committed_at=None
        ):
            raise CannotCommit("Half a minute is over. Use “Change the grade”, with a reason.")
        grade.revisions.all().delete()


def revise(
    *, grade: Grade, marks: Mapping[int, Marks], comment: str, reason: str, person: User
) -> GradeRevision:
    """A new revision of a committed grade, with its reason. `marks` by criterion id; earlier revisions stay as they are.

    What a team was shown stays too: its instructors are told that a change waits, and the audit log has it.
    Sent a second time because its answer was lost, it is one revision.
    """
    with transaction.atomic():
        Grade.objects.select_for_update().get(pk=grade.pk)
        newest = grade.revisions.order_by("-number").first()
        if newest and _says(newest, marks, comment, reason, person):
            return newest
        Grade.objects.filter(pk=grade.pk).update(
            comment=clean(comment)[:MAX_COMMENT_CHARACTERS],
            version=F("version") + 1,
            saved_at=timezone.now(),
        )
        for score in grade.scores.select_for_update():
            wanted = marks[score.criterion_id]
            CriterionScore.objects.filter(pk=score.pk).update(
                level=wanted.level,
                cannot_judge=wanted.cannot_judge,
                comment=clean(wanted.comment)[:MAX_COMMENT_CHARACTERS],
                version=F("version") + 1,
            )
        UnappliedSave.objects.filter(grade=grade, resolved_at=None).update(
            resolved_at=timezone.now()
        )
        made = _keep_revision(grade, person, reason=reason)
        _log_revision(grade, made, person)
        return made


def _says(
    made: GradeRevision, marks: Mapping[int, Marks], comment: str, reason: str, person: User
) -> bool:
    """Whether this revision is just what is sent now."""
    if (
        made.number == FIRST_REVISION
        or made.author_id != person.pk
        or made.reason != reason[:300]
    ):
        return False
    there = {
        one["criterion"]: Marks(one["level"], one["cannot_judge"], one["comment"])
        for one in made.scores
    }
    sent = {key: _as_kept(one) for key, one in marks.items()}
    return there == sent and made.comment == clean(comment)[:MAX_COMMENT_CHARACTERS]


def _submission(grade: Grade) -> Submission | None:
    """The one whose result it enters; None for a presentation of a team that has handed in nothing."""
    rows = Submission.objects.select_related("team__course", "run")
    if grade.grading_id is not None:
        return rows.get(gradings__grade=grade)
    return rows.current().filter(team__presentation__hearings__grade=grade).first()


def _change_waits(grade: Grade, what: str) -> None:
    """Tell the instructors, where a released result would change by it."""
    submission = _submission(grade)
    if submission is None:
        return
    if grade.hearing_id is None or presenting.rule_of(submission.team.course).counts:
        change_waits(submission, what)


def _log_revision(grade: Grade, made: GradeRevision, person: User) -> None:
    """The levels that differ from the revision before, by criterion."""
    earlier = grade.revisions.filter(number=made.number - 1).first()
    was = _levels(earlier) if earlier else {}
    now = _levels(made)
    changed = [name for name in now if now[name] != was.get(name)]
    team, what = _team_and_what(grade)
    audit.record(
        course=team.course,
        person=person,
        team=team,
        action="grade revised",
        what=what,
        before={name: was.get(name) for name in changed},
        after={**{name: now[name] for name in changed}, "reason": made.reason},
    )
    _change_waits(
        grade, f"a professor changed a grade after the release ({made.reason.rstrip('.')})."
    )


def _team_and_what(grade: Grade) -> tuple[Team, str]:
    """For the audit log."""
    if grade.hearing is not None:
        team = grade.hearing.presentation.team
        return team, f"{team.name}, presentation"
    submission = _submission(grade)
    assert submission is not None
    return submission.team, f"{submission.team.name}, {submission.run}"


def _levels(revision: GradeRevision) -> dict[str, int | str | None]:
    return {
        one["name"]: "cannot judge" if one["cannot_judge"] else one["level"]
        for one in revision.scores
    }


def _keep_revision(grade: Grade, person: User, *, reason: str) -> GradeRevision:
    grade.refresh_from_db()
    last = grade.revisions.aggregate(last=Max("number"))["last"] or 0
    return GradeRevision.objects.create(
        grade=grade,
        number=last + 1,
        scores=[_as_json(score) for score in grade.scores.select_related("criterion")],
        comment=grade.comment,
        reason=reason[:300],
        author=person,
    )


def _as_json(score: CriterionScore) -> dict[str, Any]:
    return {
        "criterion": score.criterion_id,
        "name": score.criterion.name,
        "level": score.level,
        "cannot_judge": score.cannot_judge,
        "comment": score.comment,
    }
