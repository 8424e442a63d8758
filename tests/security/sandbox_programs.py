"""What a subverted parser might do: run inside `teams.sandbox` by its tests, one attack a name."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from teams import sandbox_child
from teams.sandbox_child import Refusal, Tell


def main(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    answer: dict[str, Any] = globals()[request["do"]](request, tell)
    return answer


def echo(request, tell):
    tell({"half": 1})
    print("a parser that prints by accident")
    return {"said": request["say"]}


def read_input(request, tell):
    with sandbox_child.input_file("upload") as file:
        return {"text": file.read().decode()}


def write_input(request, tell):
    os.write(sandbox_child._inputs["upload"], b"changed")
    return {}


def leave_files(request, tell):
    Path("rows").write_bytes(b"x" * 1000)
    Path("empty").write_bytes(b"")
    return {}


def refuse(request, tell):
    raise Refusal("week1.csv", "line 3", "There is no student in it.\x00\ud800 " + "x" * 5000)


def eat_memory(request, tell):
    kept = []
    while True:
        kept.append(bytearray(8 * 1024 * 1024))


def burn_time(request, tell):
    while True:
        pass


def sleep(request, tell):
    tell({"pid": os.getpid()})
    time.sleep(600)
    return {}


def flood_answers(request, tell):
    while True:
        tell({"x": "y" * 10_000})


def flood_messages(request, tell):
    while True:
        tell({})


def flood_stderr(request, tell):
    for _ in range(500):
        os.write(2, b"z" * 10_000)
    return {"said": "still here"}


def one_endless_line(request, tell):
    while True:
        tell_raw(b"z" * 65_536)


def no_json(request, tell):
    tell_raw(b"\xff\xfe not json\n")
    time.sleep(600)


def deep_json(request, tell):
    tell_raw(b'{"result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")
    time.sleep(600)


def not_an_object(request, tell):
    tell_raw(b"[1, 2]\n")
    time.sleep(600)


def tell_raw(text: bytes) -> None:
    """Past `tell`, to whichever descriptor the answers leave by."""
    for number in range(3, 20):
        try:
            if number not in sandbox_child._inputs.values() and os.fstat(number).st_mode & 0o170000 == 0o010000:
                os.write(number, text)
                return
        except OSError:
            continue


def fill_disk(request, tell):
    with Path("big").open("wb") as file:
        while True:
            file.write(bytes(1024 * 1024))


def many_big_files(request, tell):
    for number in range(50):
        Path(f"big{number}").write_bytes(bytes(2 * 1024 * 1024))
    time.sleep(600)


def many_files(request, tell):
    for number in range(5000):
        Path(f"small{number}").touch()
    time.sleep(600)


def die(request, tell):
    os.kill(os.getpid(), signal.SIGKILL)


def crash(request, tell):
    ctypes.string_at(0)


def environment(request, tell):
    return {"environment": dict(os.environ), "arguments": sys.argv, "cwd": str(Path.cwd())}


def _tried(act) -> str:
    try:
        act()
    except (OSError, PermissionError) as error:
        return f"refused: {type(error).__name__} {error.errno}"
    return "done"


def escape(request, tell):
    """Everything that the fences are for; says what came of each."""
    secret, victim = request["secret"], request["victim"]
    tries = {
        "read a file": lambda: Path(secret).read_text(),
        "list a folder": lambda: list(Path(secret).parent.iterdir()),
        "write a file": lambda: Path(secret).with_name("planted").write_text("x"),
        "delete a file": lambda: Path(secret).unlink(),
        "link to a file": lambda: os.link(secret, "stolen"),
        "symlink": lambda: Path("rows").symlink_to(secret),
        "fork": os.fork,
        "run a program": lambda: subprocess.run(["true"], check=False),
        "become a program": lambda: os.execv("/bin/true", ["true"]),
        "open a socket": lambda: socket.socket(),
        "signal the parent": lambda: os.kill(os.getppid(), 0),
        "kill another": lambda: os.kill(victim, signal.SIGKILL),
        "raise a limit": _raise_limit,
        "make a folder": lambda: Path("deep").mkdir(),
        "leave the session": os.setsid,
    }
    return {"came_of_it": {name: _tried(act) for name, act in tries.items()}}


def _raise_limit() -> None:
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError as error:  # so Python tells EPERM
        raise PermissionError(1, str(error)) from None


def threads(request, tell):
    done: list[int] = []
    workers = [threading.Thread(target=done.append, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"done": sorted(done)}


def linger(request, tell):
    """Say that all is done, close everything, and stay."""
    tell_raw(b'{"result": {"said": "done"}}\n')
    os.closerange(0, 64)
    time.sleep(600)
