"""A parser of hostile files may use little and reach nothing, whatever it is made to do."""

import ctypes
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from teams import sandbox, sandbox_fences
from tests.security.processes import children

SMALL = sandbox.Limits(seconds=60, cpu_seconds=1, memory_mb=256, file_mb=4, output_mb=1, messages=500)
PROGRAM = "tests.security.sandbox_programs"


def do(what: str, folder: Path, *, limits: sandbox.Limits = SMALL, **more: Any) -> dict[str, Any]:
    handed = {name: more.pop(name) for name in ("files", "on_message", "on_tick") if name in more}
    return sandbox.run(PROGRAM, {"do": what, **more}, limits=limits, folder=folder, **handed)


@pytest.fixture
def folder(tmp_path: Path):
    """A place for scratch folders. Afterwards nothing is left in it, and no child, not even a zombie."""
    place = tmp_path / "scratch"
    before = children()
    yield place
    assert list(place.iterdir()) == []
    assert children() <= before


def test_an_answer_and_its_progress_come_back(folder: Path):
    told: list[dict[str, Any]] = []
    assert do("echo", folder, say="hällo \ud800", on_message=told.append)["said"].startswith("hällo")
    assert told == [{"half": 1}]


def test_it_starts_fast_enough_for_a_page(folder: Path):
    began = time.process_time(), os.times()
    do("echo", folder, say="x")
    ended = os.times()
    used = ended.children_user + ended.children_system - began[1].children_user - began[1].children_system
    assert used < 1, "seconds of processor time; about 0.1"


def test_an_input_is_handed_over_open_and_cannot_be_written(folder: Path, tmp_path: Path):
    upload = tmp_path / "upload"
    upload.write_text("a,b\n")
    assert do("read_input", folder, files={"upload": upload}) == {"text": "a,b\n"}
    with pytest.raises(sandbox.Crashed):
        do("write_input", folder, files={"upload": upload})
    assert upload.read_text() == "a,b\n"


def test_a_refusal_says_member_field_and_reason_in_one_line(folder: Path):
    with pytest.raises(sandbox.Refused) as refused:
        do("refuse", folder)
    assert (refused.value.member, refused.value.field) == ("week1.csv", "line 3")
    told = str(refused.value)
    assert told.startswith("week1.csv, line 3: There is no student in it.")
    assert len(told) < 1000 and told.isprintable()
    told.encode("utf-8")


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("eat_memory", "memory"),
        ("burn_time", "time"),
        ("flood_answers", "output"),
        ("flood_messages", "output"),
        ("fill_disk", "disk"),
        ("many_big_files", "disk"),
        ("many_files", "disk"),
    ],
)
def test_what_takes_too_much_is_ended_and_says_which_limit(folder: Path, what: str, limit: str):
    with pytest.raises(sandbox.TooBig) as stopped:
        do(what, folder)
    assert stopped.value.limit == limit
    assert str(stopped.value).endswith(".")


def test_what_only_waits_is_ended_by_the_clock(folder: Path):
    with pytest.raises(sandbox.TooBig) as stopped:
        do("sleep", folder, limits=sandbox.Limits(seconds=1))
    assert stopped.value.limit == "time"


def test_what_has_answered_and_stays_is_ended_too(folder: Path):
    with pytest.raises(sandbox.TooBig):
        do("linger", folder, limits=sandbox.Limits(seconds=1))


@pytest.mark.parametrize("what", ["no_json", "deep_json", "not_an_object", "crash", "one_endless_line"])
def test_what_breaks_down_or_talks_nonsense_is_told_as_such(folder: Path, what: str):
    with pytest.raises(sandbox.SandboxError) as broken:
        do(what, folder)
    assert isinstance(broken.value, sandbox.Crashed | sandbox.TooBig)


def test_an_unknown_module_is_a_crash_not_an_import(folder: Path):
    with pytest.raises(sandbox.Crashed):
        sandbox.run("tests.security.nowhere", {}, limits=SMALL, folder=folder)


def test_complaints_do_not_stop_it_and_are_not_kept_whole(folder: Path):
    assert do("flood_stderr", folder) == {"said": "still here"}


def test_it_sees_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("SECRET_KEY", "OPENAI_API_KEY", "DATABASE_URL", "REDIS_URL", "PYTHONPATH", "HOME", "LD_PRELOAD_X"):
        monkeypatch.setenv(name, "/secret-value")
    seen = do("environment", folder)
    assert "secret-value" not in str(seen)
    assert seen["cwd"].startswith(str(folder))


def kernel_has_fences() -> bool:
    landlock = ctypes.CDLL(None).syscall(sandbox_fences.CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    known = os.uname().machine in ("x86_64", "aarch64")
    return landlock >= 6 and known and "Seccomp:" in Path("/proc/self/status").read_text()


needs_fences = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's fences are Linux's")


@needs_fences
def test_a_subverted_parser_reaches_nothing(folder: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secrets.json"
    secret.write_text("the key")
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with sandbox.opened(PROGRAM, limits=SMALL, folder=folder) as box:
            came_of_it = box.run({"do": "escape", "secret": str(secret), "victim": victim.pid})["came_of_it"]
            fences = box.fences
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()
    if not kernel_has_fences():
        pytest.skip("this kernel has not all fences")
    assert fences == ["landlock", "capabilities", "seccomp"]
    assert {name: result for name, result in came_of_it.items() if not result.startswith("refused")} == {}
    assert secret.read_text() == "the key"
    assert sorted(path.name for path in outside.iterdir()) == ["secrets.json"]


def test_threads_may_be_made_in_it(folder: Path):
    assert do("threads", folder) == {"done": [0, 1, 2, 3]}


def test_a_caller_that_changes_its_mind_ends_the_child(folder: Path):
    pids: list[int] = []

    def superseded(told: dict[str, Any]) -> None:
        pids.append(told["pid"])
        raise KeyError("superseded")

    with pytest.raises(KeyError):
        do("sleep", folder, on_message=superseded)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_caller_is_asked_while_the_child_is_silent(folder: Path):
    asked: list[float] = []

    def tick() -> None:
        asked.append(time.monotonic())
        if len(asked) == 3:
            raise KeyError("superseded")

    with pytest.raises(KeyError):
        do("sleep", folder, on_tick=tick)


def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path):
    program = f"""
        from pathlib import Path
        from teams import sandbox
        sandbox.run({PROGRAM!r}, {{"do": "sleep"}}, limits=sandbox.Limits(), folder=Path({str(tmp_path / "s")!r}),
                    on_message=lambda told: print(told["pid"], flush=True))
    """
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while _lives(child):
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_what_a_killed_parent_left_is_swept_and_what_is_young_is_not(tmp_path: Path):
    place = tmp_path / "scratch"
    old, young = place / "sandbox-old", place / "sandbox-young"
    for left in (old, young):
        left.mkdir(parents=True)
        (left / "rows").write_text("x")
    long_ago = time.time() - sandbox.STALE_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    do("echo", place, say="x")
    assert sorted(path.name for path in place.iterdir()) == ["sandbox-young"]


def test_only_plain_files_of_the_expected_size_are_taken(folder: Path, tmp_path: Path):
    with sandbox.opened(PROGRAM, limits=SMALL, folder=folder) as box:
        box.run({"do": "leave_files"})
        box.take("rows", to=tmp_path / "rows", most_bytes=1000)
        for name, most in [("rows", 999), ("missing", 10), ("../secrets.json", 10), ("/etc/passwd", 10_000), ("", 10)]:
            with pytest.raises(sandbox.BadOutput):
                box.take(name, to=tmp_path / "taken", most_bytes=most)
        (box.scratch / "link").symlink_to("/etc/passwd")
        os.link(tmp_path / "rows", box.scratch / "hard")
        os.mkfifo(box.scratch / "pipe")
        (box.scratch / "folder").mkdir()
        for name in ("link", "hard", "pipe", "folder"):
            with pytest.raises(sandbox.BadOutput):
                box.take(name, to=tmp_path / "taken", most_bytes=10_000)
    assert not list(tmp_path.glob("taken*"))


def test_many_threads_at_once_each_get_their_own(folder: Path):
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        answers[number] = do("echo", folder, say=str(number))["said"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: str(number) for number in range(6)}
