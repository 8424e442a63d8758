"""Two workers that take a team's last place in the same moment: one gets it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from teams.models import Method
from training.models import RunStatus, TrainingPolicy, TrainingRun
from training.services import queue

WORKERS = 6


@pytest.mark.django_db(transaction=True)
def test_workers_in_a_race_never_pass_the_limit(start: Callable[..., TrainingRun]) -> None:
    runs = [start(Method.OPENAI) for _ in range(WORKERS)]
    TrainingPolicy.objects.create(course=runs[0].team.course, team_runs_at_once=2)
    ready = Barrier(WORKERS)

    def work(run: TrainingRun) -> bool:
        try:
            ready.wait(30)
            return queue.claim_next(run.pk) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        won = list(pool.map(work, runs))
    assert sum(won) == 2
    assert TrainingRun.objects.filter(status=RunStatus.RUNNING).count() == 2
