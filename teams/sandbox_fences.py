"""Linux's own fences around a child that reads hostile files; none of them needs root. Where one is missing, it is left out.

- `landlock`: no file can be opened but Python, our code (read only) and the scratch folder.
- `seccomp`: no new process, no network, no signal to others, no tracing, no raised limits.
- `capabilities`: root's powers are dropped, where there are any.
"""

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
LINUX = sys.platform == "linux"


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends, however it ends."""
    if not LINUX:
        return
    _libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def raise_all(*, code: Iterable[Path], scratch: Path) -> list[str]:
    """Raise every fence that this kernel has; gives their names."""
    if not LINUX:
        return []
    _write_oom_score()
    _libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    fences: dict[str, Callable[[], bool]] = {
        "landlock": lambda: _landlock(code, scratch),
        "capabilities": _drop_capabilities,
        "seccomp": _seccomp,
    }
    return [name for name, fence in fences.items() if fence()]


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _write_oom_score() -> None:
    """Where the machine runs out of memory, this process goes first."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        return


def _drop_capabilities() -> bool:
    header = struct.pack("=II", 0x20080522, 0)  # version 3, this process
    nothing = bytes(24)
    return bool(_libc().capset(header, nothing) == 0)


# Landlock (linux/landlock.h) ------------------------------------------------------------------------------------------

# the same numbers on every architecture
CREATE_RULESET = 444
ADD_RULE = 445
RESTRICT_SELF = 446
RULE_PATH_BENEATH = 1
WRITE_FILE = 2
READ_FILE = 4
READ_DIR = 8
REMOVE_FILE = 32
MAKE_REG = 1 << 8
ALL_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
TRUNCATE = 1 << 14
SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/urandom",
)


def _landlock(code: Iterable[Path], scratch: Path) -> bool:
    libc = _libc()
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    handled = max(rights for since, rights in ALL_FILE_RIGHTS.items() if since <= version)
    network = 3 if version >= 4 else 0  # bind and connect
    scoped = 3 if version >= 6 else 0  # abstract sockets and signals
    attributes = struct.pack("=QQQ", handled, network, scoped)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    try:
        readable = [Path(sys.prefix), Path(sys.base_prefix), *map(Path, SYSTEM), *code]
        for path in readable:
            _allow(libc, rules, path, READ_FILE | READ_DIR)
        written = WRITE_FILE | READ_FILE | READ_DIR | REMOVE_FILE | MAKE_REG | TRUNCATE
        _allow(libc, rules, scratch, written & handled)
        return bool(libc.syscall(RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= READ_FILE | WRITE_FILE
        libc.syscall(ADD_RULE, rules, RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


# seccomp (linux/seccomp.h, linux/filter.h) ----------------------------------------------------------------------------

ALLOW = 0x7FFF0000
FAIL_WITH = 0x00050000
KILL = 0x80000000
EPERM = 1
ENOSYS = 38
LOAD = 0x20
JUMP_IF_EQUAL = 0x15
JUMP_IF_BITS = 0x45
JUMP_IF_MORE = 0x35
RETURN = 0x06
NUMBER_AT = 0
ARCHITECTURE_AT = 4
FIRST_ARGUMENT_AT = 16
THIRD_ARGUMENT_AT = 32
CLONE_THREAD = 0x00010000
X32 = 0x40000000

_NUMBERS = {
    # name: (x86_64, aarch64); None where there is no such call
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "setrlimit": (160, 164),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "mount": (165, 40),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "open_by_handle_at": (304, 265),
    "sched_setattr": (314, 274),
}
_SPECIAL = {"clone": (56, 220), "clone3": (435, 435), "prlimit64": (302, 261)}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _program(column: int, architecture: int) -> bytes:
    """The filter: calls that are not named go through."""
    refuse = _step(RETURN, FAIL_WITH | EPERM)
    steps = [
        _step(LOAD, ARCHITECTURE_AT),
        _step(JUMP_IF_EQUAL, architecture, yes=1),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER_AT),
        _step(JUMP_IF_MORE, X32, no=1),
        _step(RETURN, KILL),
    ]
    for numbers in _NUMBERS.values():
        if (number := numbers[column]) is not None:
            steps += [_step(JUMP_IF_EQUAL, number, no=1), refuse]
    steps += [
        _step(JUMP_IF_EQUAL, _SPECIAL["clone3"][column], no=1),
        _step(RETURN, FAIL_WITH | ENOSYS),
    ]
    # A thread may be made, a process not.
    steps += [
        _step(JUMP_IF_EQUAL, _SPECIAL["clone"][column], no=4),
        _step(LOAD, FIRST_ARGUMENT_AT),
        _step(JUMP_IF_BITS, CLONE_THREAD, yes=1),
        refuse,
        _step(RETURN, ALLOW),
    ]
    # Limits may be read, not set: a pointer to new ones must be null, in both halves.
    steps += [
        _step(JUMP_IF_EQUAL, _SPECIAL["prlimit64"][column], no=5),
        _step(LOAD, THIRD_ARGUMENT_AT),
        _step(JUMP_IF_EQUAL, 0, no=2),
        _step(LOAD, THIRD_ARGUMENT_AT + 4),
        _step(JUMP_IF_EQUAL, 0, yes=1),
        refuse,
    ]
    return b"".join([*steps, _step(RETURN, ALLOW)])


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


def _seccomp() -> bool:
    known = _ARCHITECTURES.get(os.uname().machine)
    if known is None or sys.maxsize < 2**32 or sys.byteorder != "little":
        return False
    program = _program(*known)
    held = ctypes.create_string_buffer(program, len(program))
    filter_ = _Filter(len(program) // 8, ctypes.cast(held, ctypes.c_char_p))
    return bool(_libc().prctl(PR_SET_SECCOMP, 2, ctypes.byref(filter_), 0, 0) == 0)
