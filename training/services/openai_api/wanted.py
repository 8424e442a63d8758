"""The body of a request for a job, as OpenAI describes it. What it does not name is refused."""

from typing import Annotated, Any, Literal

import msgspec

Auto = Literal["auto"]
MOST_EPOCHS_OF_JOBS = 50
Epochs = Annotated[int, msgspec.Meta(ge=1, le=MOST_EPOCHS_OF_JOBS)]
BatchSize = Annotated[int, msgspec.Meta(ge=1, le=256)]
Multiplier = Annotated[float, msgspec.Meta(gt=0)]
Beta = Annotated[float, msgspec.Meta(gt=0, le=2)]
MetadataKey = Annotated[str, msgspec.Meta(max_length=64)]
MetadataValue = Annotated[str, msgspec.Meta(max_length=512)]

MOST_METADATA = 16
AUTO_MULTIPLIER = 2.0
"""What a learning rate multiplier of "auto" stands for: the recommended learning rate. OpenAI's own "auto" is about as much."""


class Hyperparameters(msgspec.Struct, forbid_unknown_fields=True):
    """As asked for; "auto" leaves the choice to the platform's recommended settings."""

    n_epochs: Epochs | Auto = "auto"
    batch_size: BatchSize | Auto = "auto"
    learning_rate_multiplier: Multiplier | Auto = "auto"
    beta: Beta | Auto = "auto"


class MethodSettings(msgspec.Struct, forbid_unknown_fields=True):
    """What stands under `method.supervised` or `method.dpo`."""

    hyperparameters: Hyperparameters = msgspec.field(default_factory=Hyperparameters)


class JobMethod(msgspec.Struct, forbid_unknown_fields=True):
    """How to train."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: MethodSettings | None = None
    dpo: MethodSettings | None = None


class WantedJob(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a job's creation."""

    model: str
    training_file: str
    validation_file: str | None = None
    hyperparameters: Hyperparameters | None = None
    method: JobMethod | None = None
    suffix: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    metadata: dict[MetadataKey, MetadataValue] | None = None
    integrations: list[Any] | None = None
