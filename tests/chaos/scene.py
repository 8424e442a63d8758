"""A run at the moment at which a fault shall strike, held there, and what is left of it afterwards.

Needs a Django that looks at the platform's database; so it is imported after the platform was started.
"""

import json
import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connections

from datasets.services.base_folders import TINY
from datasets.services.privacy import cloud_refusal
from teams import live
from teams.models import BudgetAccount, Hold, HoldState, LedgerEntry, Method, Team, User
from tests import factories
from tests.chaos import processes
from tests.chaos.platform import Platform
from tests.chaos.processes import Stuck, wait_for
from tests.chaos.provider import Provider
from training.launcher import PID_FILE
from training.models import ENDED, BaseModel, RunStatus, TrainingRun
from training.services.launch import launch

MODEL = "gpt-4o-mini-2024-07-18"
HOUR = 3600
CREATE_SECONDS = 8.0  # between the provider's making of a job and its answer: there the faults strike
WORKERS = {Method.LORA: "worker-training", Method.DSPY: "worker-training", Method.OPENAI: "worker-quick"}
STEPS_DONE = {Method.LORA: 6, Method.DSPY: 1}  # LoRA: past its first checkpoint; DSPy: calls
SETTINGS: dict[Method, dict[str, Any]] = {
    Method.LORA: {
        "validation_fraction": 0.2, "epochs": 16, "rank": 4, "batch_size": 4, "max_length": 64, "threads": 2, "save_every": 4,
    },
    Method.DSPY: {
        "validation_fraction": 0.2, "optimizer": "BootstrapFewShot", "max_calls": 60, "num_threads": 1,
        "max_bootstrapped_demos": 2, "max_labeled_demos": 2, "max_tokens": 200,
    },
    Method.OPENAI: {"validation_fraction": 0.1, "n_epochs": 2},
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the table. `held_left` in micro-dollars; `broken` names what should not be."""

    method: str
    fault: str
    outcome: str
    provider_jobs: int
    charges: int
    orphans: int
    held_left: int
    broken: str = ""


class Scene:
    """One team, its rows, and its runs one after the other. `runs` are those that the present fault concerns."""

    def __init__(self, platform: Platform, provider: Provider) -> None:
        self.platform, self.provider = platform, provider
        course = factories.make_course("Chaos")
        self.person: User = factories.make_person("Mia Member")
        self.team: Team = factories.make_team(course, "Maple", self.person)
        self.version = factories.make_dataset_version(self.team, factories.child_rows(20))
        self.runs: list[TrainingRun] = []

    def begin(self, methods: list[Method], fault: str, *, waiting: bool) -> None:
        """Launch a run of each method, as the page would, and bring it to its moment.

        LoRA and DSPy: in the middle of their work, and held still there. OpenAI: its job was just made and no row knows
        it yet; or, with `waiting`, the provider works and nobody here has the run in hand. OpenAI comes last, because
        its moment passes.
        """
        self.runs = []
        wait_for(self.rows_may_leave, "the name model does not look through the rows")
        for method in methods:
            run = self._launch(method, fault)
            self.runs.append(run)
            at_provider = self._waits if waiting else self._job_was_made
            there = at_provider if method == Method.OPENAI else self._engine_is_at_work
            wait_for(lambda: self._begun(run) and there(run), f"the {method} run does not begin")  # noqa: B023

    def rows_may_leave(self) -> bool:
        self.version.refresh_from_db()
        return cloud_refusal(self.version) is None

    def _launch(self, method: Method, fault: str) -> TrainingRun:
        base = BaseModel.objects.get(method=method, name=TINY if method == Method.LORA else MODEL)
        return launch(
            team=self.team, person=self.person, method=method, base_model=base, dataset_version=self.version,
            settings=SETTINGS[method], seed=17, name=fault,
        )  # fmt: skip

    def is_looked_at(self, run: TrainingRun) -> bool:
        """Somebody asks the provider about its job in this moment."""
        return self.lease_of(run) != ""

    def lease_of(self, run: TrainingRun) -> str:
        return self._now(run).lease

    def lives_in_another_hour(self, run: TrainingRun) -> bool:
        """Its lease does not end about now by a true clock, or was taken away."""
        until = self._now(run).lease_until
        return until is None or abs((until - datetime.now(UTC)).total_seconds()) > HOUR / 2

    def face_of(self, run: TrainingRun) -> int | None:
        """The process that the worker started for the engine, None while there is none."""
        path = run.folder / PID_FILE
        said = path.read_text() if path.exists() else ""
        return int(said.split()[0]) if " " in said else None

    def engine_of(self, run: TrainingRun) -> int | None:
        """The process that trains: a fork of the preload server where one was used, else the one that the worker started."""
        warm = self.platform.service("lora-warm")
        forks = [pid for pid in self._working_on(run) if processes.parent_of(pid) == warm]
        return forks[0] if forks else self.face_of(run)

    def _working_on(self, run: TrainingRun) -> list[int]:
        return [pid for pid in self.platform.engines() if processes.folder_of(pid) == str(run.folder)]

    def worker_of(self, run: TrainingRun) -> str:
        """The name of the service that works on it."""
        return WORKERS[Method(run.method)]

    def horse_of(self, run: TrainingRun) -> int:
        """The process of the worker's present job."""
        worker = wait_for(lambda: self.platform.service(self.worker_of(run)), "there is no worker")
        return wait_for(lambda: processes.children_of(worker), "the worker has no job")[0]

    def look_again(self) -> None:
        """The platform was started anew: its Redis is at another port now."""
        os.environ.update(self.platform.seen_inside)
        settings.REDIS_URL = os.environ["REDIS_URL"]
        for queue in settings.RQ_QUEUES.values():
            queue["URL"] = settings.REDIS_URL
        live._connection.cache_clear()
        connections.close_all()

    def bot_of(self, method: Method) -> TrainingRun:
        """A run of the team that succeeded; where there is none yet it is made first."""
        done = TrainingRun.objects.filter(team=self.team, method=method, status=RunStatus.SUCCEEDED)
        if not done.exists():
            run = self._launch(method, "a bot to talk to")
            wait_for(lambda: self._has_ended(run), f"run {run.pk} ({method}) does not end")
        return done.latest("id")

    def wait_for_the_end(self) -> None:
        """Of every run. Raises Stuck."""
        for run in self.runs:
            wait_for(lambda: self._has_ended(run), f"run {run.pk} ({run.method}) does not end")  # noqa: B023

    def recover(self) -> list[Row]:
        """Wait until every run has ended and the platform is whole; then say what is left. Raises Stuck."""
        self.wait_for_the_end()
        self.platform.wait_until_whole()
        return [self._left_by(self._now(run)) for run in self.runs]

    def _left_by(self, run: TrainingRun) -> Row:
        orphans = self._orphans(run)
        open_hold = Hold.objects.filter(key=run.hold_key, state=HoldState.OPEN).count()
        held = BudgetAccount.objects.get(team=self.team).held or open_hold
        charges = LedgerEntry.objects.filter(key=run.hold_key).count()
        jobs = self.provider.jobs_of(str(run.key))
        attempts = f"{run.attempt} attempt" + ("s" if run.attempt != 1 else "")
        outcome = f"{run.status}, {attempts}" + (f", {run.error_code}" if run.error_code else "")
        broken = [
            *(["no reason given"] if run.status == RunStatus.FAILED and not run.error_message else []),
            *(["no usable result"] if run.status == RunStatus.SUCCEEDED and not run.result_model else []),
            *([f"{jobs} provider jobs"] if jobs != (run.method == Method.OPENAI) else []),
            *([f"{charges} charges"] if charges != 1 else []),
            *([f"{orphans} orphans"] if orphans else []),
            *(["money is held"] if held else []),
        ]
        return Row(run.method, run.name, outcome, jobs, charges, orphans, held, "; ".join(broken))

    def _orphans(self, run: TrainingRun) -> int:
        """Processes that nobody leads or that work for a run that has ended, once they had time to leave."""

        def left() -> set[int]:
            return {*self._working_on(run), *self.platform.strays()}

        try:
            wait_for(lambda: not left(), "orphans", 30)
        except Stuck:
            return len(left())
        return 0

    def _now(self, run: TrainingRun) -> TrainingRun:
        return TrainingRun.objects.get(pk=run.pk)

    def _has_ended(self, run: TrainingRun) -> bool:
        now = self._now(run)
        if now.status == RunStatus.WAITING:
            self.provider.finish_jobs()
        self.platform.let_engines_go()
        return now.status in ENDED

    def _begun(self, run: TrainingRun) -> bool:
        """Raises Stuck when it is over before anything was broken."""
        now = self._now(run)
        if now.status in ENDED:
            raise Stuck(f"the {run.method} run is over already: {now.status} {now.error_code} {now.error_message}")
        return now.status != RunStatus.QUEUED

    def _waits(self, run: TrainingRun) -> bool:
        return self._now(run).status == RunStatus.WAITING

    def _job_was_made(self, run: TrainingRun) -> bool:
        made = self.provider.jobs_of(str(run.key)) == 1
        if made and self._now(run).provider_job:
            raise Stuck("the moment was missed: the run knows its job already")
        return made

    def _engine_is_at_work(self, run: TrainingRun) -> bool:
        if self._now(run).step < STEPS_DONE[Method(run.method)]:
            return False
        for pid in self._working_on(run):
            processes.send(pid, signal.SIGSTOP)
        if self._now(run).status != RunStatus.RUNNING or (run.folder / "result.json").exists():
            raise Stuck("the moment was missed: the run was too quick")
        return True


def as_json(rows: list[Row]) -> str:
    names = ("method", "fault", "outcome", "provider_jobs", "charges", "orphans", "held_left")
    return json.dumps([{name: getattr(row, name) for name in names} for row in rows], indent=1) + "\n"
