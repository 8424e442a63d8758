"""A fourth method is one folder: from the upload to the archive, nothing else names it (`tests/fourth_method/echo`)."""

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from courseplatform.course_archive import bringing
from evaluation.models import Conversation, Submission
from teams import methods as known_methods
from teams import sandbox
from teams.methods import known
from teams.models import ArchiveKind, Course, HoldState, LedgerEntry, Team, User
from tests import factories
from tests.exporting import download
from tests.security.archive_tools import arrived
from tests.training.money import hold_state
from training import jobs, methods
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import imported, learning_curve, progress
from training.services.bundle import write_bundle

FOLDER = Path(__file__).resolve().parents[1] / "fourth_method"
ROWS = 5
ClientFor = Callable[[User | None], Client]
pytestmark = pytest.mark.usefixtures("answers_at_once")


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Iterator[methods.TrainingMethod]:
    """The folder is found as the three are; gone again after the test. Its bot answers."""
    monkeypatch.setattr(methods, "_registered", dict(methods._registered))
    monkeypatch.setattr(known_methods, "_known", dict(known_methods._known))
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(FOLDER)])
    methods.load()
    serving = import_module("training.methods.echo.server").serving
    with serving() as address:
        monkeypatch.setattr(import_module("training.methods.echo.work"), "ADDRESS", address)
        yield methods.get("echo")
    for name in [name for name in sys.modules if name.startswith("training.methods.echo")]:
        del sys.modules[name]


def page(browser: Client, name: str, *args: object, **asked: str | int) -> str:
    answer = browser.get(reverse(name, args=args), asked)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def run(team: Team, member: User, client_for: ClientFor, echo: methods.TrainingMethod) -> TrainingRun:
    """Uploaded, read about, started and done on the pages and by the worker."""
    browser = client_for(member)
    rows = "\n".join(json.dumps(row) for row in factories.child_rows(ROWS)).encode()
    new = reverse("dataset_new", args=[team.pk])
    assert browser.post(new, {"file": SimpleUploadedFile("rows.jsonl", rows)}).status_code == 302
    version = team.datasets.get().versions.get()

    place = (team.pk, version.dataset_id, version.number)
    assert "5 rows are what The echo wants (3–7)" in page(browser, "version_detail", *place)
    assert "It is there before you have looked up" in page(browser, "version_advice", *place, time="quick")
    form = page(browser, "run_new", team.pk, "echo", version=version.pk)
    assert "New Echo run" in form and "5 rows are said again." in form and "Loudness" in form

    base = BaseModel.objects.offered(team.course, "echo").filter(hosting="bundled")[0]
    asked = {"dataset_version": version.pk, "base_model": base.pk, "loudness": 2, "validation_fraction": "0"}
    sent = {**asked, "rows_share": "1", "seed": 1, "name": "Hello", "key": "7a1b7f3e-2f56-4cf4-9d2c-7f6b1c6f4a55"}
    answer = browser.post(reverse("run_new", args=[team.pk, "echo"]), sent)
    assert answer.status_code == 302, answer.content.decode()
    started = TrainingRun.objects.get()
    jobs.execute_run(started.pk)
    started.refresh_from_db()
    assert started.status == RunStatus.SUCCEEDED, started.error_message
    return started


def test_it_is_trained_and_charged_as_its_folder_says(
    run: TrainingRun, team: Team, member: User, client_for: ClientFor
) -> None:
    assert (run.folder / "echo.txt").read_text() == "!!"
    assert set(run.artifacts.values_list("path", flat=True)) == {"echo.txt", "result.json"}
    assert (run.expected_cost, run.most_cost) == (5_000, 10_000)
    entry = LedgerEntry.objects.get()
    assert (entry.method, entry.delta, entry.price_note) == ("echo", 5_000, "5 rows at $0.001")
    assert hold_state(run) == HoldState.SETTLED
    browser = client_for(member)
    assert "Echo" in page(browser, "run_detail", team.pk, run.number)
    assert ">Echo</span>" in page(browser, "run_list", team.pk)
    running = TrainingRun(method="echo", status=RunStatus.RUNNING, step=3, total_steps=9)
    assert progress.headline(running) == "3 of 9 words"
    assert learning_curve._why_not(run) == "" and run.program is None


def test_too_few_rows_are_refused_by_its_own_figure(
    run: TrainingRun, team: Team, member: User, client_for: ClientFor
) -> None:
    few = factories.make_dataset_version(team, factories.child_rows(1), name="One")
    form = page(client_for(member), "run_new", team.pk, "echo", version=few.pk)
    assert "Echo needs at least 2 rows to train on" in form and "The echo needs 2 rows at least; 1 are missing." in form


def test_it_is_talked_to_handed_in_and_paid_for(
    run: TrainingRun, team: Team, course: Course, member: User, instructor: User, client_for: ClientFor
) -> None:
    browser = client_for(member)
    new = reverse("conversation_new", args=[team.pk])
    assert browser.post(f"{new}?run={run.number}", {"question": "Is ice cold?"}).status_code == 302
    talk = Conversation.objects.get()
    assert talk.turns.get().answer == "Is ice cold?"
    assert "Is ice cold?" in page(browser, "conversation_detail", team.pk, talk.key)

    sent = browser.post(reverse("submission_detail", args=[team.pk]), {"run": run.number})
    assert sent.status_code == 302
    assert Submission.objects.get().bundle["method"] == "echo"
    assert ">Echo</span>" in page(browser, "submission_detail", team.pk)

    assert "Echo" in page(browser, "team_costs", team.pk)
    desk = client_for(instructor)
    assert "Echo" in page(desk, "course_costs_by", course.pk, "method")
    assert "Echo" in page(desk, "course_costs", course.pk)
    assert "Echo" in page(desk, "course_estimates", course.pk)
    assert "Echo" in page(desk, "course_home", course.pk)


def test_its_archive_comes_in_elsewhere(run: TrainingRun, other_team: Team, other_member: User) -> None:
    """Through the child that reads archives, which has no such folder."""
    file = write_bundle(run).read()
    made = imported.import_run(
        import_=arrived(ArchiveKind.RUN, other_member, file, team=other_team), beat=lambda stage: None
    )
    assert (made.method, made.team, made.settings) == ("echo", other_team, run.settings)
    assert (made.folder / "echo.txt").read_text() == "!!"


def test_an_archive_of_a_method_that_is_not_here_is_refused_in_a_sentence(
    run: TrainingRun, other_team: Team, other_member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_bundle(run).read()
    monkeypatch.delitem(methods._registered, "echo")
    monkeypatch.delitem(known_methods._known, "echo")
    import_ = arrived(ArchiveKind.RUN, other_member, file, team=other_team)
    with pytest.raises(sandbox.SandboxError, match="This platform has no method “echo”, only dspy, lora, openai"):
        imported.import_run(import_=import_, beat=lambda stage: None)
    assert not TrainingRun.objects.for_team(other_team).exists()


def test_its_course_comes_back_with_it(
    run: TrainingRun, course: Course, instructor: User, client_for: ClientFor
) -> None:
    file = download(client_for(instructor), course)
    importer = factories.make_person("Ivo Importer", "ivo@example.edu")
    made = bringing.bring_course(import_=arrived(ArchiveKind.COURSE, importer, file), beat=lambda stage: None)
    back = TrainingRun.objects.get(team__course=made)
    assert (back.method, back.settings, back.trained_with.label) == ("echo", run.settings, "Echo")
    assert (back.folder / "echo.txt").read_text() == "!!"
    assert LedgerEntry.objects.get(account__team__course=made).method == "echo"


def test_it_is_known_only_while_its_folder_is_there() -> None:
    assert [method.name for method in known()] == ["dspy", "openai", "lora"]
