"""A platform with a provider's key: DSPy and OpenAI fine-tuning at the provider, played here by the scripted one."""

import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.chaos.provider import KEY, Provider
from tests.e2e.conftest import PATIENCE_MS, Platform, follow
from tests.e2e.test_journey import DEMO_DATA, ask, start_run, upload, watch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]
EVERY_SECONDS = 1.0


class PlatformWithKey(Platform):
    """`manage.py start` as an operator with a key starts it."""

    provider: Provider

    def environment(self) -> dict[str, str]:
        return super().environment() | {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{self.provider.url}/v1"}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider")
    started = Provider(folder / "state", folder / "log")
    started.start()
    started.set_faults(slow_chat=0.0)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Platform]:
    made = PlatformWithKey(tmp_path_factory.mktemp("with_key") / "var")
    made.provider = provider
    with made.running() as started:
        yield started


@pytest.fixture
def jobs_end(provider: Provider) -> Iterator[None]:
    """The provider's clock goes on, so that a job takes seconds here."""
    over = threading.Event()

    def hurry() -> None:
        while not over.wait(EVERY_SECONDS):
            provider.finish_jobs()

    thread = threading.Thread(target=hurry, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


def when_looked_through(page: Page) -> None:
    """Rows leave for a provider only once the name model has looked at them, which takes a worker some seconds."""
    found = re.search(r"/teams/\d+/datasets/\d+/versions/1/", page.url + page.content())
    assert found, page.url
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while True:
        page.goto(f"{found.group()}privacy/")
        if page.get_by_text("The rules and the name model").count():
            return
        assert time.monotonic() < deadline
        page.wait_for_timeout(500)


@pytest.mark.usefixtures("jobs_end")
@pytest.mark.parametrize(("method", "file"), [("dspy", "dspy_dialogues.jsonl"), ("openai", "openai_messages.jsonl")])
def test_a_run_at_the_provider_learns_answers_and_costs_money(
    method: str, file: str, sign_in: Callable[..., Page]
) -> None:
    page = sign_in("maple@demo.example")
    team = page.url
    upload(page, team, DEMO_DATA / file, f"At the provider, {method}")
    when_looked_through(page)
    start_run(page, team, method, f"At the provider, {method}")
    watch(page)
    assert "trained on this platform" not in page.locator("#run-status").inner_text()
    expect(page.locator("#run-cost")).to_contain_text("Charged")
    expect(page.locator("#run-cost")).to_contain_text("$0.0")
    follow(page.get_by_role("link", name="Chat with it"))
    assert len(ask(page, "What is 7 + 5?")) > 3
