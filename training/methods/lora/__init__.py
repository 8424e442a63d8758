"""LoRA: a small adapter, trained on this machine, beside an open model that stays as it is."""

from teams.methods import Guideline
from training.archives.manifest import ADAPTER_FILES, CONFIG, WEIGHTS
from training.methods import register
from training.methods.method import RESULT_FILE, TrainingMethod

METHOD = register(
    TrainingMethod(
        name="lora",
        label="LoRA",
        title="LoRA",
        rows=Guideline(least=4, wanted=100, open_ended=True),
        forms=("training.forms.lora.LoraForm", "training.forms.dpo.DpoForm"),
        work="training.methods.lora.work.LoraWork",
        artifacts=("adapter", RESULT_FILE),
        archive_files=(RESULT_FILE, *ADAPTER_FILES),
        archive_needs=(WEIGHTS, CONFIG),
        suits_goal=(
            "deep_personality",
            "changes the personality most deeply and keeps it most consistent",
        ),
        suits_time=("long", "rewards longer work: you can train again and again at no cost"),
        leaves_adapter=True,
    )
)
