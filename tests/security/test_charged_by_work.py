"""Findings 14 and 15: a team pays for the work of its run that was kept, at the speed of an idle machine, never for other
teams' load or for a host that died."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from datasets.models import DatasetVersion
from teams.models import Confidence, Course, LedgerEntry, Method, Team, User
from tests import factories
from tests.training.money import account, entry_of, no_money_is_held
from training import jobs
from training.models import BaseModel, PaceTrial, RunStatus, TrainingRun
from training.services import (
    cancel,
    charges,
    estimate,
    idle_speed,
    reconcile,
    run_storage,
    training_time,
)
from training.services.recorder import Recorder

Launch = Callable[..., TrainingRun]
pytestmark = pytest.mark.usefixtures("redis_server")

RATE = 36_000_000  # micro-dollars an hour: a cent a second
METRICS = {
    "steps": 50, "tokens": 8_000, "seconds_per_step": 0.01, "seconds_per_token": 0.0002, "train_seconds": 2.0,
    "validation_seconds": 0.5, "validation_tokens": 6_000, "sample_seconds": 4.0, "sample_answers": 10, "save_seconds": 0.2,
    "saves": 2,
}  # fmt: skip
START_SECONDS = 8.8 - (50 * 0.01 + 8_000 * 0.0002) - 0.5 - 4.0 - 0.2


@pytest.fixture(autouse=True)
def charged(course: Course, team: Team) -> None:
    course.compute_rate = team.course.compute_rate = RATE
    course.save()


@pytest.fixture
def base(db: None) -> BaseModel:
    return BaseModel.objects.get(name="tiny-student")


@pytest.fixture
def measured(base: BaseModel) -> PaceTrial:
    """The machine has tried itself."""
    return trial_of(base)


def trial_of(base: BaseModel, slower: float = 1.0, **changes: Any) -> PaceTrial:
    metrics = {
        name: figure * slower if name.startswith("seconds_per") or name.endswith("_seconds") else figure
        for name, figure in METRICS.items()
    }
    known = {"machine": training_time.machine(), "compute_seconds": 8.8 * slower, "metrics": metrics}
    return PaceTrial.objects.create(base_model=base, **(known | changes))


def price_of(work: dict[str, int]) -> int:
    """By hand: micro-dollars of this work at the trial's speed."""
    seconds = START_SECONDS + work["steps"] * 0.01 + work["tokens"] * 0.0002
    seconds += work["validation_tokens"] * 0.5 / 6_000 + work["answers"] * 0.4 + work["saves"] * 0.1
    return round(seconds * RATE / 3600)


def work(run: TrainingRun) -> TrainingRun:
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    return run


def charge_of(run: TrainingRun) -> LedgerEntry:
    entry = entry_of(run)
    assert entry is not None
    return entry


def when(run: TrainingRun, kind: str, act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something once, in the moment in which the engine of `run` has said `kind` and it is written."""
    flush, done = Recorder.flush, threading.Event()

    def spied(recorder: Recorder, *, force: bool = False) -> None:
        due = kind in recorder._kinds
        flush(recorder, force=force or due)
        if due and not done.is_set():
            done.set()
            act()

    monkeypatch.setattr(Recorder, "flush", spied)


# What it costs


@pytest.mark.usefixtures("stub_engines", "measured")
def test_ten_equal_runs_cost_the_same_whatever_the_load(start: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    charged, took = [], []
    for load in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89):

        def slowed(times: int = load) -> float:
            return time.monotonic() * times

        monkeypatch.setattr("training.services.recorder.time", SimpleNamespace(monotonic=slowed))
        run = work(start())
        charged.append(charge_of(run).delta)
        took.append(run.compute_seconds)
    assert max(took) > 10 * min(took)
    assert len(set(charged)) == 1
    kept = {"steps": 4, "tokens": 400, "validation_tokens": 60, "answers": 2, "saves": 1}
    assert charged[0] == pytest.approx(price_of(kept), abs=1)


@pytest.mark.usefixtures("stub_engines", "measured")
def test_the_ledger_and_the_runs_page_show_the_work_beside_the_seconds_it_took(
    start: Launch, team: Team, member: User, client_for: Any
) -> None:
    run = work(start())
    TrainingRun.objects.filter(pk=run.pk).update(compute_seconds=95.0)
    entry = charge_of(run)
    assert entry.compute_seconds == pytest.approx(entry.delta * 3600 / RATE, abs=0.001)
    assert entry.price_note.startswith(
        "Charged for 3.0 s of work at this machine's idle speed, at $36.00 an hour; it took 0."
    )
    page = client_for(member).get(f"/teams/{team.pk}/runs/{run.number}/").content.decode()
    assert "3.0 s of work" in page
    assert "1 min 35 s" in page
    costs = client_for(member).get(f"/teams/{team.pk}/costs/").content.decode()
    assert "3.0 s of work" in costs


def test_the_form_says_the_price_of_the_work_and_that_it_is_nearly_exact(
    course: Course, version: DatasetVersion, base: BaseModel, measured: PaceTrial, start: Launch
) -> None:
    settings = {"validation_fraction": 0.2, "epochs": 2, "rank": 8}
    found = estimate.estimate(
        course=course, method=Method.LORA, base_model=base, dataset_version=version, settings=settings
    )
    assert any("idle speed" in said and "nearly exact" in said for said in found.because)
    run = start(settings=settings)
    one_pass = training_time.tokens_of(base, version)
    run.work = {
        "steps": 2,
        "tokens": -(-one_pass * 16 // 20) * 2,
        "validation_tokens": -(-one_pass * 4 // 20) * 3,
        "answers": 5,  # the base's own are not charged
        "saves": 1,
    }
    assert found.expected == run.expected_cost == charges.run_charge(run).cost
    assert found.expected < found.most <= 1.5 * found.expected + 1


@pytest.mark.usefixtures("stub_engines")
def test_speed_and_rate_are_those_of_the_launch(
    start: Launch, course: Course, team: Team, base: BaseModel, measured: PaceTrial
) -> None:
    before = charge_of(work(start())).delta
    run = start()
    trial_of(base, slower=0.1)
    course.compute_rate = team.course.compute_rate = 10 * RATE
    course.save()
    assert charge_of(work(run)).delta == before


def test_a_slow_measurement_raises_no_price(base: BaseModel, measured: PaceTrial, start: Launch) -> None:
    known = start().expected_cost
    for _ in range(9):
        trial_of(base, slower=7)
    ran_under_load = start()
    TrainingRun.objects.filter(pk=ran_under_load.pk).update(
        status=RunStatus.SUCCEEDED, attempt=1, finished_at=timezone.now(), training_tokens=8_000, compute_seconds=600.0,
        result={"metrics": METRICS | {"seconds_per_token": 0.07}, "machine": training_time.machine()},
    )  # fmt: skip
    assert start().expected_cost == known
    trial_of(base, slower=0.5)
    assert start().expected_cost < known


def test_another_kind_of_machine_has_a_speed_of_its_own(base: BaseModel, measured: PaceTrial, start: Launch) -> None:
    here = start().expected_cost
    trial_of(base, slower=3, machine="1 x Babbage")
    assert start().expected_cost == pytest.approx(3 * here, rel=0.01)


def ran(start: Launch, seconds: float, **metrics: float) -> None:
    run = start()
    TrainingRun.objects.filter(pk=run.pk).update(
        status=RunStatus.SUCCEEDED, attempt=1, finished_at=timezone.now(), training_tokens=8_000, compute_seconds=seconds,
        result={"metrics": METRICS | metrics},
    )  # fmt: skip


def test_without_a_trial_the_quickest_run_tells_the_speed(base: BaseModel, start: Launch) -> None:
    """Trials are switched off, or cannot be made of this base."""
    ran(start, 8.8)
    first = start()
    assert first.idle_speed["source"] == idle_speed.Source.RUNS
    for _ in range(idle_speed.QUICKEST_RUNS):
        ran(start, 900.0, seconds_per_token=0.1)
    assert start().expected_cost == first.expected_cost
    trial_of(base, slower=2)
    assert start().idle_speed["source"] == idle_speed.Source.TRIALS


@pytest.mark.usefixtures("stub_engines")
def test_where_nothing_was_measured_nobody_pays_more_than_the_clock_or_than_the_form_said(start: Launch) -> None:
    run = work(start())
    entry = charge_of(run)
    assert run.idle_speed["source"] == idle_speed.Source.GUESS
    assert entry.delta == -(-round(run.compute_seconds * RATE) // 3600) < run.expected_cost
    run.compute_seconds = 3_600.0  # all the others were at work
    assert charges.run_charge(run).cost <= run.expected_cost


def test_a_charge_stops_at_the_most_that_was_held(start: Launch, measured: PaceTrial) -> None:
    run = start()
    run.work = {"steps": 4, "tokens": 400_000, "validation_tokens": 60, "answers": 2, "saves": 1}
    charge = charges.run_charge(run)
    assert charge.cost == run.most_cost
    assert "Charged the most it can cost" in charge.price_note


def test_what_an_engine_counts_is_believed_only_as_a_count() -> None:
    told = {"steps": -4, "tokens": 1e9, "answers": "9", "saves": 2**70, "validation_tokens": 7, "price": 1}
    assert idle_speed.work_of_engine(told) == {"validation_tokens": 7}
    assert idle_speed.work_of_engine(["steps"]) == {}


# How it ends

REST = ("validation_tokens", "answers", "saves")


@pytest.mark.usefixtures("stub_engines", "measured")
def test_a_cancelled_run_is_charged_the_work_until_then(
    start: Launch, team: Team, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(settings={"stub": "waits"})
    when(run, "note", lambda: cancel.cancel(run=TrainingRun.objects.get(pk=run.pk), person=member), monkeypatch)
    run = work(run)
    assert run.status == RunStatus.CANCELLED
    done = {"steps": 2, "tokens": 200, "validation_tokens": 0, "answers": 1, "saves": 0}
    assert run.work == done
    assert charge_of(run).delta == pytest.approx(price_of(done), abs=1)
    assert charge_of(run).confidence == Confidence.EXACT
    assert no_money_is_held(team)


@pytest.mark.usefixtures("stub_engines", "measured")
def test_a_run_that_its_own_settings_failed_is_charged_what_it_did(start: Launch) -> None:
    run = work(start(settings={"stub": "refuses"}))
    assert charge_of(run).delta == pytest.approx(price_of(dict.fromkeys(REST, 0) | {"answers": 1} | run.work), abs=1)
    assert run.work["steps"] == 4


@pytest.mark.usefixtures("stub_engines", "measured")
@pytest.mark.parametrize("stub", ["mute", "dies always"])
def test_a_run_that_the_platform_failed_costs_nothing(start: Launch, team: Team, stub: str) -> None:
    run = start(settings={"stub": stub, "stub_checkpoint": 1})
    while run.is_active:
        run = work(run)
    assert run.status == RunStatus.FAILED
    entry = charge_of(run)
    assert (entry.delta, entry.compute_seconds) == (0, 0)
    assert idle_speed.NOTHING_KEPT in entry.price_note
    assert no_money_is_held(team)


# After a host died


@pytest.mark.usefixtures("stub_engines", "measured")
@pytest.mark.parametrize(
    "loss",
    [
        {"stub": "dies"},  # before its first checkpoint
        {"stub": "dies", "stub_checkpoint": 1},  # at the checkpoint of its second step
        {"stub": "dies at the end", "stub_checkpoint": 2},  # all was done, nothing was settled
    ],
    ids=["before the first checkpoint", "after a checkpoint", "at the end"],
)
def test_a_run_that_lost_its_host_costs_what_it_costs_in_one_go(
    start: Launch, team: Team, loss: dict[str, Any]
) -> None:
    unbroken = work(start(settings=loss | {"stub": "works"}))
    run = work(start(settings=loss))
    assert (run.status, run.attempt, entry_of(run)) == (RunStatus.QUEUED, 1, None)
    run = work(run)
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
    assert run.work == unbroken.work
    assert charge_of(run).delta == charge_of(unbroken).delta
    assert no_money_is_held(team)


@pytest.mark.usefixtures("stub_engines", "measured")
@pytest.mark.parametrize("checkpoint", [None, 1])
def test_a_host_that_falls_silent_is_charged_to_nobody(
    start: Launch, monkeypatch: pytest.MonkeyPatch, checkpoint: int | None
) -> None:
    """Its lease runs out while it works; another worker takes the run, and the first one writes nothing more."""
    settings = {"stub": "waits once"} | ({"stub_checkpoint": checkpoint} if checkpoint else {})
    unbroken = work(start(settings=settings | {"stub": "works"}))
    run = start(settings=settings)

    def taken_for_dead() -> None:
        TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        assert reconcile.reconcile().handed_on == [run.pk]

    when(run, "note", taken_for_dead, monkeypatch)
    assert "no longer ours" in jobs.execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.work, run.training_tokens) == (RunStatus.QUEUED, {}, 0)
    run = work(run)
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
    assert charge_of(run).delta == charge_of(unbroken).delta


@pytest.mark.usefixtures("stub_engines", "measured")
@pytest.mark.parametrize("lost", [1, 2])
def test_a_run_cancelled_between_two_attempts_is_charged_what_a_checkpoint_kept(
    start: Launch, member: User, lost: int
) -> None:
    """After one lost attempt nobody knows what its checkpoint holds; the second began from it."""
    run = start(settings={"stub": "dies always", "stub_checkpoint": 2})
    for _ in range(lost):
        run = work(run)
    cancel.cancel(run=run, person=member)
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    kept = {"steps": 2, "tokens": 200, "validation_tokens": 0, "answers": 1, "saves": 1}
    assert run.work == ({} if lost == 1 else kept)
    assert charge_of(run).delta == (0 if lost == 1 else pytest.approx(price_of(kept), abs=1))


@pytest.mark.usefixtures("measured")
def test_a_cancelled_run_whose_worker_is_gone_is_charged_what_was_kept(start: Launch, member: User) -> None:
    run = start()
    lease = run.claim()
    assert lease is not None
    run.write(lease, work={"steps": 9, "tokens": 900}, compute_seconds=70.0)
    cancel.cancel(run=run, person=member)
    TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert reconcile.reconcile().ended == [run.pk]
    assert charge_of(run).delta == 0


def test_a_dspy_run_that_lost_its_host_is_charged_the_calls_that_were_paid(start: Launch, team: Team) -> None:
    """Money left the house: the journal knows of calls that the row never heard of."""
    run = start(Method.DSPY)
    run.folder.mkdir(parents=True, exist_ok=True)
    entries = [{"call": number, "most": 90_000_000} for number in (1, 2)]
    answers = [{"call": number, "tokens": [1_000, 0, 200]} for number in (1, 2)]
    lines = [str(entry).replace("'", '"') for entry in (*entries, *answers)]
    (run.folder / run_storage.JOURNAL).write_text("\n".join(lines) + "\n")
    for _ in range(3):
        assert run.claim() is not None
        TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        reconcile.reconcile()
        run.refresh_from_db()
    assert (run.status, run.input_tokens) == (RunStatus.FAILED, 0)
    entry = charge_of(run)
    assert (entry.input_tokens, entry.output_tokens) == (2_000, 400)
    assert entry.delta == 300 + 240  # $0.15 and $0.60 for a million
    assert account(team).spent == entry.delta


def test_a_run_launched_before_work_was_counted_is_charged_as_it_was_told(start: Launch) -> None:
    run = start()
    run.idle_speed, run.compute_seconds = {}, 2.0
    assert charges.run_charge(run).cost == 2 * RATE // 3600


# The real engine


@contextmanager
def busy() -> Iterator[None]:
    """Others at work on every core."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def engine_of(run: TrainingRun) -> int:
    """The process group of the engine."""
    return int((run.folder / "engine.pid").read_text().split()[0])


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_a_real_run_costs_the_same_alone_and_beside_others_after_its_engine_was_killed(
    start: Launch, team: Team, measured: PaceTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = factories.make_dataset_version(team, factories.child_rows(30), name="Enough for some steps")
    settings = {"epochs": 1, "batch_size": 4, "sample_every": 0, "save_every": 2}
    alone = work(start(dataset_version=version, settings=settings))
    run = start(dataset_version=version, settings=settings)
    with busy():
        with monkeypatch.context() as patch:
            when_step(run, 3, patch)
            run = work(run)
        assert (run.status, run.attempt, entry_of(run)) == (RunStatus.QUEUED, 1, None)
        run = work(run)

    assert (alone.status, run.status) == (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED)
    assert run.events.filter(kind="started", data__from_step__gt=0).exists()
    assert (alone.work["steps"], alone.work["answers"], alone.work["saves"]) == (6, 5, 4)
    assert (run.work, charge_of(run).delta) == (alone.work, charge_of(alone).delta)
    assert charge_of(alone).delta == pytest.approx(alone.expected_cost, rel=0.05), "the form said so"


def when_step(run: TrainingRun, step: int, patch: pytest.MonkeyPatch) -> None:
    """Kill the engine of `run`, and all that it started, once it has said that step."""
    take, done = Recorder.take, threading.Event()

    def spied(recorder: Recorder, event: dict[str, Any]) -> None:
        take(recorder, event)
        if event["event"] == "step" and event["step"] >= step and not done.is_set():
            done.set()
            os.killpg(engine_of(run), signal.SIGKILL)

    patch.setattr(Recorder, "take", spied)
