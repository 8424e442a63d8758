"""The processes that train one run: what each takes of a step, what they add up, who decides.

Every process holds the whole model and makes the same updates from the same summed gradients, so they never drift apart and
need no copy of the model from each other. The first one decides, speaks and writes.
"""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lora.batches import even_shares
from lora.events import EngineError, Interrupted, PeerLost, StopSignal

# The others wait while the first one answers questions or saves. A process that died is noticed by its connection and by the
# launcher, not by this.
LONGEST_WAIT = timedelta(hours=6)


class SingleProcess:
    """The only process of its run: takes everything, decides everything."""

    rank, size = 0, 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, rows: list[int], lengths: Sequence[int]) -> list[int]:
        """The rows of a batch that this process computes. `lengths`: of every row of the data."""
        return rows

    def seed_step(self, seed: int, step: int) -> None:
        """Make this step's dropout this process's own."""

    def sync_parameters(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the first one's adapter."""

    def sum_step(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Sum the gradients over all processes, in place; gives the summed loss (a scalar)."""
        return loss

    def total(self, number: float) -> float:
        """The sum of every process's number, the same in each."""
        return number

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum of every process's tensor, the same in each; in place."""
        return tensor

    def broadcast(self, decision: bool) -> bool:
        """What the first process decided."""
        return decision

    def check(self, stop: StopSignal) -> None:
        """Raise Interrupted in every process when the first one was asked to leave."""
        stop.check()

    def on_leader(self, work: Callable[[], None]) -> None:
        """Let the first process do this while the others wait. Raises Interrupted in each when it does there."""
        work()

    def explain(self, lost: PeerLost) -> NoReturn:
        """Raise what the loss of another process means for this one."""
        raise lost

    def end(self) -> None:
        """Leave nobody behind."""


class ProcessGroup(SingleProcess):
    """One of several that torch connects. Every method but `share` and `seed_step` must be called by all processes, in the
    same order."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def share(self, rows: list[int], lengths: Sequence[int]) -> list[int]:
        return even_shares(rows, lengths, self.size)[self.rank]

    def seed_step(self, seed: int, step: int) -> None:
        """A function of seed, step and process, so that resuming needs no stored state of every process."""
        drawn = random.Random(f"{seed}:{step}:{self.rank}").getrandbits(63)
        # torch.manual_seed asks every kind of device, which takes a hundredth of a light base's step.
        torch.default_generator.manual_seed(drawn)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.manual_seed(drawn)

    def sync_parameters(self, parameters: Sequence[nn.Parameter]) -> None:
        for parameter in parameters:
            self._take_from_first(parameter.data)

    def sum_step(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """One message: all gradients and the loss in a row. A process without rows in this step adds zeros."""
        gradients = [
            torch.zeros_like(one) if one.grad is None else one.grad for one in parameters
        ]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), loss.reshape(1)])
        self._sum(flat)
        *sums, total = torch.split(flat, [*(one.numel() for one in parameters), 1])
        for parameter, summed in zip(parameters, sums, strict=True):
            parameter.grad = summed.view_as(parameter)
        return total.squeeze(0)

    def total(self, number: float) -> float:
        value = torch.tensor([number], dtype=torch.float64)
        self._sum(value)
        return value.item()

    def summed(self, tensor: Tensor) -> Tensor:
        self._sum(tensor)
        return tensor

    def broadcast(self, decision: bool) -> bool:
        value = torch.tensor([decision], dtype=torch.uint8)
        self._take_from_first(value)
        return bool(value.item())

    def check(self, stop: StopSignal) -> None:
        if self.broadcast(stop.requested):
            raise Interrupted("asked to stop")

    def on_leader(self, work: Callable[[], None]) -> None:
        interrupted = False
        if self.leads:
            try:
                work()
            except Interrupted:
                interrupted = True
        if self.broadcast(interrupted):
            raise Interrupted("asked to stop")

    def _sum(self, tensor: Tensor) -> None:
        """Give every process the sum of all its processes' tensors, in place. Raises PeerLost."""
        with _connected():
            dist.all_reduce(tensor)

    def _take_from_first(self, tensor: Tensor) -> None:
        """Give every process the first one's tensor, in place. Raises PeerLost."""
        with _connected():
            dist.broadcast(tensor, src=0)


def launched_group() -> SingleProcess:
    """The group the launcher's environment names (SingleProcess where it names none), each process on a GPU of its own where there
    are GPUs. Raises EngineError `processes_apart` where they can't reach each other."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return SingleProcess()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    _connect(size)
    return ProcessGroup(int(os.environ["RANK"]), size)


def _connect(size: int) -> None:
    on_gpus = torch.cuda.is_available()
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=LONGEST_WAIT
        )
        dist.all_reduce(
            torch.zeros(1, device="cuda" if on_gpus else "cpu")
        )  # GPUs only connect when they first talk
    except RuntimeError as apart:
        raise EngineError(
            "processes_apart",
            f"the {size} processes that were to train this run together could not connect: {apart}",
            "Start the run again. If it fails again, set LORA_PROCESSES=1 for the worker (each run then has one process, and "
            "one GPU at most) and read engine.log.",
        ) from apart


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as broken:
        raise PeerLost(f"another process of this run is gone: {broken}") from broken
