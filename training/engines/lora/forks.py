"""One run on several processes of one processor, forked where torch is imported and has computed nothing yet.

The products of a light base model are too small to be shared between threads: on two cores a second thread gained nothing,
while two processes with a thread each trained nearly twice as fast. They take a part of every batch and sum their gradients,
as processes on several GPUs do. Linux only; a heavy base keeps its threads, and its memory to itself.
"""

import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from lora.events import Events, Interrupted, PeerFailed, PeerLost
from lora.group import ProcessGroup
from lora.processes import PROCESSES
from lora.spec import Spec
from lora.tie import die_with

LIGHT_BYTES = 128 * 2**20  # of weights
FEWEST_ROWS = 2  # of a batch, for each process
SAID_WHY = 1  # exit status of a process that sent a `failed` event


def wanted_forks(spec: Spec, threads: int) -> int:
    """How many processes train this run, with `threads` (at least one each) between them; 1 = no fork."""
    if PROCESSES in os.environ or sys.platform != "linux" or torch.cuda.is_available():
        return 1
    if spec.settings.quantization != "none" or not _is_light(Path(spec.base_model)):
        return 1
    return max(1, min(threads, spec.settings.batch_size // FEWEST_ROWS))


def _is_light(base: Path) -> bool:
    weights = [file.stat().st_size for file in base.glob("*.safetensors")]
    return bool(weights) and sum(weights) <= LIGHT_BYTES


def fork_group(size: int, events: Events) -> "Forked":
    """Fork `size - 1` others; each returns from here with its own rank, and all but the first fall silent.

    Call before torch computes anything: its threads do not survive a fork.
    """
    leader, links, others = os.getpid(), list[socket.socket](), list[int]()
    for rank in range(1, size):
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            die_with(leader)
            for link in (*links, ours):
                link.close()  # a link is seen to break only when nobody holds its other end
            events.only_failures = True
            return Forked(rank, size, [theirs])
        theirs.close()
        links.append(ours)
        others.append(child)
    return Leader(size, links, others)


class Forked(ProcessGroup):
    """One of several forked processes. `links`: to the first one; in the first one, to each of the others.

    Bytes through a socket: on two busy cores gloo, which has threads of its own to wake, took 2 ms of a step of 43.
    """

    def __init__(self, rank: int, size: int, links: Sequence[socket.socket]) -> None:
        super().__init__(rank, size)
        self._links = links

    def _sum(self, tensor: Tensor) -> None:
        if self.leads:
            theirs = torch.empty_like(tensor)
            for link in self._links:
                _receive(link, theirs)
                tensor += theirs
        else:
            _send(self._links[0], tensor)
        self._take_from_first(tensor)

    def _take_from_first(self, tensor: Tensor) -> None:
        for link in self._links:
            (_send if self.leads else _receive)(link, tensor)


def _bytes_of(tensor: Tensor) -> memoryview:
    return memoryview(tensor.view(-1).view(torch.uint8).numpy().data)


def _send(link: socket.socket, tensor: Tensor) -> None:
    try:
        link.sendall(_bytes_of(tensor))
    except OSError as broken:
        raise PeerLost(f"another process of this run is gone: {broken}") from broken


def _receive(link: socket.socket, tensor: Tensor) -> None:
    awaited = _bytes_of(tensor)
    while awaited:
        try:
            count = link.recv_into(awaited)
        except OSError as broken:
            raise PeerLost(f"another process of this run is gone: {broken}") from broken
        if count == 0:
            raise PeerLost("another process of this run is gone: its connection was closed")
        awaited = awaited[count:]


class Leader(Forked):
    """The first of several forked processes: the one that was started, and whose exit status counts."""

    def __init__(self, size: int, links: Sequence[socket.socket], others: list[int]) -> None:
        """`others`: their process ids."""
        super().__init__(0, size, links)
        self.others = others

    def explain(self, lost: PeerLost) -> NoReturn:
        """Raises PeerFailed where one of the others said why it ended, else Interrupted: what was killed may be tried again."""
        if SAID_WHY in self._end_others():
            raise PeerFailed(str(lost)) from lost
        raise Interrupted(str(lost)) from lost

    def end(self) -> None:
        self._end_others()

    def _end_others(self) -> list[int]:
        """Their exit statuses (negative: the signal that ended them). They hold nothing that is not ours too."""
        statuses = []
        while self.others:
            other = self.others.pop()
            os.kill(other, signal.SIGKILL)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]))
        return statuses
