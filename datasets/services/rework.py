"""A new version made out of all rows of another: at once where that is quick, else by the worker, with a notice at its end."""

import logging
from collections.abc import Callable

import django_rq
import redis.exceptions
from django.urls import reverse

from datasets.models import DatasetVersion
from datasets.services import drafts, measure, privacy, speakers, versions
from teams import queues
from teams.models import NoticeKind, User
from teams.services import notices
from teams.services.disk import DiskFull

log = logging.getLogger(__name__)

REFUSALS = (
    versions.NothingChanged,
    versions.NoRows,
    versions.ConversionRefused,
    speakers.NothingToSwap,
    privacy.TryAgain,
    DiskFull,
)
UNDER_WAY = "The rows are many, so a worker does this. You get a notice when the new version is there, or why there is none."
QUEUE_AWAY = (
    "The workers can't be reached at the moment, so nothing was done. Try again in a minute."
)


class QueueAway(Exception):
    """Nobody can be asked to do it; nothing was done."""


def _pseudonyms(version: DatasetVersion, person: User, _: str) -> DatasetVersion:
    return privacy.use_pseudonyms(version=version, person=person)


def _labels(version: DatasetVersion, person: User, _: str) -> DatasetVersion:
    return drafts.confirm_labels(version=version, person=person)


def _swap(version: DatasetVersion, person: User, which: str) -> DatasetVersion:
    return speakers.swap(version=version, person=person, only_flagged=which == "flagged")


def _fork(version: DatasetVersion, person: User, shape: str) -> DatasetVersion:
    name = f"{version.dataset.name} as {shape}"
    return versions.fork(version=version, shape=shape, name=name, person=person)


WORKS: dict[str, Callable[[DatasetVersion, User, str], DatasetVersion]] = {
    "pseudonyms": _pseudonyms,
    "labels": _labels,
    "swap": _swap,
    "fork": _fork,
}


def make(
    *, version: DatasetVersion, person: User, work: str, option: str = ""
) -> DatasetVersion | None:
    """The new version, or None where the worker makes it. Raises one of `REFUSALS`, and QueueAway."""
    if measure.is_small(version):
        return WORKS[work](version, person, option)
    try:
        django_rq.get_queue(queues.FILES).enqueue(
            "datasets.jobs.make_version",
            version.pk,
            person.pk,
            work,
            option,
            job_id=f"{work}-{option or 'all'}-{version.pk}",
            result_ttl=0,
        )
    except redis.exceptions.RedisError as error:
        log.warning("%s of version %s can't be asked for: %s", work, version.pk, error)
        raise QueueAway(QUEUE_AWAY) from error
    return None


def make_and_tell(*, version: DatasetVersion, person: User, work: str, option: str) -> None:
    """The worker's part."""
    team = version.dataset.team
    shown = version
    try:
        shown = WORKS[work](version, person, option)
        said = f"{shown} is ready: {shown.note}"
    except REFUSALS as refusal:
        said = f"No new version was made of {version}: {refusal}"
    path = reverse("version_detail", args=[team.pk, shown.dataset_id, shown.number])
    notices.tell(
        people=[person], course=team.course, kind=NoticeKind.DATASET, text=said, path=path
    )
