"""What happens to a course archive when the web process dies while it arrives and is read: it becomes one course, once.

`jobs`: courses that came of it in the end; exactly one. Nothing is charged or held for an import.
"""

import io
import signal

import httpx
from django.contrib.auth.models import Permission

from courseplatform import archive
from datasets.models import DatasetVersion
from teams.models import ArchiveImport, ArchiveStatus, Course, DiskUse
from tests import factories
from tests.chaos import processes, visitor
from tests.chaos.processes import Stuck, wait_for
from tests.chaos.scene import Row, Scene

ROWS = 400


def _file(name: str) -> bytes:
    """The archive of a small course, which is not there any more under that name."""
    course = factories.make_course(name)
    team = factories.make_team(course, "Traveller", factories.make_person("Tess Traveller"))
    factories.make_dataset_version(team, factories.child_rows(ROWS))
    out = io.BytesIO()
    archive.write(course, out)
    Course.objects.filter(pk=course.pk).update(name=f"{name}, as it was")
    return out.getvalue()


def _sent(scene: Scene, content: bytes) -> ArchiveImport:
    scene.person.user_permissions.add(Permission.objects.get(codename="add_course"))
    with visitor.sign_in(scene.platform, scene.person) as web:
        answer = web.post("/courses/import/", files={"file": ("course.zip", content)})
    if answer.status_code != httpx.codes.FOUND:
        raise Stuck(f"the archive was not taken: {answer.status_code} {answer.text[-500:]}")
    return ArchiveImport.objects.filter(person=scene.person).latest("pk")


def play(scene: Scene, name: str) -> list[Row]:
    """The web process dies twice: before anybody reads the archive, and while it is being read. Raises Stuck."""
    scene.platform.wait_until_whole()
    called = f"Course {name}"
    content = _file(called)
    worker = wait_for(lambda: scene.platform.service("worker-files"), "there is no worker")
    processes.send(worker, signal.SIGSTOP)
    try:
        import_ = _sent(scene, content)
        scene.platform.kill("web")
    finally:
        processes.send(worker, signal.SIGCONT)
    wait_for(lambda: _now(import_).status != ArchiveStatus.WAITING, "nobody reads the archive")
    scene.platform.wait_until_whole()
    if _now(import_).is_at_work:
        scene.platform.kill("web")
    wait_for(lambda: not _now(import_).is_at_work, "the archive is not read")
    scene.platform.wait_until_whole()
    return [_left_by(scene, import_, name, called)]


def _now(import_: ArchiveImport) -> ArchiveImport:
    return ArchiveImport.objects.get(pk=import_.pk)


def _left_by(scene: Scene, import_: ArchiveImport, name: str, called: str) -> Row:
    now = _now(import_)
    made = Course.objects.filter(name=called)
    rows = list(DatasetVersion.objects.filter(dataset__team__course__in=made).values_list("row_count", flat=True))
    places = (scene.platform.environment["TMPDIR"], str(scene.platform.var / "arriving"))
    left = [one for place in places for one in visitor.uploads_left(place)]
    left += [str(now.folder)] if now.folder.exists() else []
    orphans = len(scene.platform.strays()) + len(left)
    reserved = DiskUse.objects.filter(key=import_.disk_key).count()
    broken = [
        *([f"the import is {now.status}: {now.refusal}"] if now.status != ArchiveStatus.DONE else []),
        *([f"{made.count()} courses"] if made.count() != 1 else []),
        *([f"{rows} rows"] if rows != [ROWS] else []),
        *([f"left on the disk: {left}"] if left else []),
        *(["room is still reserved"] if reserved else []),
        *([f"{orphans} orphans"] if orphans else []),
    ]
    outcome = f"imported at attempt {now.attempt}"
    return Row("upload", name, outcome, made.count(), 0, orphans, 0, "; ".join(broken))
