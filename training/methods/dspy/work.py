"""What a DSPy run does: refusals, price, engine, charge and answers of a program around an unchanged model."""

from typing import Any

from datasets.models import DatasetVersion
from teams.models import Course
from training.models import BaseModel, TrainingRun
from training.services import charges, endpoints, estimate, refusals, run_disk, spec
from training.services.method_work import EnginePart, Plan


class DspyWork:
    def refusal(self, plan: Plan) -> str | None:
        return refusals.of_program(plan)

    def estimate(
        self,
        *,
        course: Course,
        base_model: BaseModel,
        version: DatasetVersion,
        settings: dict[str, Any],
        seed: int,
    ) -> estimate.Estimate:
        return estimate.of_program(course, base_model, version, settings, seed)

    def disk(
        self, version: DatasetVersion, base_model: BaseModel, settings: dict[str, Any]
    ) -> int:
        return run_disk.without_weights(version)

    def engine(self, run: TrainingRun, files: spec.RowFiles) -> EnginePart:
        return spec.program_part(run)

    def charge(self, run: TrainingRun) -> charges.Used:
        return charges.of_program(run)

    def endpoint(self, run: TrainingRun) -> endpoints.ChatEndpoint:
        return endpoints.of_program(run)
