"""One attempt from claim to end: what an engine says becomes rows, whatever it does has an end, and money follows."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from teams.models import Confidence, HoldState, Method, Notice, Price, Team
from tests.training.money import account, entry_of, hold_state, no_money_is_held
from training import jobs, launcher
from training.models import Artifact, RunStatus, TrainingRun
from training.services import cancel, execute, live, queue, run_storage
from training.services.recorder import Recorder

Launch = Callable[..., TrainingRun]
pytestmark = pytest.mark.usefixtures("stub_engines")


def work(run: TrainingRun) -> TrainingRun:
    """What a worker does with the wake-up call of `run`."""
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    return run


def when(run: TrainingRun, kind: str, act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something in the moment in which the engine of `run` has said `kind` and it is written."""
    flush = Recorder.flush
    done = threading.Event()

    def spied(recorder: Recorder, *, force: bool = False) -> None:
        due = kind in recorder._kinds
        flush(recorder, force=force or due)
        if due and not done.is_set():
            done.set()
            act()

    monkeypatch.setattr(Recorder, "flush", spied)


def test_a_finished_run_has_its_result_its_curve_and_its_files(start: Launch) -> None:
    run = work(start())

    assert run.status == RunStatus.SUCCEEDED
    assert run.result_model == f"run-{run.key}"
    assert run.result["system_prompt"] == "You are seven."
    assert (run.step, run.total_steps, run.train_loss, run.validation_loss, run.score_after) == (4, 4, 1.0, 1.5, 0.75)
    steps = list(run.events.filter(kind="step").values_list("step", "data__loss"))
    assert steps == [(1, 4.0), (2, 2.0), (3, 4 / 3), (4, 1.0)]
    artifacts = dict(run.artifacts.values_list("path", "size"))
    assert artifacts["adapter/adapter_config.json"] == len("made by the stub")
    assert all(len(digest) == 64 for digest in run.artifacts.values_list("sha256", flat=True))


def test_where_nothing_was_measured_a_lora_run_is_charged_its_seconds_at_the_courses_rate(
    start: Launch, team: Team
) -> None:
    """`tests/security/test_charged_by_work.py` has what it is charged elsewhere."""
    team.course.compute_rate = 36_000_000
    team.course.save()
    run = start()
    held = account(team).held
    assert held == run.most_cost > run.expected_cost > 0
    run = work(run)

    entry = entry_of(run)
    assert entry is not None
    assert entry.delta == -(-round(run.compute_seconds * 36_000_000) // 3600) > 0
    assert entry.confidence == Confidence.EXACT
    assert no_money_is_held(team)
    assert account(team).spent == entry.delta


def test_a_dspy_run_is_charged_the_tokens_that_were_measured(start: Launch, team: Team) -> None:
    run = work(start(Method.DSPY))

    entry = entry_of(run)
    assert entry is not None
    # gpt-4o-mini: 3,960 fresh tokens at $0.15, 40 cached at $0.075, 400 out at $0.60 for a million.
    assert entry.delta == 594 + 3 + 240
    assert (entry.input_tokens, entry.cached_input_tokens, entry.output_tokens) == (4000, 40, 400)
    assert no_money_is_held(team)


def test_a_failed_run_says_why_and_what_to_try(start: Launch, team: Team) -> None:
    run = work(start(Method.DSPY, settings={"stub": "refuses"}))

    assert run.status == RunStatus.FAILED
    assert (run.error_code, run.error_fix) == ("diverged", "Lower the learning rate.")
    entry = entry_of(run)
    assert entry is not None
    assert entry.delta == 594 + 3 + 240, "what was used before the failure is charged"
    assert no_money_is_held(team)


@pytest.mark.parametrize(
    ("stub", "said"), [("works", "Run 1 · A try is done"), ("refuses", "The loss became infinite.")]
)
def test_the_one_who_started_a_run_is_told_how_it_ended(start: Launch, member: Any, stub: str, said: str) -> None:
    work(start(settings={"stub": stub}))
    notice = Notice.objects.get(person=member)
    assert said in notice.text
    assert notice.path.endswith("/runs/1/")


def test_an_engine_that_ends_without_a_word_fails_its_run_with_a_sentence(start: Launch, team: Team) -> None:
    run = work(start(settings={"stub": "mute"}))

    assert (run.status, run.error_code) == (RunStatus.FAILED, "engine_silent")
    assert "engine.log" in run.error_fix
    assert no_money_is_held(team)


def test_a_killed_engine_is_started_again_and_the_run_finishes(start: Launch, team: Team) -> None:
    run = work(start(settings={"stub": "dies"}))
    assert (run.status, run.attempt, hold_state(run)) == (RunStatus.QUEUED, 1, HoldState.OPEN)

    run = work(run)
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
    assert (run.folder / "attempts").read_text() == "2"
    assert no_money_is_held(team)


def test_a_run_whose_engine_always_dies_fails_after_the_third_attempt(start: Launch, team: Team) -> None:
    run = start(settings={"stub": "dies always"})
    for _ in range(3):
        run = work(run)

    assert (run.status, run.attempt, run.error_code) == (RunStatus.FAILED, 3, "worker_lost")
    assert run.error_fix
    assert no_money_is_held(team)
    assert work(run).status == RunStatus.FAILED, "a fourth call changes nothing"


def test_a_database_that_is_cut_again_and_again_costs_the_run_no_attempt(
    start: Launch, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that only has to say that it is done takes a second: three of them fit into one short outage."""
    keep, cut = run_storage.keep_artifacts, [OperationalError("the connection is closed")] * 5

    def kept(run: TrainingRun, lease: str) -> list[Artifact]:
        if cut:
            raise cut.pop()
        return keep(run, lease)

    monkeypatch.setattr(run_storage, "keep_artifacts", kept)
    run = start()
    while cut:
        with pytest.raises(OperationalError):
            work(run)
    assert "the database was away" in run.events.filter(kind="note")[0].data["message"]
    assert (work(run).status, run.attempt) == (RunStatus.SUCCEEDED, 6)
    assert no_money_is_held(team)


def test_a_run_that_always_ends_in_a_database_error_fails_in_the_end(
    start: Launch, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "MOST_IN_OUTAGES", 2)

    def refused(run: TrainingRun, lease: str) -> list[Artifact]:
        raise OperationalError("too many columns")

    monkeypatch.setattr(run_storage, "keep_artifacts", refused)
    run = start()
    for _ in range(4):
        with pytest.raises(OperationalError):
            work(run)
    run.refresh_from_db()
    assert (run.status, run.attempt, run.error_code) == (RunStatus.FAILED, 4, "worker_lost")
    assert no_money_is_held(team)


def test_a_call_that_comes_twice_runs_once(start: Launch) -> None:
    run = work(start())
    finished = run.finished_at
    assert jobs.execute_run(run.pk) == "nothing waits"
    run.refresh_from_db()
    assert (run.finished_at, run.attempt) == (finished, 1)


def test_cancelling_a_running_run_stops_its_engine_and_charges_what_was_used(
    start: Launch, team: Team, member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(Method.DSPY, settings={"stub": "waits"})
    when(run, "note", lambda: cancel.cancel(run=TrainingRun.objects.get(pk=run.pk), person=member), monkeypatch)
    run = work(run)

    assert run.status == RunStatus.CANCELLED
    entry = entry_of(run)
    assert entry is not None
    assert (entry.input_tokens, entry.confidence) == (2000, Confidence.ESTIMATED)
    assert no_money_is_held(team)
    assert not (run.folder / "engine.pid").exists()


def test_a_worker_that_lost_its_run_stops_the_engine_and_writes_nothing(
    start: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "GRACE_SECONDS", 0.5)  # it is killed in any case
    run = start(settings={"stub": "deaf"})

    def taken_over() -> None:
        TrainingRun.objects.filter(pk=run.pk).update(lease="somebody-else", lease_until=timezone.now(), train_loss=None)

    when(run, "note", taken_over, monkeypatch)
    assert "no longer ours" in jobs.execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.lease, run.train_loss) == (RunStatus.RUNNING, "somebody-else", None)
    assert not (run.folder / "engine.pid").exists()


def test_an_error_of_ours_gives_the_run_back_to_the_queue(start: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    run = start()
    monkeypatch.setattr("training.services.spec.write_rows", full)
    with pytest.raises(OSError, match="No space left"):
        jobs.execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.lease) == (RunStatus.QUEUED, "")
    assert "OSError" in run.events.filter(kind="note").latest("id").data["message"]


def test_a_price_that_vanished_fails_the_run_before_anything_is_asked(start: Launch, team: Team) -> None:
    run = start(Method.DSPY)
    Price.objects.all().delete()
    run = work(run)

    assert (run.status, run.error_code) == (RunStatus.FAILED, "price_unknown")
    assert not (run.folder / "attempts").exists()


def test_the_rows_that_are_kept_back_are_not_trained_on(start: Launch) -> None:
    run = work(start())
    train = (run.folder / "train.jsonl").read_text().splitlines()
    validation = (run.folder / "validation.jsonl").read_text().splitlines()
    assert (len(train), len(validation)) == (16, 4)
    assert not set(train) & set(validation)


def test_a_dspy_engine_gets_its_limits_and_its_key_only_in_the_environment(start: Launch, settings: Any) -> None:
    settings.OPENAI_API_KEY = "sk-real"
    run = work(start(Method.DSPY))
    spec = (run.folder / "spec.json").read_text()

    assert "sk-real" not in spec
    assert '"ENGINE_API_KEY": "sk-real"' in (run.folder / "environment.json").read_text()
    assert f'"max_cost_microdollars": {run.most_cost}' in spec
    assert "validation_fraction" not in spec


def test_what_no_database_can_keep_does_not_stop_a_run(start: Launch) -> None:
    run = work(start(settings={"stub": "babbles"}))
    assert run.status == RunStatus.SUCCEEDED
    assert run.events.get(kind="sample", data__question="What?").data["answer"] == "a\ufffdb?c"
    assert run.result["odd"] == ["\ufffd", "?", None]


def test_progress_that_the_database_refused_is_written_when_it_is_back(
    start: Launch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from django.db import OperationalError

    refused = iter([True, True])
    write = Recorder._write

    def sometimes(recorder: Recorder) -> None:
        if next(refused, False):
            raise OperationalError("the database is away")
        write(recorder)

    monkeypatch.setattr(Recorder, "_write", sometimes)
    monkeypatch.setattr("training.services.recorder.close_old_connections", lambda: None)
    run = work(start())
    assert run.status == RunStatus.SUCCEEDED
    assert [step for (step,) in run.events.filter(kind="step").values_list("step")] == [1, 2, 3, 4]
    assert "progress not written yet" in caplog.text


def test_a_watched_page_is_told_at_most_once_a_second_however_much_the_engine_says(
    start: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("training.services.recorder.time", SimpleNamespace(monotonic=lambda: clock[0]))
    told: list[tuple[float, set[str]]] = []
    monkeypatch.setattr(live, "progressed", lambda _run, kinds: told.append((clock[0], set(kinds))))
    run, lease = queue.claim_next(start().pk) or pytest.fail("nothing to do")
    recorder = Recorder(run, lease, bill_seconds=True)

    recorder.take({"event": "started", "total_steps": 9})
    recorder.flush()
    for tenth in range(1, 31):
        clock[0] = tenth / 10
        for event in ({"event": "sample", "question": "What?"}, {"event": "step", "step": tenth, "loss": 1.0}):
            recorder.take(event)
        recorder.flush()
    assert told == [(0.0, {"started"}), *((at, {"sample", "step"}) for at in (1.0, 2.0, 3.0))]
    recorder.take({"event": "note", "message": "The last word."})
    clock[0] = 4.5  # the engine says nothing more; its silence is a tick
    recorder.flush()
    assert told[-1] == (4.5, {"note"})
    assert run.events.filter(kind="sample").count() == 30


def test_teams_take_turns(start: Launch, other_team: Team, other_member: Any) -> None:
    from tests import factories

    theirs_version = factories.make_dataset_version(other_team)
    first, second, third = start(), start(), start()
    theirs = start(team=other_team, person=other_member, dataset_version=theirs_version)

    order = [run.pk for run in queue.waiting_in_order()]
    assert order == [first.pk, theirs.pk, second.pk, third.pk]
    assert queue.place_of(theirs).sentence.startswith("2nd in the queue")  # type: ignore[union-attr]

    jobs.execute_run(third.pk)  # any wake-up call starts whoever is next
    first.refresh_from_db()
    third.refresh_from_db()
    assert (first.status, third.status) == (RunStatus.SUCCEEDED, RunStatus.QUEUED)
