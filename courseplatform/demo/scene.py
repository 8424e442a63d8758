"""Who and what the story of the demo course is about, and waiting for the platform's workers."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from courseplatform.demo import state
from evaluation.models import Interview, Submission
from teams.models import Course, Team, User
from training.models import RunStatus, TrainingRun

LOOK_SECONDS = 1.0


class StoryStopped(Exception):
    """The story cannot go on; the message says why. It tries again at the next start."""


class CourseGone(StoryStopped):
    """The demo course was removed meanwhile."""


@dataclass(frozen=True)
class Scene:
    """The demo course with its people, as `seed_demo` made it. Students and teams: Mia in Maple, Ben in Birch."""

    course: Course
    maple: Team
    birch: Team
    mia: User
    ben: User
    professor: User
    instructor: User

    def run(self, team: Team, name: str) -> TrainingRun:
        """The team's finished run called `name`. Raises StoryStopped where it is not there (any more)."""
        found = self.find(team, name)
        if found is None:
            raise StoryStopped(f"{team.name}’s run “{name}” is not there.")
        return found

    def find(self, team: Team, name: str) -> TrainingRun | None:
        runs = TrainingRun.objects.for_team(team).finished().filter(name=name)
        return runs.with_related().order_by("id").first()

    def submission(self, team: Team) -> Submission | None:
        return (
            Submission.objects.for_team(team)
            .current()
            .select_related("run", "team__course")
            .first()
        )


def wait_until(over: Callable[[], bool]) -> None:
    """Ask again and again, for as long as it takes. Raises CourseGone where the demo course is removed meanwhile."""
    while not over():
        if state.read() is None:
            raise CourseGone("The demo course was removed.")
        time.sleep(LOOK_SECONDS)


def ended(row: TrainingRun | Interview) -> bool:
    """As its row says now."""
    row.refresh_from_db()
    return not row.is_active


def wait_for(row: TrainingRun | Interview) -> None:
    """Until it has ended, however it ends."""
    wait_until(lambda: ended(row))


def wait_for_run(run: TrainingRun) -> None:
    """Raises StoryStopped where it ends otherwise than well."""
    wait_for(run)
    if run.status != RunStatus.SUCCEEDED:
        raise StoryStopped(
            f"{run} ended as “{run.get_status_display()}”. {run.error_message}".strip()
        )
