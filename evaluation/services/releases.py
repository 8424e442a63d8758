"""What a team sees of its grades, and when: frozen versions. Later marks are drafts until they are published with a reason."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone

from evaluation.models import RegradeRequest, ResultRelease, Submission
from evaluation.models.grading import UNDECIDED
from evaluation.services import bundle_check, frozen, lms_wake, results, telling
from evaluation.services.frozen import Content, FrozenCriterion
from evaluation.services.results import SubmissionResult
from teams.models import Course, User
from teams.services import audit

MAX_REASON = 500
FIRST = 1


class CannotRelease(Exception):
    """Nothing was shown to the team; the message says why and what to do."""


class NothingChanged(CannotRelease):
    """The newest version says just this."""


@dataclass(frozen=True)
class Draft:
    """What would be published now. `before` is the newest version, None while there is none.

    `changes` are sentences against it, `unresolved` what an instructor should know before she decides; `open_requests` of
    the team, for a second look, are among that.
    """

    result: SubmissionResult
    content: Content
    before: ResultRelease | None
    changes: list[str]
    unresolved: list[str]
    open_requests: int

    @property
    def digest(self) -> str:
        """By which a click knows whether this is still what its page showed."""
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def number(self) -> int:
        """Of the version that it would become."""
        return self.before.number + 1 if self.before else FIRST

    @property
    def waits(self) -> bool:
        """Something has changed since the newest version."""
        return self.before is not None and not frozen.same(self.before.content, self.content)


def drafts_of(submissions: Iterable[Submission]) -> list[Draft]:
    """One for each, in the same order; a constant number of queries but for what is unresolved of a bot's files."""
    wanted = list(submissions)
    marked = results.marked_by_submission(wanted)
    newest = {
        one.submission_id: one
        for one in ResultRelease.objects.filter(submission__in=wanted).order_by("number")
    }
    open_requests = _open_requests(wanted)
    found = []
    for result in results.results_of(wanted):
        key = result.submission.pk
        content, before = frozen.freeze(result, marked[key]), newest.get(key)
        changes = changes_between(before.content, content, result) if before else []
        asked = open_requests.get(key, [])
        found.append(
            Draft(result, content, before, changes, [*unresolved(result), *asked], len(asked))
        )
    return found


def draft_of(submission: Submission) -> Draft:
    """With what has changed in the bot's files since it was handed in."""
    draft = drafts_of([submission])[0]
    changed = [
        f"The bot is no longer what was handed in: {one}"
        for one in bundle_check.changes_since(submission)
    ]
    return replace(draft, unresolved=[*draft.unresolved, *changed])


def unresolved(result: SubmissionResult) -> list[str]:
    """Sentences on what is still open in the grades themselves."""
    said = [
        f"{grading.grader.person} has not submitted a grade ({grading.grade.scored} of {len(result.criteria)} scored)."
        for grading in result.gradings
        if grading not in result.committed
    ]
    apart = [row.criterion.name for row in result.criteria if row.open_disagreement]
    if apart:
        said.append(f"Two or more levels apart and not adjudicated: {'; '.join(apart)}.")
    unjudged = [row.criterion.name for row in result.criteria if row.final is None]
    if unjudged and result.committed:
        said.append(
            f"Nobody gave a level: {'; '.join(unjudged)}. Left like this, it does not count."
        )
    if result.presentation is not None:
        said += result.presentation.unresolved()
    return said


def _open_requests(submissions: list[Submission]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    rows = RegradeRequest.objects.filter(submission__in=submissions, status__in=UNDECIDED)
    for asked in rows.select_related("criterion"):
        text = f"A request for a second look is not decided: {asked.criterion.name}."
        found.setdefault(asked.submission_id, []).append(text)
    return found


def changes_between(before: Content, after: Content, result: SubmissionResult) -> list[str]:
    """In sentences, criterion by criterion, then comments, marked answers, and points."""
    names = {row.criterion.key: row.criterion.name for row in result.criteria}
    earlier = {one["key"]: one for one in before["criteria"]}
    said = []
    for one in after["criteria"]:
        said += _change(names[one["key"]], earlier.get(one["key"]), one)
    if not frozen.same(before["comments"], after["comments"]):
        said.append("Overall comments: changed.")
    if not frozen.same(before["marked"], after["marked"]):
        said.append(
            f"Marked answers: {len(before['marked'])} before, {len(after['marked'])} now, or other marks on them."
        )
    if not frozen.same(before.get("presentation"), after.get("presentation")):
        said.append("Presentation: other marks, notes, or another way in which it counts.")
    if (before["points"], before["shares"]) != (after["points"], after["shares"]):
        said.append(
            f"Points: of {before['points']} before, of {after['points']} now, or other shares for the levels."
        )
    return said


def _change(name: str, before: FrozenCriterion | None, after: FrozenCriterion) -> list[str]:
    if before is None or frozen.same(before, after):
        return []
    if before["final"] != after["final"]:
        return [f"{name}: {_level(before['final'])} → {_level(after['final'])}."]
    if before["weight"] != after["weight"]:
        return [f"{name}: counted {before['weight']} times, now {after['weight']} times."]
    return [f"{name}: the same level, with other marks, comments or reasons."]


def _level(value: float | None) -> str:
    return "no level" if value is None else f"{value:g}"


def publish(
    *, submission: Submission, person: User, reason: str = "", seen: str = "", only: str = ""
) -> ResultRelease:
    """Show the team a new version of its result, told to everybody in it. From version 2 on with a reason.

    `seen`: the digest of the draft that the person looked at. `only`: a criterion's key; then all else stays as it was in
    the newest version. Raises CannotRelease.
    """
    reason = reason.strip()[:MAX_REASON]
    with transaction.atomic():
        Submission.objects.select_for_update().get(pk=submission.pk)
        submission.refresh_from_db(fields=["released_at"])
        draft = drafts_of([submission])[0]
        _check(draft, reason, seen)
        content = _only(draft, only) if only else draft.content
        if draft.before and frozen.same(draft.before.content, content):
            raise NothingChanged(
                f"Nothing has changed since version {draft.before.number}, so there is nothing to publish."
            )
        made = ResultRelease.objects.create(
            submission=submission,
            number=draft.number,
            content=content,
            reason=reason,
            author=person,
        )
        Submission.objects.filter(pk=submission.pk).update(released_at=timezone.now())
        submission.refresh_from_db(fields=["released_at"])
        _announce(submission, person, made, draft.before)
        lms_wake.wake_for(submission.team.course)
    return made


def _check(draft: Draft, reason: str, seen: str) -> None:
    """Raises CannotRelease."""
    if not draft.result.committed:
        raise CannotRelease(
            "No professor has submitted a grade for this bot yet, so there is nothing to release."
        )
    if seen and seen != draft.digest:
        raise CannotRelease(
            "A grade changed since you opened this page. Look at it again, then decide."
        )
    if draft.before is not None and not reason:
        raise CannotRelease("Say why the result changes: the team reads the reason.")


def _only(draft: Draft, key: str) -> Content:
    """The newest version with this criterion as it is now."""
    assert draft.before is not None
    now = {one["key"]: one for one in draft.content["criteria"]}
    content: Content = draft.before.content
    return {
        **content,
        "criteria": [now[key] if one["key"] == key else one for one in content["criteria"]],
    }


def _announce(
    submission: Submission, person: User, made: ResultRelease, before: ResultRelease | None
) -> None:
    shown = frozen.thaw([made])[0]
    after = {"version": made.number, "points": _rounded(shown.points), "reason": made.reason}
    if before is None:
        _record(submission, person, "grade released", after=after)
        telling.tell_team(submission, f"The result for {submission.run} is here.")
        return
    earlier = frozen.thaw([before])[0]
    was = {"version": before.number, "points": _rounded(earlier.points)}
    _record(submission, person, "grade published anew", before=was, after=after)
    text = f"There is a new version of the result for {submission.run}: {made.reason}"
    telling.tell_team(submission, text)
    changed = f"{submission.team.name}: version {made.number} of the result was published: {made.reason}"
    telling.tell_instructors(submission, changed, but=person)


def _rounded(points: float | None) -> float | None:
    return None if points is None else round(points, 2)


def hide(*, submission: Submission, person: User) -> None:
    """Take the result back from the team's page. Its versions are kept."""
    if Submission.objects.filter(pk=submission.pk, released_at__isnull=False).update(
        released_at=None
    ):
        submission.refresh_from_db(fields=["released_at"])
        _record(submission, person, "grade hidden")


def show_again(*, submission: Submission, person: User) -> None:
    """Put the newest version, which was hidden, back on the team's page as it was. Raises CannotRelease without one."""
    newest = submission.releases.last()
    if newest is None:
        raise CannotRelease("This result was never released. Release it first.")
    if Submission.objects.filter(pk=submission.pk, released_at=None).update(
        released_at=timezone.now()
    ):
        submission.refresh_from_db(fields=["released_at"])
        _record(submission, person, "grade shown again", after={"version": newest.number})
        telling.tell_team(submission, f"The result for {submission.run} can be read again.")
        lms_wake.wake_for(submission.team.course)


def waiting_in(course: Course) -> list[Draft]:
    """Of every current submission of the course that was never released, by team."""
    rows = Submission.objects.current().filter(team__course=course, releases=None)
    return drafts_of(rows.select_related("team__course", "run").order_by("team__name"))


def release_complete(*, course: Course, person: User) -> int:
    """Release every current submission that is ready and was never released. Returns how many this call released."""
    ready = [draft for draft in waiting_in(course) if draft.result.ready]
    done = 0
    for draft in ready:
        try:
            publish(submission=draft.result.submission, person=person, seen=draft.digest)
        except CannotRelease:
            continue  # somebody released it, or a grade changed, in the same moment: it stays in the list
        done += 1
    return done


def _record(
    submission: Submission,
    person: User,
    action: str,
    *,
    before: object = None,
    after: object = None,
) -> None:
    team = submission.team
    what = f"{team.name}, {submission.run}"
    audit.record(
        course=team.course,
        person=person,
        team=team,
        action=action,
        what=what,
        before=before,
        after=after,
    )
