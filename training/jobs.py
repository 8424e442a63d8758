"""RQ entry points: an id in, one service call."""

from training.services import cloud, execute


def execute_run(run_id: int) -> str:
    return execute.execute(run_id)


def poll_run(run_id: int) -> str:
    return cloud.poll(run_id)
