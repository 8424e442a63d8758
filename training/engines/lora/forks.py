"""One run on several processes of one processor, forked where torch is imported and has computed nothing yet.

The products of a light base model are too small to be shared between threads: on two cores a second thread gained nothing,
while two processes with a thread each trained nearly twice as fast. They take a part of every batch and sum their gradients,
as processes on several GPUs do. Linux only; a heavy base keeps its threads, and its memory to itself.
"""

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import torch

from lora.events import Events, Interrupted, PeerFailed, PeerLost
from lora.group import Together, connected_group
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


def fork_group(size: int, events: Events) -> Together:
    """Fork `size - 1` others; each returns from here with its own rank, and all but the first fall silent.

    Call before torch computes anything: its threads do not survive a fork. Raises EngineError `processes_apart`.
    """
    meeting = os.memfd_create("lora-meeting")  # where they leave each other their addresses: in memory, gone with them
    leader, others = os.getpid(), []
    for rank in range(1, size):
        child = os.fork()
        if child == 0:
            die_with(leader)
            events.only_failures = True
            return connected_group(Together, _init_method(meeting), rank, size)
        others.append(child)
    group = connected_group(Leader, _init_method(meeting), 0, size)
    group.others = others
    return group


def _init_method(meeting: int) -> str:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return f"file:///proc/self/fd/{meeting}"


class Leader(Together):
    """The first of several forked processes: the one that was started, and whose exit status counts."""

    others: list[int]

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
