"""Files on their way in. A web process that is killed while it takes an upload apart leaves its rows on the disk."""

import time
from pathlib import Path

from django.conf import settings

LEFT_BEHIND_SECONDS = (
    6 * 3600
)  # no upload takes so long: the reverse proxy and the server give up much sooner


def sweep() -> int:
    """Delete what no request can be writing any more. How many files."""
    before = time.time() - LEFT_BEHIND_SECONDS
    gone = 0
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*.upload*"):
        try:
            if path.stat().st_mtime < before:
                path.unlink()
                gone += 1
        except FileNotFoundError:  # its request has just taken it away
            continue
    return gone
