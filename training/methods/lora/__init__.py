"""LoRA: a small adapter, trained on this machine, beside an open model that stays as it is."""

from training.methods import register
from training.methods.method import RESULT_FILE, TrainingMethod

METHOD = register(
    TrainingMethod(name="lora", artifacts=("adapter", RESULT_FILE), leaves_adapter=True)
)
