"""What a method does with a run: `MethodWork`, which the folder of each method in `training/methods` brings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from django.utils.module_loading import import_string

from datasets.models import DatasetVersion
from teams.models import Course, Team
from training import methods
from training.models import BaseModel, TrainingRun

if TYPE_CHECKING:
    from training.services.charges import Used
    from training.services.endpoints import ChatEndpoint
    from training.services.estimate import Estimate
    from training.services.spec import RowFiles


@dataclass(frozen=True)
class Plan:
    """A run that somebody thinks of. `base_model` is offered for `method`, and the rows are the team's own."""

    team: Team
    method: str
    base_model: BaseModel
    version: DatasetVersion
    settings: Mapping[str, Any]
    starts_from: TrainingRun | None = None


@dataclass(frozen=True)
class EnginePart:
    """Which program trains, and what its `spec.json` says besides the rows and the settings.

    `engines`: the folder where `module` is found; None: `settings.ENGINES_ROOT`. `environment` may hold a key: never log it.
    """

    module: str
    spec: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    engines: Path | None = None


class MethodWork(Protocol):
    """All that services ask a method to do. Each of them has one, without state."""

    def refusal(self, plan: Plan) -> str | None:
        """Why this run cannot start, with what to do; None where it can."""

    def estimate(
        self,
        *,
        course: Course,
        base_model: BaseModel,
        version: DatasetVersion,
        settings: dict[str, Any],
        seed: int,
    ) -> "Estimate":
        """What it will cost and how long it takes. Raises PriceUnknown."""

    def disk(
        self, version: DatasetVersion, base_model: BaseModel, settings: dict[str, Any]
    ) -> int:
        """Bytes that a run may come to keep."""

    def engine(self, run: TrainingRun, files: "RowFiles") -> EnginePart:
        """Never asked of a run that a provider works on. Raises PriceUnknown, NotReady."""

    def charge(self, run: TrainingRun) -> "Used":
        """What was used so far, and its price. Raises PriceUnknown."""

    def endpoint(self, run: TrainingRun) -> "ChatEndpoint":
        """Where a finished run answers. Raises NotReady."""


def work_of(method: str) -> MethodWork:
    """What the method's folder brings. Raises methods.UnknownMethod."""
    work: type[MethodWork] = import_string(methods.get(method).work)
    return work()
