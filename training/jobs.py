"""RQ entry points: an id in, one service call."""

from teams.services import archive_exports
from training.services import (
    base_trials,
    bundle,
    cloud,
    drafting,
    execute,
    imported,
    merging,
    model_servers,
    provider_trial,
    speed_trial,
)


def execute_run(run_id: int) -> str:
    return execute.execute(run_id)


def poll_run(run_id: int) -> str:
    return cloud.poll(run_id)


def read_run_archive(import_id: int, attempt: int) -> str:
    return imported.read_run_archive(import_id=import_id, attempt=attempt)


def write_run_archive(export_id: int, attempt: int) -> str:
    return archive_exports.write(export_id=export_id, attempt=attempt, into=bundle.write_export)


def measure_pace(base_model_id: int) -> str:
    return speed_trial.measure(base_model_id)


def try_base_model(base_model_id: int) -> str:
    return base_trials.try_base(base_model_id)


def try_provider(provider_id: int) -> str:
    return provider_trial.try_provider(provider_id)


def make_merged_model(merged_id: int) -> str:
    return merging.make(merged_id)


def load_adapter(run_id: int) -> str:
    return model_servers.load_everywhere(run_id)


def draft_rows(drafting_id: int) -> str:
    return drafting.carry_out(drafting_id)
