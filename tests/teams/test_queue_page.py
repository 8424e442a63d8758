import re
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import redis
from django.utils import timezone
from rq import Worker
from rq.executions import Execution

from courseplatform import worker_status
from courseplatform.redis_server import free_port
from tests import factories
from tests.evaluation.conftest import make_run
from training.models import RunStatus, TrainingRun

NOBODY = "http://127.0.0.1:{}/v1"


@pytest.fixture(autouse=True)
def nothing_is_running(settings, monkeypatch):
    """Addresses at which nobody listens; a test that needs a server puts its own there, however slowly that answers."""
    monkeypatch.setattr(worker_status, "PATIENCE_SECONDS", 60.0)
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    settings.MODEL_SERVER_URL = settings.PROGRAM_SERVER_URL = NOBODY.format(free_port())


@pytest.fixture
def answering(request):
    """A server that answers /healthz with the status given as the parameter."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(request.param if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *args):
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def set_run(run: TrainingRun, **fields) -> TrainingRun:
    TrainingRun.objects.filter(pk=run.pk).update(**fields)
    run.refresh_from_db()
    return run


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


def page(client_for, course, instructor) -> str:
    return str(client_for(instructor).get(f"/courses/{course.pk}/queue/").content.decode())


def test_without_redis_and_servers_the_page_says_so_in_sentences(client_for, course, instructor):
    text = page(client_for, course, instructor)
    assert "Redis server does not answer" in text
    assert text.count("is not running. Start the platform again") == 2
    assert "free" in text


@pytest.mark.parametrize("answering", [200], indirect=True)
def test_a_server_that_answers_is_well(answering, settings):
    settings.MODEL_SERVER_URL = answering
    assert [bool(server.trouble) for server in worker_status.servers()] == [False, True]


@pytest.mark.parametrize("answering", [503], indirect=True)
def test_a_server_that_answers_with_an_error_is_not(answering, settings):
    settings.MODEL_SERVER_URL = answering
    assert "error 503" in worker_status.servers()[0].trouble


def register(url: str, name: str, job: str) -> None:
    """What a worker writes into Redis when it starts, and when it begins a job."""
    connection = redis.Redis.from_url(url)
    worker = Worker(["training"], connection=connection, name=name)
    worker.register_birth()
    if job:
        execution = Execution(id=f"{name}-1", job_id=job, connection=connection, worker_name=name)
        execution.save(ttl=60)
        connection.sadd(worker.executions_key, execution.composite_key)


def test_each_worker_is_shown_with_the_run_that_it_works_on_and_no_other_courses(
    redis_server, client_for, course, instructor, team, other_course_team
):
    mine = set_run(make_run(team, name="Mine"), status=RunStatus.RUNNING)
    strange = set_run(make_run(other_course_team, name="Strange"), status=RunStatus.RUNNING)
    register(redis_server, "one", f"run-{mine.pk}-a1")
    register(redis_server, "two", f"run-{strange.pk}-a1")
    register(redis_server, "three", "")
    text = page(client_for, course, instructor)
    assert f"/teams/{team.pk}/runs/{mine.number}/" in text
    assert text.count("busy with other work") == 1
    assert text.count(">idle<") == 1
    assert "Strange" not in text
    assert other_course_team.name not in text


def test_no_worker_is_an_alarm(redis_server, client_for, course, instructor):
    assert "No worker is running, so nothing starts." in page(client_for, course, instructor)


def test_waiting_runs_show_their_place_over_all_courses(client_for, course, instructor, team, other_course_team):
    set_run(make_run(other_course_team), status=RunStatus.QUEUED)
    set_run(make_run(team), status=RunStatus.QUEUED)
    assert "Waiting in the queue, place 2" in page(client_for, course, instructor)


def test_a_failed_run_says_why_and_what_helps(client_for, course, instructor, team):
    set_run(
        make_run(team),
        status=RunStatus.FAILED,
        error_message="The graphics card ran out of memory.",
        error_fix="Choose a smaller batch.",
        finished_at=timezone.now(),
    )
    text = page(client_for, course, instructor)
    assert "The graphics card ran out of memory." in text
    assert "Choose a smaller batch." in text
    address = found(r'href="([^"]+\?from=\d+)"', text)
    assert client_for(instructor).get(address).status_code == 200


def test_waits_are_counted_over_the_last_seven_days(course, team):
    now = timezone.now()
    for seconds in (10, 20, 90):
        set_run(make_run(team), created_at=now - timedelta(seconds=seconds), started_at=now)
    old = now - timedelta(days=8)
    set_run(make_run(team), created_at=old - timedelta(hours=1), started_at=old)
    assert worker_status.waits(course) == worker_status.Waits(runs=3, usual=20.0, longest=90.0)


def test_a_stranded_run_is_set_right_from_the_page(redis_server, client_for, course, instructor, team):
    run = set_run(make_run(team), status=RunStatus.RUNNING, attempt=1, lease="gone", lease_until=timezone.now())
    answer = client_for(instructor).post(f"/courses/{course.pk}/queue/wake/", follow=True).content.decode()
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED
    assert "1 run recovered." in answer


def test_the_queue_page_needs_the_same_queries_for_one_run_and_for_sixty(
    client_for, course, instructor, team, django_assert_max_num_queries
):
    version = factories.make_dataset_version(team)
    first = make_run(team)
    for number in range(60):
        run = TrainingRun(
            team=team,
            number=100 + number,
            method="lora",
            base_model=first.base_model,
            dataset_version=version,
            settings={},
        )
        run.status = RunStatus.QUEUED if number % 2 else RunStatus.FAILED
        run.save()
    client = client_for(instructor)
    with django_assert_max_num_queries(15):  # two of them ask for hosts, two for storage
        assert client.get(f"/courses/{course.pk}/queue/").status_code == 200
