"""The whole platform, started as a person starts it, and a real browser in front of it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from courseplatform.redis_server import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, STOP_SECONDS = 600, 120
PATIENCE_MS = 120_000  # a busy machine is no failure
LINK = re.compile(r"/(?:password/set|join)/[^?\s]\S+")
expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str:
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        if name and (found := shutil.which(name)):
            return found
    pytest.fail("Chromium was not found. `make test` installs it, or says how; CHROMIUM may name its path.")


@pytest.fixture(scope="session", autouse=True)
def beside_playwrights_loop() -> Iterator[None]:
    """Playwright's loop runs in this thread, and Django would take every query here for one inside it. For all journeys,
    and first: which test makes the database is decided by chance."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


class Platform:
    """`manage.py start` over a folder of its own; with the demo course unless `demo` is False. `speed_trial`: seconds that the
    machine trains to learn its own pace; none, so that no journey's own runs wait for that. `test_model`: offer the tiny base,
    whose runs take seconds, in place of the one that people get."""

    def __init__(self, folder: Path, *, demo: bool = True, speed_trial: float = 0, test_model: bool = True) -> None:
        self.folder, self.port, self.speed_trial, self.test_model = folder, free_port(), speed_trial, test_model
        self.options = ["--demo"] if demo else []
        self.url = f"http://localhost:{self.port}"
        self.output = folder.parent / f"{folder.name}-output.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """For this platform's processes, and for one that works on its database."""
        foreign = ("REDIS_URL", "DATABASE_URL", "OPENAI_API_KEY", "DJANGO_SETTINGS_MODULE", "DJANGO_ALLOW_ASYNC_UNSAFE")
        kept = {name: value for name, value in os.environ.items() if name not in foreign}
        return kept | {
            "VAR_DIR": str(self.folder),
            "PYTHONUNBUFFERED": "1",
            "PACE_TRIAL_SECONDS": str(self.speed_trial),
            "OFFER_TEST_MODEL": str(int(self.test_model)),
        }

    def start(self) -> float:
        """Seconds until the address was printed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "start", *self.options, "--port", str(self.port)],
                cwd=ROOT,
                env=self.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while "Ready after" not in self.output.read_text():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() - began < START_SECONDS, self.said()
            time.sleep(0.1)
        return time.monotonic() - began

    def stop(self) -> int:
        """The exit code after Ctrl-C."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)

    @contextmanager
    def running(self) -> Iterator["Platform"]:
        """Started, and stopped afterwards."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def kill(self) -> None:
        """kill -9 of the supervisor alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def said(self) -> str:
        """What the terminal and every log show: for a failing test."""
        logs = "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in (self.folder / "logs").glob("*.log")
        )
        return f"{self.output.read_text(errors='replace')}\n{logs}"

    def processes(self) -> dict[int, str]:
        """Command lines of all living processes that know this platform's folder or port, by process id."""
        marks = (str(self.folder).encode(), f"--port\0{self.port}".encode())
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command, environ = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            except OSError:
                continue
            if command and any(mark in command + environ for mark in marks) and int(entry.name) != os.getpid():
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    @contextmanager
    def holding(self, what: str) -> Iterator[None]:
        """Processes with these words in their command line stand still meanwhile."""
        held = [number for number, command in self.processes().items() if what in command]
        assert held, f"no process is a {what}"
        for number in held:
            os.kill(number, signal.SIGSTOP)
        try:
            yield
        finally:
            for number in held:
                os.kill(number, signal.SIGCONT)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform(tmp_path_factory.mktemp("platform") / "var").running() as started:
        yield started


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"])


@contextmanager
def pages_at(url: str, browser: Browser) -> Iterator[Callable[..., Page]]:
    """A browser of its own for each person; page errors and what the content policy refuses fail the test."""
    contexts, complaints = [], []

    def open_one(**options: Any) -> Page:
        context = browser.new_context(base_url=url, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda line: complaints.append(f"{page.url}: {line.text}") if "Content Security" in line.text else None,
        )
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


def follow(way: Locator) -> None:
    """Click what leads to a new page, and wait until all of that is there.

    A click ends when the first byte has come: then half of the page may be missing, and htmx does not listen yet.
    """
    way.click()
    way.page.wait_for_load_state()


def signed_in(page: Page, email: str) -> Page:
    """The page of a person of the demo, or of one that `populate` made, on the page where sign-in leads."""
    from courseplatform.management.commands.seed_demo import PASSWORD

    page.goto("/sign-in/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    follow(page.get_by_role("button", name="Sign in"))
    return page


def mailed_link(platform: Platform, address: str) -> str:
    """The path in the mail to `address`: `manage.py start` puts mail into files, as soon as a worker has sent it."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline:
        for file in (platform.folder / "mail").glob("*"):
            for raw in file.read_bytes().split(b"-" * 79 + b"\n"):
                mail = message_from_bytes(raw, policy=policy.default)
                if mail["To"] == address and (found := LINK.search(mail.get_content())):
                    return found[0]
        time.sleep(0.1)
    raise AssertionError(f"no mail with a link for {address}")


def enter_by_link(page: Page, platform: Platform, address: str, password: str) -> None:
    """Open the mailed link and choose a password there."""
    page.goto(mailed_link(platform, address))
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_label("New password confirmation").fill(password)
    follow(page.get_by_role("button", name="Set it and enter"))


@pytest.fixture
def sign_in(platform: Platform, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a browser of its own for a person, signed in."""
    with pages_at(platform.url, browser) as open_one:
        yield lambda email, **options: signed_in(open_one(**options), email)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed journey shows what every process said."""
    report = yield
    for running in getattr(item, "funcargs", {}).values():
        if report.when == "call" and report.failed and isinstance(running, Platform):
            report.sections.append(("what the platform said", running.said()))
    return report
