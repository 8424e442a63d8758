"""DSPy: a search for the prompt and the examples with which an unchanged model answers best."""

from teams.methods import Guideline
from training.archives.manifest import PROGRAM
from training.methods import register
from training.methods.method import RESULT_FILE, TrainingMethod

METHOD = register(
    TrainingMethod(
        name="dspy",
        label="DSPy",
        title="DSPy",
        rows=Guideline(least=4, wanted=10, upto=50),
        forms=("training.forms.dspy.DspyForm",),
        work="training.methods.dspy.work.DspyWork",
        artifacts=(PROGRAM, RESULT_FILE),
        archive_files=(RESULT_FILE, PROGRAM),
        archive_needs=(PROGRAM,),
        suits_goal=(
            "quick_personality",
            "adapts a personality quickly, by better prompting, without changing what the model knows",
        ),
        suits_time=("quick", "gives results within minutes"),
        is_program=True,
        borrows_bases=True,
        measured_in="score on held-out dialogues",
        higher_is_better=True,
        keeps_rows_back=False,
        progress_unit="calls",
        counts_at_most=True,
    )
)
