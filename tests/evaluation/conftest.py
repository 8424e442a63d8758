"""A finished run of each kind, a scripted model server, and answers that are made before the request returns."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from evaluation.models import InterviewScript
from evaluation.services import answering, interviews
from teams.models import Course, Membership, Method, Price, PriceKind, Team, User
from tests import factories
from tests.evaluation.model_server import ModelServer, Script
from training.models import BaseModel, Hosting, RunStatus, TrainingRun
from training.services.calls import stream
from training.services.launch import next_number


@pytest.fixture
def model_server(scripted_server: ModelServer, settings: Any) -> Script:
    script = scripted_server.new_script()
    settings.MODEL_SERVER_URL = settings.PROGRAM_SERVER_URL = settings.OPENAI_BASE_URL = script.url
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = script.url, "sk-test"
    return script


async def in_this_thread(function: Callable[..., Any], *args: Any) -> Any:
    return await sync_to_async(function)(*args)


@pytest.fixture
def answers_at_once(monkeypatch: pytest.MonkeyPatch, redis_server: str) -> None:
    """The coroutine that answers runs to its end inside `desk.start`, on this test's database connection."""

    async def answer(turn_id: int) -> None:
        try:
            await answering.answer(turn_id, database=in_this_thread)
        finally:
            await stream.close_connections()

    def start(turn_id: int) -> None:
        async_to_sync(answer)(turn_id)

    monkeypatch.setattr(answering.desk, "start", start)


def make_run(team: Team, method: Method = Method.LORA, *, rehearsal: bool = False, name: str = "") -> TrainingRun:
    """A finished run, as the training services leave it."""
    base, _ = BaseModel.objects.get_or_create(
        course=team.course,
        method=method,
        name="tiny-student" if method == Method.LORA else ("rehearsal-" if rehearsal else "") + "gpt-test",
        defaults={
            "label": "Base",
            "hosting": Hosting.BUNDLED if method == Method.LORA else Hosting.PROVIDER,
            "rehearsal": rehearsal,
        },
    )
    versions = team.datasets.first()
    version = versions.versions.first() if versions else factories.make_dataset_version(team, name=f"{team.name} rows")
    number = next_number(team)
    run = TrainingRun(
        team=team, number=number, name=name, method=method, base_model=base, dataset_version=version, settings={}
    )
    run.status, run.rehearsal = RunStatus.SUCCEEDED, rehearsal
    run.result_model = f"ft:gpt-test:{team.name}::x" if method == Method.OPENAI else f"run-{run.key}"
    run.result = {"system_prompt": "You are a second-grade student."}
    run.save()
    return run


def make_prices(team: Team, model: str = "gpt-test") -> None:
    """One micro-dollar for an input token and two for an output token, also of the fine-tuned model."""
    for name in (model, f"ft:{model}"):
        for kind, price in ((PriceKind.INPUT, 1_000_000), (PriceKind.OUTPUT, 2_000_000)):
            Price.objects.create(
                course=team.course,
                provider="openai",
                model=name,
                kind=kind,
                per_million=price,
                effective_from=date(2026, 1, 1),
                source="test",
            )


@pytest.fixture
def run(team: Team) -> TrainingRun:
    return make_run(team)


@pytest.fixture
def paid_run(team: Team) -> TrainingRun:
    make_prices(team)
    return make_run(team, Method.OPENAI)


def professor_of(team: Team, person: User) -> Membership:
    """That professor, assigned to that team."""
    return factories.assign(team, person).professor


@pytest.fixture
def short_script(course: Course) -> InterviewScript:
    """Three questions of the course's own, so that a test asks nine times and not a hundred."""
    script = InterviewScript.objects.create(course=course, number=1, name="Short")
    built_in = InterviewScript.objects.filter(course=None).latest("number").questions.filter(position__in=[1, 11, 32])
    for question in built_in:
        question.pk, question.script = None, script
        question.save()
    return script


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, redis_server: str) -> list[int]:
    """The wake-up calls that were sent to the worker."""
    sent: list[int] = []
    monkeypatch.setattr(interviews, "send_for_worker", lambda interview: sent.append(interview.pk))
    return sent
