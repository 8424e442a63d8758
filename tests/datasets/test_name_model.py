"""The name model looks after the rules, in a child process; rows stay here until it has, and its findings count like theirs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from datasets.models import DatasetVersion
from datasets.services import measure, name_model, versions
from datasets.services.privacy import cloud_refusal, justify
from teams.models import Team, User
from tests import factories

SAID = "Then Breezy Puddle laughed."


@pytest.fixture
def here(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine with the model; gives the versions that wait for the worker."""
    waiting: list[int] = []
    settings.PRIVACY_MODEL = True
    monkeypatch.setattr(name_model, "find_spec", lambda name: True)
    monkeypatch.setattr(measure, "_enqueue", lambda version: waiting.append(version.pk))
    return waiting


def made(team: Team, member: User, said: str = SAID) -> DatasetVersion:
    rows: list[dict[str, Any]] = factories.child_rows(3)
    rows[1]["messages"][0]["content"] = said
    dataset = versions.create_dataset(team=team, name="Names", person=member)
    return versions.create_version(dataset=dataset, rows=rows, shape="messages", person=member, note="", source_name="")


def found_there(version: DatasetVersion) -> name_model.Findings:
    start = SAID.index("Breezy")
    return {(1, "messages[0].content"): [("name", start, start + len("Breezy Puddle"), "high", name_model.REASON)]}


def test_rows_stay_here_until_the_model_has_looked(team: Team, member: User, here: list[int], browser: Client) -> None:
    version = made(team, member)
    assert here == [version.pk] and version.report["privacy_model"] == "waiting"
    assert "name model" in (cloud_refusal(version) or "") and not version.may_leave_this_machine
    with pytest.raises(ValueError, match="still looking"):
        justify(version=version, person=member, reason="Everybody here is made up by us.")
    page = f"/teams/{team.pk}/datasets/{version.dataset_id}/versions/{version.number}/privacy/"
    assert "the name model is still looking" in browser.get(page).content.decode()


def test_what_the_model_finds_is_open_until_somebody_judges_or_replaces_it(
    team: Team, member: User, here: list[int], monkeypatch: pytest.MonkeyPatch, browser: Client
) -> None:
    monkeypatch.setattr(name_model, "look", found_there)
    version = made(team, member)
    assert version.open_privacy_findings == 0
    measure.measure(version, with_model=True)
    assert version.looked_by_model and version.open_privacy_findings == 1
    page = f"/teams/{team.pk}/datasets/{version.dataset_id}/versions/{version.number}/privacy/"
    assert "Breezy Puddle" in browser.get(page).content.decode()
    browser.post(page + "pseudonyms/")
    assert "Puddle" not in str(list(versions.rows(DatasetVersion.objects.get(number=2))))


def test_a_model_that_breaks_down_is_said_and_stops_nobody(
    team: Team, member: User, here: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(version: DatasetVersion) -> name_model.Findings:
        raise name_model.ModelAway("It broke down.")

    version = made(team, member)
    monkeypatch.setattr(name_model, "look", broken)
    measure.measure(version, with_model=True)
    assert version.report["privacy_model"] == "failed" and cloud_refusal(version) is None


@pytest.mark.parametrize(
    "told",
    [
        b'{"index":9,"field":"f","kind":"name","start":0,"end":4}',
        b'{"index":0,"field":"f","kind":"x","start":0,"end":4}',
    ],
)
def test_what_the_child_says_of_rows_that_are_not_there_is_dropped(told: bytes) -> None:
    assert name_model._checked(told, row_count=3) == {}


def test_the_model_finds_a_name_of_plain_words_in_its_sandbox(team: Team, member: User) -> None:
    said = "Grace Bell is my friend and Lizzie Hope Rivers is, too."
    version = made(team, member, said)
    found = name_model.look(version)
    assert "Grace Bell" in {said[start:end] for _, start, end, _, _ in found[1, "messages[0].content"]}


def test_the_web_process_never_loads_the_model() -> None:
    program = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; import django; django.setup();"
        "import courseplatform.urls, datasets.jobs; from datasets import checks;"
        "from datasets.checks.privacy import find_in; find_in('My friend Kwame Mensah');"
        "print([name for name in ('spacy', 'presidio_analyzer', 'thinc', 'wordfreq') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr
