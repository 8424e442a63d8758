"""How storage is, for the pages and probes of whoever runs the platform."""

import os
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count

from teams.models.stored_file import StoredFile
from teams.services.storage import shelves
from teams.services.storage.shelves import StorageAway

PROBE = "probe"


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


def away() -> str:
    """Why new files cannot be stored now, in a sentence; empty where they can. Asks the storage one short question."""
    to = shelves.current()
    if to is None:
        writable = os.access(settings.VAR_DIR, os.W_OK)
        return "" if writable else "The folder VAR_DIR cannot be written to."
    try:
        to.size(PROBE)
    except StorageAway as trouble:
        return f"The storage {to.name} does not answer or refuses ({type(trouble.__cause__ or trouble).__name__})."
    return ""


def health() -> Health:
    """Everything, for the operator's page."""
    troubled = StoredFile.objects.live().exclude(trouble="")
    counted = troubled.order_by().values_list("trouble").annotate(Count("pk"))
    return Health(
        name=settings.STORAGE_SHELF or "folder under VAR_DIR",
        away=away(),
        troubled={
            str(StoredFile(trouble=kind).get_trouble_display()): count for kind, count in counted
        },
        doomed=StoredFile.objects.exclude(doomed_at=None).count(),
    )
