"""Model servers of the operator's own: added in the browser, looked at by the clock, chosen for a chat, given adapters.

A bot's base is known by the hash of its weights, so that neither a folder that moved nor another name keeps it from its server.
Where no server of the list can answer, the embedded one does (`settings.MODEL_SERVER_URL`).
"""

import logging
import random
import time
from dataclasses import dataclass

import httpx
from django.db import IntegrityError, transaction
from django.utils import timezone

from teams.models import User
from teams.services import audit, outgoing, sealing
from training.models import BaseModel, LoadedAdapter, ModelServer, TrainingRun
from training.services import bringing, model_server

log = logging.getLogger(__name__)
LOAD_SECONDS = 20.0
LIST_SECONDS = 2.0
SILENT = "It does not answer."
ALREADY = "already"  # in vLLM's words for an adapter that it has
KNOWN_SECONDS = 5.0  # pages ask at every turn whether there is any server in the list at all
REFUSED_SECONDS = 60.0  # an adapter that was not taken is offered again only then
_known: list[tuple[float, bool]] = []
_refused: dict[tuple[int, int], float] = {}


class ServerRefused(Exception):
    """This server is not added; the message says why and what to do."""


class AdapterNotTaken(Exception):
    """The server does not serve this adapter now; the log says why."""


@dataclass(frozen=True)
class Chosen:
    """Where a base or a bot answers, and under which name."""

    address: str
    key: str
    model: str


def add(
    *, person: User, address: str, key: str, base: BaseModel, served_name: str, runs_folder: str
) -> ModelServer:
    """Raises ServerRefused."""
    address = address.rstrip("/")
    if not base.weights_sha256:
        raise ServerRefused(
            f"The weights of {base} were never hashed. Have the base model tried first, then add its server."
        )
    if why := outgoing.refusal(address):
        raise ServerRefused(why)
    made = ModelServer(
        address=address,
        base_sha256=base.weights_sha256,
        served_name=served_name.strip(),
        runs_folder=runs_folder.rstrip("/"),
    )
    made.sealed_key = sealing.seal(key, owner=_owner(made))
    made.trouble = _as_said(_look(made, key))[:300]
    made.checked_at = timezone.now()
    try:
        with transaction.atomic():
            made.save()
            audit.record(course=None, person=person, action="model server added", what=address)
    except IntegrityError as twice:
        raise ServerRefused(f"{address} is in the list already.") from twice
    _known.clear()
    return made


def switch(*, server: ModelServer, person: User) -> None:
    """Used or not used from now on."""
    with transaction.atomic():
        server.enabled = not server.enabled
        server.save(update_fields=["enabled"])
        done = "switched on" if server.enabled else "switched off"
        audit.record(course=None, person=person, action=f"model server {done}", what=str(server))


def remove(*, server: ModelServer, person: User) -> None:
    with transaction.atomic():
        audit.record(course=None, person=person, action="model server removed", what=str(server))
        server.delete()


def seal_anew() -> tuple[int, list[ModelServer]]:
    """Every key under today's first secret: how many, and the servers whose keys cannot be opened."""
    return sealing.rows_anew(ModelServer.objects.all(), "sealed_key")


def check() -> int:
    """The clock's round: is each healthy, and which adapters does it still have? How many are not."""
    ill = 0
    for server in ModelServer.objects.filter(enabled=True):
        listed = None
        try:
            seen = _look(server, key_of(server))
            trouble, listed = _as_said(seen), seen.listed
        except sealing.CannotOpen as lost:
            trouble = str(lost)
        ModelServer.objects.filter(pk=server.pk).update(
            trouble=trouble[:300], checked_at=timezone.now()
        )
        if trouble:
            server.adapters.all().delete()  # it may be started again any moment, and then has none
            ill += 1
        elif listed is not None:  # what it does not list any more is loaded again on first use
            server.adapters.exclude(run__result_model__in=listed).delete()
    return ill


def key_of(server: ModelServer) -> str:
    """Raises sealing.CannotOpen."""
    return sealing.open_sealed(server.sealed_key, owner=_owner(server))


def for_base(base: BaseModel) -> Chosen | None:
    """A server that answers as the untrained base; None: the embedded one."""
    for server in _shuffled(base):
        try:
            return Chosen(server.address, key_of(server), server.served_name)
        except sealing.CannotOpen:
            continue
    return None


def for_run(run: TrainingRun) -> Chosen | None:
    """A server that answers as this bot, its adapter loaded there now if it was not; None: the embedded one."""
    servers = _shuffled(run.base_model)
    has = set(
        LoadedAdapter.objects.filter(run=run, server__in=servers).values_list(
            "server_id", flat=True
        )
    )
    for server in sorted(servers, key=lambda one: one.pk not in has):
        if server.pk not in has and _was_refused(server, run):
            continue
        try:
            key = key_of(server)
            if server.pk not in has:
                load(server, key, run)
        except (AdapterNotTaken, sealing.CannotOpen):
            _refused[server.pk, run.pk] = time.monotonic()
            continue
        return Chosen(server.address, key, run.result_model)
    return None


def _was_refused(server: ModelServer, run: TrainingRun) -> bool:
    at = _refused.get((server.pk, run.pk))
    return at is not None and time.monotonic() - at < REFUSED_SECONDS


def load_everywhere(run_id: int) -> str:
    """After a run succeeded: every server of its base has its bot before somebody asks. Gives a word for RQ's log."""
    run = (
        TrainingRun.objects.finished()
        .adapters()
        .select_related("base_model")
        .filter(pk=run_id)
        .first()
    )
    if run is None:
        return "not needed"
    taken = 0
    for server in ModelServer.objects.usable().for_base(run.base_model.weights_sha256):
        try:
            load(server, key_of(server), run)
            taken += 1
        except (AdapterNotTaken, sealing.CannotOpen):
            continue  # on first use it is tried again
    return f"loaded on {taken} servers"


def load(server: ModelServer, key: str, run: TrainingRun) -> None:
    """Have the server take the adapter. Raises AdapterNotTaken."""
    if bringing.bring(str(run.key)) == "away":
        raise AdapterNotTaken
    order = {
        "lora_name": run.result_model,
        "lora_path": f"{server.runs_folder}/{run.key}/adapter",
    }
    try:
        answer = _client(key).post(
            f"{server.address}/load_lora_adapter", json=order, timeout=LOAD_SECONDS
        )
    except (httpx.HTTPError, outgoing.NotAllowed) as silent:
        log.warning("%s did not take run %s: %s", server, run.pk, type(silent).__name__)
        ModelServer.objects.filter(pk=server.pk).update(
            trouble=SILENT
        )  # until the clock finds it healthy
        raise AdapterNotTaken from silent
    if answer.status_code != httpx.codes.OK and ALREADY not in answer.text[:2_000]:
        log.warning(
            "%s did not take run %s: status %s: %s",
            server,
            run.pk,
            answer.status_code,
            answer.text[:300],
        )
        raise AdapterNotTaken
    LoadedAdapter.objects.get_or_create(server=server, run=run)


def _owner(server: ModelServer) -> str:
    return f"model-server {server.key}"


def _any() -> bool:
    now = time.monotonic()
    if not _known or now - _known[0][0] > KNOWN_SECONDS:
        _known[:] = [(now, ModelServer.objects.exists())]
    return _known[0][1]


def _shuffled(base: BaseModel) -> list[ModelServer]:
    """Balanced: each as often as another. A bot stays with those that have it."""
    if not _any():
        return []
    servers = list(ModelServer.objects.usable().for_base(base.weights_sha256))
    random.shuffle(servers)
    return servers


def _client(key: str) -> httpx.Client:
    """Through the door for addresses that a person typed."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return outgoing.client(headers=headers, timeout=LIST_SECONDS)


def _look(server: ModelServer, key: str) -> model_server.Look:
    with _client(key) as client:
        return model_server.look(server.address, key=key, client=client)


def _as_said(seen: model_server.Look) -> str:
    return f"It {seen.trouble}" if seen.trouble else ""
