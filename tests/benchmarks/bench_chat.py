"""Many people chat at the same time with one web process, as `make demo` runs it, over real Redis and SQLite.

Each of them asks one question and reads an answer that lasts until everybody has asked: all stream at once. At the moment of
each question a plain client asks the same model server the same thing, without the platform, and reads the first piece. Overhead =
from sending the question to the first piece in the reader's hands, less that client's time: both meet the same machine, as busy as
it is. Every answer must arrive, and be stored, to the last character. 200 people, 20 a second; then 1,000, 12.5 a second.
"""

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from courseplatform import redis_server
from tests.benchmarks.peers.scripted_model import PIECES, answer_to

ROOT = Path(__file__).resolve().parents[2]
OVERHEAD_LIMIT_MS, MEMORY_LIMIT_MB = 250, 400
ASK_PER_SECOND = {200: 20.0, 1000: 12.5}
TEAM_SIZE = 5
START_SECONDS, ANSWER_SECONDS = 300, 300
EVENTS = re.compile(r'sse-connect="([^"]+)"')
OUR_MARKUP = re.compile(r"<span.*?</span>", re.DOTALL)  # what people and models write arrives escaped

Row = dict[str, Any]


def measure() -> dict[str, Row]:
    return {name: row for people in ASK_PER_SECOND for name, row in _with(people).items()}


def _with(people: int) -> dict[str, Row]:
    with tempfile.TemporaryDirectory(prefix="bench-chat-") as name:
        return _measure(Path(name), people)


def _measure(folder: Path, people: int) -> dict[str, Row]:
    ports = {name: redis_server.free_port() for name in ("redis", "model", "web")}
    env = _environment(folder, ports)
    redis = redis_server.command(port=ports["redis"], folder=folder / "redis")
    web = ["uvicorn", "courseplatform.asgi:application", "--no-access-log", "--log-level", "warning"]
    with ExitStack() as stack:
        stack.enter_context(_running(redis, env, lambda: redis_server.answers(ports["redis"])))
        model = [sys.executable, "-m", "tests.benchmarks.peers.scripted_model", str(ports["model"]), str(_pace(people))]
        stack.enter_context(_running(model, env, lambda: _is_up(ports["model"])))
        cast = _django(env, "seed", str(people + 1))
        process = stack.enter_context(
            _running([sys.executable, "-m", *web, "--port", str(ports["web"])], env, lambda: _is_up(ports["web"]))
        )
        web_url, model_url = (f"http://127.0.0.1:{ports[name]}" for name in ("web", "model"))
        overheads = asyncio.run(_everybody(web_url, model_url, cast, ASK_PER_SECOND[people]))
        peak_mb, cpu_seconds = _peak_mb(process.pid), _cpu_seconds(process.pid)
        most = httpx.get(f"{model_url}/seen").json()["most"]
        stored = _django(env, "stored")
    assert most >= people, f"only {most} answers streamed at once"
    lost = [word for word in (one["word"] for one in cast) if stored.get(word) != "".join(answer_to(word))]
    assert not lost, f"{len(lost)} of {people} answers were not stored whole"
    ordered = sorted(overheads)
    print(
        f"  {people} chats, no token lost; first token after the provider's own: median {statistics.median(ordered):.0f} ms, "
        f"95th of 100 {ordered[len(ordered) * 95 // 100]:.0f} ms; {cpu_seconds:.1f} s of processor time in the web process; "
        f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        flush=True,
    )
    return {
        f"chat_{people}_first_token_overhead_ms": _row(
            statistics.median(ordered), OVERHEAD_LIMIT_MS, "ms after the provider's own, median (limit)"
        ),
        f"chat_{people}_peak_mb": _row(peak_mb, MEMORY_LIMIT_MB, "MB of the web process (limit)"),
    }


def _pace(people: int) -> float:
    """Seconds between two pieces, so that the first answer ends after the last question."""
    return (6 + 1.06 * people / ASK_PER_SECOND[people]) / PIECES


def _row(ours: float, limit: float, unit: str) -> Row:
    return {"ours": round(ours, 1), "peer": limit, "unit": unit, "ratio": round(limit / max(ours, 0.1), 2)}


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
        "MODEL_SERVER_URL": f"http://127.0.0.1:{ports['model']}/v1",
        "LOG_LEVEL": "WARNING",
    }


@contextmanager
def _running(command: list[str], env: dict[str, str], is_up: Any) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_up():
            assert process.poll() is None, f"{command} ended at once"
            assert time.monotonic() < deadline, f"{command} does not answer"
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _everybody(web_url: str, model_url: str, cast: list[dict[str, str]], a_second: float) -> list[float]:
    """Milliseconds that the first piece came later than it came to who asked the model at the same moment, for each person."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, limits=limits) as client:

        async def one(person: dict[str, str], wait: float) -> float:
            await asyncio.sleep(wait)
            first, direct = await asyncio.gather(_one(client, web_url, person), _directly(client, model_url, person))
            return 1000 * (first - direct)

        await one(cast.pop(), 0)  # a process that was started just now loads code at its first question
        return list(await asyncio.gather(*(one(person, at / a_second) for at, person in enumerate(cast))))


async def _directly(client: httpx.AsyncClient, model_url: str, person: dict[str, str]) -> float:
    """Seconds to the first piece without the platform."""
    began = time.monotonic()
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": person["word"]}]}
    async with client.stream("POST", f"{model_url}/v1/chat/completions", json=asked) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                return time.monotonic() - began
    raise AssertionError("the model server said nothing")


async def _one(client: httpx.AsyncClient, web_url: str, person: dict[str, str]) -> float:
    """Ask, then read to the end. Seconds from sending the question to the first piece of the answer."""
    headers = {"Cookie": person["cookie"], "X-CSRFToken": person["csrf"], "HX-Request": "true"}
    began = time.monotonic()
    question = {"question": f"Please say {person['word']}"}
    asked = await client.post(web_url + person["path"], data=question, headers=headers)
    assert asked.status_code == 200, asked.text[:500]
    text, first = "", 0.0
    async with client.stream("GET", web_url + EVENTS.findall(asked.text)[-1], headers=headers) as response:
        assert response.status_code == 200
        async for event, data in _frames(response):
            text = OUR_MARKUP.sub("", data) if event == "whole" else text + data if event == "token" else text
            first = first or (time.monotonic() - began if text else 0.0)
            if event == "done":
                break
    assert unescape(text) == (whole := "".join(answer_to(person["word"]))), _difference(unescape(text), whole)
    return first


def _difference(read: str, whole: str) -> str:
    at = next((at for at, (one, other) in enumerate(zip(read, whole, strict=False)) if one != other), len(read))
    return (
        f"read {len(read)} characters of {len(whole)}; from {at} on {read[at : at + 80]!r} for {whole[at : at + 80]!r}"
    )


async def _frames(response: httpx.Response) -> Any:
    event, data = "", []
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            event = line[7:]
        elif line.startswith("data: "):
            data.append(line[6:])
        elif not line and event:
            yield event, "\n".join(data)
            event, data = "", []


def _django(env: dict[str, str], *task: str) -> Any:
    """What `_seed` or `_stored` gives, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_chat", *task]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _seed(people: int) -> list[dict[str, str]]:
    """Teams of five, each with a finished run; everybody signed in, with a conversation open."""
    from django.core.management import call_command
    from django.urls import reverse

    from evaluation.models import Conversation
    from teams.models import Membership, Role, User
    from tests import factories
    from tests.evaluation.conftest import make_run

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    course = factories.make_course()
    users = User.objects.bulk_create(
        User(email=f"p{number}@example.edu", name=f"Person {number}", password="!") for number in range(people)
    )
    cast = []
    for start in range(0, people, TEAM_SIZE):
        team, members = factories.make_team(course), users[start : start + TEAM_SIZE]
        Membership.objects.bulk_create(
            Membership(course=course, person=person, role=Role.STUDENT, team=team) for person in members
        )
        run = make_run(team)
        for person in members:
            talk = Conversation.objects.create(run=run, person=person)
            path = reverse("conversation_detail", args=[team.pk, talk.key])
            cast.append({"path": path, "word": f"word{person.pk}", "csrf": "c" * 32, "cookie": _cookie(person)})
    return cast


def _cookie(person: Any) -> str:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}; {settings.CSRF_COOKIE_NAME}={'c' * 32}"


def _stored() -> dict[str, str]:
    from evaluation.models import Turn, TurnStatus

    done = Turn.objects.filter(status=TurnStatus.DONE)
    return {turn.question.split()[-1]: turn.answer for turn in done}


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(_seed(int(sys.argv[2])) if sys.argv[1] == "seed" else _stored()))
