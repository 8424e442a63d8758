"""OpenAI fine-tuning: a provider trains and keeps the model; its files and its report stay with the run."""

from teams.methods import Guideline
from training.methods import register
from training.methods.method import RESULT_FILE, TrainingMethod

METHOD = register(
    TrainingMethod(
        name="openai",
        label="OpenAI",
        title="OpenAI fine-tuning",
        rows=Guideline(least=10, wanted=50, upto=100, open_ended=True),
        forms=("training.forms.openai.OpenaiForm",),
        work="training.methods.openai.work.OpenaiWork",
        artifacts=("result.csv", "train.jsonl", "validation.jsonl", RESULT_FILE),
        archive_files=(RESULT_FILE, "result.csv", "train.jsonl", "validation.jsonl"),
        suits_goal=(
            "subject_knowledge",
            "teaches specific subject knowledge and answers in a steady pattern",
        ),
        suits_time=(
            "moderate",
            "needs a moderate set-up and an hour or two of somebody else's machine",
        ),
        kept_by_provider=True,
        borrows_bases=True,
    )
)
