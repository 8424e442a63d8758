"""Hosts are rows: what a launch asks, what a worker claims, what the queue page says, and what work is priced by."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from teams.models import Method, User
from training.models import BaseModel, Host, PaceTrial, RunStatus, TrainingPolicy, TrainingRun
from training.models.host import SILENT
from training.services import hosts, idle_speed, lora_memory, queue, speed_trial
from training.services.launch import LaunchRefused
from training.services.lora_memory import Room
from training.services.training_time import WHOLE, Work

Launch = Callable[..., TrainingRun]
pytestmark = pytest.mark.django_db
GB = 2**30
SMALL, LARGE = Room(GB // 4, GB // 4), Room(64 * GB, 64 * GB, ("H200",))


@pytest.fixture
def this_host(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Host]:
    """Be this host, with so much memory, and beat for it."""

    def be(name: str, room: Room, *labels: str, machine: str = "") -> Host:
        settings.HOST_NAME, settings.HOST_LABELS = name, list(labels)
        monkeypatch.setattr(lora_memory, "room", lambda: room)
        monkeypatch.setattr("training.services.training_time.machine", lambda: machine or f"kind of {name}")
        return hosts.beat()

    return be


def silent(host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(beat_at=timezone.now() - SILENT - timedelta(seconds=1))


def test_a_launch_asks_whether_some_host_fits_not_the_web_host(
    this_host: Callable[..., Host], start: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = this_host("gpu-b", LARGE)
    this_host("small", SMALL)
    monkeypatch.setattr(lora_memory, "room", lambda: Room(1, 1))  # of the web host
    assert start().status == RunStatus.QUEUED
    silent(gpu)
    with pytest.raises(LaunchRefused, match="memory"):
        start()


def test_a_launch_that_fits_on_no_host_says_what_the_largest_has(this_host: Callable[..., Host], start: Launch) -> None:
    this_host("small", SMALL)
    this_host("smaller", Room(GB // 8, GB // 8))
    with pytest.raises(LaunchRefused, match=r"None of the 2 hosts .* The largest: .* 268 MB free now"):
        start()


def test_a_claim_takes_what_fits_this_host_and_leaves_the_rest_to_others(
    this_host: Callable[..., Host], start: Launch
) -> None:
    this_host("gpu-b", LARGE)
    run = start()
    this_host("small", SMALL)
    assert queue.claim_next(run.pk) is None, "it would be killed here"
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED
    this_host("gpu-b", LARGE)
    claimed = queue.claim_next(run.pk)
    assert claimed is not None and claimed[0].pk == run.pk


def test_what_fits_on_no_living_host_is_taken_so_that_its_engine_can_say_why(
    this_host: Callable[..., Host], start: Launch
) -> None:
    gone = this_host("gpu-b", LARGE)
    run = start()
    silent(gone)
    this_host("small", SMALL)
    assert queue.claim_next(run.pk) is not None


def test_a_course_with_a_label_waits_for_a_host_that_has_it(this_host: Callable[..., Host], start: Launch) -> None:
    this_host("cpu", LARGE)
    run = start()
    TrainingPolicy.objects.create(course=run.team.course, host_label="gpu")
    assert queue.claim_next(run.pk) is None
    this_host("gpu-b", LARGE, "gpu")
    assert queue.claim_next(run.pk) is not None


def test_a_base_that_lies_on_another_host_is_trained_there(
    this_host: Callable[..., Host], start: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    this_host("gpu-b", LARGE)
    run = start()
    this_host("cpu", LARGE)
    monkeypatch.setattr(hosts, "_has_base", lambda base: False)
    assert queue.claim_next(run.pk) is None
    Host.objects.update(bases=[])
    assert queue.claim_next(run.pk) is not None, "it lies nowhere: the engine says so"


def test_the_queue_page_names_hosts_and_says_what_each_does(
    this_host: Callable[..., Host], start: Launch, instructor: User, client_for: Callable[..., Client]
) -> None:
    silent(this_host("old-one", SMALL))
    this_host("gpu-b", LARGE, "fast", machine="16 x Xeon, H200")
    run = start()
    claimed = queue.claim_next(run.pk)
    assert claimed is not None
    claimed[0].write(claimed[1], host="gpu-b")
    page = client_for(instructor).get(reverse("course_queue", args=[run.team.course_id])).content.decode()
    assert "gpu-b" in page and "16 x Xeon, H200" in page and "fast" in page and "works on" in page
    assert "old-one" in page and "silent" in page


def base() -> BaseModel:
    return BaseModel.objects.filter(method=Method.LORA, rehearsal=False).earliest("id")


def trial(machine: str, seconds: float) -> None:
    metrics = {"steps": 10, "tokens": 1_000, "train_seconds": seconds, "seconds_per_step": seconds / 20,
               "seconds_per_token": seconds / 2_000}  # fmt: skip
    PaceTrial.objects.create(base_model=base(), machine=machine, compute_seconds=seconds, metrics=metrics)


def test_work_is_priced_by_the_quickest_kind_of_host_whoever_was_measured_last(
    this_host: Callable[..., Host], settings: Any
) -> None:
    work = Work(steps=100, trained_tokens=10_000)
    trial("quick kind", 2.0)
    trial("slow kind", 20.0)
    this_host("quick", LARGE, machine="quick kind")
    slow = this_host("slow", LARGE, machine="slow kind")
    both = idle_speed.idle_speed(base(), quantization=WHOLE, work=work).seen.seconds(work)
    silent(slow)
    assert both == idle_speed.idle_speed(base(), quantization=WHOLE, work=work).seen.seconds(work)
    silent(Host.objects.get(name="quick"))
    this_host("slow", LARGE, machine="slow kind")
    assert idle_speed.idle_speed(base(), quantization=WHOLE, work=work).seen.seconds(work) > both


def test_trials_are_asked_for_of_the_hosts_that_train_not_of_the_schedulers(
    this_host: Callable[..., Host], settings: Any, monkeypatch: pytest.MonkeyPatch, redis_server: str
) -> None:
    settings.PACE_TRIAL_SECONDS = 1
    monkeypatch.setattr(speed_trial, "_is_up", lambda: True)
    for _ in range(5):
        trial("kind of gpu-b", 2.0)
    this_host("gpu-b", LARGE)
    monkeypatch.setattr("training.services.training_time.machine", lambda: "the scheduler's")
    assert base().name not in speed_trial.ask_for_trials(), "asked for for ever, before"
