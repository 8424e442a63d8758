"""Logs for machines and reports of errors: they name request, run and host, and neither secrets nor people's words."""

import ast
import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from courseplatform.log_files import rotate
from courseplatform.operations import error_reports
from courseplatform.operations.json_logs import JsonFormatter
from teams import log_context

ROOT = Path(__file__).resolve().parents[2]
LOGGED = {("log", level) for level in ("debug", "info", "warning", "error", "exception")}
CHILD = "I fink wales are fishes"


def record(message: str, *args: object, error: bool = False) -> logging.LogRecord:
    made = logging.LogRecord("teams.x", logging.ERROR, "x.py", 1, message, args, sys.exc_info() if error else None)
    log_context.Where().filter(made)
    return made


def test_a_json_line_names_host_request_and_run(settings):
    request = log_context.REQUEST.set("abcdefgh-1")
    run = log_context.RUN.set(17)
    try:
        said = json.loads(JsonFormatter().format(record("run %s failed", 17)))
    finally:
        log_context.REQUEST.reset(request)
        log_context.RUN.reset(run)
    assert (said["message"], said["request"], said["run"], said["level"]) == (
        "run 17 failed",
        "abcdefgh-1",
        17,
        "ERROR",
    )
    assert said["host"] == settings.HOST_NAME
    assert said["version"] == settings.VERSION
    assert said["time"].endswith("+00:00")


def test_a_json_line_holds_no_secret_however_it_is_written(settings):
    settings.OPENAI_API_KEY = 'sk-"quoted"\\secret'
    try:
        raise ValueError(f"refused: {settings.OPENAI_API_KEY}")
    except ValueError:
        line = JsonFormatter().format(
            record("at redis://:hunter22222@host/0, key %s", settings.OPENAI_API_KEY, error=True)
        )
    assert "quoted" not in line
    assert "hunter22222" not in line
    assert "\n" not in line
    assert "ValueError" in json.loads(line)["traceback"]


@pytest.mark.parametrize(
    "sent", ["nginx-1234abcd", "", "short", "x" * 65, 'evil"}\n{"level": "fake"', "naïve-name-of-id"]
)
def test_an_id_that_came_along_is_kept_where_it_is_harmless(client, db, sent):
    answer = client.get("/livez", headers={"X-Request-ID": sent})
    known = answer["X-Request-ID"]
    assert re.fullmatch(r"[A-Za-z0-9-]{8,64}", known)
    assert (known == sent) is (sent == "nginx-1234abcd")
    assert log_context.REQUEST.get() == ""


class Sent:
    """Where Sentry's client would send to."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        from sentry_sdk.transport import Transport

        class Kept(Transport):
            reports: list[dict] = []

            def capture_envelope(self, envelope):
                for item in envelope.items:
                    if item.headers.get("type") == "event":
                        self.reports.append(json.loads(item.get_bytes()))

        return Kept()


@pytest.fixture
def reports(settings):
    import sentry_sdk

    settings.SENTRY_DSN = "http://key@127.0.0.1:9/1"
    kept = Sent()
    assert error_reports.begin(transport=kept)
    yield kept.reports
    settings.SENTRY_DSN = ""
    sentry_sdk.init(default_integrations=False)  # later tests run without Sentry in their way


def test_without_an_address_nothing_is_reported(settings):
    settings.SENTRY_DSN = ""
    assert not error_reports.begin()


def test_a_report_tells_where_and_of_what_kind_and_nothing_that_anybody_wrote(
    reports, settings, client, monkeypatch, db
):
    def broken(*_: object) -> None:
        answer = CHILD
        secret = settings.SECRET_KEY
        raise ValueError(f"{answer} {secret}")

    monkeypatch.setattr("courseplatform.views.home.service_state.read", broken)
    client.raise_request_exception = False
    sent = {"Cookie": "sessionid=stolen-session", "Authorization": "Bearer stolen-token"}
    assert client.get(f"/healthz?q={CHILD}", headers=sent).status_code == 500
    assert len(reports) == 1
    text = json.dumps(reports)
    for hidden in (CHILD, "wales", settings.SECRET_KEY, "stolen-session", "stolen-token", "/healthz?"):
        assert hidden not in text
    error = reports[0]["exception"]["values"][-1]
    assert error["type"] == "ValueError"
    assert error["value"] == error_reports.WITHHELD
    assert [frame["function"] for frame in error["stacktrace"]["frames"]][-1] == "broken"
    assert reports[0]["tags"]["request"]


def test_neither_an_engine_nor_a_provider_gets_anything_of_sentry(reports):
    seen = subprocess.run(
        [sys.executable, "-c", "import os; print(*os.environ)"],
        env={"A": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(seen.stdout.split()) <= {"A", "LC_CTYPE"}
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200)

    with httpx.Client(transport=httpx.MockTransport(answer)) as web:
        web.get("https://api.example.com/v1")
    assert not {"sentry-trace", "baggage", "traceparent"} & set(asked[0].headers)


def test_a_logged_error_is_reported_without_what_fills_its_places(reports):
    logging.getLogger("teams.services.mail").error("mail to %s was not delivered: %s", "mia@example.edu", CHILD)
    logging.getLogger("somebody.elses").error(f"bad row: {CHILD}")
    assert [one.get("logentry", {}).get("message") for one in reports] == ["mail to %s was not delivered: %s", None]
    assert "mia@example.edu" not in json.dumps(reports)
    assert CHILD not in json.dumps(reports)


def filled(tree: ast.Module) -> list[int]:
    """Lines where a text is filled in before the logger has it."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    logged = [call for call in calls if ast.unparse(call.func).partition(".")[::2] in LOGGED and call.args]
    return [call.lineno for call in logged if not isinstance(call.args[0], ast.Constant)]


def test_our_own_log_lines_keep_apart_what_fills_them():
    places = [path for app in error_reports.OURS for path in (ROOT / app).rglob("*.py") if "engines" not in path.parts]
    found = {str(path): lines for path in places if (lines := filled(ast.parse(path.read_text())))}
    assert found == {}
    assert filled(ast.parse('log.error(f"row {row}")')) == [1]


def test_a_log_that_has_grown_is_moved_aside_and_the_writer_goes_on(tmp_path):
    log = tmp_path / "web.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(6):
            writer.write(b"%d" % number * 50)
            assert rotate(log, most=40, kept=3)
            assert log.stat().st_size == 0
        writer.write(b"last")
        assert not rotate(log, most=40, kept=3)
    assert log.read_bytes() == b"last"
    kept = sorted(path.name for path in tmp_path.glob("web*"))
    assert kept == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    assert (tmp_path / "web.log.1").read_bytes() == b"5" * 50
    assert (tmp_path / "web.log.3").read_bytes() == b"3" * 50
    assert (tmp_path / "web.log.1").stat().st_mode & 0o077 == 0


def test_a_disk_too_full_for_the_copy_still_gets_its_room(tmp_path, monkeypatch):
    log = tmp_path / "web.log"
    log.write_bytes(b"x" * 50)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("courseplatform.log_files.shutil.copyfileobj", full)
    assert rotate(log, most=40)
    assert log.stat().st_size == 0
    assert not rotate(tmp_path / "none.log")
