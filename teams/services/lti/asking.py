"""Calls to an LMS's services: a token for the scope, the call through the door, and what went wrong in a sentence."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from pylti1p3.exception import LtiException, LtiServiceException
from pylti1p3.service_connector import ServiceConnector
from requests.utils import parse_header_links

from teams.models import LmsConnection
from teams.services.lti import connections
from teams.services.lti.door import LmsSession

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
MOST_WORDS = 200


class LmsFailed(Exception):
    """The LMS did not do it. `status` is HTTP's, 0 where nothing was answered; `may_pass`: trying later may help."""

    def __init__(self, said: str, status: int = 0, *, may_pass: bool = True) -> None:
        super().__init__(said)
        self.status, self.may_pass = status, may_pass


@dataclass(frozen=True)
class Said:
    """`body` as read from JSON, None for nothing. `after`: the next page's address, empty on the last."""

    status: int
    body: Any
    after: str


class Caller:
    """One connection's calls; its token is asked for once and used for all of them."""

    def __init__(self, connection: LmsConnection) -> None:
        self.name = str(connection)
        self._session = LmsSession()
        self._connector = ServiceConnector(
            connections.as_registration(connection), self._session
        )

    def ask(
        self, method: str, url: str, *, scopes: list[str], kind: str = "", data: Any = None
    ) -> Said:
        """`kind`: the media type of what is read, or of `data` where something is sent. Raises LmsFailed."""
        try:
            token = self._connector.get_access_token(scopes)
        except LtiServiceException as error:
            raise self._failed(error.response, "gave no token") from error
        except (requests.RequestException, LtiException, ValueError, KeyError) as error:
            raise LmsFailed(f"{self.name} gave no token: {error}") from error
        headers = {"Authorization": f"Bearer {token}", "Accept": kind or "application/json"}
        body = None
        if data is not None:
            headers["Content-Type"], body = kind, json.dumps(data)
        try:
            answer = self._session.request(method, url, data=body, headers=headers)
        except requests.RequestException as error:
            raise LmsFailed(str(error)) from error
        if not answer.ok:
            raise self._failed(answer, "refused")
        return Said(answer.status_code, _json(answer), _after(answer, url))

    def _failed(self, answer: requests.Response, did: str) -> LmsFailed:
        status = answer.status_code
        words = " ".join(answer.text.split())
        words = "" if "<" in words else words[:MOST_WORDS]
        said = f"{self.name} {did}: HTTP {status}. {words}".strip()
        return LmsFailed(said, status, may_pass=status in BUSY)


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json() if answer.content.strip() else None
    except ValueError as error:
        raise LmsFailed("The LMS answered what is no JSON.", may_pass=False) from error


def _after(answer: requests.Response, url: str) -> str:
    """PyLTI1p3 would write the address in small letters, which is another address. Only within the same host."""
    for link in parse_header_links(answer.headers.get("Link", "")):
        if link.get("rel") == "next":
            found = urljoin(url, link["url"])
            return found if urlsplit(found).netloc == urlsplit(url).netloc else ""
    return ""
