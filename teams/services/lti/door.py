"""Requests to an LMS through the one door (`teams.services.outgoing`), in the shape of `requests`, which PyLTI1p3 speaks.

Every address here was typed by a person or came in a message of an LMS. So: https alone where the operator allows no other,
no private network, no redirect, no proxy of the environment, a limit on time and on what is read.
"""

from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from teams.services import outgoing
from teams.services.outgoing import NotAllowed

STEP_SECONDS = 10.0
WHOLE_SECONDS = 20.0
MOST_BYTES = 4_000_000
AGENT = "course-platform (LTI 1.3)"


class LmsUnreachable(requests.RequestException):
    """The LMS was not asked, or did not answer; the text says why in a sentence."""


def check_address(url: str) -> None:
    """Whether this may be asked at all, before its name is looked up. Raises NotAllowed."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise NotAllowed(f"This is no address: {error}.") from error
    if parts.scheme not in ("https", "http") or not host:
        raise NotAllowed("An address begins with https:// and has a host.")
    if parts.username or parts.password:
        raise NotAllowed("An address may have no name or password in it.")
    if parts.scheme == "http" and not outgoing.is_listed(host):
        raise NotAllowed(
            f"{host} is asked over https only. Write https://, or ask whoever runs this platform."
        )


def check_reachable(url: str) -> None:
    """The same, and every address that the name has. Raises NotAllowed."""
    check_address(url)
    parts = urlsplit(url)
    outgoing.resolved(
        parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    )


class _Adapter(BaseAdapter):
    """Sends by the door's own client."""

    def __init__(self) -> None:
        super().__init__()
        self._client = outgoing.client(timeout=STEP_SECONDS)

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        url = request.url or ""
        try:
            check_address(url)
            return self._ask(request, url)
        except NotAllowed as error:
            raise LmsUnreachable(str(error)) from error
        except httpx.TimeoutException as error:
            host = urlsplit(url).hostname
            raise LmsUnreachable(
                f"{host} did not answer within {STEP_SECONDS:g} seconds."
            ) from error
        except httpx.HTTPError as error:
            raise LmsUnreachable(
                f"{urlsplit(url).hostname} cannot be reached: {error}."
            ) from error

    def _ask(self, request: requests.PreparedRequest, url: str) -> requests.Response:
        given = request.body or b""
        assert isinstance(given, str | bytes)
        body = given.encode() if isinstance(given, str) else given
        headers = {name: str(value) for name, value in request.headers.items()}
        with self._client.stream(
            str(request.method), url, content=body, headers=headers
        ) as answer:
            content = _read(answer)
        made = requests.Response()
        made.status_code, made.reason, made.url = answer.status_code, answer.reason_phrase, url
        made.headers = CaseInsensitiveDict(answer.headers)
        made.request, made.encoding = request, "utf-8"
        made._content = content  # where requests itself keeps what was read
        return made

    def close(self) -> None:
        self._client.close()


def _read(answer: httpx.Response) -> bytes:
    """What came, as far as it is unpacked. Raises LmsUnreachable for what is too long or too slow."""
    begun, parts, size = monotonic(), [], 0
    for part in answer.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise LmsUnreachable(f"The answer of {answer.url.host} is longer than 4 MB.")
        if monotonic() - begun > WHOLE_SECONDS:
            raise LmsUnreachable(
                f"{answer.url.host} took longer than {WHOLE_SECONDS:g} seconds."
            )
    return b"".join(parts)


class LmsSession(requests.Session):
    """A session that reaches the outside through the door alone, and follows nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.headers["User-Agent"] = AGENT
        self.adapters.clear()
        adapter = _Adapter()
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """A redirect would be an address that nobody checked, asked with a token."""
        return
