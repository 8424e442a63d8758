"""What an echo does with a run. A row costs a tenth of a cent, so that money moves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets.models import DatasetVersion
from teams.models import Course
from training.models import BaseModel, TrainingRun
from training.services import charges, endpoints, refusals, run_disk
from training.services.calls.usage import CountedTokens
from training.services.estimate import Estimate
from training.services.method_work import EnginePart, Plan
from training.services.spec import RowFiles

ROW_PRICE = 1_000  # micro-dollars
ADDRESS = ""  # where the test has it answer
NO_TOKENS: CountedTokens = {"input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0}


class EchoWork:
    def refusal(self, plan: Plan) -> str | None:
        return refusals.too_few_rows(plan)

    def estimate(
        self, *, course: Course, base_model: BaseModel, version: DatasetVersion, settings: dict[str, Any], seed: int
    ) -> Estimate:
        price = ROW_PRICE * version.row_count
        return Estimate(price, 2 * price, 1.0, [f"{version.row_count} rows are said again."])

    def disk(self, version: DatasetVersion, base_model: BaseModel, settings: dict[str, Any]) -> int:
        return run_disk.without_weights(version)

    def engine(self, run: TrainingRun, files: RowFiles) -> EnginePart:
        said = {"loudness": run.settings["loudness"]}
        return EnginePart("echo_engine", said, engines=Path(__file__).with_name("engine"))

    def charge(self, run: TrainingRun) -> charges.Used:
        return charges.Used(ROW_PRICE * run.step, f"{run.step} rows at $0.001", NO_TOKENS)

    def endpoint(self, run: TrainingRun) -> endpoints.ChatEndpoint:
        return replace(endpoints.of_adapter(run), base_url=ADDRESS)
