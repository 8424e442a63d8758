"""Train a LoRA adapter: `python -P -m lora.train spec.json` in the run's folder. The contract is in docs/engine-contract.md."""

import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

from lora.events import (
    INTERRUPTED,
    EngineError,
    Events,
    Interrupted,
    PeerFailed,
    PeerLost,
    StopSignal,
)
from lora.processes import Face, end_with_launcher, is_one_of_several, leads, wanted_processes
from lora.spec import read_spec
from lora.warm import WARM_SOCKET, hand_over

PEER_LOST = 75  # exit status of a process that only ends because another did

NO_MEMORY = EngineError(
    "out_of_memory",
    "the machine ran out of memory while training",
    "Lower batch_size (and raise gradient_accumulation as much) or max_length, or switch gradient_checkpointing on.",
)
DISK_FULL = EngineError(
    "disk_full",
    "the disk is full, so nothing more could be saved",
    "Ask your instructor to free some room (the queue page shows how much there is), then start the run again.",
)


def main(arguments: list[str]) -> int:
    """Exit status of one run: 0 done, 1 failed (a `failed` event says why), 143 left with a checkpoint."""
    began = time.perf_counter()
    events, stop = Events(only_failures=not leads()), StopSignal()
    try:
        _train(_spec_path(arguments), events, stop, began)
        events.emit("done")
    except Interrupted:
        return INTERRUPTED
    except PeerLost as lost:
        print(lost, file=sys.stderr)
        return PEER_LOST
    except PeerFailed:
        return 1
    except EngineError as error:
        events.failed(error)
        return 1
    except Exception as error:  # noqa: BLE001 - the contract: whatever goes wrong, the launcher hears why
        traceback.print_exc()
        events.failed(_explained(error))
        return 1
    return 0


def _spec_path(arguments: list[str]) -> Path:
    if len(arguments) != 1:
        raise EngineError(
            "bad_spec",
            "one argument is needed: the spec file",
            "Run: python -P -m lora.train spec.json",
        )
    return Path(arguments[0])


def _train(path: Path, events: Events, stop: StopSignal, began: float) -> None:
    spec = read_spec(path)
    if Path("result.json").exists():
        return  # finished before, but the launcher did not live to hear it
    # Importing torch takes seconds: only for an order that is worth it.
    from lora.run import run_training

    run_training(spec, events, stop, began)


def is_out_of_memory(error: Exception) -> bool:
    said = str(error)
    return (
        isinstance(error, MemoryError)
        or "out of memory" in said
        or "can't allocate memory" in said
    )


def _explained(error: Exception) -> EngineError:
    if is_out_of_memory(error):
        return NO_MEMORY
    # Not every library's error is an OSError: safetensors has its own.
    return DISK_FULL if "No space left on device" in str(error) else _crash(error)


def _crash(error: Exception) -> EngineError:
    return EngineError(
        "engine_crashed",
        f"{type(error).__name__}: {error}",
        "Start the run again; it goes on from its checkpoint. If it fails again, send engine.log to the instructor.",
    )


def _begin(arguments: list[str]) -> int:
    """On as many processes as there are GPUs; a single one is a child of the preload server where one is offered and answers."""
    if is_one_of_several():
        _be_one_of_several(arguments)
    try:
        processes = wanted_processes()
    except EngineError as error:
        Events().failed(error)
        return 1
    return _begin_alone(arguments) if processes == 1 else _begin_together(processes, arguments)


def _begin_together(processes: int, arguments: list[str]) -> int:
    events = Events()
    try:
        read_spec(
            _spec_path(arguments)
        )  # a bad order fails here in a blink, and not in every process
        return Face(events).train(processes, arguments)
    except EngineError as error:
        events.failed(error)
        return 1


def _be_one_of_several(arguments: list[str]) -> NoReturn:
    end_with_launcher()
    status = main(arguments)
    sys.stderr.flush()
    os._exit(
        status
    )  # at once: taking down a group whose other processes are gone may wait for them for ever


def _begin_alone(arguments: list[str]) -> int:
    warm_socket = os.environ.get(WARM_SOCKET)
    try:
        status = hand_over(arguments, warm_socket) if warm_socket else None
    except ConnectionError as gone:
        print(gone, file=sys.stderr)
        return INTERRUPTED  # nothing is wrong with the run: started again, it goes on from its checkpoint
    return main(arguments) if status is None else _end_as_it_ended(status)


def _end_as_it_ended(status: int) -> int:
    """A run that a signal killed has a face that the same signal killed: whoever started it must see no difference."""
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(_begin(sys.argv[1:]))
