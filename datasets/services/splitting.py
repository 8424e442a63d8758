"""A split asked for by a person: decided at once where that is quick, else by the files worker, with a notice at its end."""

import logging

import django_rq
import redis.exceptions
from django.urls import reverse

from datasets.models import DatasetVersion, FrozenSplit
from datasets.services import measure, split
from datasets.services.rework import QUEUE_AWAY, QueueAway
from teams import queues
from teams.models import NoticeKind, User
from teams.services import notices

log = logging.getLogger(__name__)

UNDER_WAY = (
    "The rows are many, so a worker does this. You get a notice when the split is decided."
)


def decide(*, version: DatasetVersion, fraction: float, seed: int, person: User) -> bool:
    """Whether it is decided now; False where the worker decides. Raises QueueAway."""
    known = FrozenSplit.objects.filter(version=version, fraction=fraction, seed=seed).exists()
    if known or measure.is_small(version):
        split.split(version, fraction, seed)
        return True
    try:
        django_rq.get_queue(queues.FILES).enqueue(
            "datasets.jobs.decide_split",
            version.pk,
            fraction,
            seed,
            person.pk,
            job_id=f"split-{version.pk}-{round(fraction * 100)}-{seed}",
            result_ttl=0,
        )
    except redis.exceptions.RedisError as error:
        log.warning("the split of version %s can't be asked for: %s", version.pk, error)
        raise QueueAway(QUEUE_AWAY) from error
    return False


def decide_and_tell(
    *, version: DatasetVersion, fraction: float, seed: int, person: User
) -> None:
    """The worker's part."""
    learnt, measured = split.split(version, fraction, seed)
    team = version.dataset.team
    said = f"{version} is split: {len(learnt):,} rows to learn from, {len(measured):,} to measure with (seed {seed})."
    path = reverse("version_split", args=[team.pk, version.dataset_id, version.number])
    notices.tell(
        people=[person], course=team.course, kind=NoticeKind.DATASET, text=said, path=path
    )
