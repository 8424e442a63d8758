"""`/v1/files`: upload, list, look at, read and delete files."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.scripted_provider.provider import Provider, provider_of
from tests.scripted_provider.replies import ApiError, new_id, page
from tests.scripted_provider.rows import TOO_FEW, TrainingFile, read_training_file
from tests.scripted_provider.store import StoredFile

if TYPE_CHECKING:
    from starlette.requests import Request

PURPOSES = frozenset({"fine-tune", "assistants", "batch", "vision", "user_data", "evals"})
MAX_BYTES = 512 * 1024 * 1024
LIST_LIMIT = 10_000


def describe(file: StoredFile) -> dict[str, Any]:
    """A file in OpenAI's shape."""
    shape: dict[str, Any] = {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": file.status,
    }
    if file.expires_at is not None:
        shape["expires_at"] = file.expires_at
    if file.status_details is not None:
        shape["status_details"] = file.status_details
    return shape


def find(provider: Provider, file_id: str) -> StoredFile:
    """A file by id. Raises ApiError 404."""
    if found := provider.store.file(file_id):
        return found
    raise ApiError(404, f"No such File object: {file_id}", param="id")


def expired(provider: Provider, file: StoredFile) -> bool:
    """Whether a file's content is gone."""
    return provider.faults.now.expired_files or (file.expires_at is not None and file.expires_at <= provider.now())


async def upload(request: Request) -> JSONResponse:
    """Takes a file. A training file is checked at once; a bad one is kept with `status: error`, as OpenAI does."""
    try:
        form = await request.form()
    except HTTPException as error:
        raise ApiError(400, f"We could not parse the multipart body: {error.detail}") from error
    sent, purpose = form.get("file"), form.get("purpose")
    if not isinstance(sent, UploadFile):
        raise ApiError(400, "'file' is a required property", param="file")
    if purpose not in PURPOSES:
        raise ApiError(400, f"'{purpose}' is not one of {sorted(PURPOSES)} - 'purpose'", param="purpose")
    if (sent.size or 0) > MAX_BYTES:
        raise ApiError(413, f"File is too large: {sent.size} bytes, the most is {MAX_BYTES}.", param="file")
    content = await sent.read()
    provider = provider_of(request)
    lifetime = form.get("expires_after[seconds]")
    file = await run_in_threadpool(checked_file, provider, content, sent.filename or "upload", str(purpose), lifetime)
    await run_in_threadpool(provider.store.add_file, file, content)
    provider.store.count("files_uploaded")
    return JSONResponse(describe(file))


def checked_file(
    provider: Provider, content: bytes, filename: str, purpose: str, lifetime: UploadFile | str | None
) -> StoredFile:
    """The record of an upload, with what is wrong with it. Raises ApiError for an empty file or a wrong lifetime."""
    if not content:
        raise ApiError(400, "File is empty.", param="file")
    if lifetime is not None and not (isinstance(lifetime, str) and lifetime.isdigit()):
        raise ApiError(400, "'expires_after[seconds]' must be a whole number", param="expires_after")
    now = int(provider.now())
    read = read_training_file(content) if purpose == "fine-tune" else TrainingFile()
    problem = read.message if read.code != TOO_FEW else ""  # a validation file may be short: the job decides
    return StoredFile(
        id=new_id("file"),
        filename=filename,
        purpose=purpose,
        created_at=now,
        expires_at=now + int(lifetime) if isinstance(lifetime, str) else None,
        size=len(content),
        status="error" if problem else "processed",
        status_details=f"The file failed validation: {problem}" if problem else None,
    )


async def listing(request: Request) -> JSONResponse:
    """Files, newest first unless `order=asc`; `purpose` filters."""
    provider = provider_of(request)
    provider.write_results()
    purpose = request.query_params.get("purpose")
    shapes = [describe(file) for file in provider.store.files() if purpose in (None, file.purpose)]
    if request.query_params.get("order") == "asc":
        shapes.reverse()
    shown = page(shapes, request.query_params, default=LIST_LIMIT, most=LIST_LIMIT)
    ids = [shape["id"] for shape in shown["data"]] or [""]
    return JSONResponse({**shown, "first_id": ids[0], "last_id": ids[-1]})


async def one(request: Request) -> JSONResponse:
    """Looks at a file or deletes it."""
    provider, file_id = provider_of(request), request.path_params["file_id"]
    provider.write_results()
    file = find(provider, file_id)
    if request.method == "DELETE":
        provider.store.delete_file(file_id)
        return JSONResponse({"id": file_id, "object": "file", "deleted": True})
    return JSONResponse(describe(file))


async def content(request: Request) -> Response:
    """A file's bytes. Raises ApiError 404 for an expired one."""
    provider, file_id = provider_of(request), request.path_params["file_id"]
    provider.write_results()
    file = find(provider, file_id)
    data = provider.store.content(file_id)
    if expired(provider, file) or data is None:
        raise ApiError(404, f"File {file_id} has expired and its content is gone.", param="id", code="file_expired")
    if file.purpose == "fine-tune-results" and provider.faults.now.plain_result_files:
        data = base64.b64decode(data)
    return Response(data, media_type="application/octet-stream")


routes = [
    Route("/v1/files", upload, methods=["POST"]),
    Route("/v1/files", listing, methods=["GET"]),
    Route("/v1/files/{file_id}", one, methods=["GET", "DELETE"]),
    Route("/v1/files/{file_id}/content", content, methods=["GET"]),
]
