"""What an OpenAI run does: a job at a provider; or, from a base of this platform, a job of the platform's own service."""

from typing import Any

from datasets.models import DatasetVersion
from teams.models import Course
from training.models import BaseModel, TrainingRun
from training.services import charges, endpoints, estimate, refusals, run_disk, spec
from training.services.method_work import EnginePart, Plan


class OpenaiWork:
    def refusal(self, plan: Plan) -> str | None:
        if plan.base_model.local:
            return refusals.of_adapter(plan)
        return refusals.of_job(plan)

    def estimate(
        self,
        *,
        course: Course,
        base_model: BaseModel,
        version: DatasetVersion,
        settings: dict[str, Any],
        seed: int,
    ) -> estimate.Estimate:
        build = estimate.of_own_job if base_model.local else estimate.of_job
        return build(course, base_model, version, settings)

    def disk(
        self, version: DatasetVersion, base_model: BaseModel, settings: dict[str, Any]
    ) -> int:
        if base_model.local:
            return run_disk.of_adapter(version, base_model, settings)
        return run_disk.without_weights(version)

    def engine(self, run: TrainingRun, files: spec.RowFiles) -> EnginePart:
        return spec.adapter_part(run, files)

    def charge(self, run: TrainingRun) -> charges.Used:
        return charges.of_adapter(run) if run.is_adapter else charges.of_job(run)

    def endpoint(self, run: TrainingRun) -> endpoints.ChatEndpoint:
        return endpoints.of_adapter(run) if run.is_adapter else endpoints.of_job(run)
