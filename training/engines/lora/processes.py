"""One run on several processes of one machine: `accelerate launch` of `lora.train`, and the face that speaks for all of them.

Started plainly where more than one CUDA GPU is visible, `lora.train` stays as the face: it starts the launcher, passes on what
the processes say, and turns their common end into the one exit status of the engine contract. `LORA_PROCESSES` overrides
the count: 1 keeps a run on one GPU; more processes than there are GPUs compute on the processor. Imports no torch where
there is at most one GPU.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from lora.events import INTERRUPTED, EngineError, Events, Interrupted
from lora.tie import die_with

PROCESSES = "LORA_PROCESSES"
LAUNCHER = "LORA_LAUNCHER"
PIPE_BYTES = 4096  # small, so that a run can't go far ahead of whoever reads what it says
CONFIGURATION = Path(__file__).with_name("accelerate.yaml")


def wanted_processes() -> int:
    """How many processes a run started now takes: what LORA_PROCESSES says, else one for each visible GPU, at least one.
    Raises EngineError `bad_processes`."""
    said = os.environ.get(PROCESSES)
    if said is None:
        return max(1, visible_gpus())
    if not (said.isascii() and said.isdigit() and int(said)):
        raise EngineError(
            "bad_processes",
            f"{PROCESSES} is {said!r}, which is no number of processes",
            f"Set {PROCESSES} to 1 or more, or remove it: then each GPU gets one.",
        )
    return int(said)


def visible_gpus() -> int:
    """CUDA GPUs this run may use. One or none is told without torch, whose import takes seconds."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if (listed is not None and "," not in listed) or len(
        list(Path("/dev").glob("nvidia[0-9]*"))
    ) < 2:
        return 1
    import torch

    return torch.cuda.device_count()


def is_one_of_several() -> bool:
    """Whether a launcher started this process, and will not be started again."""
    return "WORLD_SIZE" in os.environ


def leads() -> bool:
    """Whether this process speaks and writes for its run."""
    return os.environ.get("RANK", "0") == "0"


def end_with_launcher() -> None:
    """Processes get sessions of their own from the launcher: only the kernel can end them with it, however it ends."""
    launcher = int(os.environ.get(LAUNCHER, os.getppid()))
    if sys.platform == "linux":
        die_with(launcher)


def launch_command(processes: int, arguments: list[str]) -> list[str]:
    """`accelerate launch` of this very program, tied to the life of the process that starts it."""
    tied = [sys.executable, "-P", "-m", "lora.processes", str(os.getpid())]
    launch = [
        sys.executable,
        "-P",
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        str(CONFIGURATION),
    ]
    several = [
        "--multi_gpu",
        "--num_processes",
        str(processes),
        "--main_process_port",
        "0",
        "--log_dir",
        os.devnull,
    ]
    return [*tied, *launch, *several, "--module", "lora.train", *arguments]


def launch_environment(processes: int) -> dict[str, str]:
    """Ours, with the run's folder off the module path, talk kept on this machine, and no GPU where they do not suffice."""
    environment = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    environment |= os.environ | {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    if PROCESSES in os.environ and processes > visible_gpus():
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment


class Face:
    """Stands for all processes of a run before whoever started it: one voice, one exit status."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.asked = False
        self.said: set[str] = set()
        self.launcher: subprocess.Popen[str] | None = None
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def train(self, processes: int, arguments: list[str]) -> int:
        """Exit status of the run: 0 done, 1 failed (said once, whoever of them failed), 143 left on request."""
        with subprocess.Popen(
            launch_command(processes, arguments),
            env=launch_environment(processes),
            stdout=subprocess.PIPE,
            pipesize=PIPE_BYTES,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as self.launcher:
            if self.asked:
                self.launcher.terminate()
            try:
                self._listen(self.launcher)
            except BaseException:
                self.launcher.kill()
                raise
        return self._status(processes)

    def _listen(self, launcher: subprocess.Popen[str]) -> None:
        assert launcher.stdout is not None
        for line in launcher.stdout:
            try:
                self._pass_on(line)
            except Interrupted:  # nobody reads: as if asked to leave
                self._ask()

    def _pass_on(self, line: str) -> None:
        try:
            event = json.loads(line)
            name = str(event.pop("event"))
        except (ValueError, KeyError, AttributeError):
            print(line, end="", file=sys.stderr)  # a library's word
            return
        if name == "failed" and name in self.said:
            return  # one failure ends all processes, and each may say so
        self.said.add(name)
        self.events.emit(name, **event)

    def _status(self, processes: int) -> int:
        if "done" in self.said:
            return 0
        if "failed" not in self.said and self.asked:
            return INTERRUPTED
        if "failed" not in self.said:
            self.events.failed(_lost(processes))
        return 1

    def _ask(self, _number: int = signal.SIGTERM, _frame: FrameType | None = None) -> None:
        if not self.asked and self.launcher is not None:
            self.launcher.terminate()  # it asks every process, and waits for all
        self.asked = True


def _lost(processes: int) -> EngineError:
    return EngineError(
        "process_lost",
        f"one of the {processes} processes that trained this run together ended without a word, so the others were ended",
        "Start the run again; it goes on from its last checkpoint. If it fails again, memory may be short: lower batch_size "
        "or max_length, or send engine.log to the instructor.",
    )


def _become(face: int, command: list[str]) -> None:
    """The launcher, which dies with its face."""
    if sys.platform == "linux":
        die_with(face)
    os.environ[LAUNCHER] = str(os.getpid())
    os.execv(command[0], command)  # noqa: S606  # becoming the launcher is the point


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
