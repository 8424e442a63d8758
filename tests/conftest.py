"""Shared fixtures: a fixed cast in two courses, and a real Redis where a test asks for it."""

import logging
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from asgiref.sync import SyncToAsync
from django.apps import apps
from django.core import serializers
from django.db import connection, connections
from django.db.transaction import Atomic
from django.test import Client, TransactionTestCase
from django.utils import timezone

from courseplatform import redis_server as server
from datasets.services import measure
from datasets.services.base_folders import TINY
from teams.models import Course, Role, Team, User
from teams.services import mail, throttle
from tests import drawn, factories, migrated
from tests.evaluation.model_server import ModelServer, serving
from training.models import BaseModel

# A slow machine is no failure, and the same commit gives the same verdict.
hypothesis.settings.register_profile("course", deadline=None, derandomize=True)
hypothesis.settings.load_profile("course")

drawn.read_as_drawn()

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Of many threads that write, SQLite lets in whoever asks at the right moment: on a slow machine one of 64 waited for
    longer than the platform does."""
    if connections["default"].vendor == "sqlite":
        connections.settings["default"]["OPTIONS"]["timeout"] = 300


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool, django_db_modify_db_settings: None) -> bool:
    """SQLite: this session's database begins as a copy of one that is migrated already, and its file goes at the end."""
    return django_db_keepdb or migrated.begin_with_copy()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What the migrations put into the tables (prices, base models, the rubric) comes back after a test that empties them."""
    with django_db_blocker.unblock():
        migrated.keep_copy()
        BaseModel.objects.filter(name=TINY).update(enabled=True)  # trains in seconds; see OFFER_TEST_MODEL
        later = timezone.localdate() + timedelta(days=45)  # whatever day it is: what is switched off is offered no more
        BaseModel.objects.exclude(shutdown_on=None).update(shutdown_on=later)
        labels = ("teams", "datasets", "training", "evaluation")
        models = [model for model in apps.get_models() if model._meta.app_label in labels]
        kept = [
            row for model in serializers.sort_dependencies([(None, models)]) for row in model._default_manager.all()
        ]
    emptying: Any = TransactionTestCase  # its stubs leave the private method out
    empty = emptying._fixture_teardown

    def empty_and_restore(case: TransactionTestCase) -> None:
        empty(case)
        for row in kept:
            row.save_base(raw=True, force_insert=True)

    emptying._fixture_teardown = empty_and_restore
    yield
    # The thread that all async code shares for its queries holds a connection; PostgreSQL drops no database in use.
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    migrated.remove()


@pytest.fixture(autouse=True)
def private_folders(settings: Any, tmp_path: Path) -> None:
    """No test writes into the developer's var/, and passwords hash fast."""
    settings.VAR_DIR = tmp_path / "var"
    settings.RUNS_ROOT = tmp_path / "var" / "runs"
    settings.MEDIA_ROOT = tmp_path / "var" / "media"
    settings.RUNS_ROOT.mkdir(parents=True)
    settings.FILE_UPLOAD_TEMP_DIR = None
    settings.OFFER_TEST_MODEL = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STATIC_ROOT = tmp_path
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture(autouse=True)
def nobody_tried_yet() -> None:
    throttle.forget_everything()


@pytest.fixture(autouse=True)
def mail_leaves_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the quick worker would be woken for is done here, after the commit: tests have no worker.

    A test marked `mail_waits` wakes the worker itself.
    """
    if not request.node.get_closest_marker("mail_waits"):
        monkeypatch.setattr(mail, "wake", mail.deliver)


@pytest.fixture(autouse=True)
def measured_once_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be measured when a transaction is committed is measured so too inside the one that a test is wrapped in."""
    leave = Atomic.__exit__

    def leave_and_measure(self: Atomic, *error: Any) -> None:
        leave(self, *error)
        open_ones = connection.atomic_blocks
        if not open_ones or not getattr(open_ones[-1], "_from_testcase", False):
            return  # committed for good, or still inside a transaction of the platform's own
        entries: list[Any] = connection.run_on_commit  # (savepoints, function, robust)
        waiting = [entry for entry in entries if getattr(entry[1], "func", None) is measure.begin]
        connection.run_on_commit = [entry for entry in entries if entry not in waiting]
        for entry in waiting:
            entry[1]()

    monkeypatch.setattr(Atomic, "__exit__", leave_and_measure)


@pytest.fixture(autouse=True)
def patient_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast this machine is decides no test: a small file is read at once, however long that takes."""
    monkeypatch.setattr("datasets.services.intake.AT_ONCE_SECONDS", 300.0)


@pytest.fixture(scope="session", autouse=True)
def ended_loops_are_not_complained_about() -> Iterator[None]:
    """Tests end event loops with connections to models in them, which a server would close first."""
    yield
    logging.getLogger("asyncio").disabled = True


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The third-party files beside the checkout; tests that need them skip where they are absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the third-party files in {SHARED / 'data'}, which are not part of the repository")
    return SHARED / "data"


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real server of this session's own."""
    with socket.socket() as kept:
        # Bound until the server listens, so that no other session running beside this one is given the same port.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        port = int(kept.getsockname()[1])
        process = subprocess.Popen(
            server.command(port=port, folder=tmp_path_factory.mktemp("redis")), stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not server.answers(port):
            assert process.poll() is None, "the Redis server ended at once"
            assert time.monotonic() < deadline, "the Redis server does not answer"
            time.sleep(0.02)
    yield port
    process.terminate()
    process.wait(60)


@pytest.fixture(scope="session")
def scripted_server() -> Iterator[ModelServer]:
    with serving() as server:
        yield server


@pytest.fixture
def redis_server(redis_port: int, settings: Any) -> Iterator[str]:
    """REDIS_URL and the RQ queues on a real, emptied server."""
    import redis

    from teams import live

    url = f"redis://127.0.0.1:{redis_port}/0"
    redis.Redis.from_url(url).flushall()
    settings.REDIS_URL = url
    settings.RQ_QUEUES = {name: {**queue, "URL": url} for name, queue in settings.RQ_QUEUES.items()}
    live._connection.cache_clear()
    yield url
    live._connection.cache_clear()


@pytest.fixture
def course(db: None) -> Course:
    return factories.make_course()


@pytest.fixture
def other_course(db: None) -> Course:
    return factories.make_course("Another course")


@pytest.fixture
def member(course: Course, team: Team) -> User:
    return team.memberships.get().person


@pytest.fixture
def team(course: Course) -> Team:
    return factories.make_team(course, "Maple", factories.make_person("Mia Member", "member@example.edu"))


@pytest.fixture
def other_team(course: Course) -> Team:
    return factories.make_team(course, "Birch", factories.make_person("Otis Other", "other@example.edu"))


@pytest.fixture
def other_course_team(other_course: Course) -> Team:
    return factories.make_team(other_course, "Cedar", factories.make_person("Cora Far", "far@example.edu"))


@pytest.fixture
def other_member(other_team: Team) -> User:
    return other_team.memberships.get().person


@pytest.fixture
def outsider(other_course_team: Team) -> User:
    """Signed in, in another course."""
    return other_course_team.memberships.get().person


@pytest.fixture
def professor(course: Course) -> User:
    person = factories.make_person("Pat Professor", "professor@example.edu")
    factories.enrol(course, person, Role.PROFESSOR)
    return person


@pytest.fixture
def instructor(course: Course) -> User:
    person = factories.make_person("Iris Instructor", "instructor@example.edu")
    factories.enrol(course, person, Role.INSTRUCTOR)
    return person


@pytest.fixture
def assistant(course: Course) -> User:
    """Sees and helps."""
    person = factories.make_person("Tess Assistant", "assistant@example.edu")
    factories.enrol(course, person, Role.ASSISTANT)
    return person


@pytest.fixture
def trusted_assistant(course: Course) -> User:
    """The instructor ticked everything."""
    person = factories.make_person("Trudy Trusted", "trusted@example.edu")
    membership = factories.enrol(course, person, Role.ASSISTANT)
    membership.may_price = membership.may_release = membership.may_delete = True
    membership.save()
    return person


@pytest.fixture
def observer(course: Course) -> User:
    person = factories.make_person("Olga Observer", "observer@example.edu")
    factories.enrol(course, person, Role.OBSERVER)
    return person


@pytest.fixture
def operator(db: None) -> User:
    """Runs the platform, and is in no course."""
    person = factories.make_person("Oper Ator", "operator@example.edu")
    User.objects.filter(pk=person.pk).update(is_staff=True)
    person.refresh_from_db()
    return person


@pytest.fixture
def client_for() -> Callable[[User | None], Client]:
    """A browser session of that person; None is someone not signed in."""

    def make(person: User | None) -> Client:
        client = Client()
        if person is not None:
            client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make
