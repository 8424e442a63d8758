"""DSPy: a search for the prompt and the examples with which an unchanged model answers best."""

from training.methods import register
from training.methods.method import RESULT_FILE, TrainingMethod

METHOD = register(
    TrainingMethod(
        name="dspy",
        artifacts=("program.json", RESULT_FILE),
        is_program=True,
        borrows_bases=True,
        measured_in="score on held-out dialogues",
        higher_is_better=True,
        keeps_rows_back=False,
        progress_unit="calls",
        counts_at_most=True,
    )
)
