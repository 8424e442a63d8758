"""Runs that a person starts with the method OpenAI while this platform is its service: jobs of `/v1` like a program's."""

from training.models import FineTuningJob, TrainingRun
from training.services.openai_api import models
from training.services.openai_api.wanted import AUTO_MULTIPLIER
from training.services.spec import ASKED


def keep(run: TrainingRun) -> FineTuningJob:
    """The job that `run` is, made with it. Its rows are a dataset of the team, so it names no file that a program sent."""
    asked = run.settings.get(ASKED, {})
    multiplier = asked.get("learning_rate_multiplier", "auto")
    decided = {
        "n_epochs": run.settings["epochs"],
        "batch_size": run.settings["batch_size"],
        "learning_rate_multiplier": AUTO_MULTIPLIER if multiplier == "auto" else multiplier,
    }
    if run.is_preference:
        decided["beta"] = run.settings["beta"]
    return FineTuningJob.objects.create(
        run=run,
        method="dpo" if run.is_preference else "supervised",
        hyperparameters=decided,
        model=models.name_for(run, asked.get("suffix") or run.name),
    )
