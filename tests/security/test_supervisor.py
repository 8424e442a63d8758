"""A service that keeps crashing takes nothing with it: it is marked, tried again at growing intervals, and may recover."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from courseplatform import service_state, worker_status
from courseplatform.service_state import Failing
from courseplatform.supervisor import Patience, Service, Supervisor

ENDS = [sys.executable, "-S", "-c", "import sys; print('out of memory'); sys.exit(3)"]
STAYS = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
PATIENCE = Patience(ends=3, window=100.0, quick=10.0, stable=30.0, waits=(1.0, 2.0, 4.0, 8.0, 16.0))


class Bench:
    """A supervisor under a clock that the test moves. `said` is what a person at the terminal reads."""

    def __init__(self, folder: Path, *services: Service) -> None:
        self.now, self.said = 1000.0, list[str]()
        self.supervisor = Supervisor(
            list(services), folder / "logs", self.said.append, folder / "services.json", PATIENCE, lambda: self.now
        )

    def look(self, after: float = 0.0) -> None:
        self.now += after
        self.supervisor.look()

    def let_it_end(self, service: Service) -> float:
        """Until it was started and has ended; then the supervisor looks. Gives the seconds until its next try."""
        while service.process is None:
            self.look(0.5)
        service.process.wait(60)
        self.look()
        return service.not_before - self.now

    def marked(self) -> list[str]:
        return [one.name for one in service_state.read(str(self.supervisor.state))]


@pytest.fixture
def bench(tmp_path):
    made: list[Bench] = []

    def make(*services: Service) -> Bench:
        made.append(Bench(tmp_path, *services))
        return made[-1]

    yield make
    for one in made:
        one.supervisor.stop()


def service(name: str, command: list[str], **more: Any) -> Service:
    return Service(name, command, dict(os.environ), **more)


def test_one_crashing_helper_is_marked_and_tried_ever_more_rarely_while_the_rest_runs(bench):
    crashing, fine = service("model-server", ENDS), service("web", STAYS, vital=True)
    table = bench(crashing, fine)
    waits = [table.let_it_end(crashing) for _ in range(2)]
    assert table.marked() == [], "twice is no habit"
    waits += [table.let_it_end(crashing) for _ in range(5)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0]
    assert table.marked() == ["model-server"]
    assert fine.process is not None
    assert fine.process.poll() is None
    assert sum("keeps ending" in line for line in table.said) == 1, "it is said once, not at every try"
    assert not table.supervisor.stopping


def test_the_mark_says_when_it_is_tried_next_and_how_it_ended(bench):
    crashing = service("model-server", ENDS)
    table = bench(crashing)
    for _ in range(3):
        table.let_it_end(crashing)
    (one,) = service_state.read(str(table.supervisor.state))
    assert (one.name, one.code) == ("model-server", 3)
    assert one.next_try is not None
    table.look(100)
    (one,) = service_state.read(str(table.supervisor.state))
    assert one.next_try is None, "it is being tried"


def test_the_mark_goes_when_it_stays_up_and_comes_back_with_the_next_crash(bench):
    unsteady = service("model-server", ENDS)
    table = bench(unsteady)
    for _ in range(3):
        table.let_it_end(unsteady)
    unsteady.command = STAYS
    table.look(after=20)
    assert table.marked() == ["model-server"], "started is not yet recovered"
    table.look(after=29)
    assert table.marked() == ["model-server"]
    table.look(after=1)
    assert table.marked() == []
    assert "model-server has recovered." in table.said
    assert unsteady.process is not None
    unsteady.process.kill()
    assert table.let_it_end(unsteady) == 1.0, "it had lived, so it is back at once"
    assert table.marked() == ["model-server"], "and whoever looks knows that it is not well"


def test_one_that_crashes_slowly_is_found_too(bench):
    """It loads a model for twelve seconds and dies then: no end is quick, and still it never works."""
    slow = service("model-server", STAYS)
    table = bench(slow)
    for _ in range(3):
        table.look(after=2)
        assert slow.process is not None
        slow.process.kill()
        slow.process.wait()
        table.look(after=12)
    assert table.marked() == ["model-server"]


def test_ends_that_are_long_ago_do_not_count(bench):
    seldom = service("worker-quick", STAYS)
    table = bench(seldom)
    for _ in range(6):
        table.look(after=2)
        assert seldom.process is not None
        seldom.process.kill()
        seldom.process.wait()
        table.look(after=60)
    assert table.marked() == []


def test_a_program_that_is_not_there_at_all_is_marked_like_one_that_crashes(bench, tmp_path):
    missing, fine = service("redis", [str(tmp_path / "no-such-program")]), service("web", STAYS)
    table = bench(missing, fine)
    for _ in range(6):
        table.look(after=20)
    assert table.marked() == ["redis"]
    assert fine.process is not None


def test_before_it_was_ever_ready_a_failing_web_process_ends_the_start_with_its_last_words(bench):
    web = service("web", ENDS, vital=True)
    table = bench(web)
    for _ in range(3):
        table.let_it_end(web)
    assert table.supervisor.watch() is False
    assert "out of memory" in table.said[-1]


def test_afterwards_not_even_that_ends_what_runs(bench, monkeypatch):
    web = service("web", ENDS, vital=True)
    table = bench(web)
    for _ in range(3):
        table.let_it_end(web)
    table.supervisor.ready = True
    rounds = iter(range(3))
    monkeypatch.setattr(
        "courseplatform.supervisor.time.sleep", lambda _: next(rounds, None) or table.supervisor.request_stop()
    )
    assert table.supervisor.watch() is True


def test_a_full_disk_does_not_end_the_supervisor_and_the_mark_is_written_once_there_is_room(bench, monkeypatch):
    crashing = service("scheduler", ENDS)
    table = bench(crashing)
    real = service_state.publish

    def no_room(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service_state, "publish", no_room)
    for _ in range(3):
        table.let_it_end(crashing)
    monkeypatch.setattr(service_state, "publish", real)
    table.look()
    assert table.marked() == ["scheduler"]


def test_the_file_is_private_and_gone_after_the_end(bench):
    crashing = service("scheduler", ENDS)
    table = bench(crashing)
    for _ in range(3):
        table.let_it_end(crashing)
    assert stat.S_IMODE(table.supervisor.state.stat().st_mode) == 0o600
    assert stat.S_IMODE((table.supervisor.logs / "scheduler.log").stat().st_mode) == 0o600
    table.supervisor.stop()
    assert not table.supervisor.state.exists()


@pytest.mark.parametrize("content", ["", "not json", "{}", '[{"name": "x"}]', "[1]"])
def test_a_broken_file_is_no_reason_for_an_error_page(tmp_path, content):
    path = tmp_path / "services.json"
    path.write_text(content)
    assert service_state.read(str(path)) == []
    assert service_state.read(str(tmp_path / "none")) == service_state.read("") == []


@pytest.fixture
def crashed(settings, tmp_path):
    path = tmp_path / "services.json"
    service_state.publish(path, [Failing("model-server", 1.7e9, 1.7e9 + 60, -9), Failing("other", 1.7e9, None, 1)])
    settings.SERVICE_STATE = str(path)
    return path


def test_the_health_check_says_degraded_to_everybody_and_which_only_to_who_has_the_token(db, client, crashed, settings):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "degraded"})
    for wrong in ("Bearer ", "Bearer wrong", ""):
        assert client.get("/healthz", headers={"Authorization": wrong}).json() == {"status": "degraded"}
    told = client.get("/healthz", headers={"Authorization": f"Bearer {settings.SERVICE_TOKEN}"}).json()
    assert [(one["name"], one["code"]) for one in told["failing"]] == [("model-server", -9), ("other", 1)]
    service_state.publish(crashed, [])
    assert client.get("/healthz").json() == {"status": "ok"}


def test_without_its_database_the_platform_is_down_and_says_no_more(client, monkeypatch, caplog):
    from django.db import OperationalError, connection

    def away() -> None:
        raise OperationalError("could not connect to course:password@db.internal")

    monkeypatch.setattr(connection, "cursor", away)
    answer = client.get("/healthz")
    assert (answer.status_code, json.loads(answer.content)) == (503, {"status": "down"})


def test_the_queue_page_says_it_in_an_instructors_words(db, client_for, course, instructor, crashed, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    text = client_for(instructor).get(f"/courses/{course.pk}/queue/").content.decode()
    assert "The model server keeps crashing." in text
    assert "LoRA bots and base models do not answer." in text
    assert "logs/model-server.log" in text
    assert "started again by itself at" in text
    assert "is being started again now" in text
    service_state.publish(crashed, [])
    assert "keeps crashing" not in client_for(instructor).get(f"/courses/{course.pk}/queue/").content.decode()


def test_every_service_of_a_machine_has_words_for_an_instructor(settings, monkeypatch):
    from courseplatform import machine

    settings.KEPT_SECRETS = {"SECRET_KEY": "k", "SERVICE_TOKEN": "t", "REDIS_PASSWORD": "r"}
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    ports = machine.Ports(1, 2, 3, 4)
    names = [one.name for one in machine.services(ports, machine.environment(ports))]
    assert len(names) >= 8
    assert set(names) <= set(worker_status.SERVICES)
