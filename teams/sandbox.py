"""One door for what comes from outside: a parser runs in a child process that may use little and reach nothing.

    limits = sandbox.Limits(seconds=60, memory_mb=512)
    with sandbox.opened("datasets.reading_child", limits=limits, files={"upload": path}) as box:
        answer = box.run({"filename": "week1.csv"}, on_message=told)     # a dict; raises Refused, TooBig or Crashed
        box.take("rows.blocks", to=folder / "rows.blocks", most_bytes=64 * 1024**2)

`sandbox.run(module, request, limits=…, files=…, on_message=…)` is the same where no file comes out.

The child's half is a module with `main(request, tell) -> dict` (see `sandbox_child`): it opens inputs by
`sandbox_child.input_file("upload")`, writes results as plain files of its working directory, tells progress by
`tell({...})` and refuses by `raise sandbox_child.Refusal(member, field, reason)`. It must not need Django or a database.

What the child gets: the environment below and nothing else (no secret), inputs as open read-only file descriptors, a
scratch folder of its own that is removed afterwards, limits on memory, time, file sizes and output that it sets on
itself before it imports the parser, and, on Linux, the kernel's own fences (`sandbox_fences`): no other process, no
network, no file but its scratch folder and the code. It dies with its parent and is always reaped.

What the parent must still do: treat every answer and file as hostile. `answer` is JSON of at most `output_mb`; a taken
file is a regular file of at most `most_bytes`, whose name the parent chose. Never use a path or name out of an answer.
"""

import contextlib
import json
import logging
import os
import selectors
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

log = logging.getLogger(__name__)

LAUNCHER = Path(__file__).with_name("sandbox_child.py")
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ")
MEGABYTE = 1024 * 1024
READ_BYTES = 65_536
LONGEST_LINE = 1024 * 1024
TICK_SECONDS = 0.25
LOG_BYTES = 16 * 1024  # of what the child complains about, kept for our log
MOST_FILES = 64  # in the scratch folder
STALE_SECONDS = 6 * 3600  # a scratch folder as old belongs to a parent that was killed

Message = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What a child may use. Every breach ends it and is told as `TooBig`."""

    seconds: float = 60.0
    """By the clock, from start to answer."""
    cpu_seconds: int = 60
    memory_mb: int = 512
    """Of address space: what Python itself takes (about 40) included."""
    file_mb: int = 256
    """Of each file that it writes, and of all of them together."""
    output_mb: int = 8
    """Of all its answers together."""
    messages: int = 20_000
    nice: int = 5
    """At least: it yields the processor to pages that people wait for."""


class SandboxError(Exception):
    """What came from outside was not read; the text of the error is a sentence for people."""


class Refused(SandboxError):
    """The parser refuses what came in. `member`: which file in it; `field`: where in that file; `reason`: a sentence."""

    def __init__(self, member: str, field: str, reason: str) -> None:
        self.member, self.field, self.reason = (
            _line(member, 200),
            _line(field, 200),
            _line(reason, 600),
        )
        places = [place for place in (self.member, self.field) if place]
        super().__init__(f"{', '.join(places)}: {self.reason}" if places else self.reason)


class TooBig(SandboxError):
    """A limit was reached. `limit`: memory, time, disk or output."""

    SENTENCES = {
        "memory": "Reading it takes more than {memory_mb:,} MB of memory, the limit here. Split it, or leave out what is large.",
        "time": "Reading it takes longer than {seconds:,.0f} seconds, the limit here. Split it into smaller files.",
        "disk": "Unpacked it is larger than {file_mb:,} MB, the limit here. Split it into smaller files.",
        "output": "There is more to say about it than can be kept. Correct the first problems and send it again.",
    }

    def __init__(self, limit: str, limits: Limits) -> None:
        self.limit = limit
        super().__init__(self.SENTENCES[limit].format(**asdict(limits)))


class Crashed(SandboxError):
    """The parser broke down, which is a fault of ours or an attack on it; the log says more."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(
            "It can't be read: the reader broke down on it. Save it again with another program, or split it."
        )


class BadOutput(SandboxError):
    """A file that the child should have left is missing, too large, or not a plain file."""


def environment() -> dict[str, str]:
    """All that a child sees of ours. Nothing secret: whatever reads hostile files may be made to tell what it knows."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {
        **kept,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def run(
    module: str,
    request: Mapping[str, Any],
    *,
    limits: Limits,
    files: Mapping[str, Path] | None = None,
    on_message: Callable[[Message], None] | None = None,
    on_tick: Callable[[], None] | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """What `module.main(request, tell)` gives, run in a child of its own. See the module; raises `SandboxError`."""
    with opened(module, limits=limits, files=files, folder=folder) as box:
        return box.run(request, on_message=on_message, on_tick=on_tick)


@contextlib.contextmanager
def opened(
    module: str,
    *,
    limits: Limits,
    files: Mapping[str, Path] | None = None,
    folder: Path | None = None,
) -> Iterator["Box"]:
    """A box with a scratch folder under `folder` (default: the system's temporary folder), which is removed afterwards."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(folder)
    scratch = Path(tempfile.mkdtemp(prefix="sandbox-", dir=folder))
    try:
        with contextlib.ExitStack() as inputs:
            opened_files = {
                name: inputs.enter_context(path.open("rb"))
                for name, path in (files or {}).items()
            }
            yield Box(module, limits, scratch, opened_files)
    finally:
        _remove(scratch)


class Box:
    """One child's room. `run` once; then `open` or `take` what it left."""

    def __init__(
        self, module: str, limits: Limits, scratch: Path, inputs: Mapping[str, BinaryIO]
    ) -> None:
        self.module, self.limits, self.scratch, self.inputs = module, limits, scratch, inputs
        self.fences: list[str] = []
        """What the kernel keeps the child from, as it said itself: see `sandbox_fences`."""

    def run(
        self,
        request: Mapping[str, Any],
        *,
        on_message: Callable[[Message], None] | None = None,
        on_tick: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """The child's answer. `on_message` gets each progress message, `on_tick` is called a few times a second; what
        they raise ends the child and goes on to the caller. The child and all it started are gone when this returns.
        """
        with tempfile.TemporaryFile() as question:
            question.write(json.dumps(request).encode())
            question.seek(0)
            process = self._started(question)
        talk = _Talk(process, self.limits, self.scratch)
        try:
            return talk.answer(on_message, on_tick)
        finally:
            self.fences = talk.fences
            talk.end()

    def _started(self, question: Any) -> "subprocess.Popen[bytes]":
        descriptors = {name: file.fileno() for name, file in self.inputs.items()}
        settings = {
            "module": self.module,
            "parent": os.getpid(),
            "inputs": descriptors,
            "limits": asdict(self.limits),
        }
        return subprocess.Popen(
            [sys.executable, "-I", "-B", str(LAUNCHER), json.dumps(settings)],
            cwd=self.scratch,
            env=environment(),
            stdin=question,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=tuple(descriptors.values()),
            start_new_session=True,
        )

    def open(self, name: str, *, most_bytes: int) -> BinaryIO:
        """A file that the child left, for reading. Raises `BadOutput` unless it is a plain file of at most that size."""
        if not name or Path(name).name != name:
            raise BadOutput(f"“{_line(name, 80)}” is no name of a file.")
        try:
            descriptor = os.open(
                self.scratch / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except OSError as error:
            raise BadOutput(f"The reader left no file {name} ({error.strerror}).") from None
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size > most_bytes:
            os.close(descriptor)
            raise BadOutput(f"What the reader left as {name} is too large or not a plain file.")
        return os.fdopen(descriptor, "rb")

    def take(self, name: str, *, to: Path, most_bytes: int) -> None:
        """Copy a file that the child left to a place that the caller chose, under a temporary name first."""
        part = to.with_name(f"{to.name}.part")
        with self.open(name, most_bytes=most_bytes) as file, part.open("wb") as kept:
            left = most_bytes
            while piece := file.read(min(READ_BYTES, left + 1)):
                left -= len(piece)
                if left < 0:
                    raise BadOutput(f"What the reader left as {name} grows while it is read.")
                kept.write(piece)
        part.replace(to)


class _Talk:
    """Listens to one child until it has answered, and ends it."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", limits: Limits, scratch: Path
    ) -> None:
        self.process, self.limits, self.scratch = process, limits, scratch
        self.deadline = time.monotonic() + limits.seconds
        self.fences: list[str] = []
        self.complaints = b""
        self.heard = self.messages = 0
        self.rest = b""
        self.last: Message | None = None

    def answer(
        self, on_message: Callable[[Message], None] | None, on_tick: Callable[[], None] | None
    ) -> dict[str, Any]:
        for message in self._messages(on_tick):
            if "message" in message:
                if on_message:
                    on_message(_object(message["message"]))
            elif "fences" in message:
                self.fences = [str(name) for name in message["fences"]][:8]
            else:
                self.last = message
        self._wait()
        return self._concluded()

    def _messages(self, on_tick: Callable[[], None] | None) -> Iterator[Message]:
        assert self.process.stdout is not None and self.process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            selector.register(self.process.stderr, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(TICK_SECONDS)
                self._refuse_excess()
                if on_tick:
                    on_tick()
                for key, _ in ready:
                    piece = os.read(key.fd, READ_BYTES)
                    if not piece:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is self.process.stderr:
                        self.complaints = (self.complaints + piece)[:LOG_BYTES]
                    else:
                        yield from self._lines(piece)

    def _lines(self, piece: bytes) -> Iterator[Message]:
        self.heard += len(piece)
        if self.heard > self.limits.output_mb * MEGABYTE:
            raise TooBig("output", self.limits)
        *lines, self.rest = (self.rest + piece).split(b"\n")
        self.messages += len(lines)
        longest = max(len(self.rest), *map(len, lines)) if lines else len(self.rest)
        if self.messages > self.limits.messages or longest > max(
            LONGEST_LINE, self.limits.output_mb * MEGABYTE
        ):
            raise TooBig("output", self.limits)
        for line in lines:
            try:
                yield _object(msgspec.json.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                raise Crashed("an answer that is no JSON object") from None

    def _refuse_excess(self) -> None:
        if time.monotonic() > self.deadline:
            raise TooBig("time", self.limits)
        size = 0
        for count, entry in enumerate(os.scandir(self.scratch), 1):
            with contextlib.suppress(OSError):
                size += entry.stat(follow_symlinks=False).st_size
            if count > MOST_FILES or size > self.limits.file_mb * MEGABYTE:
                raise TooBig("disk", self.limits)

    def _wait(self) -> None:
        """It has closed its pipes; it may still linger."""
        try:
            self.process.wait(max(0.0, min(5.0, self.deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            raise TooBig("time", self.limits) from None

    def _concluded(self) -> dict[str, Any]:
        code, last = self.process.returncode, self.last or {}
        if code == -signal.SIGXCPU:
            raise TooBig("time", self.limits)
        if last.get("too_big") in TooBig.SENTENCES:
            raise TooBig(last["too_big"], self.limits)
        if code == -signal.SIGKILL:  # not by us: the kernel ran out of memory
            raise TooBig("memory", self.limits)
        if "refused" in last:
            told = _object(last["refused"])
            raise Refused(*(str(told.get(name, "")) for name in ("member", "field", "reason")))
        if code == 0 and isinstance(last.get("result"), dict):
            self._refuse_excess()
            return _object(last["result"])
        # Quoted: what a hostile child says must not look like lines of our log, nor reach a terminal's controls.
        log.warning(
            "sandbox: %s ended with %s: %r", self.process.args, code, self.complaints[-4000:]
        )
        raise Crashed(f"exit code {code}")

    def end(self) -> None:
        """Kill the child and whatever it started, and reap it."""
        if self.process.returncode is None:  # its id is still its own: it was not reaped
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Crashed("an answer that is no JSON object")
    return value


def _line(text: str, most: int) -> str:
    """The text in one line that a page, a log and every database can hold."""
    shown = "".join(
        character if character.isprintable() else " " for character in text[: 2 * most]
    )
    one_line = " ".join(shown.encode("utf-8", "replace").decode().split())
    return one_line if len(one_line) <= most else f"{one_line[: most - 1]}…"


def _sweep(folder: Path) -> None:
    """Remove scratch folders whose parents were killed."""
    long_ago = time.time() - STALE_SECONDS
    for left in folder.glob("sandbox-*"):
        with contextlib.suppress(OSError):
            if left.stat(follow_symlinks=False).st_mtime < long_ago:
                _remove(left)


def _remove(scratch: Path) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    if scratch.exists():  # a child without fences may have made folders that can't be entered
        for folder, _, _ in os.walk(scratch):
            with contextlib.suppress(OSError):
                Path(folder).chmod(0o700)
        shutil.rmtree(scratch, ignore_errors=True)
