"""Runs side by side: what was different, what came out."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.models import RunEvent, RunVerdict, TrainingRun
from training.services import charts
from training.services.progress import settings_shown
from training.services.questions import SAMPLE_QUESTIONS
from training.services.verdict_words import VerdictWords, words_of

NOT_THERE = "–"
HERE = "this platform"


@dataclass(frozen=True)
class Line:
    """One row of the table. `same` when every run has the same value."""

    name: str
    values: list[str]

    @property
    def same(self) -> bool:
        return len(set(self.values)) == 1


@dataclass(frozen=True)
class Comparison:
    """`verdicts`: of each run, None where nobody asked it fresh questions."""

    runs: Sequence[TrainingRun]
    settings: list[Line]
    answers: list[Line]
    chart: charts.Chart | None
    verdicts: list[VerdictWords | None]

    @property
    def numbers(self) -> str:
        """The runs as a page's address names them: 3,5."""
        return ",".join(str(run.number) for run in self.runs)


def compare(runs: Sequence[TrainingRun]) -> Comparison:
    """In three queries, however many runs and steps, where `runs` bring their base models and providers."""
    events = list(
        RunEvent.objects.filter(
            run__in=[run.pk for run in runs], kind__in=("step", "validation", "sample")
        )
    )
    return Comparison(
        runs, _settings(runs), _answers(runs, events), _chart(runs, events), _verdicts(runs)
    )


def _verdicts(runs: Sequence[TrainingRun]) -> list[VerdictWords | None]:
    rows: dict[int, list[RunVerdict]] = {run.pk: [] for run in runs}
    for row in RunVerdict.objects.filter(run__in=list(rows)).order_by("run", "step", "id"):
        rows[row.run_id].append(row)
    return [words_of(run, rows[run.pk]) for run in runs]


def _settings(runs: Sequence[TrainingRun]) -> list[Line]:
    shown = [
        {
            "Method": run.get_method_display(),
            "Base model": run.base_model.label,
            "Trained by": _trained_by(run),
            "Dataset": str(run.dataset_version),
            "Rows": str(run.dataset_version.row_count),
            **dict(settings_shown(run)),
            "Seed": str(run.seed),
        }
        for run in runs
    ]
    names = dict.fromkeys(name for values in shown for name in values)
    return [Line(name, [values.get(name, NOT_THERE) for values in shown]) for name in names]


def _trained_by(run: TrainingRun) -> str:
    """Nobody knows it of a model that came from another platform by name only."""
    base = run.base_model
    if base.provider is not None:
        return str(base.provider)
    return HERE if base.local else NOT_THERE


def _answers(runs: Sequence[TrainingRun], events: Sequence[RunEvent]) -> list[Line]:
    said = {
        (e.run_id, e.data.get("question")): str(e.data.get("answer", ""))
        for e in events
        if e.data.get("stage") == "after"
    }
    lines = [
        Line(q, [said.get((run.pk, q), NOT_THERE) for run in runs]) for q in SAMPLE_QUESTIONS
    ]
    return [line for line in lines if any(value != NOT_THERE for value in line.values)]


def _chart(runs: Sequence[TrainingRun], events: Sequence[RunEvent]) -> charts.Chart | None:
    """Validation loss where there is one, training loss otherwise."""
    curves: dict[str, list[charts.Point]] = {}
    for run in runs:
        for kind in ("validation", "step"):
            points = [
                (e.step, float(e.data["loss"]))
                for e in events
                if e.run_id == run.pk
                and e.kind == kind
                and e.step is not None
                and e.data.get("loss") is not None
            ]
            if points:
                curves[f"run {run.number}"] = points
                break
    return charts.overlay(curves)
