"""`kept_on`: a test runs on each kind of storage. S3 is a real server, started once; where it cannot run, it says so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.storage import kinds


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kinds.S3Server]:
    try:
        with kinds.s3_server(tmp_path_factory.mktemp("s3")) as server:
            yield server
    except kinds.Unavailable as why:
        pytest.skip(f"needs a real S3 server: {why}. The same tests run on a folder and in memory.")


@pytest.fixture(params=["folder", "memory", "s3"])
def kept_on(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> str:
    """STORAGE_URL of a kind that is not the folder under VAR_DIR."""
    kind = str(request.param)
    if kind == "folder":
        kinds.use(settings, f"file://{tmp_path / 'storage'}")
    elif kind == "memory":
        kinds.use_memory(settings)
    else:
        kinds.use(settings, request.getfixturevalue("s3").url(prefix=f"/{uuid4().hex}"))
    return kind
