"""Keys of providers: sealed, bound to their row and address, never shown, logged or sent elsewhere; and the one door out."""

import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from courseplatform import redaction
from teams.models import AuditEntry, Course, Provider, User
from teams.services import outgoing, providers, sealing
from teams.services.providers import ProviderRefused, Wanted
from training.services.calls.wire import Wire
from training.services.endpoints import NotReady, provider_address

pytestmark = pytest.mark.django_db
KEY = "sk-of-the-course-0123456789"
PUBLIC = "93.184.216.34"


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))  # type: ignore[attr-defined]
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("Location", "/secret")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def inside() -> Iterator[HTTPServer]:
    """A service on this machine that nobody outside may reach."""
    server = HTTPServer(("127.0.0.1", 0), Answering)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Addresses that names have, one after the other: the last one stays."""
    known: dict[str, list[str]] = {"api.example.org": [PUBLIC]}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *given: Any, **more: Any) -> Any:
        if host not in known:
            return real(host, port, *given, **more)
        address = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def wanted(**changed: Any) -> Wanted:
    values: dict[str, Any] = {
        "name": "Faculty",
        "dialect": "openai",
        "base_url": "https://api.example.org/v1",
        "key": KEY,
    }
    return Wanted(**(values | changed))


@pytest.fixture
def made(course: Course, instructor: User, names: dict[str, list[str]]) -> Provider:
    return providers.add(course=course, person=instructor, wanted=wanted())


def test_a_key_is_sealed_and_opens_for_its_own_row_alone(made: Provider, course: Course, instructor: User) -> None:
    assert KEY not in made.sealed_key and providers.key_of(made) == KEY
    other = providers.add(course=course, person=instructor, wanted=wanted(name="Other", key="sk-another-key-1"))
    Provider.objects.filter(pk=other.pk).update(sealed_key=made.sealed_key)
    other.refresh_from_db()
    with pytest.raises(sealing.CannotOpen):
        providers.key_of(other)


def test_rotating_seals_with_the_new_secret_and_the_old_one_can_go(made: Provider, settings: Any) -> None:
    settings.PROVIDER_KEY_SECRETS = ["new-secret", settings.SECRET_KEY]
    before = made.sealed_key
    call_command("rotate_provider_keys")
    settings.PROVIDER_KEY_SECRETS = ["new-secret"]
    made.refresh_from_db()
    assert made.sealed_key != before and providers.key_of(made) == KEY


def test_whatever_is_kept_sealed_is_sealed_anew(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it is lost with the old secret, and nobody is told before it is needed."""
    done: set[Any] = set()

    def seen(rows: Any, *fields: str) -> tuple[int, list[Any]]:
        done.update((rows.model, name) for name in fields)
        return 0, []

    monkeypatch.setattr(sealing, "rows_anew", seen)
    call_command("rotate_provider_keys")
    fields = [(model, field.name) for model in apps.get_models() for field in model._meta.concrete_fields]
    kept = {(model, name) for model, name in fields if name.startswith("sealed_")}
    assert len(kept) >= 4 and kept <= done


def test_a_secret_that_is_gone_is_told_in_words_and_loses_nothing(made: Provider, settings: Any) -> None:
    settings.PROVIDER_KEY_SECRETS = ["another"]
    with pytest.raises(CommandError, match="Faculty"):
        call_command("rotate_provider_keys")
    with pytest.raises(NotReady, match="Enter the key once more"):
        provider_address(made)
    settings.PROVIDER_KEY_SECRETS = []
    made.refresh_from_db()
    assert providers.key_of(made) == KEY


def test_no_page_log_or_record_shows_the_key(
    made: Provider, course: Course, instructor: User, client_for: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_for(instructor)
    pages = [f"/courses/{course.pk}/providers/", f"/courses/{course.pk}/providers/{made.pk}/"]
    refused = {"do": "change", "name": "", "dialect": "openai", "base_url": made.base_url, "key": "sk-typed-just-now-1"}
    texts = [client.get(page).content.decode() for page in pages]
    texts.append(client.post(pages[1], refused).content.decode())
    for text in texts:
        assert KEY not in text and "sk-typed" not in text and made.sealed_key not in text
    assert KEY not in str(list(AuditEntry.objects.values_list("before", "after", "what")))
    providers.key_of(made)
    record = logging.LogRecord("x", logging.ERROR, "f", 1, f"asked with {KEY}", None, None)
    assert KEY not in redaction.Formatter("{message}", style="{").format(record)
    assert KEY not in repr(provider_address(made)) and KEY not in repr(wanted())


def test_a_new_address_wants_the_key_again(made: Provider, instructor: User) -> None:
    """Else an instructor of the course, or who got hold of a session, has a colleague's key sent to a host of their own."""
    with pytest.raises(ProviderRefused) as refused:
        providers.change(provider=made, person=instructor, wanted=wanted(base_url=f"https://{PUBLIC}/v1", key=""))
    assert refused.value.field == "key"
    made.refresh_from_db()
    assert made.base_url == "https://api.example.org/v1"
    providers.change(provider=made, person=instructor, wanted=wanted(name="Renamed", key=""))
    assert providers.key_of(made) == KEY


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/v1", "https://localhost/v1", "https://[::1]/v1", "https://10.1.2.3/v1", "https://0.0.0.0/v1",
        "https://169.254.169.254/latest/meta-data", "https://[fd00:ec2::254]/v1", "https://[::ffff:127.0.0.1]/v1",
        "https://2130706433/v1", "https://0x7f.1/v1", "https://100.100.100.200/v1", "https://[64:ff9b::7f00:1]/v1",
        "https://192.168.0.9:8080/v1", "https://[fe80::1]/v1", "https://[fec0::1]/v1", "https://224.0.0.1/",
        "http://93.184.216.34/v1", "ftp://93.184.216.34/", "https://u:p@93.184.216.34/v1", "https://93.184.216.34/v1?x=1",
        "https:///v1", "https://no-such-name.invalid/v1", "file:///etc/passwd", "https://[::7f00:1]/v1",
    ],
)  # fmt: skip
def test_what_is_not_of_the_internet_is_refused_in_a_sentence(address: str) -> None:
    assert outgoing.refusal(address).endswith((".", "v1.", "key"))


def test_whoever_runs_the_platform_can_allow_a_host_or_a_network(settings: Any) -> None:
    assert outgoing.refusal("https://10.1.2.3/v1")
    settings.PROVIDER_PRIVATE_HOSTS = ["10.1.0.0/16"]
    assert outgoing.refusal("https://10.1.2.3/v1") == ""
    assert outgoing.refusal("https://10.2.2.3/v1")
    settings.PROVIDER_PRIVATE_HOSTS = ["127.0.0.1"]
    assert outgoing.refusal("http://127.0.0.1:9/v1") == ""


def test_a_name_that_changes_its_mind_reaches_nobody_inside(inside: HTTPServer, names: dict[str, list[str]]) -> None:
    """DNS rebinding: a public address when it is entered, this machine when it is asked."""
    port = inside.server_address[1]
    names["turncoat.example"] = [PUBLIC, "127.0.0.1"]
    outgoing.check(f"https://turncoat.example:{port}/v1")
    with outgoing.client() as web, pytest.raises(httpx.ConnectError, match="private network"):
        web.get(f"http://turncoat.example:{port}/secret")
    assert inside.asked == []  # type: ignore[attr-defined]


def test_no_redirect_is_followed(inside: HTTPServer, settings: Any) -> None:
    settings.PROVIDER_PRIVATE_HOSTS = ["127.0.0.1"]
    port = inside.server_address[1]
    with outgoing.client() as web:
        assert web.get(f"http://127.0.0.1:{port}/away", headers={"Authorization": KEY}).status_code == 302
    assert [path for path, _ in inside.asked] == ["/away"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["127.0.0.1", "turncoat.example"])
async def test_streams_go_through_the_same_door(
    inside: HTTPServer, names: dict[str, list[str]], settings: Any, host: str
) -> None:
    port = inside.server_address[1]
    names["turncoat.example"] = ["127.0.0.1"]
    async with httpx.AsyncClient(transport=Wire()) as web:
        asked = web.build_request("GET", f"http://{host}:{port}/x", extensions={outgoing.GUARDED: True})
        with pytest.raises(httpx.HTTPError):
            await web.send(asked)
        assert inside.asked == []  # type: ignore[attr-defined]
        settings.PROVIDER_PRIVATE_HOSTS = [host]
        again = web.build_request("GET", f"http://{host}:{port}/x", extensions={outgoing.GUARDED: True})
        assert (await web.send(again)).status_code == 200


def test_a_removed_provider_has_no_key_and_is_never_asked(made: Provider, instructor: User) -> None:
    providers.forget(provider=made, person=instructor)
    assert (made.sealed_key, made.sealed_admin_key) == ("", "")
    with pytest.raises(NotReady, match="removed"):
        provider_address(made)
