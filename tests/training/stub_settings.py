"""The platform's settings with the stand-in engines, for worker processes that tests start."""

from pathlib import Path

from tests.settings import *  # noqa: F403

ENGINES_ROOT = Path(__file__).with_name("engine_stub")
SILENCED_SYSTEM_CHECKS = ["courseplatform.E002"]  # the stub has not every engine
