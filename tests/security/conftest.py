"""Runs, engines and a provider, as the tests of training have them; paid bots and a provider that records what it is asked."""

from tests.datasets.conftest import browser, upload
from tests.evaluation.conftest import answers_at_once, calls, model_server, short_script
from tests.security.paid_bots import priced, programs, recorder, recorders
from tests.training.conftest import provider, provider_process, start, stub_engines, version

__all__ = [
    "answers_at_once",
    "browser",
    "calls",
    "model_server",
    "priced",
    "programs",
    "provider",
    "provider_process",
    "recorder",
    "recorders",
    "short_script",
    "start",
    "stub_engines",
    "upload",
    "version",
]
