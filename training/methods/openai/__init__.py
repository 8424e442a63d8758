"""OpenAI fine-tuning: a provider trains and keeps the model; its files and its report stay with the run."""

from training.methods import register
from training.methods.method import RESULT_FILE, TrainingMethod

METHOD = register(
    TrainingMethod(
        name="openai",
        artifacts=("result.csv", "train.jsonl", "validation.jsonl", RESULT_FILE),
        kept_by_provider=True,
        borrows_bases=True,
    )
)
