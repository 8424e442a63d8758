"""A professor's device: a browser whose clock can be moved on, and that can be killed and opened again."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, BrowserType, Error, Page, expect

from teams.models import User
from tests import factories
from tests.e2e.conftest import chromium

PATIENCE_MS = 60_000


def wait_for(page: Page, true: str) -> None:
    """Until this expression of the page's scripts is true.

    `Page.wait_for_function` evaluates text in the page, which a Content Security Policy forbids from the second time on.
    """
    for _ in range(PATIENCE_MS // 50):
        if page.evaluate(true):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it never came to this: {true}")


def sign_in(page: Page, person: User) -> None:
    page.goto("/sign-in/")
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def sign_out(page: Page) -> None:
    page.goto("/notices/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


class Device:
    """`context` is the browser as it runs now. With a `folder` for its profile it can be killed; timers can be moved on."""

    def __init__(self, browser: Browser, url: str, folder: Path | None = None) -> None:
        self.url, self.folder = url, folder
        self.browser, self.kind = browser, browser.browser_type
        self.context = self._start()

    def _start(self) -> BrowserContext:
        context = self._persistent(self.kind) if self.folder else self.browser.new_context(base_url=self.url)
        context.set_default_timeout(PATIENCE_MS)
        context.clock.install()
        return context

    def _persistent(self, kind: BrowserType) -> BrowserContext:
        return kind.launch_persistent_context(
            str(self.folder),
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-dev-shm-usage"],
            base_url=self.url,
        )

    def later(self, milliseconds: int) -> None:
        """Every page's timers run as if so much time had gone by."""
        self.context.clock.run_for(milliseconds)

    def kill(self) -> None:
        """kill -9 of the browser, and a new start of it with the same profile."""
        mark = f"--user-data-dir={self.folder}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (entry / "cmdline").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
        with suppress(Error):
            self.context.close()
        self.context = self._start()

    def close(self) -> None:
        with suppress(Error):
            self.context.close()
