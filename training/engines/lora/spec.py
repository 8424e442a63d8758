"""The order a run is given: `spec.json`. Checked before torch is imported, so that a bad one fails in a blink."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lora.events import EngineError


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a person may turn. Defaults are the course guide's LoRA configuration."""

    rank: Annotated[int, Meta(ge=1, le=256)] = 8
    alpha: Annotated[float, Meta(gt=0)] = 32
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.05
    target_modules: Annotated[tuple[str, ...], Meta(min_length=1)] = ("q_proj", "v_proj")
    bias: Literal["none"] = "none"
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 2e-4
    epochs: Annotated[int, Meta(ge=1, le=1000)] = 3
    batch_size: Annotated[int, Meta(ge=1, le=4096)] = 16
    gradient_accumulation: Annotated[int, Meta(ge=1, le=4096)] = 1
    warmup_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.05
    max_length: Annotated[int, Meta(ge=8)] = 512
    max_grad_norm: Annotated[float, Meta(gt=0)] = 1.0
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    early_stopping_patience: Annotated[int, Meta(ge=0)] = 0
    evaluate_every: Annotated[int, Meta(ge=0)] = 0
    sample_every: Annotated[int, Meta(ge=0)] = 0
    save_every: Annotated[int, Meta(ge=0)] = 0
    threads: Annotated[int, Meta(ge=0)] = 0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    gradient_checkpointing: bool = False
    quantization: Literal["none", "8bit", "4bit"] = "none"
    training: Literal["supervised", "dpo"] = "supervised"
    beta: Annotated[float, Meta(gt=0, le=2)] = (
        0.1  # of DPO: higher stays closer to the reference
    )


class FreshQuestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question of the verdict. `total`: the right number, where it is a sum."""

    question: str
    total: int | None = None


class Spec(msgspec.Struct, frozen=True):
    """One run. Paths are relative to the run's folder (our working directory) or absolute.

    `start_adapter`: a PEFT folder to go on from instead of an adapter that has learnt nothing. `system_prompt`: put before
    preference rows that have no system line; what the start adapter was trained with. `verdict_questions`: asked of every
    candidate at the end, and of the base. `known_answers`: a file of the base's own answers, read and added to; none = ask.
    """

    schema: Literal[1]
    run: str
    seed: Annotated[int, Meta(ge=0, lt=2**32)]
    train_file: str
    base_model: Annotated[str, Meta(min_length=1)]
    base_name: Annotated[str, Meta(max_length=200)] = (
        ""  # what it is called outside this machine; empty: as `base_model`
    )
    base_sha256: str = ""  # of its weights, for the card; empty where nobody took it
    validation_file: str | None = None
    settings: Settings = Settings()
    sample_questions: tuple[str, ...] = ()
    verdict_questions: tuple[FreshQuestion, ...] = ()
    known_answers: str | None = None
    start_adapter: str | None = None
    system_prompt: str | None = None


def read_spec(path: Path) -> Spec:
    """The checked order. Raises EngineError `bad_spec` naming the field that is wrong."""
    try:
        spec = msgspec.json.decode(path.read_bytes(), type=Spec)
    except OSError as missing:
        raise EngineError(
            "bad_spec", f"{path}: {missing.strerror}", "Start the engine in the run's folder."
        ) from missing
    except msgspec.MsgspecError as wrong:
        known = ", ".join(Settings.__struct_fields__)
        raise EngineError(
            "bad_spec", f"{path.name}: {wrong}", f"Correct that field. Settings are: {known}."
        ) from wrong
    if spec.settings.early_stopping_patience and spec.validation_file is None:
        raise EngineError(
            "bad_spec",
            "early_stopping_patience needs validation rows, and this run has none",
            "Split off validation rows, or set early_stopping_patience to 0.",
        )
    return spec


def fingerprint(spec: Spec, *file_hashes: str) -> str:
    """sha256 of the order and of the data it names: a checkpoint is only continued by the order that made it.

    What has its default is left out of the order, so that a setting added later makes no checkpoint of today strange.
    """
    said = {**_chosen(spec), "settings": _chosen(spec.settings)}
    digest = hashlib.sha256(msgspec.json.encode(said, order="deterministic"))
    for file_hash in file_hashes:
        digest.update(file_hash.encode())
    return digest.hexdigest()


def _chosen(struct: msgspec.Struct) -> dict[str, object]:
    """The fields that are not at their default."""
    fields = msgspec.structs.fields(struct)
    return {
        one.name: value for one in fields if (value := getattr(struct, one.name)) != one.default
    }
