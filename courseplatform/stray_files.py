"""Stored files whose run, upload or archive is gone: what a crash left between two steps. The clock destroys them."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from teams import places
from teams.models import StoredFile
from teams.services import proofs
from teams.services.storage import files
from training.models import TrainingRun
from training.services import host_scratch

YOUNG = timedelta(hours=24)
"""An import writes the files of its run first, and their run's row last."""
OWNERS: dict[str, Any] = {
    places.RUNS: TrainingRun,
    **host_scratch.OWNERS,
}


def sweep() -> int:
    """Destroy what is doomed already, then what nobody owns. How many files."""
    gone = files.destroy_doomed()
    old = StoredFile.objects.live().filter(stored_at__lt=timezone.now() - YOUNG)
    for kind, owner in OWNERS.items():
        for place in _unowned(old.filter(place__startswith=f"{kind}/"), owner):
            files.forget(place)
            gone += 1
    proofs.settle_all()
    return gone


def _unowned(rows: QuerySet[StoredFile], owner: Any) -> Iterable[str]:
    found = set(rows.order_by().values_list("place", flat=True).distinct())
    keys = owner.objects.values_list("key", flat=True).iterator(2_000)
    for key in keys:
        found -= {f"{kind}/{key}" for kind, model in OWNERS.items() if model is owner}
    return sorted(found)
