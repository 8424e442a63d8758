"""STORAGE_URL: where the platform keeps files, read into Django's own storage settings.

    (empty)                                             the folder under VAR_DIR, where files are made
    file:///mnt/course                                  another folder, for example one that several hosts share
    s3://KEY:SECRET@HOST[:PORT]/BUCKET[/PREFIX]?…       S3 and what speaks like it

Options of s3: `tls=0` (a server of one's own without TLS), `region=…`, `downloads=signed` (browsers fetch large files from the
storage itself, by an address that is good for a minute). Characters such as / in KEY and SECRET are written as %2F.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

CONNECT_SECONDS = 5
READ_SECONDS = 60
TRIES = 3
SIGNED_SECONDS = 60
OPTIONS = {"tls", "region", "downloads"}
HOW = (
    "Write file:///folder, or s3://KEY:SECRET@HOST/BUCKET with / in KEY or SECRET as %2F, "
    "or leave it empty: files then stay in VAR_DIR."
)


@dataclass(frozen=True)
class ShelfSettings:
    """`name` says which storage it is and holds no secret; `backend` is an entry of Django's STORAGES."""

    name: str
    backend: dict[str, Any] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False, default=())
    signed: bool = False


def read(url: str) -> ShelfSettings:
    """One address. Raises ImproperlyConfigured, in words that repeat nothing of a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"STORAGE_URL is no address. {HOW}") from None
    if parts.scheme == "file":
        return _folder(parts)
    if parts.scheme != "s3":
        raise ImproperlyConfigured(f"STORAGE_URL begins with neither file: nor s3:. {HOW}")
    return _s3(parts, port)


def _folder(parts: SplitResult) -> ShelfSettings:
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or path == "/":
        raise ImproperlyConfigured(f"STORAGE_URL names no folder. {HOW}")
    options = {
        "location": path,
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    }
    backend = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": options,
    }
    return ShelfSettings(f"file://{path}", backend)


def _s3(parts: SplitResult, port: int | None) -> ShelfSettings:
    key, secret = unquote(parts.username or ""), unquote(parts.password or "")
    bucket, _, prefix = unquote(parts.path).strip("/").partition("/")
    if not (key and secret and parts.hostname and bucket):
        raise ImproperlyConfigured(
            f"STORAGE_URL lacks a key, a secret, a host or a bucket. {HOW}"
        )
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := set(asked) - OPTIONS:
        raise ImproperlyConfigured(
            f"STORAGE_URL has options that are not known: {', '.join(sorted(unknown))}. "
            f"There are {', '.join(sorted(OPTIONS))}."
        )
    if asked.get("downloads", "streamed") not in ("streamed", "signed"):
        raise ImproperlyConfigured("STORAGE_URL: downloads is streamed or signed.")
    where = parts.hostname + (f":{port}" if port else "")
    scheme = "http" if asked.get("tls") == "0" else "https"
    options = {
        "access_key": key,
        "secret_key": secret,
        "bucket_name": bucket,
        "location": prefix,
        "endpoint_url": f"{scheme}://{where}",
        "region_name": asked.get("region", "us-east-1"),
        "default_acl": None,
        "file_overwrite": True,
        "querystring_auth": True,
        "querystring_expire": SIGNED_SECONDS,
        "max_memory_size": 8 * 1024 * 1024,
    }
    backend = {"BACKEND": "teams.services.storage.s3.CourseS3Storage", "OPTIONS": options}
    name = f"s3://{where}/{bucket}" + (f"/{prefix}" if prefix else "")
    return ShelfSettings(name, backend, (key, secret), asked.get("downloads") == "signed")


PLAIN_STATIC = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
HASHED_STATIC: dict[str, Any] = {
    "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage",
    "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
}


@dataclass(frozen=True)
class Plan:
    """What the settings say: `shelf` is where new files go (empty: VAR_DIR), `shelves` gives the alias of each in STORAGES."""

    shelf: str
    signed: bool
    shelves: dict[str, str]
    backends: dict[str, Any] = field(repr=False)
    secrets: list[str] = field(repr=False)


def plan(url: str, also: str, *, debug: bool) -> Plan:
    """Of STORAGE_URL, and of STORAGE_ALSO: more addresses, a space between them, that still hold files."""
    new = [read(url.strip())] if url.strip() else []
    every = [*new, *(read(one) for one in also.split())]
    shelves = {one.name: f"shelf{place}" for place, one in enumerate(every)}
    return Plan(
        shelf=new[0].name if new else "",
        signed=any(one.signed for one in new),
        shelves=shelves,
        backends={
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "staticfiles": PLAIN_STATIC if debug else HASHED_STATIC,
            **{shelves[one.name]: one.backend for one in every},
        },
        secrets=[secret for one in every for secret in one.secrets],
    )
