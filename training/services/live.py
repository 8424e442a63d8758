"""Sends a run's news to the pages that watch it: the same fragments that the page itself is made of."""

import time
from collections.abc import Set
from typing import Any

from django.template.loader import render_to_string

from teams import live
from training.models import RunStatus, TrainingRun
from training.services import progress
from training.services.endpoints import why_out_of_reach

SAFE_SECONDS = 5  # clocks of two machines may differ a little; news that come twice do no harm
TEMPLATE = "training/run_detail.html"
FRAGMENTS = (
    "run-status",
    "run-next",
    "run-failure",
    "run-missing",
    "run-verdict",
    "run-progress",
    "run-chart",
    "run-search",
    "run-answers",
    "run-notes",
    "run-cost",
    "run-files",
    "run-danger",
)
SHOWN_IN = {
    "started": {"run-progress"},
    "step": {"run-progress", "run-chart"},
    "validation": {"run-chart"},
    "score": {"run-chart"},
    "sample": {"run-answers"},
    "note": {"run-notes"},
    "unreadable": {"run-notes"},
    "calls": {"run-progress"},
    "candidate": {"run-search"},
}


def context(run: TrainingRun) -> dict[str, Any]:
    """What every fragment may read."""
    out_of_reach = why_out_of_reach(run)
    return {
        "run": run,
        "team": run.team,
        "panel": progress.panel(run),
        "headline": progress.headline(run),
        "done": run.status == RunStatus.SUCCEEDED,
        "talks": run.status == RunStatus.SUCCEEDED and not out_of_reach,
        "out_of_reach": out_of_reach,
        "artifacts": run.artifacts.all(),
    }


def snapshot(run: TrainingRun) -> list[tuple[str, str]]:
    """Every fragment as it is now; `done` at the end when nothing more will come."""
    pairs = [(name, _render(name, shown)) for shown in [context(run)] for name in FRAGMENTS]
    return pairs if run.is_active else [*pairs, (live.END, "")]


def now_id() -> str:
    """Where a page's stream begins: its snapshot tells everything before. Stream ids are milliseconds of the server's clock."""
    return f"{int((time.time() - SAFE_SECONDS) * 1000)}-0"


def progressed(run: TrainingRun, kinds: Set[str]) -> None:
    """News of these kinds were written."""
    wanted = {name for kind in kinds for name in SHOWN_IN.get(kind, ())}
    if not wanted:
        return
    shown = context(run)
    for name in FRAGMENTS:
        if name in wanted:
            live.emit(run.topic, name, _render(name, shown))


def changed(run: TrainingRun) -> None:
    """The run has another status: everything may look different."""
    for name, html in snapshot(run):
        live.emit(run.topic, name, html)


def relabelled(run: TrainingRun) -> None:
    """Its name changed: pages of others that watch it show the new one."""
    if run.is_active:
        live.emit(run.topic, "run-status", _render("run-status", context(run)))


def _render(name: str, shown: dict[str, Any]) -> str:
    return render_to_string(f"{TEMPLATE}#{name}", shown)
