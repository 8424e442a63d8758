"""A provider's checkpoint as a run of its own: it can be talked to, compared and submitted like any other."""

from uuid import uuid5

from django.db import transaction
from django.utils import timezone

from teams.models import Team, User
from teams.services import audit
from training.models import Origin, RunEvent, RunStatus, TrainingRun
from training.services.launch import next_number

COPIED = (
    "method",
    "base_model_id",
    "dataset_version_id",
    "settings",
    "seed",
    "rehearsal",
    "provider",
    "total_steps",
)


class NoCheckpoint(Exception):
    """The run has no such checkpoint."""


def keep_checkpoint(*, run: TrainingRun, person: User, step: int) -> TrainingRun:
    """The run of that checkpoint, made now unless it is there. It costs nothing: the training was paid with `run`."""
    found = next((one for one in run.result.get("checkpoints", []) if one["step"] == step), None)
    if found is None or run.status != RunStatus.SUCCEEDED:
        raise NoCheckpoint(f"{run} has no checkpoint at step {step}.")
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=run.team_id)
        if not TrainingRun.objects.filter(pk=run.pk).exists():
            raise NoCheckpoint(f"{run} was deleted a moment ago.")
        key = uuid5(run.key, f"checkpoint {step}")
        if there := TrainingRun.objects.for_team(run.team).filter(key=key).first():
            return there
        kept = {
            name: run.result[name]
            for name in ("schema", "system_prompt", "hyperparameters")
            if name in run.result
        }
        made = TrainingRun.objects.create(
            key=key,
            team=run.team,
            number=next_number(run.team),
            name=f"{run.name or run.base_model.label}"[:60] + f" at step {step}",
            status=RunStatus.SUCCEEDED,
            created_by=person,
            finished_at=timezone.now(),
            result=kept,
            result_model=found["model"],
            step=step,
            train_loss=found["train_loss"],
            validation_loss=found["validation_loss"],
            **{name: getattr(run, name) for name in COPIED},
        )
        _copy_curve(run, made, step)
        Origin.objects.create(
            run=made,
            kind=Origin.Kind.CHECKPOINT,
            source=run,
            words=f"step {step} of {run}",
            signed=True,
            brought_by=person,
        )
        audit.record(
            course=run.team.course,
            team=run.team,
            person=person,
            action="checkpoint kept",
            what=str(made),
        )
    return made


def _copy_curve(run: TrainingRun, made: TrainingRun, step: int) -> None:
    points = run.events.filter(kind__in=("step", "validation"), step__lte=step)
    before = run.events.filter(kind="sample", data__stage="before")
    RunEvent.objects.bulk_create(
        [
            RunEvent(run=made, kind=e.kind, step=e.step, data=_unpaid(e.data))
            for e in (*points, *before)
        ]
    )


def _unpaid(data: dict[str, object]) -> dict[str, object]:
    """Without the provider's event id and the tokens: both were counted with the run it comes from."""
    return {
        name: value
        for name, value in data.items()
        if name != "event" and not name.endswith("_tokens")
    }
