"""Handing in a bot: a frozen bundle that names everything which decides how it talks."""

import hashlib
import json
from typing import Any

from django.db import transaction
from django.utils import timezone

from evaluation.models import GradeStatus, RubricVersion, Submission
from evaluation.services import telling
from evaluation.services.deadlines import deadline_of, has_passed
from evaluation.services.gradings import ensure_gradings
from evaluation.services.rubrics import draft_of, rubric_for
from teams.models import Team, User
from teams.services import audit
from training.models import RunStatus, TrainingRun
from training.services import deleted
from training.services.endpoints import endpoint_for, why_out_of_reach

BUNDLE_SCHEMA = 1


class CannotSubmit(Exception):
    """The run cannot be handed in; the message says why and what to do."""


def current_submission(team: Team) -> Submission | None:
    rows = Submission.objects.for_team(team).current()
    return rows.select_related(
        "run__dataset_version__dataset", "run__base_model", "rubric", "team__course"
    ).first()


def may_replace(submission: Submission) -> bool:
    """Until the deadline, and until a professor has committed a grade for it."""
    return _why_not_replace(submission) == ""


def _why_not_replace(submission: Submission) -> str:
    if submission.gradings.filter(grade__status=GradeStatus.COMMITTED).exists():
        return "Your professor has committed a grade for the bot you handed in, so it cannot be replaced any more."
    if has_passed(deadline_of(submission.team.course)):
        return "The deadline has passed, so what you handed in stays. Ask your instructor if it must be another bot."
    return ""


def submit(*, team: Team, run: TrainingRun, person: User) -> Submission:
    """Freeze `run` as what the team hands in, in place of an earlier one. Professors assigned to the team find it at once.

    Raises CannotSubmit.
    """
    if team.practice:
        raise CannotSubmit(
            "This is the practice team: nothing is handed in here. Submit a run of your own team."
        )
    if run.status != RunStatus.SUCCEEDED:
        raise CannotSubmit(f"{run} has not finished. Choose a run that is done.")
    if why := why_out_of_reach(run):
        raise CannotSubmit(why)
    with transaction.atomic():
        _hold_still(run)
        before = Submission.objects.select_for_update().for_team(team).current().first()
        if before is not None and (reason := _why_not_replace(before)):
            raise CannotSubmit(reason)
        if before is not None:
            Submission.objects.filter(pk=before.pk).update(replaced_at=timezone.now())
            telling.bot_replaced(before)
        rubric = rubric_for(team.course)
        submission = Submission.objects.create(
            team=team, run=run, rubric=rubric, bundle=bundle_of(run, rubric), submitted_by=person
        )
        audit.record(
            course=team.course,
            person=person,
            team=team,
            action="submission made",
            what=str(run),
            before=before and {"run": before.run.number},
            after={"run": run.number, "bundle": bundle_hash(submission)},
        )
        ensure_gradings(course=team.course)
    return submission


def _hold_still(run: TrainingRun) -> None:
    try:
        deleted.hold_still(run)
    except deleted.RunDeleted as gone:
        raise CannotSubmit(str(gone)) from gone


def bundle_of(run: TrainingRun, rubric: RubricVersion) -> dict[str, Any]:
    """JSON that says what is graded: data, training, model or artefact hashes, prompt, decoding, rubric. Holds no secret."""
    endpoint, version = endpoint_for(run), run.dataset_version
    return {
        "schema": BUNDLE_SCHEMA,
        "run": {"number": run.number, "key": str(run.key)},
        "method": run.method,
        "base_model": run.base_model.name,
        "settings": run.settings,
        "seed": run.seed,
        "dataset": {
            "version": version.pk,
            "name": version.dataset.name,
            "number": version.number,
            "sha256": version.content_hash,
        },
        "artifacts": [
            {"path": found.path, "sha256": found.sha256} for found in run.artifacts.all()
        ],
        "chat": {
            "provider": endpoint.provider,
            "model": endpoint.model,
            "system_prompt": endpoint.system_prompt,
            "temperature": endpoint.temperature,
            "max_tokens": endpoint.max_tokens,
        },
        "rubric": {
            "id": rubric.pk,
            "name": rubric.name,
            "number": rubric.number,
            "sha256": draft_of(rubric).content_hash,
        },
    }


def bundle_hash(submission: Submission) -> str:
    """SHA-256 of the bundle's canonical JSON."""
    text = json.dumps(
        submission.bundle, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()
