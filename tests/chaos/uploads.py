"""What happens to a dataset when the web process dies while its file arrives, or before its rows are checked.

`jobs`: versions of the dataset in the end; exactly one. Nothing is charged or held for an upload.
"""

import contextlib
import http.client
import json
import signal
from collections.abc import Callable, Iterator

import httpx

from datasets.models import DatasetVersion, Import, ImportStatus
from tests.chaos import processes, visitor
from tests.chaos.processes import Stuck, wait_for
from tests.chaos.scene import Row, Scene

ROWS = 20_000  # 4 MB: too large to be checked while the page waits
BOUNDARY = "chaos"


def _file() -> bytes:
    rows = (
        [{"role": "user", "content": f"What is {n} + 1? {'Tell me how you know. ' * 4}"},
         {"role": "assistant", "content": f"It is {n + 1}, I count on my fingers!"}]
        for n in range(ROWS)
    )  # fmt: skip
    return "".join(json.dumps({"messages": row}) + "\n" for row in rows).encode()


def _cut_off_in_the_middle(scene: Scene, name: str, content: bytes) -> None:
    """Send half of the request, and kill the web process once it has read that."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n\r\n{name}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="rows.jsonl"\r\n\r\n'
    ).encode()
    body = head + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    with visitor.sign_in(scene.platform, scene.person) as web:
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in web.cookies.jar)
    asked = http.client.HTTPConnection("127.0.0.1", scene.platform.port, timeout=visitor.PATIENCE_SECONDS)
    asked.putrequest("POST", f"/teams/{scene.team.pk}/datasets/new/")
    asked.putheader("Cookie", cookies)
    asked.putheader("X-CSRFToken", visitor.TOKEN)
    asked.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    asked.putheader("Content-Length", str(len(body)))
    asked.endheaders()
    asked.send(body[: len(body) // 2])
    wait_for(lambda: not visitor.waits_unread(scene.platform.port), "the web process does not read")
    scene.platform.kill("web")
    asked.close()


def _sent(scene: Scene, name: str, content: bytes) -> Import:
    known = set(Import.objects.values_list("pk", flat=True))
    with visitor.sign_in(scene.platform, scene.person) as web:
        files = {"file": ("rows.jsonl", content)}
        answer = web.post(f"/teams/{scene.team.pk}/datasets/new/", data={"name": name}, files=files)
    if answer.status_code != httpx.codes.FOUND:
        raise Stuck(f"the file was not taken: {answer.status_code} {answer.text[-500:]}")
    return Import.objects.exclude(pk__in=known).get()


@contextlib.contextmanager
def _worker_held(scene: Scene) -> Iterator[None]:
    """So that the rows are certain not to be checked yet."""
    worker = wait_for(lambda: scene.platform.service("worker-files"), "there is no worker")
    processes.send(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        processes.send(worker, signal.SIGCONT)


def arriving(scene: Scene, name: str) -> str:
    """Cut off in the middle; then the person sends it again."""
    content = _file()
    kept = {*Import.objects.values_list("pk", flat=True)}
    _cut_off_in_the_middle(scene, name, content)
    scene.platform.wait_until_whole()
    half = Import.objects.exclude(pk__in=kept).count()
    if half:
        raise Stuck(f"{half} imports of half a file")
    _sent(scene, name, content)
    return "cut off, sent again, stored"


def unchecked(scene: Scene, name: str) -> str:
    """The web process dies when the file is there and nobody has checked it."""
    with _worker_held(scene):
        _sent(scene, name, _file())
        scene.platform.kill("web")
    return "stored with the first try"


def play(scene: Scene, strike: Callable[[Scene, str], str], name: str) -> list[Row]:
    """Upload a file while the web process dies. Raises Stuck."""
    scene.platform.wait_until_whole()
    outcome = strike(scene, f"Upload {name}")
    import_ = Import.objects.filter(team=scene.team).latest("pk")
    # A file that says itself what its rows are is checked, and then accepted in a step of its own.
    undecided = (ImportStatus.WAITING, ImportStatus.READING, ImportStatus.READY)
    wait_for(lambda: Import.objects.get(pk=import_.pk).status not in undecided, "the file is not stored")
    scene.platform.wait_until_whole()
    import_.refresh_from_db()
    versions = DatasetVersion.objects.filter(dataset__team=scene.team, dataset__name__startswith=f"Upload {name}")
    count, rows = versions.count(), [version.row_count for version in versions]
    places = (scene.platform.environment["TMPDIR"], str(scene.platform.var / "arriving"))
    left = [name for place in places for name in visitor.uploads_left(place)]
    orphans = len(scene.platform.strays()) + len(left)
    broken = [
        *([f"the import is {import_.status}"] if import_.status != ImportStatus.ACCEPTED else []),
        *([f"{count} versions"] if count != 1 else []),
        *([f"{rows} rows"] if rows != [ROWS] else []),
        *([f"left on the disk: {left}"] if left else []),
        *([f"{orphans} orphans"] if orphans else []),
    ]
    return [Row("upload", name, outcome, count, 0, orphans, 0, "; ".join(broken))]
