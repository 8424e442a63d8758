"""How storage is, for the pages and probes of whoever runs the platform."""

import os
import threading
import time
from dataclasses import dataclass, field

from django.conf import settings
from django.db.models import Count, Sum

from teams.models import AuditEntry
from teams.models.stored_file import StoredFile
from teams.services.storage import shelves
from teams.services.storage.shelves import Shelf, StorageAway

PATIENCE_SECONDS = 4.0
MOST_NAMED = 20
VERIFIED = "storage verified"
"""What `manage.py storage verify` writes into the platform's record."""
FOLDER = "folder under VAR_DIR"

_asking: "dict[str, _Question]" = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Probe:
    """`trouble`: why new files cannot be stored now, in a sentence; empty where they can. `seconds`: until it answered."""

    trouble: str = ""
    fix: str = ""
    seconds: float = 0.0

    @property
    def milliseconds(self) -> int:
        return max(1, round(self.seconds * 1000))


@dataclass(frozen=True)
class Health:
    """`away`: why it cannot be asked now, empty where it can. `troubled`: files that cannot be given, by what is wrong."""

    name: str
    away: str
    troubled: dict[str, int]
    doomed: int

    @property
    def well(self) -> bool:
        return not self.away and not self.troubled


@dataclass(frozen=True)
class Report(Health):
    """More, for whoever runs the platform. `missing`: some of the files that cannot be given. `verified`: the last time that
    everything was read and compared; None where it never was."""

    probe: Probe = field(default_factory=Probe)
    files: int = 0
    size: int = 0
    missing: list[StoredFile] = field(default_factory=list)
    verified: AuditEntry | None = None

    @property
    def next_step(self) -> str:
        """What to do, in one sentence; empty where there is nothing to do."""
        if self.away:
            return self.probe.fix
        if self.troubled:
            return (
                "Bring these files back from a backup of the storage, then run `manage.py storage verify`, "
                "which takes what is right again off this list."
            )
        if self.files and self.verified is None:
            return "Run `manage.py storage verify` once, and then every week: it reads everything and compares it."
        return ""


def probe() -> Probe:
    """Ask the storage one short question, for a few seconds at most. While one question hangs no other is asked."""
    to = shelves.current()
    if to is None:
        if os.access(settings.VAR_DIR, os.W_OK):
            return Probe()
        return Probe(
            "The folder VAR_DIR cannot be written to.",
            f"Let this platform's user write to {settings.VAR_DIR}.",
        )
    with _lock:
        question = _asking.get(to.name)
        if question is None or not question.thread.is_alive():
            question = _asking[to.name] = _Question(to)
            question.thread.start()
    question.thread.join(max(0.0, question.began + PATIENCE_SECONDS - time.monotonic()))
    seconds = time.monotonic() - question.began
    if question.said is None:
        trouble = f"The storage {to.name} has not answered for {max(1, round(seconds))} seconds."
    else:
        trouble = question.said
    return Probe(trouble, _fix(to) if trouble else "", seconds)


class _Question:
    """Asked in a thread of its own: a disk of the network that is away lets nobody go who asks it. `said`: None until then."""

    def __init__(self, to: Shelf) -> None:
        self.to, self.began = to, time.monotonic()
        self.said: str | None = None
        self.thread = threading.Thread(target=self._ask, name="storage-probe", daemon=True)

    def _ask(self) -> None:
        try:
            self.to.probe()
        except StorageAway as trouble:
            kind = type(trouble.__cause__ or trouble).__name__
            self.said = f"The storage {self.to.name} does not answer or refuses ({kind})."
        else:
            self.said = ""


def _fix(to: Shelf) -> str:
    if to.name.startswith("s3://"):
        return (
            "See that the service runs and is reached from this host, then compare STORAGE_URL with its address, bucket and "
            "key; the log of this process says what it answered."
        )
    return "See that this folder is mounted on this host and that this platform's user may write to it."


def away() -> str:
    """Why new files cannot be stored now, in a sentence; empty where they can."""
    return probe().trouble


def health() -> Health:
    """For pages of a course."""
    return Health(name(), away(), _troubled(), _doomed())


def report() -> Report:
    """Everything, for the operator's page."""
    asked = probe()
    live = StoredFile.objects.live()
    counted = live.aggregate(files=Count("pk"), size=Sum("size", default=0))
    return Report(
        name=name(),
        away=asked.trouble,
        troubled=_troubled(),
        doomed=_doomed(),
        probe=asked,
        files=counted["files"],
        size=counted["size"],
        missing=list(live.exclude(trouble="")[:MOST_NAMED]),
        verified=AuditEntry.objects.filter(course=None, action=VERIFIED).order_by("-pk").first(),
    )


def name() -> str:
    return settings.STORAGE_SHELF or FOLDER


def _troubled() -> dict[str, int]:
    rows = StoredFile.objects.live().exclude(trouble="")
    counted = rows.order_by().values_list("trouble").annotate(Count("pk"))
    return {
        str(StoredFile(trouble=kind).get_trouble_display()): count for kind, count in counted
    }


def _doomed() -> int:
    return StoredFile.objects.exclude(doomed_at=None).count()
