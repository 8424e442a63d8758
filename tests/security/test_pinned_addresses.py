"""A provider's name that says another address once it was checked: DSPy's programs go to what was checked."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from dspy_program import pinned, serve
from starlette.requests import Request

from datasets.models import DatasetVersion
from teams.models import Course, Method, Provider, Team, User
from tests.training.conftest import SETTINGS
from tests.training.test_providers import added, base_of, reachable  # noqa: F401
from training.models import RunStatus, TrainingRun
from training.services import spec
from training.services.endpoints import NotReady, endpoint_for
from training.services.launch import launch

NAME = "models.rebinding.example"
PUBLIC, METADATA = "93.184.215.14", "169.254.169.254"


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server on this machine that greets; whatever a test pins is forgotten afterwards."""
    monkeypatch.setattr(pinned, "_pinned", {})
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                with one:
                    one.sendall(b"checked")

        threading.Thread(target=greet, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("name", [NAME, NAME.upper(), f"{NAME}."])
def test_both_of_dspys_clients_connect_to_what_was_checked(listener: int, name: str) -> None:
    pinned.pin(f"https://{NAME}/v1", ["127.0.0.1"])
    with socket.create_connection((name, listener), timeout=10) as one:  # as lm15's threads do
        assert one.recv(10) == b"checked"

    async def greeted() -> bytes:  # as the program server does
        reader, writer = await asyncio.open_connection(name, listener)
        said = await reader.read(10)
        writer.close()
        return said

    assert asyncio.run(greeted()) == b"checked"


def test_other_names_are_looked_up_as_ever_and_a_pin_can_be_taken_off(listener: int) -> None:
    pinned.pin(f"https://{NAME}/v1", ["127.0.0.1"])
    assert socket.getaddrinfo("localhost", listener)
    pinned.pin(f"https://{NAME}/v1", [])
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(NAME, listener)


def test_a_name_without_an_address_of_the_family_asked_for_is_not_looked_up_instead(listener: int) -> None:
    pinned.pin(f"https://{NAME}/v1", ["127.0.0.1"])
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(NAME, listener, family=socket.AF_INET6)


def test_the_program_server_pins_what_the_platform_says(listener: int) -> None:
    told = {"x-provider-address": f"https://{NAME}/v1", "x-provider-key": "k", "x-provider-addresses": "127.0.0.1"}
    headers = [(name.encode(), text.encode()) for name, text in told.items()]
    assert serve._told(Request({"type": "http", "headers": headers})) == (f"https://{NAME}/v1", "k")
    with socket.create_connection((NAME, listener), timeout=10) as one:
        assert one.recv(10) == b"checked"


# --- What the platform tells its programs -------------------------------------------------------------------------------


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the provider's name says just now."""
    at = {NAME: PUBLIC}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *given: Any, **named: Any) -> Any:
        return real(at.get(str(host), host), port, *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return at


@pytest.fixture
def run(
    added: Provider,  # noqa: F811
    team: Team,
    member: User,
    version: DatasetVersion,
    course: Course,
    says: dict[str, str],
) -> TrainingRun:
    """A DSPy run at a provider that has a name."""
    base = base_of(added, Method.DSPY)
    made = launch(
        team=team, person=member, method=Method.DSPY, base_model=base, dataset_version=version,
        settings=SETTINGS[Method.DSPY], seed=17, name="",
    )  # fmt: skip
    Provider.objects.filter(pk=added.pk).update(base_url=f"https://{NAME}/v1")
    return TrainingRun.objects.with_related().get(pk=made.pk)


@pytest.mark.django_db
def test_an_optimiser_is_told_what_was_checked_and_refused_what_is_inside(
    run: TrainingRun, says: dict[str, str]
) -> None:
    spec.write_order(run)
    told = json.loads(run.file("spec.json").read_text())
    assert (told["base_url"], told["addresses"]) == (f"https://{NAME}/v1", [PUBLIC])
    says[NAME] = METADATA
    with pytest.raises(NotReady, match="private network"):
        spec.write_order(run)


@pytest.mark.django_db
def test_each_question_to_a_program_is_checked_anew_and_carries_what_was_checked(
    run: TrainingRun, says: dict[str, str]
) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.SUCCEEDED, result_model="program-1")
    run = TrainingRun.objects.with_related().get(pk=run.pk)
    bot = endpoint_for(run)
    assert bot.upstream is not None and bot.upstream.addresses == (PUBLIC,)
    says[NAME] = METADATA
    with pytest.raises(NotReady, match="private network"):
        endpoint_for(run)
