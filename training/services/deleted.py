"""What whoever hangs something on a run asks first: is it still there, and will it stay until we are done?"""

from django.db import transaction

from teams.models import Team
from training.models import TrainingRun


class RunDeleted(Exception):
    """Somebody of the team deleted the run meanwhile; the text says so and fits every page."""


def hold_still(run: TrainingRun) -> None:
    """Call first in the transaction that hangs something on `run`: until it ends, nobody deletes a run of this team.

    Deleting locks the same row, the team's, before it looks at what hangs on a run. One row for all runs of a team, so that
    who asks several bots at once can lock them in no wrong order. Raises RunDeleted.
    """
    assert transaction.get_connection().in_atomic_block, "a lock ends with its transaction"
    Team.objects.select_for_update(no_key=True).get(pk=run.team_id)
    if not TrainingRun.objects.filter(pk=run.pk).exists():
        raise RunDeleted(
            "This bot was deleted a moment ago, so nothing was done. Choose another one."
        )
