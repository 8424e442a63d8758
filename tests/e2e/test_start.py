"""`make demo` from the outside: it starts, says where, stops cleanly, and continues with its data."""

import socket
import sqlite3
import subprocess
import sys
import time

import httpx
import pytest

from tests.e2e.conftest import ROOT, Platform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def has_measured_itself(platform):
    database = sqlite3.connect(platform.folder / "db.sqlite3")
    try:
        return database.execute("select count(*) from training_pacetrial where trouble = ''").fetchone() == (1,)
    finally:
        database.close()


def left_behind(platform):
    """What does not end within a minute."""
    deadline = time.monotonic() + 60
    while (still := platform.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return still


def test_it_starts_prints_the_sign_ins_and_stops_without_leaving_a_process(tmp_path):
    platform = Platform(tmp_path / "var", speed_trial=0.2)
    platform.start()
    said = platform.output.read_text()
    assert f"http://localhost:{platform.port}/" in said
    assert "instructor@demo.example" in said
    assert len(platform.processes()) >= 8, "Redis, web, two workers, scheduler and three model servers"
    assert httpx.get(platform.url + "/healthz", timeout=60).json() == {"status": "ok"}
    deadline = time.monotonic() + 600
    while not has_measured_itself(platform):
        assert time.monotonic() < deadline, "this machine's pace is not tried out by itself"
        time.sleep(0.2)
    assert platform.stop() == 0
    assert left_behind(platform) == {}
    assert "Seeded the demo course" in said
    platform.start()
    assert "Seeded" not in platform.output.read_text(), "a second start continues with the data"
    platform.kill()
    assert left_behind(platform) == {}, "even kill -9 of the supervisor leaves nothing behind"


def test_a_busy_port_is_a_clear_message(tmp_path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "manage.py", "start", "--port", str(port)],
            cwd=ROOT,
            env=Platform(tmp_path / "var").environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stderr
    assert "Traceback" not in done.stderr
