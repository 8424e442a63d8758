"""The platform's settings for tests and development tools: DEBUG, and secrets that everybody knows.

They stand here and nowhere in the product. The environment keeps what it was, so that a process that a test starts gets
none of them. What the environment names itself comes first.
"""

import os
from unittest import mock

KNOWN_TO_ALL = {
    "DEBUG": "1",
    "SECRET_KEY": "tests-only-not-a-secret-" + "0" * 40,
    "SERVICE_TOKEN": "tests-only-service-token",
    "PRIVACY_MODEL": "0",  # loading it takes seconds; tests that are about it turn it on
}
with mock.patch.dict(os.environ, {**KNOWN_TO_ALL, **os.environ}):
    from courseplatform.settings import *  # noqa: F403
