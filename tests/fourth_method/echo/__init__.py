"""A fourth method: a bot that says again what is said to it. All that the platform knows of it is in this folder."""

from teams.methods import Guideline
from training.methods import TrainingMethod, register
from training.methods.method import RESULT_FILE

register(
    TrainingMethod(
        name="echo",
        label="Echo",
        title="The echo",
        rows=Guideline(least=2, wanted=3, upto=7),
        forms=("training.methods.echo.form.EchoForm",),
        work="training.methods.echo.work.EchoWork",
        artifacts=("echo.txt", RESULT_FILE),
        archive_files=(RESULT_FILE, "echo.txt"),
        archive_needs=("echo.txt",),
        suits_time=("quick", "is there before you have looked up"),
        borrows_bases=True,
        measured_in="share of words said again",
        higher_is_better=True,
        keeps_rows_back=False,
        progress_unit="words",
    )
)
