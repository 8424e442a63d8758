"""Deleting one finished run with all that hangs on it. What it cost stays in the ledger, and its number is never given again.

What must stay is refused: what was handed in, and what other runs were taken from. Everybody who hangs something on a run asks
`training.services.deleted.hold_still` first, which waits for the lock that is taken here.
"""

from dataclasses import dataclass

from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse

from courseplatform.erasing_rows import forget_freed_pages
from evaluation.models import (
    Comparison,
    Conversation,
    Interview,
    JudgeOpinion,
    OpinionStatus,
    Submission,
    Turn,
    TurnStatus,
)
from teams import live
from teams.models import HoldState, Notice, Purpose, SubjectKind, Team, User
from teams.services import archive_exports, audit, disk
from teams.services.storage import files
from training.models import CallStatus, DeletedRun, Origin, TrainingRun
from training.providers.openai_api import ProviderAway, ProviderRefused
from training.services import cloud


class DeletionRefused(Exception):
    """Nothing was deleted here; the text says why and what to do."""


class AlreadyDeleted(DeletionRefused):
    """Somebody else was first."""

    def __init__(self) -> None:
        super().__init__("This run was deleted already.")


class ProviderSilent(DeletionRefused):
    """What the run left at the provider could not be deleted there. Asked with `leave_there`, it is left."""

    def __init__(self) -> None:
        super().__init__(
            "The provider could not be reached, or refused to delete what this run left there. Nothing was deleted here. Try "
            "again in some minutes, or leave it there."
        )


@dataclass(frozen=True)
class Held:
    """What goes along with a run, counted for the confirm page and the record."""

    chats: int
    interviews: int
    comparisons: int
    files: int
    deployed: bool
    model_there: str

    def counts(self) -> dict[str, object]:
        return {
            "chats": self.chats,
            "interviews": self.interviews,
            "comparisons": self.comparisons,
            "files": self.files,
        }


def held_by(run: TrainingRun) -> Held:
    """`model_there`: its model in a real provider's account; empty where it has none."""
    talks = Conversation.objects.filter(run=run, contender=None)
    at_provider = bool(run.provider_job) and not run.rehearsal and not run.base_model.local
    return Held(
        chats=talks.count(),
        interviews=Interview.objects.filter(run=run).count(),
        comparisons=_comparisons(run).count(),
        files=run.artifacts.count(),
        deployed=run.deployments.filter(stopped_at=None).exists(),
        model_there=run.result_model if at_provider else "",
    )


def why_not(run: TrainingRun) -> str:
    """The sentence that refuses; empty where the run can be deleted now."""
    if run.is_active:
        return f"{run} is still under way: cancel it first, then delete it."
    if Submission.objects.filter(run=run).exists():
        return f"{run} was handed in, and its grades rest on it. It stays until the course is deleted."
    derived = [
        str(one.run.number)
        for one in Origin.objects.filter(source=run).select_related("run").order_by("run")
    ]
    if derived:
        return f"Run {', '.join(derived[:5])} was taken from {run}. Delete what was taken from it first."
    waiting = run.continued_by.active().first()
    if waiting is not None:
        return f"{waiting} goes on from {run} and is still under way. Wait for its end or cancel it, then delete {run}."
    if run.job_unknown:
        return f"Nobody knows yet whether the provider made the job of {run}. Try again in a quarter of an hour."
    return _why_busy(run)


def _why_busy(run: TrainingRun) -> str:
    interviews = Interview.objects.filter(run=run)
    busy = (
        Turn.objects.filter(conversation__in=_talks(run), status=TurnStatus.STREAMING).exists()
        or interviews.active().exists()
        or JudgeOpinion.objects.filter(
            interview__in=interviews, status=OpinionStatus.ASKING
        ).exists()
        or run.endpoint_calls.filter(status=CallStatus.OPEN).exists()
    )
    if busy:
        return f"{run} is answering somebody at this moment. Wait for the answer or press Stop, then try again."
    held = Purpose.objects.filter(team=run.team_id, holds__state=HoldState.OPEN)
    if held.filter(_is_of(run)).exists():
        return f"Something that {run} did is still being charged. Try again in a minute."
    return ""


def _is_of(run: TrainingRun) -> Q:
    """Purposes that are the run, or something that it did."""
    turns = Turn.objects.filter(conversation__in=_talks(run)).values("key")
    interviews = Interview.objects.filter(run=run).values("key")
    opinions = JudgeOpinion.objects.filter(interview__run=run).values("key")
    return (
        Q(kind=SubjectKind.RUN, key=run.key)
        | Q(kind=SubjectKind.TURN, key__in=turns)
        | Q(kind=SubjectKind.INTERVIEW, key__in=interviews)
        | Q(kind=SubjectKind.JUDGE, key__in=opinions)
    )


def delete_run(
    *, run: TrainingRun, person: User, model_too: bool = False, leave_there: bool = False
) -> list[str]:
    """Delete the run for ever. `model_too`: its model in the provider's account too. `leave_there`: where the provider does not
    answer, what lies there stays. Returns the names of what is left there, which the record keeps.

    Raises DeletionRefused, AlreadyDeleted; ProviderSilent where `leave_there` would help. Then nothing was deleted here.
    """
    if reason := why_not(
        run
    ):  # before the provider is told anything; asked again below, where it is locked
        raise DeletionRefused(reason)
    model_too = model_too and bool(held_by(run).model_there)
    try:
        reached = cloud.clean_up(run) and _answers(run, model_too=model_too)
    except TrainingRun.DoesNotExist as gone:
        raise AlreadyDeleted from gone
    if not reached and not leave_there:
        raise ProviderSilent
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=run.team_id)
        now = TrainingRun.objects.with_related().filter(pk=run.pk).first()
        if now is None:
            raise AlreadyDeleted
        if reason := why_not(now):
            raise DeletionRefused(reason)
        held = held_by(now)
        left = _left_there(now, held, reached=reached, model_too=model_too)
        topics = _topics(now)
        _delete_rows(now, person)
        _record(now, person, "run deleted", held.counts(), left)
    _remove_files(now, topics)
    # Not before: somebody may have handed the run in meanwhile, and then its model has to stay.
    if reached and not _forget_there(now, model_too=model_too):
        left = _left_there(now, held, reached=False, model_too=False)
        _record(now, person, "deleted run left at the provider", {}, left)
    return left


def _record(
    run: TrainingRun, person: User, action: str, counts: dict[str, object], left: list[str]
) -> None:
    before = counts | ({"left at the provider": left} if left else {})
    audit.record(
        course=run.team.course,
        team=run.team,
        person=person,
        action=action,
        what=str(run),
        before=before,
    )


def _answers(run: TrainingRun, *, model_too: bool) -> bool:
    """Whether the provider can be asked now, where it will have to be."""
    return not run.provider_job or not model_too or cloud.answers(run)


def _forget_there(run: TrainingRun, *, model_too: bool) -> bool:
    """The model, where it goes too. False where it stays there after all."""
    try:
        if model_too:
            cloud.provider_for(run).hurried().delete_model(run.result_model)
    except (ProviderAway, ProviderRefused):
        return False
    return True


def _left_there(run: TrainingRun, held: Held, *, reached: bool, model_too: bool) -> list[str]:
    """Names at the provider that only the record knows from now on."""
    left = list(run.provider_files)
    if held.model_there and not (reached and model_too):
        left.append(held.model_there)
    return left


def _comparisons(run: TrainingRun) -> models.QuerySet[Comparison]:
    return Comparison.objects.filter(contenders__conversation__run=run).distinct()


def _talks(run: TrainingRun) -> models.QuerySet[Conversation]:
    """Its own, and what other bots said beside it: a comparison without one of its sides says nothing."""
    return Conversation.objects.filter(
        Q(run=run) | Q(contender__comparison__in=_comparisons(run))
    )


def _topics(run: TrainingRun) -> list[str]:
    return [
        run.topic,
        *(turn.topic for turn in Turn.objects.filter(conversation__in=_talks(run)).only("key")),
    ]


def _delete_rows(run: TrainingRun, person: User) -> None:
    talks = list(_talks(run).values_list("pk", flat=True))
    comparisons = list(_comparisons(run).values_list("pk", flat=True))
    Comparison.objects.filter(pk__in=comparisons).delete()
    Conversation.objects.filter(pk__in=talks).delete()
    Interview.objects.filter(run=run).delete()
    Notice.objects.filter(
        path__startswith=reverse("run_detail", args=[run.team_id, run.number])
    ).delete()
    DeletedRun.objects.create(
        team=run.team,
        number=run.number,
        name=run.name,
        method=run.method,
        key=run.key,
        deleted_by=person,
    )
    archive_exports.forget_runs(run.team, run.number)
    files.forget_rows(run.place)
    TrainingRun.objects.filter(pk=run.pk).delete()


def _remove_files(run: TrainingRun, topics: list[str]) -> None:
    files.destroy(run.place)
    disk.release(run.disk_key)
    live.forget(topics)
    forget_freed_pages()
