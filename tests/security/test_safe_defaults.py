"""Nothing is open by default: no debug pages, no secret that everybody knows, no file that others on the server can read."""

import logging
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as live_settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.test import RequestFactory
from django.views.debug import get_exception_reporter_class

from courseplatform import arriving, checks, private_files, redaction, redis_server
from courseplatform.management.commands.start import Command

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {"SECRET_KEY": "k" * 60, "SERVICE_TOKEN": "t" * 40, "ALLOWED_HOSTS": "course.example.edu"}
SHOW = "from django.conf import settings; print(settings.DEBUG, settings.SECRET_KEY, settings.SERVICE_TOKEN)"


def python(*arguments: str, var: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process that has nothing in its environment but this."""
    env = {"PATH": os.environ["PATH"], "VAR_DIR": str(var), "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def shown(var: Path, **environment: str) -> list[str]:
    """[DEBUG, SECRET_KEY, SERVICE_TOKEN] of the product's own settings."""
    done = python("-c", SHOW, var=var, DJANGO_SETTINGS_MODULE="courseplatform.settings", **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_debug_is_off_unless_the_environment_turns_it_on(tmp_path):
    assert shown(tmp_path, **PRODUCTION)[0] == "False"


@pytest.mark.parametrize("missing", [[*PRODUCTION], ["SECRET_KEY"], ["SERVICE_TOKEN"], ["ALLOWED_HOSTS"]])
def test_a_command_without_settings_says_what_is_missing_and_how_to_get_it(tmp_path, missing):
    given = {name: value for name, value in PRODUCTION.items() if name not in missing}
    done = python("manage.py", "check", var=tmp_path, **given)
    assert done.returncode == 1
    assert done.stderr.startswith(f"manage.py check: {missing[0]} is not set")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "secrets.json").exists(), "and nothing is made up for it"


def test_development_has_secrets_of_its_own_that_nobody_else_knows(tmp_path):
    first, again = (shown(tmp_path / "one", DEBUG="1") for _ in range(2))
    other = shown(tmp_path / "two", DEBUG="1")
    assert first == again
    assert first[0] == "True"
    assert min(len(first[1]), len(first[2])) > 60
    assert not {first[1], first[2]} & {other[1], other[2]}
    assert mode(tmp_path / "one" / "secrets.json") == "0o600"
    assert mode(tmp_path / "one") == "0o700"


def test_a_command_on_a_started_platform_uses_its_secrets_without_debug(tmp_path):
    kept = private_files.kept_secrets(tmp_path, make=True)
    assert shown(tmp_path) == ["False", kept["SECRET_KEY"], kept["SERVICE_TOKEN"]]


@pytest.mark.parametrize("hosts", ["*", "localhost,course.example.edu", ".example.edu"])
def test_debug_pages_are_refused_wherever_others_could_see_them(tmp_path, hosts):
    done = python("manage.py", "check", var=tmp_path, DEBUG="1", ALLOWED_HOSTS=hosts)
    assert done.returncode == 1
    assert "Set DEBUG=0" in done.stderr


def test_no_source_file_of_the_product_holds_a_secret_or_a_setting_that_tests_use():
    from tests.settings import KNOWN_TO_ALL

    files = [path for name in ("courseplatform", "teams", "training") for path in (ROOT / name).rglob("*.py")]
    assert len(files) > 50
    known = [KNOWN_TO_ALL["SECRET_KEY"][:12], KNOWN_TO_ALL["SERVICE_TOKEN"], "development-"]
    assert [path for path in files if any(word in path.read_text() for word in known)] == []


def test_commands_that_read_no_stored_data_need_no_settings(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello!"}]}\n')
    done = python("manage.py", "check_dataset", str(rows), var=tmp_path / "var")
    assert "is not set" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "var" / "secrets.json").exists()


def test_what_a_command_writes_is_its_users_alone(tmp_path):
    var = tmp_path / "data"
    done = python("manage.py", "migrate", "teams", "0001", "--verbosity", "0", var=var, **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert mode(var) == "0o700"
    assert {path.name: mode(path) for path in var.glob("db.sqlite3")} == {"db.sqlite3": "0o600"}


def test_the_web_process_writes_for_its_user_alone_however_it_is_started(tmp_path):
    program = "import os; os.umask(0o022); import courseplatform.asgi; print(oct(os.umask(0)))"
    done = python("-c", program, var=tmp_path, **PRODUCTION)
    assert done.stdout.split() == ["0o77"], done.stderr


def warned_of(path: Path) -> bool:
    """Whether a check says that others can read it."""
    return any(f"{path} can be read" in found.msg for found in checks.data_is_private(None))


def test_an_older_platforms_folder_is_closed_when_it_starts(tmp_path, settings, capsys):
    settings.VAR_DIR = tmp_path / "var"
    settings.VAR_DIR.mkdir(exist_ok=True)
    settings.VAR_DIR.chmod(0o755)
    assert warned_of(settings.VAR_DIR)
    before = os.umask(0o022)
    try:
        Command()._close_the_folder()
        assert os.umask(before) == private_files.PRIVATE_UMASK
    finally:
        os.umask(before)
    assert mode(settings.VAR_DIR) == "0o700"
    assert "readable by other users" in capsys.readouterr().out
    assert not warned_of(settings.VAR_DIR)


def test_a_folder_of_another_user_is_refused_though_it_is_closed(tmp_path, monkeypatch):
    """Whoever owns the folder can put a database of his own in the place of ours."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid + 1)
    monkeypatch.setattr(private_files, "SYSTEM_USER", -1)
    with pytest.raises(private_files.NotPrivate, match="belongs to another user"):
        private_files.close_folder(tmp_path)


def test_an_upload_that_a_killed_web_process_left_is_deleted_and_one_on_its_way_is_not(tmp_path, settings):
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    old, new, other = (tmp_path / name for name in ("a.upload.jsonl", "b.upload.jsonl", "notes.txt"))
    for path in (old, new, other):
        path.write_text("rows of children")
    for path in (old, other):
        os.utime(path, (0, 0))
    assert arriving.sweep() == 1
    assert [path.exists() for path in (old, new, other)] == [False, True, True]


def test_an_upload_on_its_way_lies_in_a_private_folder(tmp_path):
    var = tmp_path / "data"
    show = "from django.conf import settings; print(settings.FILE_UPLOAD_TEMP_DIR)"
    done = python("-c", show, var=var, DJANGO_SETTINGS_MODULE="courseplatform.settings", **PRODUCTION)
    assert done.stdout.strip() == str(var / "arriving"), done.stderr
    assert mode(var / "arriving") == "0o700"


def test_a_database_outside_the_folder_that_others_can_read_is_a_warning(tmp_path, settings, monkeypatch):
    settings.VAR_DIR.chmod(0o700)
    database = tmp_path / "elsewhere.sqlite3"
    database.touch()
    database.chmod(0o644)
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", str(database))
    assert warned_of(database)
    database.chmod(0o600)
    assert not warned_of(database)


def test_files_with_secrets_are_private_from_their_first_byte_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        private_files.kept_secrets(tmp_path, make=True)
        redis_server.command(port=1, folder=tmp_path / "redis", password="hidden-from-all")
    finally:
        os.umask(before)
    assert mode(tmp_path / "secrets.json") == "0o600"
    assert (mode(tmp_path / "redis"), mode(tmp_path / "redis" / "server.conf")) == ("0o700", "0o600")


def test_secrets_that_an_older_version_left_readable_are_closed_and_kept(tmp_path):
    kept = private_files.kept_secrets(tmp_path, make=True)
    (tmp_path / "secrets.json").chmod(0o644)
    assert private_files.kept_secrets(tmp_path, make=False) == kept
    assert mode(tmp_path / "secrets.json") == "0o600"


def test_a_stored_upload_is_not_readable_by_others(tmp_path):
    storage = FileSystemStorage(tmp_path)
    name = storage.save("uploads/rows.jsonl", ContentFile(b"{}"))
    assert mode(tmp_path / name) == "0o600"


@pytest.fixture
def secrets(settings, monkeypatch) -> list[str]:
    settings.SECRET_KEY = "the-key-of-<this>-platform&"
    settings.OPENAI_API_KEY = "sk-provider-0123456789"
    settings.REDIS_URL = "redis://:redis-password@127.0.0.1:6379/0"
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "database-password")
    return [settings.SECRET_KEY, settings.OPENAI_API_KEY, "redis-password", "database-password"]


MAIL_PASSWORD = "-".join(("mail", "password"))  # the report shows source lines too


def failing_with(harmless_name: str) -> None:
    raise RuntimeError(f"cannot reach {harmless_name} or mail://someone:{MAIL_PASSWORD}@host")


def report_on(secret: str, request: Any) -> list[str]:
    """The error page and the error mail."""
    try:
        failing_with(secret)
    except RuntimeError:
        make: Any = get_exception_reporter_class(request)
        reporter = make(request, *sys.exc_info())
    return [reporter.get_traceback_html(), reporter.get_traceback_text()]


@pytest.mark.parametrize("debug", [True, False])
def test_an_error_page_shows_no_secret_in_settings_variables_or_messages(settings, secrets, debug):
    settings.DEBUG = debug
    request = RequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {secrets[1]}")
    for text in [text for secret in secrets for text in report_on(secret, request)]:
        assert "failing_with" in text, "it is still a report"
        for hidden in [*secrets, secrets[0][:12], MAIL_PASSWORD]:
            assert hidden not in text


def test_a_log_line_and_its_traceback_show_no_secret(settings, secrets):
    formatter = redaction.Formatter("{message}", style="{")
    for secret in secrets:
        try:
            failing_with(secret)
        except RuntimeError:
            record = logging.LogRecord("x", logging.ERROR, "f", 1, "with %s", (secret,), sys.exc_info())
        line = formatter.format(record)
        assert "Traceback" in line
        assert secret not in line
        assert MAIL_PASSWORD not in line
    logs: dict[str, Any] = live_settings.LOGGING
    assert logs["formatters"]["line"]["()"] == "courseplatform.redaction.Formatter"


def test_a_short_setting_does_not_black_out_ordinary_words(settings):
    settings.SERVICE_TOKEN = "a"
    assert redaction.redact("a cat at a mat") == "a cat at a mat"
