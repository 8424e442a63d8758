"""`/v1/files`: a program's file of rows goes the way of every upload: kept, read in a child process, made a dataset."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import BinaryIO

from django.core.files.uploadedfile import UploadedFile
from django.urls import reverse
from django.utils import timezone

from datasets.models import ImportStatus
from datasets.services import imports, versions
from datasets.services.versions import NothingChanged
from teams.models import Team
from teams.services import audit
from teams.services.disk import DiskFull
from teams.services.storage import files as stored
from teams.services.storage.shelves import CannotGive
from training.models import ApiFile, EndpointKey, FineTuningJob, RunStatus
from training.services.endpoint_api import ApiError
from training.services.openai_api import results
from training.services.openai_api.shapes import Shape, page, seconds, with_ends

PURPOSE = "fine-tune"
MOST_FILES = 200
"""That a team keeps at a time: a program that forgets to delete must not bury the team's own datasets."""
MOST_LISTED = 10_000
# OpenAI's own limits
SHORTEST_LIFE = timedelta(hours=1)
LONGEST_LIFE = timedelta(days=30)


def keep(
    *, key: EndpointKey, file: "UploadedFile[bytes]", purpose: str, lifetime: str = ""
) -> ApiFile:
    """Take a file and have it read. `lifetime`: seconds after which its content is gone; empty: the retention rule alone.

    Raises ApiError for a wrong purpose or lifetime, an empty file, too many files and a full disk.
    """
    if purpose != PURPOSE:
        said = f"'{purpose[:40]}' is not a purpose that this service has: it takes files for '{PURPOSE}'."
        raise ApiError(400, said, param="purpose")
    if not file.size:
        raise ApiError(400, "File is empty.", param="file")
    expires = _expiry(lifetime)
    team = key.team
    if ApiFile.objects.filter(team=team, deleted_at=None).count() >= MOST_FILES:
        raise ApiError(
            400,
            f"Your team keeps {MOST_FILES} files here. Delete one that no job needs.",
            param="file",
        )
    name = PurePath(file.name or "rows.jsonl").name
    if not PurePath(name).suffix:
        file.name = (
            f"{name}.jsonl"  # a program sends bytes without a name; OpenAI takes no other kind
        )
    try:
        made = imports.import_file(
            team=team, dataset=None, name=PurePath(name).stem, file=file, person=key.created_by
        )
    except imports.NotReady as busy:
        raise ApiError(
            429, str(busy), kind="requests", code="rate_limit_exceeded", wait=5
        ) from busy
    except DiskFull as full:
        raise no_room(full, param="file") from full
    kept = ApiFile.objects.create(team=team, api_key=key, upload=made, expires_at=expires)
    return settled(kept)


def no_room(full: DiskFull, *, param: str = "") -> ApiError:
    """The team's disk is full: said as an error of the API."""
    return ApiError(413, str(full), param=param, code="storage_full")


def _expiry(lifetime: str) -> datetime | None:
    if not lifetime:
        return None
    low, high = SHORTEST_LIFE.total_seconds(), LONGEST_LIFE.total_seconds()
    if not lifetime.isdecimal() or len(lifetime) > 9 or not low <= int(lifetime) <= high:
        said = f"'expires_after[seconds]' must be a whole number from {low:.0f} to {high:.0f}."
        raise ApiError(400, said, param="expires_after")
    return timezone.now() + timedelta(seconds=int(lifetime))


def settled(file: ApiFile) -> ApiFile:
    """A file whose rows are all good becomes a dataset by itself: a program cannot look at the report."""
    upload = file.upload
    if upload.status == ImportStatus.READY and upload.good_rows and not upload.bad_rows:
        try:
            imports.accept(import_=upload, person=upload.created_by)
        except (imports.NotReady, NothingChanged):
            pass  # somebody decided on it in this moment
        except DiskFull as full:
            raise no_room(full, param="file") from full
        upload.refresh_from_db()
    return file


def find(team: Team, public_id: str) -> ApiFile:
    """A file of this team. Raises ApiError 404."""
    key = key_in(public_id, "file-")
    rows = ApiFile.objects.filter(team=team, deleted_at=None).select_related(
        "upload__version__dataset"
    )
    found = rows.filter(key=key).first() if key else None
    if found is None:
        raise ApiError(404, f"No such File object: {public_id[:80]}", param="id")
    return settled(found)


def key_in(public_id: str, start: str) -> uuid.UUID | None:
    """The key that an id of the API names; None for what is no such id."""
    digits = public_id.removeprefix(start)
    if digits == public_id or len(digits) != 32:
        return None
    try:
        return uuid.UUID(hex=digits)
    except ValueError:
        return None


def describe(file: ApiFile) -> Shape:
    """A file in OpenAI's shape."""
    status, details = _status(file)
    shape: Shape = {
        "id": file.public_id,
        "object": "file",
        "bytes": file.upload.size,
        "created_at": seconds(file.created_at),
        "filename": file.upload.filename,
        "purpose": PURPOSE,
        "status": status,
    }
    if file.expires_at is not None:
        shape["expires_at"] = seconds(file.expires_at)
    if details:
        shape["status_details"] = details
    return shape


def _status(file: ApiFile) -> tuple[str, str]:
    upload = file.upload
    if upload.is_working:
        return "uploaded", ""
    if upload.version_id is not None:
        return "processed", ""
    return "error", why_not_processed(file)


def why_not_processed(file: ApiFile) -> str:
    """The worst problem of the file, how many rows have one, and where a person can fix them."""
    upload = file.upload
    worst = next(iter(upload.problem_groups), None)
    told = (
        f"{worst['message']} {worst['fix']}".strip()
        if worst
        else "There is no row in this file."
    )
    page_of = reverse("import_detail", args=[upload.team_id, upload.key])
    fix = (
        f" Fix it on the platform at {page_of}, or send a corrected file."
        if upload.is_open
        else ""
    )
    return f"{upload.bad_rows:,} of {upload.total_rows:,} rows cannot be used. {told}{fix}"


def listing(team: Team, query: Mapping[str, str]) -> Shape:
    """Files and result files, newest first unless `order=asc`; `purpose` filters."""
    purpose = query.get("purpose")
    shapes: list[Shape] = []
    if purpose in (None, PURPOSE):
        rows = ApiFile.objects.filter(team=team, deleted_at=None).select_related(
            "upload__version__dataset"
        )
        shapes += [describe(settled(row)) for row in rows]
    if purpose in (None, results.PURPOSE):
        jobs = FineTuningJob.objects.for_team(team).filter(run__status=RunStatus.SUCCEEDED)
        shapes += [results.describe(job) for job in jobs]
    shapes.sort(key=lambda shape: shape["created_at"], reverse=query.get("order") != "asc")
    return with_ends(page(shapes, query, usual=MOST_LISTED, most=MOST_LISTED), empty="")


def content(file: ApiFile) -> BinaryIO:
    """What was sent, byte for byte, open for reading. Raises ApiError 404 once it is gone."""
    upload = file.upload
    gone = file.expires_at is not None and file.expires_at <= timezone.now()
    if gone or not upload.files_kept:
        said = f"File {file.public_id} has expired: its content is no longer kept."
        raise ApiError(404, said, param="id", code="file_expired")
    try:
        return stored.opened(upload.place, upload.file_path.name)
    except CannotGive as trouble:
        said = f"Storage cannot give the content of file {file.public_id} now. Try again later."
        raise ApiError(503, said, param="id", code="storage_unavailable") from trouble


def delete(*, file: ApiFile, key: EndpointKey) -> Shape:
    """Forget the file, and the dataset that it became unless a run learned from it or the team went on working in it."""
    told = {"id": file.public_id, "object": "file", "deleted": True}
    upload = file.upload
    team = key.team
    ApiFile.objects.filter(pk=file.pk, deleted_at=None).update(deleted_at=timezone.now())
    audit.record(
        course=team.course,
        team=team,
        person=key.created_by,
        action="file deleted by a program",
        what=upload.filename,
    )
    if upload.is_open:
        with suppress(
            imports.NotReady
        ):  # it is being read at this moment: the retention rule takes it
            imports.discard(import_=upload)
        return told
    imports.forget_files(upload)
    dataset = upload.dataset
    if dataset is not None and key.created_by is not None and dataset.versions.count() == 1:
        with suppress(versions.VersionInUse):
            versions.delete_dataset(dataset=dataset, person=key.created_by)
    return told
