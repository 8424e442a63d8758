"""A service that fails at one step and is well again: what is paid for always ends usable, whatever kind of service it is.

At each step it says, one request after the other: not found, too many, broken, a page of HTML, and nothing at all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from teams.models import Dialect, Hold, HoldState, LedgerEntry
from teams.services.providers import Wanted
from tests.training.dialect_servers import CUT, Answer, AzureControl, AzureService, Nebius, Scripted, Service, serving
from tests.training.test_dialects import HTML, RESOURCE, Begin, again, begin, look
from training import jobs
from training.models import RunStatus, TrainingRun
from training.providers import openai_api
from training.services.endpoints import endpoint_for

__all__ = ["begin"]
pytestmark = pytest.mark.django_db

LATER: list[Answer] = [(429, {"error": {"message": "later"}}), (500, HTML), (200, HTML), (503, {}), CUT]
GONE: list[Answer] = [(404, {"error": {"message": "gone"}}), (404, HTML)]
MOST_LOOKS = 40


@dataclass
class Place:
    """A service of some kind, with what deploys there, and how it is entered in the browser."""

    service: Scripted
    wanted: Wanted
    model: str
    deploying: Scripted | None = None

    def finish(self) -> None:
        self.service.status = "succeeded"  # type: ignore[attr-defined]
        if isinstance(self.deploying, AzureControl):
            self.deploying.state = "Succeeded"
        elif isinstance(self.deploying, Nebius):
            self.deploying.model_status = "active"


@pytest.fixture
def at(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Place]]:
    monkeypatch.setattr(openai_api, "FILE_LOOKS", (0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(openai_api, "ASK_AGAIN_SECONDS", (0.0,))
    control, azure, nebius, plain = AzureControl(), AzureService(), Nebius(), Service()
    with serving(control), serving(azure), serving(nebius), serving(plain):
        settings.AZURE_MANAGEMENT_URL = settings.AZURE_LOGIN_URL = control.url
        options = {"resource": RESOURCE, "tenant": "tenant-1", "client": "client-1", "sku": "developertier"}
        entered = {
            Dialect.OPENAI: Place(plain, _wanted(Dialect.OPENAI, f"{plain.url}/v1"), "base-1"),
            Dialect.COURSE: Place(plain, _wanted(Dialect.COURSE, f"{plain.url}/v1"), "base-1"),
            Dialect.NEBIUS: Place(nebius, _wanted(Dialect.NEBIUS, f"{nebius.url}/v1"), "meta-llama/L-8B", nebius),
            Dialect.AZURE: Place(
                azure,
                _wanted(Dialect.AZURE, f"{azure.url}/openai/v1", options=options, secret="azure-secret-1"),
                "gpt-4o-mini",
                control,
            ),
        }
        yield lambda dialect: entered[Dialect(dialect)]


def _wanted(dialect: Dialect, url: str, **more: Any) -> Wanted:
    return Wanted("Faculty", dialect, url, key=Service.key, **more)


def _to_its_end(run: TrainingRun) -> TrainingRun:
    for _ in range(MOST_LOOKS):
        if run.status not in (RunStatus.WAITING, RunStatus.DEPLOYING):
            return run
        run = look(run)
    return run


def _check_usable(run: TrainingRun, place: Place) -> None:
    assert run.status == RunStatus.SUCCEEDED, (run.error_code, run.error_message)
    bot = endpoint_for(run)
    assert bot.model == (run.deployment or run.result_model) and bot.base_url.startswith(place.service.url)
    assert LedgerEntry.objects.get().delta > 0
    assert not Hold.objects.filter(state=HoldState.OPEN).exists()


ALL = ("openai", "course", "azure", "nebius")
AFTER = ("GET {}/v1/fine_tuning/jobs/", "GET {}/v1/files/file-result/content", "DELETE {}/v1/files/")
EXTRAS = ("GET {}/v1/fine_tuning/jobs/ftjob-1/events", "GET {}/v1/fine_tuning/jobs/ftjob-1/checkpoints")
BEFORE = {
    "GET {}/v1/models/": LATER + GONE,
    "GET {}/v1/files": GONE,
    "POST {}/v1/files": LATER[:2],
    "GET {}/v1/fine_tuning/jobs": GONE[:1],
}


def _spoil(place: Place, dialect: str, steps: dict[str, list[Answer]]) -> None:
    prefix = "/openai" if dialect == "azure" else ""
    place.service.spoil |= {step.format(prefix): list(answers) for step, answers in steps.items()}


@pytest.mark.parametrize("dialect", ALL)
def test_what_fails_after_the_job_was_made_takes_nothing_away(
    at: Callable[[str], Place], begin: Begin, dialect: str
) -> None:
    place = at(dialect)
    run = begin(place.wanted, place.model)
    assert run.status == RunStatus.WAITING, run.error_message
    _spoil(place, dialect, dict.fromkeys((*EXTRAS, *AFTER), LATER + GONE))
    place.finish()
    _check_usable(_to_its_end(run), place)


@pytest.mark.parametrize("dialect", ALL)
def test_what_fails_before_the_job_is_made_is_asked_again_or_done_without(
    at: Callable[[str], Place], begin: Begin, dialect: str
) -> None:
    """The run goes back into the queue where a provider says: later, and a worker takes it up again."""
    place = at(dialect)
    _spoil(place, dialect, BEFORE)
    run = _queued_again(begin(place.wanted, place.model))
    place.finish()
    _check_usable(_to_its_end(run), place)
    assert len(place.service.jobs) == 1  # type: ignore[attr-defined]


def _queued_again(run: TrainingRun) -> TrainingRun:
    """What workers do with it until it waits, or has failed."""
    while run.status == RunStatus.QUEUED:
        jobs.execute_run(run.pk)
        run = again(run)
    return run


@pytest.mark.parametrize(("dialect", "answer"), list(zip(ALL, [CUT, (500, HTML), (200, HTML), (429, {})], strict=True)))
def test_a_creation_whose_answer_is_lost_is_made_once(
    at: Callable[[str], Place], begin: Begin, dialect: str, answer: Answer
) -> None:
    place = at(dialect)
    real = place.service.reply
    creations = 0

    def lost_once(method: str, path: str, body: Any, key: str) -> Answer:
        """It is carried out, and what is said of it never comes."""
        nonlocal creations
        done = real(method, path, body, key)
        if method == "POST" and path.endswith("/v1/fine_tuning/jobs") and done[0] == 200:
            creations += 1
            return answer if creations == 1 else done
        return done

    place.service.reply = lost_once  # type: ignore[method-assign]
    run = _queued_again(begin(place.wanted, place.model))
    place.finish()
    _check_usable(_to_its_end(run), place)
    assert creations == 1


DEPLOYING = {
    "azure": ("POST /tenant-1", "PUT /subscriptions", "GET /subscriptions"),
    "nebius": ("POST /v0/models", "GET /v0/models"),
}


@pytest.mark.parametrize("dialect", DEPLOYING)
def test_what_fails_while_the_model_is_deployed_takes_nothing_away(
    at: Callable[[str], Place], begin: Begin, dialect: str
) -> None:
    place = at(dialect)
    run = begin(place.wanted, place.model)
    assert place.deploying is not None
    for where in DEPLOYING[dialect]:
        place.deploying.spoil[where] = [*LATER, (403, {}), *([] if where.startswith("GET") else GONE)]
    place.finish()
    _check_usable(_to_its_end(run), place)


def test_a_deployment_that_failed_is_made_anew(at: Callable[[str], Place], begin: Begin) -> None:
    """Azure keeps one that failed under its name: only another PUT changes that."""
    place = at("azure")
    run = begin(place.wanted, place.model)
    control = place.deploying
    assert isinstance(control, AzureControl)
    place.finish()
    control.state = "Failed"
    run = look(look(run))
    assert run.status == RunStatus.DEPLOYING and control.times("PUT") == 1
    run = look(run)
    assert run.status == RunStatus.DEPLOYING and control.times("PUT") == 2
    control.state = "Succeeded"
    _check_usable(_to_its_end(run), place)


# --- What Azure wants of uploads and jobs ------------------------------------------------------------------------------


def test_azure_gets_marked_rows_and_no_job_before_it_has_looked_them_through(
    at: Callable[[str], Place], begin: Begin
) -> None:
    place = at("azure")
    place.wanted.options["training"] = "globalstandard"
    run = begin(place.wanted, place.model)
    service = place.service
    assert isinstance(service, AzureService)
    assert run.status == RunStatus.WAITING, run.error_message
    assert run.provider_status == "pending"
    assert service.jobs[0]["trainingType"] == "globalstandard"
    assert service.times("GET /openai/v1/files/file-1") == service.looks
    place.finish()
    run = _to_its_end(run)
    _check_usable(run, place)
    assert run.result_model == AzureService.tuned


def test_rows_that_azure_could_not_use_are_named_before_anything_is_charged(
    at: Callable[[str], Place], begin: Begin
) -> None:
    place = at("azure")
    said = {"object": "file", "bytes": 1, "created_at": 1, "filename": "x", "purpose": "fine-tune", "id": "file-1"}
    refused = {**said, "status": "error", "status_details": "Line 3 is no JSON."}
    place.service.spoil["GET /openai/v1/files/file-1"] = [(200, refused)]
    run = begin(place.wanted, place.model)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "file_refused")
    assert "Line 3 is no JSON." in run.error_message
    assert LedgerEntry.objects.get().delta == 0 and not Hold.objects.filter(state=HoldState.OPEN).exists()


def test_a_file_that_is_never_looked_through_makes_no_job(at: Callable[[str], Place], begin: Begin) -> None:
    place = at("azure")
    service = place.service
    assert isinstance(service, AzureService)
    service.looks = 10_000
    run = begin(place.wanted, place.model)
    assert run.status == RunStatus.QUEUED and service.jobs == []
    notes = str(list(run.events.filter(kind="note").values_list("data", flat=True)))
    assert "still looks the uploaded rows through" in notes
