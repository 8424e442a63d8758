"""Long files, sent piece by piece. Under ASGI a plain iterator would be read to its end before the first byte leaves."""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

TOGETHER = 64 * 1024


def _piece(lines: Iterator[str] | Iterator[bytes]) -> bytes:
    piece, size = [], 0
    for line in lines:
        encoded = line.encode() if isinstance(line, str) else line
        piece.append(encoded)
        size += len(encoded)
        if size >= TOGETHER:
            break
    return b"".join(piece)


async def _pieces(lines: Iterator[str] | Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await sync_to_async(_piece)(lines):
        yield piece


def download(
    lines: Iterator[str] | Iterator[bytes], *, name: str, content_type: str
) -> StreamingHttpResponse:
    """An attachment called `name`. The lines are made while they are sent."""
    response = StreamingHttpResponse(
        _pieces(lines), content_type=f"{content_type}; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
