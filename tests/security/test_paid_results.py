"""Finding 13: a provider job that succeeded was paid for, so it ends as a run that can be talked to, whatever else the
provider cannot say. What is missing is noted, and read later."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import django_rq
import httpx
import pytest
from django.utils import timezone

from teams.models import Confidence, LedgerEntry, Method, Team, User
from tests.scripted_provider.server import ScriptedProvider
from tests.training.money import account, entry_of, no_money_is_held
from training import jobs
from training.models import Missing, RunStatus, TrainingRun
from training.providers import openai_api
from training.providers.openai_api import FineTuning
from training.services import cancel, charges, cloud, cloud_result, estimate, reconcile
from training.services.calls import client as calls_client
from training.services.endpoints import endpoint_for, provider_address

Launch = Callable[..., TrainingRun]
pytestmark = pytest.mark.usefixtures("redis_server")

AFTER_THE_END = 200  # seconds of the provider's clock; a job takes 100
WAYS: dict[str, Any] = {
    "404": httpx.Response(404, json={"error": {"message": "No such thing.", "code": None}}),
    "500": httpx.Response(500, json={"error": {"message": "Oh.", "code": None}}),
    "403": httpx.Response(403, json={"error": {"message": "Not you.", "code": None}}),
    "silent": httpx.ReadTimeout("nobody answers"),
    "cut off": httpx.RemoteProtocolError("peer closed connection"),
    "half a document": httpx.Response(200, content=b'{"data": [', headers={"content-type": "application/json"}),
    "a page": httpx.Response(200, content=b"<html>Please sign in</html>", headers={"content-type": "text/html"}),
    "empty": httpx.Response(200, content=b"", headers={"content-type": "application/json"}),
    "null": httpx.Response(200, json=None),
    "another shape": httpx.Response(200, json={"data": 7, "id": 7, "status": []}),
}


EVERY = ("events", "content", "checkpoints", "chat/completions", "DELETE")
"""What is asked after the job is seen to have succeeded; the test of an unspoilt run says that this is all."""


@dataclass
class Between(httpx.BaseTransport):
    """Between our client and the scripted provider: `spoils` answers in its place,
    `changes` what it said of a job."""

    spoils: Callable[[str], Any] = lambda _: None
    changes: Callable[[dict[str, Any]], None] = lambda _: None
    asked: list[str] = field(default_factory=list)
    real: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        what = f"{request.method} {request.url.path}"
        self.asked.append(what)
        way = self.spoils(what)
        if isinstance(way, Exception):
            raise way
        if way is not None:
            return httpx.Response(way.status_code, headers=way.headers, content=way.content)
        answer = self.real.handle_request(request)
        said = answer.read()
        if request.method == "GET" and request.url.path.rpartition("/")[0].endswith("/jobs"):
            job = json.loads(said)
            self.changes(job)
            said = json.dumps(job).encode()
        kind = {"content-type": answer.headers.get("content-type", "")}
        return httpx.Response(answer.status_code, headers=kind, content=said)

    def spoil(self, *names: str, way: Any) -> None:
        self.spoils = lambda what: way if any(name in what for name in names) else None

    def heal(self) -> None:
        self.spoils, self.changes = lambda _: None, lambda _: None


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch, provider: ScriptedProvider, settings: Any) -> Iterator[Between]:
    for name, value in (("ASK_AGAIN_SECONDS", (0.0, 0.0)), ("SAFE_RETRIES", 0), ("EXTRA_RETRIES", 0)):
        monkeypatch.setattr(openai_api, name, value)
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{provider.url}/v1", "sk-real"
    transport = Between()
    with httpx.Client(transport=transport) as client:

        def provider_for(run: TrainingRun) -> FineTuning:
            address = provider_address(None)
            base_url, key = address.base_url, address.api_key
            return FineTuning(base_url=base_url, api_key=key, http_client=client)

        monkeypatch.setattr(cloud, "provider_for", provider_for)
        monkeypatch.setattr(calls_client, "connected", lambda: nullcontext(client))
        yield transport


@pytest.fixture
def paid(start: Launch, provider: ScriptedProvider, between: Between) -> TrainingRun:
    """A run with money at stake whose job has just succeeded at the provider."""
    run = begin(start(Method.OPENAI))
    assert (run.status, run.error_message) == (RunStatus.WAITING, "")
    provider.faults(clock_ahead=AFTER_THE_END)
    between.asked.clear()
    return run


def begin(run: TrainingRun) -> TrainingRun:
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    return run


def look(run: TrainingRun) -> TrainingRun:
    jobs.poll_run(run.pk)
    return TrainingRun.objects.with_related().get(pk=run.pk)


def look_later(run: TrainingRun) -> TrainingRun:
    """The scheduler finds that it is time to ask again, and a worker does."""
    django_rq.get_queue("quick").empty()  # its worker has done what was sent before
    TrainingRun.objects.filter(pk=run.pk).update(missing_next=timezone.now() - timedelta(seconds=1))
    found = reconcile.reconcile()
    assert run.pk in (*found.asked_again, *found.cleaned)
    return look(run)


def charge_of(run: TrainingRun) -> LedgerEntry:
    entry = entry_of(run)
    assert entry is not None
    return entry


def page_of(run: TrainingRun, client_for: Any, person: User) -> str:
    text = client_for(person).get(f"/teams/{run.team_id}/runs/{run.number}/").content.decode()
    return " ".join(text.split())


def is_whole(run: TrainingRun) -> bool:
    """Everything of it was read."""
    steps = run.events.filter(kind="step").values_list("step", flat=True)
    left = set(run.artifacts.values_list("path", flat=True))
    whole = len(steps) == len(set(steps)) == run.step == run.total_steps > 3
    return whole and {"result.csv", "result.json"} <= left and bool(run.result["checkpoints"])


def test_what_is_asked_after_success_is_what_these_tests_spoil(paid: TrainingRun, between: Between) -> None:
    run = look(paid)
    assert (run.status, run.missing, is_whole(run)) == (RunStatus.SUCCEEDED, [], True)
    job, *others = between.asked
    assert job.endswith(f"/jobs/{run.provider_job}")
    assert others
    assert all(any(name in what for name in EVERY) for what in others), others
    assert charge_of(run).confidence == Confidence.EXACT
    assert charge_of(run).delta == 3 * run.training_tokens + charges.samples_cost(run)


def is_usable(run: TrainingRun, team: Team) -> bool:
    """It is done, has a model to talk to, and was charged once, for what it trained on."""
    assert run.status == RunStatus.SUCCEEDED, run.error_message
    assert run.result_model.startswith("ft:gpt-4o-mini")
    assert endpoint_for(run).model == run.result_model
    assert "system_prompt" in run.result
    assert no_money_is_held(team)
    entry = charge_of(run)
    assert entry.training_tokens == run.training_tokens > 0
    return account(team).spent == entry.delta > 0


@pytest.mark.parametrize("way", WAYS)
def test_a_paid_result_is_kept_when_nothing_else_can_be_read(
    paid: TrainingRun, between: Between, team: Team, member: User, client_for: Any, way: str
) -> None:
    between.spoil(*EVERY, way=WAYS[way])
    run = look(paid)
    assert is_usable(run, team)
    lost = run.events.filter(kind=charges.LOST_SAMPLE).count()
    assert lost == (0 if way in ("404", "500", "403") else 1), "a question that was sent may be billed"
    assert charge_of(run).delta == 3 * run.training_tokens + charges.samples_cost(run)
    assert charge_of(run).confidence == (Confidence.UNKNOWN if lost else Confidence.EXACT)
    assert (charges.samples_cost(run) > 0) == bool(lost)
    assert run.missing == [Missing.EVENTS, Missing.TABLE, Missing.CHECKPOINTS]
    page = page_of(run, client_for, member)
    assert "This bot is ready. Not read at the provider yet: the loss curve, the result file, the checkpoints." in page
    assert "Chat with it" in page

    assert look(run).missing_tries == 0, "it is not time yet"
    run = look_later(run)  # as long as nothing comes, nothing is lost, and it is asked again later
    assert (len(run.missing), run.missing_tries, run.missing_next is not None) == (3, 1, True)
    between.heal()
    run = look_later(run)
    assert is_usable(run, team)
    assert (run.missing, run.missing_next, is_whole(run)) == ([], None, True)
    assert run.provider_files == []
    assert "This bot is ready." not in page_of(run, client_for, member)
    assert LedgerEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("events", "events"),
        ("content", "table"),
        ("checkpoints", "checkpoints"),
        ("chat/completions", ""),
        ("DELETE", ""),
    ],
)
def test_one_thing_that_cannot_be_read_costs_only_itself(
    paid: TrainingRun, between: Between, team: Team, name: str, missing: str
) -> None:
    between.spoil(name, way=WAYS["404"])
    run = look(paid)
    assert is_usable(run, team)
    assert run.missing == ([missing] if missing else [])
    assert run.events.filter(kind="sample").exists() == (name != "chat/completions")


def test_what_never_comes_is_not_asked_for_for_ever(
    paid: TrainingRun, between: Between, member: User, client_for: Any
) -> None:
    between.spoil("checkpoints", way=WAYS["404"])
    run = look(paid)
    for _ in cloud_result.ASKED_AGAIN:
        run = look_later(run)
    assert (run.missing, run.missing_next) == ([Missing.CHECKPOINTS], None)
    assert reconcile.reconcile().asked_again == []
    assert "asked 6 times and is not asked any more" in page_of(run, client_for, member)


def test_a_later_look_of_two_at_once_asks_once(paid: TrainingRun, between: Between) -> None:
    between.spoil(*EVERY, way=WAYS["500"])
    first = look(paid)
    second = TrainingRun.objects.with_related().get(pk=paid.pk)
    between.heal()
    assert cloud_result.fill_in(first, cloud.provider_for(first)).endswith("0 parts missing")
    assert "somebody else" in cloud_result.fill_in(second, cloud.provider_for(second))


def test_without_a_count_of_tokens_the_charge_is_an_estimate_and_is_set_right_later(
    paid: TrainingRun, between: Between, team: Team, member: User, client_for: Any
) -> None:
    between.changes = lambda job: job.update(trained_tokens=None)
    run = look(paid)
    assert is_usable(run, team)
    entry = charge_of(run)
    assert (entry.confidence, run.missing) == (Confidence.ESTIMATED, [Missing.TOKENS])
    assert entry.training_tokens == estimate.one_epoch_tokens(run.dataset_version, run.settings) * 2
    assert "The charge is an estimate" in page_of(run, client_for, member)

    between.heal()
    told = 1_000
    between.changes = lambda job: job.update(trained_tokens=told)
    run = look_later(run)
    correction = LedgerEntry.objects.get(subject_kind="correction")
    assert (run.missing, run.training_tokens) == ([], told)
    assert entry.delta + correction.delta == 3 * told + charges.samples_cost(run) == account(team).spent
    look(run)
    assert LedgerEntry.objects.count() == 2


@pytest.mark.parametrize("told", [-1, "many", 1.5, 2**70, [], {}])
def test_a_count_that_is_none_is_no_count(paid: TrainingRun, between: Between, team: Team, told: Any) -> None:
    between.changes = lambda job: job.update(trained_tokens=told)
    run = look(paid)
    assert is_usable(run, team)
    assert run.missing == [Missing.TOKENS]


def test_a_count_beyond_the_hold_is_charged_at_the_hold(paid: TrainingRun, between: Between, team: Team) -> None:
    held = account(team).held
    between.changes = lambda job: job.update(trained_tokens=None)
    run = look(paid)
    between.changes = lambda job: job.update(trained_tokens=10**12)
    look_later(run)
    assert account(team).spent == held


# The model's name


def test_a_model_without_a_name_is_waited_for(paid: TrainingRun, between: Between, team: Team) -> None:
    between.spoil("checkpoints", way=WAYS["404"])
    between.changes = lambda job: job.update(fine_tuned_model=None)
    for _ in range(3):
        run = look(paid)
    assert (run.status, run.lease, entry_of(run)) == (RunStatus.WAITING, "", None)
    assert run.events.filter(kind="note", data__message=cloud_result.NO_NAME).count() == 1
    between.heal()
    run = look(run)
    assert is_usable(run, team)
    assert is_whole(run)


def test_the_last_checkpoint_names_a_model_without_a_name(paid: TrainingRun, between: Between, team: Team) -> None:
    between.changes = lambda job: job.update(fine_tuned_model="")
    run = look(paid)
    assert is_usable(run, team)
    assert run.result_model == run.result["checkpoints"][-1]["model"]


def test_a_run_that_waits_for_a_name_can_be_ended_and_is_charged(
    paid: TrainingRun, between: Between, team: Team, member: User
) -> None:
    between.spoil("checkpoints", way=WAYS["404"])
    between.changes = lambda job: job.update(fine_tuned_model=None)
    cancel.cancel(run=look(paid), person=member)
    run = look(paid)
    assert run.status == RunStatus.CANCELLED
    assert charge_of(run).delta == 3 * run.training_tokens > 0
    assert charge_of(run).confidence == Confidence.EXACT
    assert no_money_is_held(team)


# While it is cancelled, or a look is cut off


def test_a_job_that_succeeded_while_we_cancelled_is_kept(
    paid: TrainingRun, between: Between, team: Team, member: User
) -> None:
    between.spoil(*EVERY, way=WAYS["500"])
    cancel.cancel(run=paid, person=member)
    assert is_usable(look(paid), team)


def test_looks_that_are_cut_off_while_they_read_keep_nobody_from_the_result(
    paid: TrainingRun, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that sends a byte a minute holds a look until its worker ends it, each time."""

    class Killed(BaseException):
        pass

    def hangs(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(FineTuning, "new_events", hangs)
    for _ in range(cloud_result.LOOKS_THAT_READ):
        with pytest.raises(Killed):
            look(paid)
        TrainingRun.objects.filter(pk=paid.pk).update(lease="", lease_until=None)
    run = look(paid)
    assert is_usable(run, team)
    assert run.missing == [Missing.EVENTS, Missing.TABLE, Missing.CHECKPOINTS]


def test_a_disk_that_is_full_loses_no_paid_result(
    paid: TrainingRun, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("training.services.json_files.write_json", full)
        run = look(paid)
    assert is_usable(run, team)
    assert run.missing == [Missing.FILES]
    run = look_later(run)
    assert (run.missing, is_whole(run)) == ([], True)


def test_what_is_read_later_changes_no_file_that_was_kept(paid: TrainingRun, between: Between) -> None:
    """A submission may have frozen it."""
    between.spoil("content", "checkpoints", way=WAYS["404"])
    run = look(paid)
    before = {one.path: one.sha256 for one in run.artifacts.all()}
    between.heal()
    run = look_later(run)
    after = {one.path: one.sha256 for one in run.artifacts.all()}
    assert after.items() > before.items()
    assert set(after) - set(before) == {"result.csv"}


# What the provider says may be anything


def test_a_result_file_may_hold_anything(paid: TrainingRun, between: Between, team: Team) -> None:
    huge = b"9" * 5_000
    table = (
        b"step,train_loss,valid_loss\n1,nan,inf\n" + huge + b",1,1\n-3,1,1\n1e9999,1,1\n2,\x00,0.5\n99999999999,1,1\n"
    )
    table += b'"' + b"x" * 200_000 + b'",1,1\n'
    between.spoil("events", way=WAYS["404"])
    served = httpx.Response(200, content=table, headers={"content-type": "text/csv"})
    spoils = between.spoils
    between.spoils = lambda what: served if "content" in what else spoils(what)
    run = look(paid)
    assert is_usable(run, team)
    assert list(run.events.filter(kind="validation").values_list("step", "data__loss")) == [(2, 0.5)]


def test_an_answer_of_the_job_that_cannot_be_read_is_asked_for_again(
    paid: TrainingRun, between: Between, team: Team
) -> None:
    for way in WAYS:
        between.spoil("/jobs/", way=WAYS[way])
        assert look(paid).status == RunStatus.WAITING, way
    between.heal()
    assert is_usable(look(paid), team)


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_api_key"), (403, "no"), (429, "insufficient_quota")])
def test_a_key_that_is_refused_for_days_loses_no_paid_job(
    paid: TrainingRun, between: Between, team: Team, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "PATIENCE", timedelta(0))
    refusal = httpx.Response(status, json={"error": {"message": "No.", "code": code}})
    between.spoil("/jobs/", way=refusal)
    for _ in range(3):
        run = look(paid)
    assert run.status == RunStatus.WAITING
    assert run.events.filter(kind="note", data__message__icontains="looked for again").count() == 1
    between.heal()
    assert is_usable(look(run), team)


def test_a_job_that_is_seen_again_has_all_the_patience_again(
    paid: TrainingRun, between: Between, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.faults(clock_ahead=50)
    between.spoil("/jobs/", way=WAYS["404"])
    run = look(paid)
    run.events.filter(data__has_key=cloud.UNSEEN).update(at=timezone.now() - timedelta(hours=7))
    between.heal()
    assert look(run).status == RunStatus.WAITING
    between.spoil("/jobs/", way=WAYS["404"])
    assert look(run).status == RunStatus.WAITING, "seven hours ago it was another absence"
    run.events.filter(data__unseen=True).update(at=timezone.now() - timedelta(hours=7))
    assert look(run).status == RunStatus.FAILED


# Jobs that end without a model, and may be billed


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_that_ended_without_a_model_is_charged_what_the_provider_counted(
    paid: TrainingRun, between: Between, team: Team, status: str
) -> None:
    between.changes = lambda job: job.update(status=status, fine_tuned_model=None, trained_tokens=700)
    between.spoil("events", way=WAYS["500"])
    run = look(paid)
    assert run.status == RunStatus.FAILED, "nobody cancelled it here"
    assert run.error_code == ("provider_cancelled" if status == "cancelled" else "provider_failed")
    assert (charge_of(run).delta, charge_of(run).confidence) == (2_100, Confidence.EXACT)
    assert no_money_is_held(team)


def test_a_job_that_ended_and_tells_nothing_is_asked_again_before_it_is_charged(
    paid: TrainingRun, between: Between, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = account(team).held
    between.changes = lambda job: job.update(status="failed", fine_tuned_model=None, trained_tokens=None)
    between.spoil("events", way=WAYS["500"])
    assert look(paid).status == RunStatus.WAITING
    monkeypatch.setattr(cloud, "PATIENCE", timedelta(0))
    run = look(paid)
    assert run.status == RunStatus.FAILED
    assert (charge_of(run).delta, charge_of(run).confidence) == (held, Confidence.UNKNOWN)


# Before it begins


@pytest.fixture
def silent_after_creating(
    start: Launch, provider: ScriptedProvider, between: Between, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bool], TrainingRun]:
    """A run whose creation of a job is never answered; `made`: though the provider makes it, and cannot be asked again."""

    def ended(made: bool) -> TrainingRun:
        create = FineTuning.create_job_once

        def unanswered(self: FineTuning, *args: Any) -> Any:
            if made:
                create(self, *args)
                between.spoil("GET /v1/fine_tuning/jobs", way=WAYS["silent"])
            raise openai_api.ProviderAway("nobody answers")

        run = start(Method.OPENAI)
        with monkeypatch.context() as patch:
            patch.setattr(FineTuning, "create_job_once", unanswered)
            for _ in range(3):
                run = begin(run)
        between.heal()
        return run

    return ended


def after_a_while(run: TrainingRun) -> TrainingRun:
    django_rq.get_queue("quick").empty()
    run.refresh_from_db()
    TrainingRun.objects.filter(pk=run.pk).update(finished_at=timezone.now() - cloud.LISTS_LAG)
    found = reconcile.reconcile()
    assert run.pk in (*found.asked_again, *found.cleaned)
    return look(run)


def test_a_job_that_may_have_been_made_is_charged_until_it_is_known_that_it_was_not(
    silent_after_creating: Callable[[bool], TrainingRun], team: Team
) -> None:
    run = silent_after_creating(False)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "provider_silent")
    assert (charge_of(run).delta, charge_of(run).confidence) == (run.most_cost, Confidence.UNKNOWN)
    run = after_a_while(run)
    assert (run.provider_status, account(team).spent) == ("", 0)
    assert reconcile.reconcile().asked_again == []


def test_a_job_that_was_made_after_all_is_found_and_ended(
    silent_after_creating: Callable[[bool], TrainingRun], provider: ScriptedProvider, team: Team
) -> None:
    run = silent_after_creating(True)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "provider_silent")
    run = after_a_while(run)
    assert run.provider_status == provider.client.fine_tuning.jobs.retrieve(run.provider_job).status == "cancelled"
    assert account(team).spent == run.most_cost, "until the bill is in"


def test_cancelling_between_two_attempts_forgets_no_job_that_may_have_been_made(
    start: Launch,
    between: Between,
    member: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unanswered(*_: Any) -> Any:
        raise openai_api.ProviderAway("nobody answers")

    monkeypatch.setattr(FineTuning, "create_job_once", unanswered)
    run = begin(start(Method.OPENAI))
    assert (run.status, run.job_unknown) == (RunStatus.QUEUED, True)
    cancel.cancel(run=run, person=member)
    assert charge_of(run).confidence == Confidence.UNKNOWN
    after_a_while(run)
    assert LedgerEntry.objects.get(subject_kind="correction").delta == -charge_of(run).delta


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"another shape"}))  # that one says nothing of a last day
def test_a_model_page_that_cannot_be_read_stops_no_run(
    start: Launch, provider: ScriptedProvider, between: Between, way: str, team: Team
) -> None:
    between.spoil("GET /v1/models/", way=WAYS[way])
    run = begin(start(Method.OPENAI))
    assert (run.status, run.missing) == (RunStatus.WAITING, [Missing.PAGE])
    if way == "404":
        provider.faults(clock_ahead=AFTER_THE_END)
        run = look(run)
        assert is_usable(run, team)
        assert run.missing == [Missing.PAGE]
        between.heal()
        provider.faults(shutdown_date="2027-01-14")
        assert look_later(run).missing == []
        assert run.events.filter(data__message__icontains="off on 2027-01-14").exists()
