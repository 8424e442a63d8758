"""The object that a method registers."""

from dataclasses import dataclass

from teams.methods import Guideline

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class TrainingMethod:
    """What the rest of the platform asks a method.

    `name`: as the database has it, at most 10 characters. `label`: as a tag says it. `title`: in a sentence.
    `rows`: the course guide's figures, which stand nowhere else.
    `forms`: dotted names of the forms that start its runs (`training.forms.run.RunForm`), the usual one first.
    `work`: dotted name of its `training.services.method_work.MethodWork`: refusals, price, engine, charge, answers.
    `artifacts`: files and folders that a finished run leaves in its folder, as paths relative to it.
    `archive_files`: the only files that an archive of such a run may bring; `archive_needs`: those that it must bring.
    `suits_goal`, `suits_time`: which answer on a dataset's advice page speaks for it, and why ("it …").
    `is_program`: a run leaves a program around an unchanged model: it brings its own prompt with examples, and no weights
    are trained. `leaves_adapter`: a run leaves weights of its own in its folder. `kept_by_provider`: the weights stay at the
    provider that trained them, under a name of the provider's.
    `borrows_bases`: it may also start from the bases of this machine, which are listed for the method that leaves adapters.
    `measured_in`: how a person calls the figure that runs are compared by; `higher_is_better`: of that figure.
    `keeps_rows_back`: that figure is there only where the run's settings kept rows back to measure with.
    `progress_unit`: what a running engine counts; `counts_at_most`: the total that it names is the most that it may use.
    """

    name: str
    label: str
    title: str
    rows: Guideline
    forms: tuple[str, ...]
    work: str
    artifacts: tuple[str, ...]
    archive_files: tuple[str, ...]
    archive_needs: tuple[str, ...] = ()
    suits_goal: tuple[str, str] = ("", "")
    suits_time: tuple[str, str] = ("", "")
    is_program: bool = False
    leaves_adapter: bool = False
    kept_by_provider: bool = False
    borrows_bases: bool = False
    measured_in: str = "validation loss"
    higher_is_better: bool = False
    keeps_rows_back: bool = True
    progress_unit: str = "steps"
    counts_at_most: bool = False

    def __str__(self) -> str:
        """The name: addresses and style sheets use it."""
        return self.name
