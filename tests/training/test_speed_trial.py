"""A machine measures its own pace before anybody waits for a run; what a first run costs is then estimated, not guessed."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from datasets.models import DatasetVersion
from teams.models import Course, Hold, LedgerEntry, Method, Team, User
from training import jobs
from training.models import BaseModel, Hosting, PaceTrial, RunStatus, TrainingRun
from training.services import estimate, queue, speed_trial, training_time

SEEN = {
    "steps": 50, "tokens": 8_000, "seconds_per_step": 0.01, "seconds_per_token": 0.0002, "train_seconds": 2.0,
    "validation_seconds": 0.5, "validation_tokens": 6_000, "sample_seconds": 4.0, "sample_answers": 10, "save_seconds": 0.2,
    "saves": 2,
}  # fmt: skip
NOTHING = training_time.Work(steps=0, trained_tokens=0)
THOUSAND = training_time.Work(steps=0, trained_tokens=1_000)
SETTINGS = {"epochs": 3, "batch_size": 4, "sample_every": 5, "save_every": 7, "validation_fraction": 0.1}


@pytest.fixture
def bundled(db: None) -> BaseModel:
    return BaseModel.objects.get(name="tiny-student")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Bases that trials were sent for; the platform is up."""
    sent: list[str] = []

    def dispatch(base: BaseModel) -> str:
        sent.append(base.name)
        return "queued"

    monkeypatch.setattr(speed_trial, "_is_up", lambda: True)
    monkeypatch.setattr(queue, "dispatch_pace", dispatch)
    return sent


def trial_of(base: BaseModel, **changes: Any) -> PaceTrial:
    known = {"machine": training_time.machine(), "compute_seconds": 8.8, "metrics": SEEN} | changes
    return PaceTrial.objects.create(base_model=base, **known)


def estimate_of(course: Course, version: DatasetVersion, base: BaseModel) -> estimate.Estimate:
    return estimate.estimate(
        course=course, method=Method.LORA, base_model=base, dataset_version=version, settings=SETTINGS
    )


def after(run: TrainingRun, seconds: float, **metrics: float) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(
        status=RunStatus.SUCCEEDED, attempt=1, finished_at=timezone.now(), training_tokens=1, compute_seconds=seconds,
        result={"metrics": SEEN | metrics},
    )  # fmt: skip


def pace_of(base: BaseModel, quantization: str = training_time.WHOLE) -> training_time.Pace:
    return training_time.pace_of(base, quantization=quantization)


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_a_trial_measures_and_leaves_nothing_else(bundled: BaseModel, settings: LazySettings) -> None:
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    settings.PACE_TRIAL_SECONDS = 0.1

    assert jobs.measure_pace(bundled.pk) == "measured"

    trial = PaceTrial.objects.get()
    assert (trial.base_model, trial.machine, trial.trouble) == (bundled, training_time.machine(), "")
    assert trial.metrics["steps"] < trial.metrics["total_steps"]  # it was ended early
    assert all(trial.metrics[name] > 0 for name in SEEN if not name.startswith("seconds_per"))
    assert trial.metrics["seconds_per_step"] or trial.metrics["seconds_per_token"]
    spent = sum(trial.metrics[name] for name in SEEN if name.endswith("_seconds"))
    assert trial.compute_seconds > spent
    assert not TrainingRun.objects.exists() and not Hold.objects.exists() and not LedgerEntry.objects.exists()
    assert list(Path(settings.VAR_DIR).glob("pace-*")) == []
    for _ in range(training_time.RECENT_RUNS - 1):
        trial_of(bundled)
    assert jobs.measure_pace(bundled.pk) == "known"


def test_a_first_run_is_estimated_from_the_trial(course: Course, version: DatasetVersion, bundled: BaseModel) -> None:
    guessed = estimate_of(course, version, bundled)
    trial_of(bundled)
    estimated = estimate_of(course, version, bundled)

    one_pass = training_time.tokens_of(bundled, version)
    # 20 rows: 18 train in 15 steps, 2 measure at the start and after each epoch; 5 questions before, after, at steps 5 and 10;
    # checkpoints at 7, 14 and the end.
    trained, validated, answers = 3 * -(-one_pass * 18 // 20), 4 * -(-one_pass * 2 // 20), 4 * 5
    # The verdict's twenty questions: to one adapter and a half, and to the base; made together, three in the time of one.
    verdict = 20 * 2.5 * 0.4 / 3
    training, beside = 15 * 0.01 + trained * 0.0002, validated / 12_000 + answers * 0.4 + 3 * 0.1 + verdict
    start = 8.8 - (50 * 0.01 + 8_000 * 0.0002) - 0.5 - 4.0 - 0.2
    assert estimated.seconds == pytest.approx(start + training + beside)
    assert estimated.training_tokens == trained
    assert "guess" in guessed.because[0] and "trial" in estimated.because[0]


def test_runs_count_with_the_trial_and_take_its_place(
    course: Course, version: DatasetVersion, bundled: BaseModel, start: Callable[..., TrainingRun]
) -> None:
    earlier = start()
    after(earlier, 900.0, seconds_per_token=0.1)
    trial_of(bundled)
    assert pace_of(bundled).runs == 0  # it may have been another machine's

    after(start(), 8.4 + 0.2, seconds_per_token=0.0001)
    both = pace_of(bundled)
    assert (both.runs, both.trial) == (1, True)
    assert both.training(THOUSAND) == pytest.approx((0.2 + 0.1) / 2)
    assert both.beside(NOTHING) == pytest.approx((2.0 + 2.6) / 2)

    for _ in range(4):
        after(start(), 8.6, seconds_per_token=0.0001)
    assert pace_of(bundled).training(THOUSAND) == pytest.approx(0.1)
    assert not pace_of(bundled).trial
    assert "recent runs" in estimate_of(course, version, bundled).because[0]


def test_an_unsteady_machine_says_how_far_off_a_price_may_be(
    course: Course, version: DatasetVersion, bundled: BaseModel
) -> None:
    for _ in range(2):
        trial_of(bundled)
    assert not any("steady" in sentence for sentence in estimate_of(course, version, bundled).because)
    trial_of(bundled, metrics=SEEN | {"sample_seconds": 8.0}, compute_seconds=12.8)
    verdict = 20 * 2.5 / 3  # its answers, of which three are made in the time of one sample answer
    # Where an answer takes 0.8 s there is time for one round of five on the way, not for both.
    usual, slow = (20 + verdict) * 0.4, (15 + verdict) * 0.8
    estimated = estimate_of(course, version, bundled)
    said = next(sentence for sentence in estimated.because if "steady" in sentence)
    assert "its last 3 measurements" in said
    assert f"would take {estimated.seconds:.0f} s, by the slowest {estimated.seconds + slow - usual:.0f} s." in said


def test_trials_fill_up_what_runs_do_not_tell_yet(bundled: BaseModel, start: Callable[..., TrainingRun]) -> None:
    for seconds in (0.0004, 0.0002, 0.0003):
        trial_of(bundled, metrics=SEEN | {"seconds_per_token": seconds})
    assert pace_of(bundled).training(THOUSAND) == pytest.approx(0.3)
    for _ in range(4):
        after(start(), 8.6, seconds_per_token=0.0001)
    assert (len(pace_of(bundled).seen), pace_of(bundled).trial) == (training_time.RECENT_RUNS, True)
    trial_of(bundled, machine="1 x Babbage", metrics=SEEN | {"seconds_per_token": 0.5})
    assert pace_of(bundled).training(THOUSAND) == pytest.approx(500), "nothing is known of what that machine did before"


def test_fewer_bits_have_a_pace_of_their_own(
    course: Course, version: DatasetVersion, bundled: BaseModel, start: Callable[..., TrainingRun]
) -> None:
    trial_of(bundled)
    after(start(), 8.6, seconds_per_token=0.0001)
    assert pace_of(bundled, "4bit") == training_time.Pace((training_time.guessed(bundled),))

    after(slow := start(), 30.0, seconds_per_token=0.02)
    TrainingRun.objects.filter(pk=slow.pk).update(settings=slow.settings | {"quantization": "4bit"})
    assert pace_of(bundled, "4bit").training(THOUSAND) == pytest.approx(20)
    assert pace_of(bundled, "8bit").runs == 0
    assert (pace_of(bundled).runs, pace_of(bundled).trial) == (1, True)


def test_one_disturbed_run_spoils_no_estimate(
    course: Course, version: DatasetVersion, bundled: BaseModel, start: Callable[..., TrainingRun]
) -> None:
    trial_of(bundled)
    usual = estimate_of(course, version, bundled).seconds
    after(start(), 8.8)
    after(start(), 900.0, seconds_per_step=10.0, sample_seconds=300.0)
    assert estimate_of(course, version, bundled).seconds == pytest.approx(usual)


def test_the_clock_asks_for_what_was_never_measured_here(bundled: BaseModel, asked: list[str]) -> None:
    trial_of(bundled, machine="1 x Babbage")
    assert speed_trial.ask_for_trials() == [bundled.name] == asked
    for _ in range(training_time.RECENT_RUNS - 1):
        trial_of(bundled)
    assert speed_trial.ask_for_trials() == [bundled.name], "few may have been disturbed"
    trial_of(bundled)
    assert speed_trial.ask_for_trials() == []


def test_a_heavy_base_is_tried_once(bundled: BaseModel, asked: list[str]) -> None:
    trial_of(bundled, compute_seconds=speed_trial.HEAVY_SECONDS)
    assert speed_trial.ask_for_trials() == asked == []


def test_the_clock_waits_for_an_idle_slot(
    bundled: BaseModel, asked: list[str], start: Callable[..., TrainingRun]
) -> None:
    run = start()
    assert speed_trial.ask_for_trials() == asked == []
    assert jobs.measure_pace(bundled.pk) == "somebody waits for the slot"
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.FAILED)
    assert speed_trial.ask_for_trials() == [bundled.name]


def test_a_machine_that_has_trained_is_tried_all_the_same_and_its_runs_count(
    bundled: BaseModel, asked: list[str], start: Callable[..., TrainingRun]
) -> None:
    for one in [start() for _ in range(training_time.RECENT_RUNS)]:
        after(one, 8.6, seconds_per_token=0.0001)
        TrainingRun.objects.filter(pk=one.pk).update(result=run_result(one) | {"machine": training_time.machine()})
    assert speed_trial.ask_for_trials() == [bundled.name], "runs are made beside others' work: they price nothing"
    for _ in range(training_time.RECENT_RUNS):
        trial_of(bundled)
    assert speed_trial.ask_for_trials() == []
    assert pace_of(bundled).runs == training_time.RECENT_RUNS, "they were before the trial, and on the same machine"
    trial_of(bundled, machine="1 x Babbage")
    assert pace_of(bundled).runs == 0


def run_result(run: TrainingRun) -> dict[str, Any]:
    run.refresh_from_db()
    found: dict[str, Any] = run.result
    return found


def test_the_clock_waits_until_the_platform_is_up(bundled: BaseModel, settings: LazySettings) -> None:
    settings.MODEL_SERVER_URL = "http://127.0.0.1:9/v1"  # nobody listens
    assert speed_trial.ask_for_trials() == []


def test_a_trial_never_starts_cold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LORA_WARM_SOCKET", raising=False)
    assert speed_trial._has_preload_server()
    path = tmp_path / "lora.sock"
    monkeypatch.setenv("LORA_WARM_SOCKET", str(path))
    assert not speed_trial._has_preload_server()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as parent:
        parent.bind(str(path))
        assert not speed_trial._has_preload_server()  # it still loads
        parent.listen()
        assert speed_trial._has_preload_server()


def test_trials_can_be_switched_off(bundled: BaseModel, asked: list[str], settings: LazySettings) -> None:
    settings.PACE_TRIAL_SECONDS = 0
    assert speed_trial.ask_for_trials() == []


def test_a_base_that_lies_elsewhere_is_left_alone(course: Course, asked: list[str]) -> None:
    BaseModel.objects.filter(hosting=Hosting.BUNDLED, method=Method.LORA).delete()
    BaseModel.objects.create(
        course=course, method=Method.LORA, name="org/model", label="Far", hosting=Hosting.HUGGING_FACE
    )
    assert speed_trial.ask_for_trials() == []


def test_the_instructor_sees_what_was_tried(
    client_for: Callable[[User], Client], instructor: User, course: Course, bundled: BaseModel
) -> None:
    address = f"/courses/{course.pk}/training/"
    page = client_for(instructor)
    assert "tokens a second" not in page.get(address).content.decode()
    trial_of(bundled)
    assert "trains about 4,000 tokens a second here" in page.get(address).content.decode()
    trial_of(bundled, metrics={}, trouble="the disk is full")
    assert "could not be tried" in page.get(address).content.decode()


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_a_trial_that_fails_says_why_and_is_not_tried_for_ever(
    course: Course, team: Team, settings: LazySettings, asked: list[str], tmp_path: Path
) -> None:
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    BaseModel.objects.filter(method=Method.LORA).delete()
    base = BaseModel.objects.create(
        course=course, method=Method.LORA, name=str(tmp_path), label="Empty", hosting=Hosting.HUGGING_FACE
    )
    assert "Empty" not in jobs.measure_pace(base.pk)
    trial = PaceTrial.objects.get()
    assert trial.trouble and trial.metrics == {}
    assert speed_trial.ask_for_trials() == [base.name]
    for _ in range(2):
        trial_of(base, trouble=trial.trouble)
    assert speed_trial.ask_for_trials() == []
    assert pace_of(base) == training_time.Pace((training_time.guessed(base),))
