"""Finding 1: a path in a table is text from outside. Every open under a run's folder is proven to lie in it."""

import io
import os
import re
import zipfile
from pathlib import Path

import pytest
from dspy_program import serve, upstreams
from lora import store

from courseplatform import archive
from evaluation.services import bundle_check, submissions
from teams.safe_files import OutsideFolder, file_in, open_in
from teams.services.archive_exports import ExportRefused
from tests.evaluation.conftest import make_run
from training.models import Artifact
from training.services import bundle, run_storage

ROOT = Path(__file__).resolve().parents[2]
SECRET = "the platform's key"


@pytest.fixture
def secret(settings):
    for folder in (settings.VAR_DIR, settings.VAR_DIR / "private"):
        folder.mkdir(exist_ok=True)
        (folder / "secrets.json").write_text(SECRET)
    return settings.VAR_DIR / "secrets.json"


@pytest.fixture
def run(team):
    made = make_run(team)
    made.folder.mkdir(parents=True)
    (made.folder / "result.json").write_text("{}")
    return made


def names_of(secret, run):
    """What a hostile table may say, and what lies in the folder for it: a link to a file, and one to a folder."""
    (run.folder / "linked.json").symlink_to(secret)
    (run.folder / "adapter").symlink_to(secret.parent / "private")
    return [str(secret), "../../secrets.json", "adapter/secrets.json", "linked.json", "//" + str(secret).lstrip("/")]


def test_no_artefact_leads_out_of_its_runs_folder(client_for, member, team, run, secret):
    client = client_for(member)
    for name in names_of(secret, run):
        Artifact.objects.all().delete()
        Artifact.objects.create(run=run, path=name, sha256="0" * 64, size=1)
        answer = client.get(f"/teams/{team.pk}/runs/{run.number}/files/{name}")
        assert answer.status_code in (404, 503), name
        assert SECRET not in answer.content.decode()
    Artifact.objects.all().update(path="result.json")
    answer = client.get(f"/teams/{team.pk}/runs/{run.number}/files/result.json")
    assert b"".join(answer.streaming_content) == b"{}"


def test_no_archive_takes_along_what_lies_outside(team, run, secret, course):
    for name in names_of(secret, run):
        Artifact.objects.create(run=run, path=name, sha256="0" * 64, size=1)
    for write in (lambda out: archive.write(course, out), lambda out: bundle.write_into(run, out)):
        out = io.BytesIO()
        with pytest.raises(ExportRefused, match="cannot be given"):
            write(out)
        assert SECRET.encode() not in out.getvalue()
        with zipfile.ZipFile(out) as zipped:
            assert SECRET.encode() not in b"".join(zipped.read(name) for name in zipped.namelist())


def test_a_handed_in_bots_snapshot_is_no_way_to_learn_of_other_files(team, run, secret, member):
    submission = submissions.submit(team=team, run=run, person=member)
    submission.bundle["artifacts"] = [{"path": name, "sha256": "0" * 64} for name in names_of(secret, run)]
    told = bundle_check.changes_since(submission)
    assert len([line for line in told if line.endswith("is no longer one of this run's.")]) == 5, told
    for name in names_of_rows(submission):
        Artifact.objects.create(run=run, path=name, sha256="0" * 64, size=1)
    assert len(bundle_check.storage_troubles(submission)) == 5, "no file outside is hashed, so none can be guessed"


def names_of_rows(submission):
    return [file["path"] for file in submission.bundle["artifacts"]]


def test_what_an_engine_left_as_a_link_is_no_artefact(run, secret):
    names_of(secret, run)
    assert [artifact.path for artifact in run_storage.keep_artifacts(run)] == ["result.json"]


def test_a_fifo_or_a_folder_is_no_file_to_read(run):
    os.mkfifo(run.folder / "pipe")
    for name in ("pipe", ".", "", "nothing"):
        with pytest.raises(FileNotFoundError):
            open_in(run.folder, name)
    with pytest.raises(OutsideFolder):
        file_in(run.folder, "a\x00b")


def test_the_servers_of_bots_follow_no_link_and_no_key_out_of_the_runs(tmp_path):
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    for folder in (runs, elsewhere / "adapter"):
        folder.mkdir(parents=True)
    (elsewhere / "program.json").write_text("{}")
    (runs / "linked").symlink_to(elsewhere)
    (runs / "file").mkdir()
    (runs / "file" / "program.json").symlink_to(elsewhere / "program.json")
    (runs / "file" / "adapter").symlink_to(elsewhere / "adapter")
    (runs / "inner" / "adapter").mkdir(parents=True)
    (runs / "inner" / "adapter" / "adapter_model.safetensors").symlink_to(elsewhere / "program.json")
    programs = serve.Programs(runs)
    models = store.ModelStore({}, runs, store.Limits(1, 1))
    for name in ("run-linked", "run-file", "run-inner", "run-..", "run-a/../linked"):
        with pytest.raises(upstreams.ApiError, match="no program"):
            programs.find(name)
        with pytest.raises(store.UnknownModel):
            models.open(name)


def test_no_module_joins_a_path_to_a_runs_folder_by_itself():
    joined = re.compile(r"\b(?:run|submission\.run|artifact\.run)\.folder\s*/")
    apps = ("teams", "datasets", "training", "evaluation", "courseplatform")
    files = [file for app in apps for file in (ROOT / app).rglob("*.py")]
    assert len(files) > 150
    assert [str(file) for file in files if joined.search(file.read_text(encoding="utf-8"))] == []
