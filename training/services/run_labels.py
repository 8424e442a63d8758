"""What a team writes on its runs: a name, a note, a star, and whether it still wants to see them in its lists.

Nothing here touches what a run is or cost: an archived run can be opened, compared and talked to, and stays in every cost.
"""

from typing import Any

from django.db import transaction
from django.utils import timezone

from teams.models import User
from teams.services import audit
from training.models import TrainingRun
from training.services import live
from training.services.deleted import RunDeleted

LABELS = ("name", "note")


class CannotArchive(Exception):
    """The run is still under way."""


def label(*, run: TrainingRun, person: User, changes: dict[str, str]) -> None:
    """Write the name or the note, whichever is in `changes`: a window that shows the other one as it was takes nothing
    back. The audit log names both the old and the new name; of a note only that it was changed. Each of these three raises
    RunDeleted where somebody of the team was quicker."""
    unknown = set(changes) - set(LABELS)
    assert not unknown, unknown
    if not changes:
        return
    before = run.name
    with transaction.atomic():
        _still_there(TrainingRun.objects.filter(pk=run.pk).update(**changes))
        run.refresh_from_db(fields=[*changes])
        if "name" in changes:
            _record(
                run, person, "run renamed", before={"name": before}, after={"name": run.name}
            )
        if "note" in changes:
            _record(run, person, "run annotated")
    live.relabelled(run)


def star(*, run: TrainingRun, on: bool) -> None:
    """Starred runs stand first in the team's lists. Set, not switched: two clicks on two screens mean the same."""
    _still_there(TrainingRun.objects.filter(pk=run.pk).update(starred=on))
    run.refresh_from_db(fields=["starred"])


def archive(*, run: TrainingRun, person: User, on: bool) -> None:
    """Take the run out of lists and choices, or bring it back. Raises CannotArchive for a run that is under way: nobody
    should lose sight of what still costs money."""
    if on and run.is_active:
        raise CannotArchive(
            f"{run} is still under way. Cancel it, or archive it when it has ended."
        )
    with transaction.atomic():
        _still_there(TrainingRun.objects.filter(pk=run.pk).count())
        rows = TrainingRun.objects.filter(pk=run.pk, archived_at__isnull=on)
        if rows.update(archived_at=timezone.now() if on else None):
            _record(run, person, "run archived" if on else "run brought back")
    run.refresh_from_db(fields=["archived_at"])


def _still_there(rows: int) -> None:
    if not rows:
        raise RunDeleted("This run was deleted a moment ago, so nothing was changed.")


def _record(run: TrainingRun, person: User, action: str, **values: Any) -> None:
    audit.record(
        course=run.team.course,
        team=run.team,
        person=person,
        action=action,
        what=str(run),
        **values,
    )
