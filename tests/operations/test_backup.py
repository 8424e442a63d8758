"""Backup, verify, restore: the same rows and files, from SQLite to PostgreSQL and back, and nothing else touched."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from courseplatform.operations.backup import files, making, manifest, tables
from courseplatform.operations.backup.manifest import Manifest
from courseplatform.redis_server import free_port
from teams import live
from teams.models import Course, Role, User
from tests import factories
from tests.world import make_world
from training.models import TrainingRun

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("redis_server")


@pytest.fixture
def world(transactional_db, settings):
    """A row of nearly every kind, and files of runs."""
    course = factories.make_course()
    team = factories.make_team(course, "Maple", factories.make_person("Mia Member", "member@example.edu"))
    professor = factories.make_person("Pat Professor")
    factories.enrol(course, professor, Role.PROFESSOR)
    made = make_world(team, professor, "mark")
    folder = settings.RUNS_ROOT / "some-run" / "adapter"
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(os.urandom(3_000_000))
    (settings.VAR_DIR / "secrets.json").write_text("{}")
    (settings.VAR_DIR / "logs").mkdir()
    (settings.VAR_DIR / "logs" / "web.log").write_text("a line")
    (settings.VAR_DIR / "link").symlink_to("/etc/passwd")
    return made


def call(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out, stderr=out)
    return out.getvalue()


def taken(folder: Path) -> Manifest:
    making.make(folder)
    return manifest.read(folder)


def test_a_backup_has_every_row_and_file_but_no_secret_log_or_link(world, tmp_path):
    made = taken(tmp_path / "backup")
    assert made.tables["training.trainingrun"]["rows"] == TrainingRun.objects.count()
    assert len([one for one in made.tables.values() if one["rows"]]) > 60
    names = set(made.files)
    assert "runs/some-run/adapter/weights.bin" in names
    assert not {name for name in names if name.startswith(("logs", "secrets", "link"))}
    assert "Whole" in call("verify", str(tmp_path / "backup"))
    assert (tmp_path / "backup" / "manifest.json").stat().st_mode & 0o077 == 0


def test_a_restore_brings_back_every_row_and_file_elsewhere(world, tmp_path, settings):
    before = taken(tmp_path / "first")
    known = set(Course.objects.values_list("pk", flat=True))
    User.objects.update(name="Somebody Else")
    TrainingRun.objects.filter(name__gt="").update(name="changed")
    settings.VAR_DIR = tmp_path / "another-host"
    settings.VAR_DIR.mkdir()
    call("restore", str(tmp_path / "first"), "--replace")
    after = taken(tmp_path / "second")
    assert after.tables == before.tables
    assert after.files == before.files
    assert (settings.VAR_DIR / "runs/some-run/adapter/weights.bin").stat().st_size == 3_000_000
    assert Course.objects.create(name="The next one").pk not in known


def test_a_platform_that_is_not_empty_is_left_alone_unless_told(world, tmp_path, settings):
    taken(tmp_path / "backup")
    course = Course.objects.get(pk=world.team.course_id)
    course.name = "Newer than the backup"
    course.save()
    with pytest.raises(CommandError, match=r"holds \d+ accounts and \d+ courses.*--replace"):
        call("restore", str(tmp_path / "backup"))
    assert Course.objects.get(pk=course.pk).name == "Newer than the backup"
    assert not list(settings.VAR_DIR.glob("before-restore-*"))
    (settings.RUNS_ROOT / "newer").write_text("newer than the backup")
    call("restore", str(tmp_path / "backup"), "--replace")
    assert Course.objects.get(pk=course.pk).name != "Newer than the backup"
    aside = next(iter(settings.VAR_DIR.glob("before-restore-*")))
    assert (aside / "runs" / "newer").exists(), "a restore deletes no file"
    assert not (settings.RUNS_ROOT / "newer").exists()


def damage_file(folder: Path) -> None:
    path = folder / "files/runs/some-run/adapter/weights.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def damage_table(folder: Path) -> None:
    shutil.copy(folder / "database/teams.course.jsonl.zst", folder / "database/teams.user.jsonl.zst")


def lose_table(folder: Path) -> None:
    (folder / "database/teams.user.jsonl.zst").unlink()


def edit(folder: Path, change) -> None:
    path = folder / "manifest.json"
    said = json.loads(path.read_text())
    change(said)
    path.write_text(json.dumps(said))


def lead_out(folder: Path) -> None:
    edit(folder, lambda said: said["files"].update({"../../../etc/passwd": {"size": 1, "sha256": "0"}}))


def be_older(folder: Path) -> None:
    edit(folder, lambda said: said["migrations"].update(teams="0001_initial"))


def forget_a_table(folder: Path) -> None:
    edit(folder, lambda said: said["tables"].pop("teams.course"))


def break_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (damage_file, "damaged.*weights.bin"),
        (damage_table, "damaged.*teams.user"),
        (lose_table, "teams.user is missing"),
        (lead_out, "outside itself"),
        (be_older, "tables differ in teams.*Install version"),
        (forget_a_table, "teams.course"),
        (break_manifest, "damaged"),
        (lambda folder: (folder / "manifest.json").unlink(), "is no backup"),
    ],
)
def test_a_backup_that_is_not_whole_changes_nothing(world, tmp_path, break_it, said):
    folder = tmp_path / "backup"
    making.make(folder)
    break_it(folder)
    people = User.objects.count()
    with pytest.raises(CommandError, match=said):
        call("restore", str(folder), "--replace")
    assert User.objects.count() == people


def test_a_backup_goes_nowhere_else_than_asked(world, tmp_path, settings):
    making.make(tmp_path / "backup")
    with pytest.raises(CommandError, match="is there already"):
        call("backup", str(tmp_path / "backup"))
    with pytest.raises(CommandError, match="lies in the data"):
        call("backup", str(settings.VAR_DIR / "backup"))


def test_what_is_written_meanwhile_is_not_in_a_snapshot(world, tmp_path, monkeypatch):
    """Rows of one moment: a team that is added between two tables is in none of them."""
    write, done = tables.write, list[int]()

    def slow(model, path, using):
        if not done:
            done.append(1)
            factories.make_course("Made meanwhile")
        return write(model, path, using)

    monkeypatch.setattr(tables, "write", slow)
    before = Course.objects.count()
    made = taken(tmp_path / "backup")
    assert Course.objects.count() == before + 1
    assert made.tables["teams.course"]["rows"] == before


def test_a_file_that_changes_all_the_while_is_named_and_not_copied(tmp_path, monkeypatch):
    var, made = tmp_path / "kept", Manifest("1", "now", "sqlite", {})
    var.mkdir()
    (var / "steady").write_text("steady")
    (var / "restless").write_text("x")
    copy = files.copy

    def copied(path, to):
        found = copy(path, to)
        if path.name == "restless":
            path.write_text(path.read_text() + "x")
        return found

    monkeypatch.setattr(files, "copy", copied)
    files.copy_all(var, tmp_path / "backup", made)
    assert (list(made.files), made.changing) == (["steady"], ["restless"])
    assert not (tmp_path / "backup" / "files" / "restless").exists()


def test_old_live_events_are_forgotten(world, tmp_path):
    making.make(tmp_path / "backup")
    live.emit("run-1", "told", "of another database's run")
    assert live._connection().exists("live:run-1")
    call("restore", str(tmp_path / "backup"), "--replace")
    assert not live._connection().exists("live:run-1")


@pytest.fixture
def postgres(tmp_path_factory) -> Iterator[str]:
    """A cluster of this test's own."""
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not bins:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/backup-postgres.XXXXXX"], text=True).strip())
    owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if owner:
        shutil.chown(folder, pwd.getpwnam("postgres").pw_uid)
    port = free_port()
    run = [*owner, str(bins[-1] / "initdb"), "-D", f"{folder}/data", "-U", "course", "--auth=trust", "--locale=C.UTF-8"]
    subprocess.run([*run, "--encoding=UTF8", "--no-sync"], check=True, capture_output=True)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [*owner, str(bins[-1] / "pg_ctl"), "-D", f"{folder}/data"]
    subprocess.run(
        [*control, "-w", "-t", "300", "-l", f"{folder}/log", "-o", options, "start"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    yield f"postgres://course@127.0.0.1:{port}/postgres"
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)
    shutil.rmtree(folder)


@pytest.mark.timeout(1800)
def test_from_one_kind_of_database_to_the_other_and_back(world, tmp_path, request, settings):
    first = taken(tmp_path / "first")
    other = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    if connection.vendor == "sqlite":
        other = request.getfixturevalue("postgres")
    var = tmp_path / "other-host"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": other,
        "VAR_DIR": str(var),
        "REDIS_URL": settings.REDIS_URL,
    }

    def there(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    there("migrate", "-v0")
    there("restore", str(tmp_path / "first"))
    there("backup", str(tmp_path / "second"))
    second = manifest.read(tmp_path / "second")
    assert second.vendor != first.vendor
    assert second.tables == first.tables
    assert {name: file["sha256"] for name, file in second.files.items()} == {
        name: file["sha256"] for name, file in first.files.items()
    }
    settings.VAR_DIR = tmp_path / "home-again"
    settings.VAR_DIR.mkdir()
    call("restore", str(tmp_path / "second"), "--replace")
    assert taken(tmp_path / "third").tables == first.tables
