"""One process that takes a file the whole way into a database: received, validated, hashed and stored as a version.

`python -m tests.benchmarks.stored_upload FILE FOLDER` prints one JSON object. The time runs from the moment at which the file has
arrived (an uploaded file in Django's hands) until the version is committed: `imports.import_file`, the check that the quick
worker runs, and `accept`. The measuring of language, privacy and coverage afterwards is work of its own, queued by then.
The pages over these rows are looked at last, when the upload's own peak of memory has been read.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPEATS = 9


def peak_mb() -> float:
    """The most memory that this process ever held (Linux)."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def cpu_seconds() -> float:
    """Of this process and of the children that it has ended: the file is read by one (`teams.sandbox`)."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _measure(source: Path) -> dict[str, Any]:
    from django.core.management import call_command

    from tests import factories

    call_command("migrate", verbosity=0)
    member = factories.make_person("Member")
    team = factories.make_team(factories.make_course(), "Team", member)
    version, found = upload(source, team, member)
    return found | {"peak_mb": peak_mb(), "pages": _pages(version, member)}


def upload(source: Path, team: Any, member: Any) -> tuple[Any, dict[str, Any]]:
    """The version, and {"seconds" of CPU, "wall_seconds", "good", "bad"}; without the copying into Django's hands."""
    from django.core.files.uploadedfile import TemporaryUploadedFile

    from datasets.models import ImportStatus
    from datasets.services import imports

    with TemporaryUploadedFile(source.name, "application/jsonl", source.stat().st_size, None) as received:
        _copied(source, received)
        received.seek(0)
        began, wall_began = cpu_seconds(), time.perf_counter()
        import_ = imports.import_file(team=team, dataset=None, name="Rows", file=received, person=member)
        imports.read_import(import_id=import_.pk, attempt=import_.attempt)
        seconds, wall = cpu_seconds() - began, time.perf_counter() - wall_began
    import_.refresh_from_db()
    assert import_.status == ImportStatus.ACCEPTED and import_.version is not None, import_.problem_groups
    good, bad = import_.version.row_count, import_.bad_rows
    return import_.version, {"seconds": seconds, "wall_seconds": wall, "good": good, "bad": bad}


def _copied(source: Path, upload: Any) -> None:
    """In pieces, so that the file never lies whole in this process's memory."""
    with source.open("rb") as file:
        while piece := file.read(65_536):
            upload.write(piece)


def _pages(version: Any, member: Any) -> dict[str, float]:
    """Queries of the fullest page of rows; CPU milliseconds of the first page and of the last one."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.force_login(member, backend="django.contrib.auth.backends.ModelBackend")
    at = f"/teams/{version.dataset.team_id}/datasets/{version.dataset_id}/versions/{version.number}/"
    pages = [at, f"{at}?from={version.row_count // 2}", f"{at}?from={version.row_count - 20}"]
    counts = []
    for page in pages:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(page).status_code == 200, page
        counts.append(len(queries))
    return {
        "queries": max(counts),
        "first_ms": _milliseconds(lambda: client.get(pages[0])),
        "last_ms": _milliseconds(lambda: client.get(pages[-1])),
    }


def _milliseconds(act: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        act()
        times.append(1000 * (time.process_time() - began))
    return statistics.median(times)


def _main(source: Path, folder: Path) -> dict[str, Any]:
    """With Redis, a database file and an upload folder of this run's own."""
    from courseplatform import redis_server

    port = redis_server.free_port()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "LOG_LEVEL": "ERROR",
        "VAR_DIR": str(folder / "var"),
        "DATABASE_URL": f"sqlite:///{folder / 'stored.sqlite3'}",
        "REDIS_URL": f"redis://127.0.0.1:{port}/0",
    }
    redis = subprocess.Popen(redis_server.command(port=port, folder=folder / "redis"), stdout=subprocess.DEVNULL)
    try:
        while not redis_server.answers(port):
            time.sleep(0.02)
        import django
        from django.conf import settings

        django.setup()
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        settings.ALLOWED_HOSTS = ["testserver"]
        return _measure(source)
    finally:
        redis.terminate()
        redis.wait(10)


if __name__ == "__main__":
    print(json.dumps(_main(Path(sys.argv[1]), Path(sys.argv[2]))))
