"""What a LoRA run does: refusals, price, engine, charge and answers of an adapter that is trained here."""

from typing import Any

from datasets.models import DatasetVersion
from teams.models import Course
from training.models import BaseModel, TrainingRun
from training.services import charges, endpoints, estimate, refusals, run_disk, spec
from training.services.method_work import EnginePart, Plan


class LoraWork:
    def refusal(self, plan: Plan) -> str | None:
        return refusals.of_adapter(plan)

    def estimate(
        self,
        *,
        course: Course,
        base_model: BaseModel,
        version: DatasetVersion,
        settings: dict[str, Any],
        seed: int,
    ) -> estimate.Estimate:
        return estimate.of_adapter(course, base_model, version, settings)

    def disk(
        self, version: DatasetVersion, base_model: BaseModel, settings: dict[str, Any]
    ) -> int:
        return run_disk.of_adapter(version, base_model, settings)

    def engine(self, run: TrainingRun, files: spec.RowFiles) -> EnginePart:
        return spec.adapter_part(run, files)

    def charge(self, run: TrainingRun) -> charges.Used:
        return charges.of_adapter(run)

    def endpoint(self, run: TrainingRun) -> endpoints.ChatEndpoint:
        return endpoints.of_adapter(run)
