"""An LMS on loopback: `lti1p3platform` signs, checks and answers; here are its people, its grade book and its moods."""

import json
import threading
from dataclasses import dataclass, field
from functools import cache
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from jwcrypto.jwk import JWK
from lti1p3platform.exceptions import LineItemNotFoundException
from lti1p3platform.ltiplatform import LTI1P3PlatformConfAbstract
from lti1p3platform.membership import Context
from lti1p3platform.message_launch import LTIAdvantageMessageLaunchAbstract
from lti1p3platform.registration import Registration
from lti1p3platform.request import Request
from lti1p3platform.score import UpdateScoreStatus
from lti1p3platform.service_connector import AssignmentsGradesService, NamesRoleProvisioningService

from teams.models import LmsConnection
from teams.services.lti import connections, keys
from teams.services.lti.connections import Wanted

CLIENT, DEPLOYMENT, CONTEXT = "client-7", "deployment-1", "edel-4620"
ROLE = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
LEARNER, INSTRUCTOR = f"{ROLE}Learner", f"{ROLE}Instructor"
ASSISTANT = "http://purl.imsglobal.org/vocab/lis/v2/membership/Instructor#TeachingAssistant"


@cache
def pem(name: str) -> tuple[str, str]:
    """(private, public); finding primes takes a while."""
    key = JWK.generate(kty="RSA", size=2048)
    return key.export_to_pem(private_key=True, password=None).decode(), key.export_to_pem().decode()


@dataclass
class Person:
    """Somebody in the LMS."""

    subject: str
    name: str
    email: str
    roles: tuple[str, ...] = (LEARNER,)
    status: str = "Active"


class _Asked(Request):
    def build_metadata(self, request: Any) -> Any:
        return request


class _Launch(LTIAdvantageMessageLaunchAbstract):
    def render_launch_form(self, launch_data: Any, **kwargs: Any) -> Any:
        return launch_data


class _Platform(LTI1P3PlatformConfAbstract):
    def init_platform_config(self, registration: Registration) -> None:
        self._registration = registration

    def get_registration_by_params(self, **kwargs: Any) -> Registration:
        return self._registration


@dataclass
class Lms:
    """`people` by subject; `items` and `scores` are the grade book. `published`: off, and every score is refused.

    `page`: how many people stand on one page of the class list. `break_next`: answers with this status, so often.
    """

    name: str = "right"
    people: dict[str, Person] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    scores: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    published: bool = True
    page: int = 50
    break_next: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    registered: list[dict[str, Any]] = field(default_factory=list)
    endpoint_elsewhere: str = ""
    claims: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        private, public = pem(self.name)
        self.registration = (
            Registration()
            .set_iss(self.issuer)
            .set_client_id(CLIENT)
            .set_deployment_id(DEPLOYMENT)
            .set_platform_private_key(private)
            .set_platform_public_key(public)
        )
        self.platform = _Platform(registration=self.registration)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wanted(self, **other: Any) -> Wanted:
        given = {
            "issuer": self.issuer,
            "client_id": CLIENT,
            "auth_url": f"{self.issuer}/auth",
            "token_url": f"{self.issuer}/token",
            "keyset_url": f"{self.issuer}/keys",
            "deployment_id": DEPLOYMENT,
        }
        return Wanted(**(given | other))

    def connect(self, connection: LmsConnection, **other: Any) -> LmsConnection:
        connections.fill(connection=connection, person=None, wanted=self.wanted(**other))
        LmsConnection.objects.filter(pk=connection.pk).update(is_on=True)
        # Here, in the test's own thread: the server's threads do not see what a test has not committed.
        self.registration.set_tool_key_set(keys.public_keys())
        connection.refresh_from_db()
        return connection

    def call(self, connection: LmsConnection, person: Person, **other: str) -> dict[str, str]:
        """The parameters with which this LMS begins a launch."""
        given = {
            "iss": self.issuer,
            "client_id": CLIENT,
            "login_hint": person.subject,
            "lti_message_hint": person.subject,
            "target_link_uri": connections.addresses(connection).launch,
        }
        return given | other

    def message(self, asked: dict[str, str], *, deep: bool = False, context: str = CONTEXT) -> dict[str, str]:
        """The form with which the browser is sent back: `asked` is what the tool's redirect said."""
        person = self.people[asked["login_hint"]]
        launch = _Launch(_Asked({"get_data": asked, "form_data": {}}), self.platform)
        launch.set_launch_url(asked["redirect_uri"])
        launch.set_user_data(person.subject, list(person.roles), person.name, person.email)
        launch.set_resource_link_claim("link-1")
        launch.set_launch_context_claim(context, context_title="Teaching science", context_label="EDEL 4620")
        launch.set_ags(f"{self.issuer}/items")
        launch.set_nrps(f"{self.issuer}/members?course=1")
        launch.set_extra_claims(self.claims)
        if deep:
            self.registration.set_deeplink_launch_url(asked["redirect_uri"])
            launch.set_dl(f"{self.issuer}/chosen", accept_types={"ltiResourceLink"}, extra_data={})
        answer = dict(launch.lti_launch())
        return {"state": answer["state"], "id_token": answer["id_token"]}

    def take_links(self, token: str) -> list[dict[str, Any]]:
        return list(self.platform.validate_deeplinking_resp({"JWT": token}))

    def score_of(self, subject: str) -> dict[str, Any] | None:
        """The newest."""
        mine = [score for _, score in self.scores if score["userId"] == subject]
        return mine[-1] if mine else None


class _GradeBook(AssignmentsGradesService):
    def __init__(self, lms: Lms, request: Request) -> None:
        self.lms = lms
        super().__init__(request, lms.platform, f"{lms.issuer}/items")

    def find_lineitems(self, page: Any = 1, limit: Any = None, **wanted: Any) -> Any:
        found = [
            one
            for one in self.lms.items
            if all(one.get(name) == value for name, value in (("tag", wanted.get("tag")),) if value)
        ]
        start = (int(page) - 1) * 2  # two on a page, so that the tool must turn pages
        return {"content": found[start : start + 2], "has_next": len(found) > start + 2}

    def find_lineitem(self, line_item_id: str) -> Any:
        for one in self.lms.items:
            if one["id"].endswith(f"/{line_item_id}"):
                return one
        raise LineItemNotFoundException

    def create_lineitem(self, creation_data: Any) -> Any:
        """As the specification has it: the same twice is two columns."""
        made = {**creation_data, "id": f"{self.lms.issuer}/items/{len(self.lms.items) + 1}"}
        self.lms.items.append(made)
        return made

    def update_lineitem(self, update_data: Any) -> Any:
        kept = self.find_lineitem(update_data["id"])
        kept.update({name: value for name, value in update_data.items() if name != "id"})
        return kept

    def delete_lineitem(self, line_item_id: str) -> None:
        self.lms.items.remove(self.find_lineitem(line_item_id))

    def update_score(self, line_item_id: str, score: Any) -> Any:
        self.find_lineitem(line_item_id)
        if score["scoreGiven"] > score["scoreMaximum"]:
            return UpdateScoreStatus.FAILED
        self.lms.scores.append((line_item_id, score))
        return UpdateScoreStatus.SUCCESS

    def get_results(self, *args: Any, **kwargs: Any) -> Any:
        return {"content": [], "has_next": False}


class _Members(NamesRoleProvisioningService):
    def __init__(self, lms: Lms, request: Request) -> None:
        self.lms = lms
        super().__init__(request, lms.platform, f"{lms.issuer}/members")

    def get_member_data_page(self, page: Any = 1, limit: Any = None, role: Any = None, since: Any = None) -> Any:
        people = list(self.lms.people.values())
        start = (int(page) - 1) * self.lms.page
        shown = people[start : start + self.lms.page]
        members = [
            {
                "user_id": one.subject,
                "roles": list(one.roles),
                "status": one.status,
                "name": one.name,
                "email": one.email,
            }
            for one in shown
        ]
        return {"content": members, "has_next": len(people) > start + self.lms.page}

    def get_context_by_id(self) -> Context:
        return Context(id=CONTEXT, label="EDEL 4620", title="Teaching science")


def _handler(lms: Lms) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET", b"")

        def do_POST(self) -> None:
            self._answer("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def do_PUT(self) -> None:
            self._answer("PUT", self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _answer(self, method: str, body: bytes) -> None:
            url = urlsplit(self.path)
            lms.asked.append(f"{method} {url.path}")
            query = dict(parse_qsl(url.query))
            if url.path in ("/course", "/auth"):
                self._show(_course(lms, query) if url.path == "/course" else _sends_back(lms, query))
                return
            query.pop("course", None)
            status, said, more = _reply(lms, method, url.path, query, self.headers, body)
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def _show(self, page: str) -> None:
            text = f"<!DOCTYPE html><title>LMS</title>{page}".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    return Handler


def _course(lms: Lms, query: dict[str, str]) -> str:
    """A course's page of the LMS, with the tool in a frame, as `query` says: `person`, and `tool`, its login address."""
    person = lms.people[query["person"]]
    call = {
        "iss": lms.issuer,
        "client_id": CLIENT,
        "login_hint": person.subject,
        "lti_message_hint": person.subject,
        "target_link_uri": query["tool"].replace("/login/", "/launch/"),
    }
    return f'<h1>Teaching science</h1><iframe title="Tool" src="{query["tool"]}?{escape(urlencode(call))}"></iframe>'


def _sends_back(lms: Lms, asked: dict[str, str]) -> str:
    """The form by which the LMS sends the browser back with the signed message."""
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in lms.message(asked).items()
    )
    form = f'<form method="post" action="{escape(asked["redirect_uri"])}">{fields}</form>'
    return f"{form}<script>document.forms[0].submit()</script>"


def _reply(lms: Lms, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> Any:
    """(status, JSON, headers)."""
    if path == "/keys":
        return 200, lms.platform.get_jwks(), {}
    if path == "/configuration":
        return 200, _configuration(lms), {}
    if path == "/register":
        lms.registered.append({"token": headers.get("Authorization", ""), **json.loads(body)})
        return 200, {"client_id": CLIENT, TOOL: {"deployment_id": DEPLOYMENT}}, {}
    if path == "/token":
        return 200, lms.platform.get_access_token(dict(parse_qsl(body.decode()))), {}
    if lms.break_next:
        return lms.break_next.pop(0), {"message": "out of order"}, {}
    return _service(lms, method, path, query, headers, body)


TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"


def _configuration(lms: Lms) -> dict[str, Any]:
    return {
        "issuer": lms.issuer,
        "authorization_endpoint": f"{lms.issuer}/auth",
        "token_endpoint": f"{lms.issuer}/token",
        "jwks_uri": f"{lms.issuer}/keys",
        "registration_endpoint": lms.endpoint_elsewhere or f"{lms.issuer}/register",
    }


def _service(lms: Lms, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> Any:
    said = json.loads(body) if body else None
    given = {"Authorization": headers.get("Authorization", "")}
    request = _Asked({"method": method, "get_data": query, "form_data": {}, "headers": given, "json": said})
    if path == "/members":
        service = _Members(lms, request)
        answer = service.handle_resp(service.handle_get_members)
        # The library tells of a next page only where a limit was asked for; an LMS does as it likes.
        page = int(query.get("page", 1))
        more = len(lms.people) > page * lms.page
        link = f'<{lms.issuer}/members?{urlencode({"page": page + 1})}>; rel="next"'
        return answer.code, answer.result, {"Link": link} if more else {}
    book = _GradeBook(lms, request)
    parts = path.strip("/").split("/")
    if not lms.published and method == "POST":
        return (
            422,
            {"errors": {"type": "unprocessable_entity", "message": "This course has not been published yet"}},
            {},
        )
    if parts == ["items"] and method == "POST":
        answer = book.handle_resp(book.handle_create_lineitem)
        return answer.code, answer.result, {}
    if parts == ["items"]:
        answer = book.handle_resp(book.handle_get_lineitems)
        found = answer.result or {"content": []}
        after = found.get("next")
        return answer.code, found["content"], {"Link": f'<{after}>; rel="next"'} if after else {}
    if len(parts) == 3 and parts[2] == "scores":
        answer = book.handle_resp(book.handle_update_score, line_item_id=parts[1])
        return answer.code, {}, {}
    if len(parts) == 2:
        handle = book.handle_update_lineitem if method == "PUT" else book.handle_get_lineitem
        answer = book.handle_resp(handle, line_item_id=parts[1])
        return answer.code, answer.result, {}
    return 404, {}, {}
