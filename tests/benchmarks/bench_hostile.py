"""`save_during_hostile_upload_ms`: another person's save while the worst files that we can construct are uploaded.

Real web process, files worker, Redis and SQLite. One person of another team saves a remark again and again; first alone, then while
an attacker uploads each file of `files` and the platform reads, stores and measures it. The slowest save counts, beside the
slowest one of as many saves that nobody disturbs. The files aim at what is done for an upload: findings in one text, patterns that
would look at each text from each of its places, equal rows, rows nearly alike, and a table of tiny rows.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from courseplatform import redis_server
from tests.benchmarks.bench_chat import _cookie, _is_up, _running

ROOT = Path(__file__).resolve().parents[2]
RQ = ("--worker-class", "training.worker.SafeWorker", "--serializer", "rq.serializers.JSONSerializer")
LIMIT_MS = 2_000
"""A save that takes longer feels broken. Without the upload it takes some tens of milliseconds."""
SAVES_ALONE, PAUSE_SECONDS, LONGEST_WAIT = 60, 0.05, 600


def files() -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file to upload."""
    yield "findings in one text", _lines([_row("Tell me.", "a@b.cc " * 25_000)])
    yield (
        "findings in every row",
        _lines([_row(f"Is Emma Smith {n} here?", "a@b.cc 801-555-2368 " * 20) for n in range(4_000)]),
    )
    yield "stops and blanks", _lines([_row(f"student id{' ' * 90_000}x", "." * 90_000 + "x")] * 10)
    yield "equal rows", _lines([_row("Why?", "Um, I think so!")] * 100_000)
    shared = " ".join(f"word{number}" for number in range(40))
    yield "rows nearly alike", _lines([_row("Tell me.", f"{shared} {_own(number)}") for number in range(20_000)])
    tiny = [f"Why {number}?,Because {number}" for number in range(150_000)]
    yield "tiny rows", "\n".join(["question,answer", *tiny]).encode()


def _own(number: int) -> str:
    return " ".join(f"own{number}x{place}" for place in range(7))


def _row(question: str, answer: str) -> dict[str, str]:
    return {"instruction": question, "output": answer}


def _lines(rows: list[dict[str, str]]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def measure() -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="bench-hostile-") as name, ExitStack() as stack:
        url, cast = _started(Path(name), stack)
        with (
            httpx.Client(base_url=url, timeout=LONGEST_WAIT) as saver,
            httpx.Client(base_url=url, timeout=LONGEST_WAIT) as bad,
        ):
            _headers(saver, cast["saver"])
            _headers(bad, cast["attacker"])
            _save(saver, cast)  # a process that was started just now loads code at its first save
            alone = max(_save(saver, cast) for _ in range(SAVES_ALONE))
            slowest = 0.0
            for file, content in files():
                took = _during(saver, bad, cast, file, content)
                slowest = max(slowest, took)
    return {
        "save_during_hostile_upload_ms": {
            "ours": round(slowest),
            "peer": round(alone),
            "unit": f"ms, the slowest save; peer: of {SAVES_ALONE} saves without an upload",
            "ratio": round(alone / slowest, 2),
        }
    }


def _started(folder: Path, stack: ExitStack) -> tuple[str, dict[str, Any]]:
    """The platform's address, and who takes part."""
    ports = {name: redis_server.free_port() for name in ("redis", "web")}
    env = _environment(folder, ports)
    redis = redis_server.command(port=ports["redis"], folder=folder / "redis")
    stack.enter_context(_running(redis, env, lambda: redis_server.answers(ports["redis"])))
    seeded = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_hostile"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    if seeded.returncode:
        raise RuntimeError(seeded.stderr)
    stack.enter_context(_running([sys.executable, "manage.py", "rqworker", "files", *RQ], env, lambda: True))
    web = ["uvicorn", "courseplatform.asgi:application", "--no-access-log", "--log-level", "warning"]
    stack.enter_context(
        _running([sys.executable, "-m", *web, "--port", str(ports["web"])], env, lambda: _is_up(ports["web"]))
    )
    cast: dict[str, Any] = json.loads(seeded.stdout.splitlines()[-1])
    return f"http://127.0.0.1:{ports['web']}", cast


def _environment(folder: Path, ports: dict[str, int]) -> dict[str, str]:
    foreign = ("DATABASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL")
    return {name: value for name, value in os.environ.items() if name not in foreign} | {
        "DJANGO_SETTINGS_MODULE": "courseplatform.settings",
        "DEBUG": "0",
        "HTTPS": "0",
        "SECRET_KEY": "b" * 60,
        "SERVICE_TOKEN": "t" * 40,
        "ALLOWED_HOSTS": "127.0.0.1",
        "VAR_DIR": str(folder),
        "REDIS_URL": f"redis://127.0.0.1:{ports['redis']}/0",
        "LOG_LEVEL": "WARNING",
    }


def _headers(client: httpx.Client, cookie: str) -> None:
    client.headers.update({"Cookie": cookie, "X-CSRFToken": "c" * 32})


def _save(client: httpx.Client, cast: dict[str, Any]) -> float:
    """Milliseconds."""
    began = time.monotonic()
    answer = client.post(cast["remark"], data={"text": "This one is good.", "position": "0"})
    assert answer.status_code == 302 and "/sign-in/" not in answer.headers["Location"], answer.text[:500]
    return 1000 * (time.monotonic() - began)


def _during(saver: httpx.Client, bad: httpx.Client, cast: dict[str, Any], file: str, content: bytes) -> float:
    """Milliseconds of the slowest save from the upload's first byte until the version is measured."""
    done = threading.Event()
    failures: list[BaseException] = []

    def upload() -> None:
        try:
            name = "rows.csv" if content.startswith(b"question,") else "rows.jsonl"
            sent = bad.post(cast["upload"], files={"file": (name, content)})
            assert sent.status_code == 302, (sent.status_code, sent.text[:500])
            _wait_until_measured(bad, cast, sent.headers["Location"])
        except BaseException as failure:
            failures.append(failure)
        finally:
            done.set()

    began = time.monotonic()
    threading.Thread(target=upload, daemon=True).start()
    times = []
    while not done.is_set():
        times.append(_save(saver, cast))
        time.sleep(PAUSE_SECONDS)
    if failures:
        raise failures[0]
    print(
        f"  {file}: {len(content) / 1e6:.2f} MB, done after {time.monotonic() - began:.1f} s, "
        f"{len(times)} saves meanwhile, the slowest {max(times):.0f} ms",
        flush=True,
    )
    return max(times)


def _wait_until_measured(client: httpx.Client, cast: dict[str, Any], page: str) -> None:
    """The import may end as a question to a person; good rows are then accepted, as an attacker would."""
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        time.sleep(0.3)
        shown = client.get(page, follow_redirects=True).text
        if "/imports/" in page and "accept/" in shown:
            page = client.post(f"{page}accept/").headers["Location"]
            continue
        listed = client.get(cast["list"]).text
        if "being checked" not in listed.lower() and "waiting to be checked" not in listed.lower():
            return
    raise RuntimeError("the upload was never measured")


def _seed() -> dict[str, Any]:
    """Two teams of one course; one has a version on which remarks are made, the other one uploads."""
    from django.core.management import call_command
    from django.urls import reverse

    from datasets.services import reading
    from tests import factories

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    course = factories.make_course()
    good, bad = factories.make_person("Good"), factories.make_person("Bad")
    ours, theirs = factories.make_team(course, "Ours", good), factories.make_team(course, "Theirs", bad)
    version = factories.make_dataset_version(ours, person=good)
    row_id = next(reading.rows(version))["id"]
    return {
        "saver": _cookie(good),
        "attacker": _cookie(bad),
        "remark": reverse("review_answer", args=[ours.pk, version.dataset_id, version.number, row_id]),
        "upload": reverse("dataset_new", args=[theirs.pk]),
        "list": reverse("dataset_list", args=[theirs.pk]),
    }


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(_seed()))
