"""What a run's page shows, read from its row and events: the same for a page load, a snapshot and a live update."""

from dataclasses import dataclass, field
from typing import Any

from teams.models import Hold, HoldState, LedgerEntry
from training.models import BaseModel, RunStatus, RunVerdict, TrainingRun
from training.services import charts, queue, shutdowns
from training.services.loss_words import LossWords, read_curve
from training.services.questions import SAMPLE_QUESTIONS
from training.services.rewards import Rewards, rewards
from training.services.search import Search, search_of
from training.services.spec import ASKED
from training.services.verdict_words import VerdictWords, words_of

SHOWN_NOTES = 40
CURVE_KINDS = ("step", "validation")
STEADY_SECONDS = 2.0  # steps are written in batches: before that, their times say little


@dataclass(frozen=True)
class Cost:
    """Micro-dollars, held, expected and charged side by side. `entry` once it is settled."""

    expected: int
    most: int
    held: int
    entry: LedgerEntry | None


@dataclass
class Answers:
    """One fixed question and what the model said to it at each stage."""

    question: str
    before: str = ""
    during: str = ""
    during_step: int | None = None
    after: str = ""


@dataclass(frozen=True)
class ScoreBar:
    """A score of 0..1 with its interval; the interval in per cent. `measure`: the version of what measured it."""

    stage: str
    score: float
    low: float
    high: float
    n: int
    measure: str = ""

    @property
    def width(self) -> float:
        return 100 * self.score


@dataclass
class Panel:
    """Everything the fragments of `training/run_detail.html` read besides the run itself."""

    place: queue.Place | None = None
    seconds_left: float | None = None
    tokens_per_second: float | None = None
    learning_rate: float | None = None
    chart: charts.Chart | None = None
    loss_words: LossWords | None = None
    rewards: Rewards | None = None
    scores: list[ScoreBar] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)
    asked_while_learning: bool = False
    notes: list[dict[str, Any]] = field(default_factory=list)
    cost: Cost | None = None
    verdicts: list[RunVerdict] = field(default_factory=list)
    verdict_words: VerdictWords | None = None
    elsewhere: list[BaseModel] = field(default_factory=list)
    verdict_answers: list[dict[str, Any]] = field(default_factory=list)
    search: Search | None = None


def panel(run: TrainingRun) -> Panel:
    """All of it: seven queries at most, however long the run."""
    shown = Panel(place=queue.place_of(run))
    _add_verdict(run, shown)
    _add_curves(run, shown)
    _add_said(run, shown)
    shown.cost = cost_of(run)
    if run.trained_with.is_program:
        shown.search = search_of(run)
    return shown


def _add_verdict(run: TrainingRun, shown: Panel) -> None:
    shown.verdicts = list(run.verdicts.all())
    shown.verdict_words = words_of(run, shown.verdicts)
    shown.elsewhere = shutdowns.elsewhere(run)
    kept: list[dict[str, Any]] = next((row.answers for row in shown.verdicts if row.kept), [])
    base: list[dict[str, Any]] = next(
        (row.answers for row in shown.verdicts if row.of == RunVerdict.Of.BASE), []
    )
    shown.verdict_answers = [
        {**answer, "of_base": before["answer"]}
        for answer, before in zip(kept, base, strict=False)
    ]


def cost_of(run: TrainingRun) -> Cost:
    hold = Hold.objects.filter(run.paid_for.rows()).first()
    entry = LedgerEntry.objects.filter(run.paid_for.rows(), corrects=None).first()
    held = hold.amount if hold is not None and hold.state == HoldState.OPEN else 0
    return Cost(run.expected_cost, run.most_cost, held, entry)


def _add_curves(run: TrainingRun, shown: Panel) -> None:
    rows = list(
        run.events.filter(kind__in=CURVE_KINDS).values_list("kind", "step", "data", "at")
    )
    series: dict[str, list[charts.Point]] = {kind: [] for kind in CURVE_KINDS}
    for kind, step, data, _ in rows:
        if step is not None and isinstance(data.get("loss"), int | float):
            series[kind].append((step, float(data["loss"])))
    shown.chart = charts.loss_chart(series["step"], series["validation"], run.total_steps)
    curves = [charts.latest(series[kind]) for kind in CURVE_KINDS]
    shown.rewards = (
        rewards([row[:3] for row in rows], run.total_steps) if run.is_preference else None
    )
    if not run.is_preference:  # its loss falls on and on, also while answers get worse
        shown.loss_words = read_curve(*curves, ended=not run.is_active)
    steps = [(step, at) for kind, step, _, at in rows if kind == "step" and step is not None]
    if steps:
        last = next(data for kind, _, data, _ in reversed(rows) if kind == "step")
        shown.tokens_per_second, shown.learning_rate = (
            last.get("tokens_per_second"),
            last.get("learning_rate"),
        )
    if run.status == RunStatus.RUNNING and len(steps) > 1 and steps[-1][1] > steps[0][1]:
        # Real steps of this attempt: a restart goes on from a checkpoint, so its first step is not 1.
        first = next(
            place
            for place in reversed(range(len(steps)))
            if place == 0 or steps[place - 1][0] >= steps[place][0]
        )
        done, seconds = (
            steps[-1][0] - steps[first][0],
            (steps[-1][1] - steps[first][1]).total_seconds(),
        )
        if done and seconds >= STEADY_SECONDS:
            shown.seconds_left = max(0.0, (run.total_steps - steps[-1][0]) * seconds / done)


def _add_said(run: TrainingRun, shown: Panel) -> None:
    answers = {question: Answers(question) for question in SAMPLE_QUESTIONS}
    for event in run.events.filter(kind__in=("sample", "score", "note", "status", "unreadable")):
        if event.kind == "sample":
            row = answers.setdefault(
                event.data.get("question", ""), Answers(event.data.get("question", ""))
            )
            stage = event.data.get("stage")
            if stage == "during":
                row.during, row.during_step = event.data.get("answer", ""), event.step
            elif stage in ("before", "after"):
                setattr(row, stage, event.data.get("answer", ""))
        elif event.kind == "score":
            shown.scores = [
                bar for bar in shown.scores if bar.stage != event.data.get("stage")
            ] + [_bar(event.data)]
        else:
            shown.notes.append({"at": event.at, "text": _note(event.kind, event.data)})
    shown.answers = [row for row in answers.values() if row.before or row.during or row.after]
    shown.asked_while_learning = any(row.during for row in shown.answers)
    shown.notes = shown.notes[-SHOWN_NOTES:]


def _bar(data: dict[str, Any]) -> ScoreBar:
    score = float(data.get("score") or 0)
    low, high = float(data.get("low") or score), float(data.get("high") or score)
    measure = str(data.get("measure") or "")
    return ScoreBar(
        str(data.get("stage")), score, 100 * low, 100 * high, int(data.get("n") or 0), measure
    )


def _note(kind: str, data: dict[str, Any]) -> str:
    if kind == "status":
        return RunStatus(data["status"]).label
    if kind == "unreadable":
        return f"The engine said something that is no event: {data.get('line', '')}"
    return str(data.get("message", ""))


def headline(run: TrainingRun) -> str:
    """Where the run stands, in words."""
    method = run.trained_with
    if run.status == RunStatus.RUNNING and run.total_steps:
        most = "at most " if method.counts_at_most else ""
        return f"{run.step:,} of {most}{run.total_steps:,} {method.progress_unit}"
    if run.status == RunStatus.RUNNING:
        return "Starting: reading rows and loading the model."
    if run.status == RunStatus.WAITING:
        said = run.provider_status.replace("_", " ") or "accepted"
        return f"At the provider: {said}" + (
            f", step {run.step:,} of {run.total_steps:,}" if run.total_steps else ""
        )
    return run.get_status_display()


SETTING_NAMES = {
    "validation_fraction": "Kept back to measure with",
    "rows_share": "Rows to learn from",
    "epochs": "Epochs",
    "n_epochs": "Epochs",
    "learning_rate": "Learning rate",
    "learning_rate_multiplier": "Learning rate multiplier",
    "rank": "Rank (r)",
    "alpha": "Alpha",
    "dropout": "Dropout",
    "target_modules": "Adapted layers",
    "batch_size": "Batch size",
    "max_length": "Longest row (tokens)",
    "early_stopping_patience": "Stop early after",
    "sample_every": "Ask every (steps)",
    "save_every": "Checkpoint every (steps)",
    "training": "Kind of training",
    "beta": "Beta",
    "starts_from": "Goes on from",
    "system_prompt": "Told before it speaks",
    "suffix": "Suffix",
    "optimizer": "Optimiser",
    "max_calls": "Most calls",
    "max_bootstrapped_demos": "Found demonstrations",
    "max_labeled_demos": "Own demonstrations",
    "temperature": "Temperature",
    "max_tokens": "Longest answer (tokens)",
    "num_threads": "Questions at once",
    "metric_weights": "Weights of the score",
    "judge": "A model as judge",
    "reflection_model": "Writes the instructions",
    "design": "Program",
    "phrases": "Own phrases",
    "gradient_accumulation": "Batches to one step",
    "warmup_ratio": "Warm-up",
    "weight_decay": "Weight decay",
    "precision": "Precision",
    "quantization": "Base model in fewer bits",
    "gradient_checkpointing": "Gradient checkpointing",
}


def settings_shown(run: TrainingRun) -> list[tuple[str, str]]:
    """Names and values of a run's settings as a person reads them."""
    asked = run.settings.get(ASKED, {})
    shown = [
        (f"{SETTING_NAMES.get(name, name)}, as asked for", str(value))
        for name, value in asked.items()
    ]
    others = {name: value for name, value in run.settings.items() if name != ASKED}
    return shown + [
        (SETTING_NAMES.get(name, name), _shown(name, value)) for name, value in others.items()
    ]


def _shown(name: str, value: Any) -> str:
    if name in ("validation_fraction", "rows_share"):
        return f"{100 * float(value):g} %"
    if name == "design":
        return "the team’s own"
    if name == "phrases" and isinstance(value, dict):
        return f"{len(value.get('wanted', ()))} wanted, {len(value.get('banned', ()))} never"
    if isinstance(value, dict):
        return ", ".join(
            f"{part.replace('_', ' ')} {weight:g}" for part, weight in value.items()
        )
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
