"""A preload server for training runs: `python -P -m lora.warm --socket PATH`.

Importing torch, transformers and PEFT takes seconds, most of a small run's wall time. This process imports them once
and forks for each run. `lora.train` finds it by `LORA_WARM_SOCKET` and hands over its arguments, folder and output; it
stays as the run's face: ending it ends the run. Linux only (the fork dies with its parent by PR_SET_PDEATHSIG).
"""

import argparse
import gc
import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from lora.tie import die_with

WARM_SOCKET = "LORA_WARM_SOCKET"
REQUEST_BYTES = 65536


class WarmParent:
    """Accepts orders, forks a child for each, tells its face how it ended."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        path.chmod(0o600)
        self.listener.listen()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.faces: dict[socket.socket, int] = {}
        self.leaving = False
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_write, False)
        self.selector.register(self.wake_read, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until SIGTERM; then every child is asked to save its checkpoint and leave."""
        signal.signal(signal.SIGTERM, self._leave)
        signal.signal(signal.SIGINT, self._leave)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self.wake_write)
        while not (self.leaving and not self.faces):
            for key, _ in self.selector.select():
                self._handle(key.fileobj)
        self.path.unlink(missing_ok=True)

    def _handle(self, source: object) -> None:
        if source == self.wake_read:
            os.read(self.wake_read, 4096)
            self._reap()
        elif source is self.listener:
            self._accept()
        elif isinstance(source, socket.socket) and source in self.faces:
            self._listen_to(source)

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        self.leaving = True
        for child in self.faces.values():
            os.kill(child, signal.SIGTERM)

    def _accept(self) -> None:
        face, _ = self.listener.accept()
        request, fds, _, _ = socket.recv_fds(face, REQUEST_BYTES, 2)
        if self.leaving or len(fds) != 2:
            face.close()
            return
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            self._become_run(parent, face, request, fds)
        for fd in fds:
            os.close(fd)
        self.faces[face] = child
        self.selector.register(face, selectors.EVENT_READ)

    def _become_run(
        self, parent: int, face: socket.socket, request: bytes, fds: list[int]
    ) -> NoReturn:
        status = 1
        try:
            die_with(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.selector.close()
            for inherited in (self.listener, face, *self.faces):
                inherited.close()
            order = json.loads(request)
            os.chdir(order["folder"])
            os.environ.update(order["environment"])
            os.environ.pop(WARM_SOCKET, None)
            for number, fd in enumerate(fds, start=1):
                os.dup2(fd, number)
                os.close(fd)
            from lora.train import main

            status = main(order["arguments"])
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _listen_to(self, face: socket.socket) -> None:
        said = face.recv(16)
        # An empty message is the face's end: killed without a chance to say so. Its run must not go on alone.
        os.kill(self.faces[face], signal.SIGTERM if said else signal.SIGKILL)
        if not said:
            self.selector.unregister(face)

    def _reap(self) -> None:
        for face, child in list(self.faces.items()):
            finished, status = os.waitpid(child, os.WNOHANG)
            if not finished:
                continue
            del self.faces[face]
            if face in self.selector.get_map():
                self.selector.unregister(face)
                try:
                    face.send(str(os.waitstatus_to_exitcode(status)).encode())
                except BrokenPipeError:
                    print("a run ended after its face was gone", file=sys.stderr)
            face.close()


def hand_over(arguments: list[str], path: str) -> int | None:
    """Let the preload server run this order; its exit status, or None where no preload server answers."""
    parent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        parent.connect(path)
    except OSError as cold:
        print(f"no preload server at {path} ({cold.strerror}); starting cold", file=sys.stderr)
        return None
    # Before the order goes out, so that no signal is lost between.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: parent.send(b"leave") and None)
    order = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    socket.send_fds(parent, [json.dumps(order).encode()], [1, 2])
    status = parent.recv(16)
    if not status:
        raise ConnectionError("the preload server ended, and the run with it")
    return int(status)


def _import_everything() -> None:
    """What a run imports, and nothing that computes: a parallel operation before the fork would hang the child."""
    import torch
    import transformers.models.llama.modeling_llama  # noqa: F401

    import lora.run  # noqa: F401

    torch.set_num_threads(1)
    # A collection writes into every object it looks at, so in a run's process it would copy all that is shared with this one.
    gc.collect()
    gc.freeze()


def main() -> None:
    os.umask(0o077)  # what it writes is for the platform's user alone
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    path = parser.parse_args().socket
    _import_everything()
    parent = WarmParent(path)
    print(f"preload server listens at {path}", file=sys.stderr, flush=True)
    parent.serve()


if __name__ == "__main__":
    main()
