"""S3 through django-storages, with time limits, a true stream on the way out, and addresses that a browser can be sent to.

Imported only where STORAGE_URL names S3: boto3 takes a third of a second to load.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

AWAY = (Boto3Error, BotoCoreError, ClientError, OSError)
"""What any call here may raise: the network, the service, or its refusal."""
CONNECT_SECONDS = 5
READ_SECONDS = 60
PROBE_SECONDS = 2
TRIES = 3
NOT_THERE = frozenset({"404", "NoSuchKey", "NotFound"})


class CourseS3Storage(S3Storage):  # type: ignore[misc]  # django-storages ships no types
    """As django-storages has it; addresses by path, because a server of one's own has no name for each bucket."""

    def __init__(self, **settings: Any) -> None:
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            # Servers other than Amazon's may refuse the checksums that boto3 adds of its own accord.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        super().__init__(**settings, client_config=config, security_token=None)

    @property
    def client(self) -> Any:
        return self.connection.meta.client

    @cached_property
    def probing_client(self) -> Any:
        """For a probe: it gives up within seconds, where a download may take a minute for its next piece. Shared by threads."""
        config = self.client_config.merge(
            Config(
                connect_timeout=PROBE_SECONDS,
                read_timeout=PROBE_SECONDS,
                retries={"total_max_attempts": 1, "mode": "standard"},
            )
        )
        return self._create_session().client(
            "s3",
            region_name=self.region_name,
            use_ssl=self.use_ssl,
            endpoint_url=self.endpoint_url,
            config=config,
            verify=self.verify,
        )

    def probe(self, key: str) -> None:
        """Ask for an object that need not be there. Raises what S3 raises where it is away or refuses."""
        try:
            self.probing_client.head_object(Bucket=self.bucket_name, Key=self.full_key(key))
        except ClientError as error:
            if not is_not_there(error):
                raise

    def full_key(self, key: str) -> str:
        return str(self._normalize_name(key))

    def put(self, key: str, path: Path) -> None:
        """In parts, at once, where the file is large."""
        self.client.upload_file(str(path), self.bucket_name, self.full_key(key))

    def stream(self, key: str) -> BinaryIO:
        """The object's bytes as they come. Raises FileNotFoundError where there is none."""
        try:
            answer = self.client.get_object(Bucket=self.bucket_name, Key=self.full_key(key))
        except ClientError as error:
            if is_not_there(error):
                raise FileNotFoundError(key) from error
            raise
        return cast(BinaryIO, answer["Body"])

    def bytes_of(self, key: str) -> int | None:
        try:
            answer = self.client.head_object(Bucket=self.bucket_name, Key=self.full_key(key))
        except ClientError as error:
            if is_not_there(error):
                return None
            raise
        return int(answer["ContentLength"])

    def listed(self, begins: str = "") -> Iterator[tuple[str, int, datetime]]:
        """(key, bytes, when it was stored) of every object whose key begins so."""
        start = f"{self.location.strip('/')}/" if self.location else ""
        pages = self.client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket_name, Prefix=start + begins):
            for found in page.get("Contents", ()):
                yield found["Key"].removeprefix(start), found["Size"], found["LastModified"]

    def signed(self, key: str, filename: str) -> str:
        """An address for a browser: good for a minute, and always a download."""
        wanted = {
            "ResponseContentDisposition": disposition(filename),
            "ResponseContentType": "application/octet-stream",
        }
        return str(self.url(key, parameters=wanted))


def is_not_there(error: ClientError) -> bool:
    return str(error.response.get("Error", {}).get("Code", "")) in NOT_THERE


def disposition(filename: str) -> str:
    """Only letters of a file's name that cannot end the header or the quotes."""
    plain = "".join(
        sign if sign.isascii() and (sign.isalnum() or sign in ".-_") else "_"
        for sign in filename
    )
    return f'attachment; filename="{plain[:120] or "file"}"'
