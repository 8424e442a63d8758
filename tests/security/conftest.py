"""Runs, engines and a provider, as the tests of training have them."""

from tests.training.conftest import provider, provider_process, start, stub_engines, version

__all__ = ["provider", "provider_process", "start", "stub_engines", "version"]
