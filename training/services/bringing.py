"""Brings runs' files to a host whose servers of bots ask for them: they know neither the database nor the storage."""

import logging
import os
import re
import socketserver
import threading
from pathlib import Path

from django.conf import settings
from django.db import close_old_connections, connections

from teams.services.storage import files, shelves
from teams.services.storage.shelves import CannotGive
from training.models import RunStatus, TrainingRun
from training.services import run_storage
from training.services.base_names import name_base

log = logging.getLogger(__name__)
SOCKET = "files.sock"
LONGEST_PATH = 100  # bytes; the kernel's own limit is 108
LONGEST_LINE = 64
KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CLEAR_SECONDS = 60.0


def socket_path() -> Path | None:
    """Where servers of this host ask; None where files stay in VAR_DIR, and where its path is too long for a socket."""
    path = Path(settings.VAR_DIR) / SOCKET
    return (
        path if shelves.current() is not None and len(os.fsencode(path)) < LONGEST_PATH else None
    )


def bring(key: str) -> str:
    """`here`, `none` or `away`. Only what a finished run left is brought, each file proven to be what was stored."""
    if not KEY.fullmatch(key):
        return "none"
    run = (
        TrainingRun.objects.select_related("base_model")
        .filter(key=key, status=RunStatus.SUCCEEDED)
        .first()
    )
    if run is None:
        return "none"
    try:
        folder = files.fetch(run.place, run.artifacts.values_list("path", flat=True))
    except CannotGive:
        return "away"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if run.is_adapter:
        name_base(folder, run.base_model)
    return "here"


class _Asked(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        key = self.rfile.readline(LONGEST_LINE).decode("ascii", "replace").strip()
        try:
            close_old_connections()
            answer = bring(key)
        except Exception:  # whoever asked waits for a line
            log.exception("files of %s were not brought", key)
            answer = "away"
        finally:
            connections.close_all()
        self.wfile.write(f"{answer}\n".encode())


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def serve(over: threading.Event) -> None:
    """Until `over` is set. Beside that it clears what this host needs no more: a deleted run's files above all."""
    path = socket_path()
    if path is None:
        log.warning(
            "nothing to bring: files stay in VAR_DIR, or %s is too long a path for a socket",
            settings.VAR_DIR,
        )
        over.wait()
        return
    path.unlink(missing_ok=True)
    with _Server(str(path), _Asked) as server:
        path.chmod(0o600)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while not over.wait(CLEAR_SECONDS):
            try:
                close_old_connections()
                run_storage.clear_scratch()
            except Exception:  # a database that is away; it is tried again
                log.exception("scratch was not cleared")
        server.shutdown()
    path.unlink(missing_ok=True)
