"""A base model fitted with an adapter that has learnt something already, to go on from."""

import hashlib
from pathlib import Path

from peft import LoraConfig, PeftConfig, PeftModel
from peft.utils import prepare_model_for_kbit_training
from transformers import PreTrainedModel

from lora.events import EngineError
from lora.spec import Settings

WEIGHTS = "adapter_model.safetensors"
START_AGAIN = "Choose another run to start from, or start from the base model."


def go_on_from(model: PreTrainedModel, folder: Path, base: str, settings: Settings) -> PeftModel:
    """Wrap the base with the adapter in `folder`, trainable, of its own rank and layers.

    Raises EngineError `start_adapter_unusable` where it can't be read, is no plain LoRA, or was made for another base.
    """
    if not (folder / WEIGHTS).is_file():
        raise _unusable(folder, "is not there any more")
    if settings.quantization != "none":
        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=False
        )  # below, for every base alike
    try:
        config = PeftConfig.from_pretrained(str(folder))
        if not isinstance(config, LoraConfig):
            raise _unusable(folder, "is no LoRA adapter")
        config.lora_dropout, config.base_model_name_or_path = settings.dropout, base
        peft_model = PeftModel.from_pretrained(
            model, str(folder), config=config, is_trainable=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as wrong:
        raise _unusable(folder, f"does not fit: {' '.join(str(wrong).split())[:300]}") from wrong
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    return peft_model


def sha256_of(folder: Path) -> str:
    """Of the adapter's weights; empty where there are none."""
    path = folder / WEIGHTS
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _unusable(folder: Path, why: str) -> EngineError:
    return EngineError(
        "start_adapter_unusable",
        f"the adapter to start from ({folder.parent.name}) {why}",
        START_AGAIN,
    )
