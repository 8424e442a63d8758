"""Which hosts train, what each has, and whether a run fits on one of them.

A training worker beats for its host. Where nobody has beaten yet (the platform is just starting) the machine that asks
answers for itself, as where there is only one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from training.models import BaseModel, Host, Hosting, RunStatus, TrainingRun
from training.models.base_model import LOCAL
from training.models.lease import host_name
from training.services import lora_memory, training_time
from training.services.lora_memory import Need, Room

AT_WORK = (RunStatus.RUNNING, RunStatus.CANCELLING)
SMALL_ROWS = 1


def beat() -> Host:
    """This host is alive, and has this."""
    room = lora_memory.room()
    told: dict[str, Any] = {
        "labels": list(settings.HOST_LABELS),
        "machine": training_time.machine(),
        "version": str(settings.VERSION)[:40],
        "cores": lora_memory.cores(),
        "memory_total": room.total if room else None,
        "memory_free": room.free if room else None,
        "gpus": list(room.gpus) if room else [],
        "bases": bases_here(),
        "beat_at": timezone.now(),
    }
    host, _ = Host.objects.update_or_create(name=host_name(), defaults=told)
    return host


def bases_here() -> list[str]:
    """Names of the base models whose weights lie in a folder of this host."""
    return [
        base.name
        for base in BaseModel.objects.filter(hosting__in=LOCAL)
        if Path(base.weights).is_dir()
    ]


def room_of(host: Host) -> Room | None:
    """As the host said it last; None where it could not tell."""
    if host.memory_total is None:
        return None
    return Room(free=host.memory_free or 0, total=host.memory_total, gpus=tuple(host.gpus))


def kinds() -> set[str]:
    """What computes on the hosts that are alive; what computes here where none is."""
    found = set(Host.objects.alive().values_list("machine", flat=True))
    return found or {training_time.machine()}


def memory_refusal(
    base: BaseModel, chosen: dict[str, Any], mean_row_tokens: float
) -> str | None:
    """Why no host has the memory for such a run, by the host that comes nearest; None where one has.

    What cannot be estimated is left to the engine.
    """
    alive = list(Host.objects.alive())
    if not alive:
        return _refusal(base, chosen, mean_row_tokens, lora_memory.room(), alone=not _busy())
    busy = set(
        TrainingRun.objects.adapters().filter(status__in=AT_WORK).values_list("host", flat=True)
    )
    roomiest = sorted(alive, key=lambda host: -(host.memory_total or 0))
    said = [
        _refusal(base, chosen, mean_row_tokens, room_of(host), alone=host.name not in busy)
        for host in roomiest
    ]
    if None in said:
        return None
    if len(alive) == 1:
        return said[0]
    return f"None of the {len(alive)} hosts that train has room for it. The largest: {said[0]}"


def _busy() -> bool:
    return TrainingRun.objects.adapters().filter(status=RunStatus.RUNNING).exists()


def _refusal(
    base: BaseModel, chosen: dict[str, Any], mean: float, room: Room | None, *, alone: bool
) -> str | None:
    needed = _need(base, chosen, mean, room)
    if needed is None or room is None:
        return None
    return lora_memory.refusal(needed, room, alone=alone)


def _need(
    base: BaseModel, chosen: dict[str, Any], mean: float, room: Room | None
) -> Need | None:
    return lora_memory.need_here(base.weights, chosen, mean, room)


@dataclass(frozen=True)
class Here:
    """What this host can take, asked once for many runs."""

    room: Room | None
    labels: frozenset[str]
    others: tuple[Host, ...]

    @classmethod
    def now(cls) -> "Here":
        others = Host.objects.alive().exclude(name=host_name())
        return cls(lora_memory.room(), frozenset(settings.HOST_LABELS), tuple(others))

    def takes(self, run: TrainingRun) -> bool:
        """Whether it fits. What fits nowhere is taken by anybody: its engine says in words what is missing."""
        if not run.is_adapter:
            return True
        wanted = _label(run)
        if wanted and wanted not in self.labels:
            return False  # whoever set the label wants it to wait
        if _fits(run, self.room) and _has_base(run.base_model):
            return True
        elsewhere = [one for one in self.others if not wanted or wanted in one.labels]
        return not any(
            _fits(run, room_of(one)) and run.base_model.name in one.bases for one in elsewhere
        )


def _label(run: TrainingRun) -> str:
    policy = getattr(run.team.course, "training_policy", None)
    return policy.host_label if policy is not None else ""


def _has_base(base: BaseModel) -> bool:
    """A folder that lies here, or an id that this host downloads by itself."""
    return (
        base.hosting == Hosting.HUGGING_FACE
        and "/" in base.name
        and not base.name.startswith("/")
    ) or (Path(base.weights).is_dir())


def _fits(run: TrainingRun, room: Room | None) -> bool:
    """In the host's whole memory: one worker trains one run at a time."""
    rows = max(SMALL_ROWS, run.dataset_version.row_count)
    needed = _need(run.base_model, run.settings, run.dataset_version.token_estimate / rows, room)
    return needed is None or room is None or needed.total <= room.total


def that_fit(runs: Iterable[TrainingRun]) -> Iterator[TrainingRun]:
    """Those that this host takes, in the same order. The host is looked at only where a run waits."""
    here = None
    for run in runs:
        here = here or Here.now()
        if here.takes(run):
            yield run


@dataclass(frozen=True)
class HostState:
    """For the queue page. `run`: what it trains now; `others`: it trains something of another course."""

    host: Host
    run: TrainingRun | None
    others: bool


def states(runs_of_course: Iterable[TrainingRun]) -> list[HostState]:
    """Every host with what it does; `runs_of_course` are those that may be named."""
    at_work = {run.host: run for run in runs_of_course if run.status in AT_WORK}
    busy = set(
        TrainingRun.objects.on_this_machine()
        .filter(status__in=AT_WORK)
        .values_list("host", flat=True)
    )
    found = []
    for host in Host.objects.all():
        run = at_work.get(host.name)
        found.append(HostState(host, run, run is None and host.name in busy))
    return found
