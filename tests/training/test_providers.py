"""Providers as rows: added, tried, priced, used by fine-tuning, disabled and removed in the browser."""

from typing import Any

import pytest

from datasets.models import DatasetVersion
from teams.models import AuditEntry, Course, LedgerEntry, Method, Price, Provider, Team, User
from teams.services import prices
from tests.scripted_provider import server as scripted
from tests.training.conftest import SETTINGS
from training import jobs
from training.forms import FORMS
from training.models import BaseModel, RunStatus, TrainingRun
from training.services.endpoints import endpoint_for, endpoint_for_base
from training.services.launch import LaunchRefused, launch

pytestmark = pytest.mark.django_db
MODEL = {
    "do": "model", "name": scripted.BASE, "label": "", "for_training": "on", "for_dspy": "on",
    "source": "Price page, read 30 Nov 2026", "effective_from": "2026-11-01", "shutdown_on": "2027-05-01",
    "training": "4", "input": "0.2", "cached": "", "output": "0.8", "trained_input": "0.4", "trained_output": "1.6",
}  # fmt: skip


@pytest.fixture
def reachable(provider: scripted.ScriptedProvider, settings: Any) -> scripted.ScriptedProvider:
    """The scripted provider, which listens on this machine: whoever runs the platform allows that. No other is known."""
    settings.PROVIDER_PRIVATE_HOSTS = ["127.0.0.1"]
    settings.OPENAI_BASE_URL, settings.HAS_PROVIDER = "http://127.0.0.1:9/v1", False
    return provider


@pytest.fixture
def added(client_for: Any, course: Course, instructor: User, reachable: scripted.ScriptedProvider) -> Provider:
    """As an instructor makes it in the browser, with one model."""
    client, page = client_for(instructor), f"/courses/{course.pk}/providers/"
    told = {"name": "Faculty", "dialect": "openai", "base_url": f"{reachable.url}/v1", "key": scripted.KEY}
    answer = client.post(page, {**told, "for_training": "on", "for_dspy": "on"})
    assert answer.status_code == 302, answer.content.decode()
    made = Provider.objects.get(name="Faculty")
    assert client.post(f"{page}{made.pk}/", MODEL).status_code == 302
    return made


def base_of(provider: Provider, method: Method = Method.OPENAI) -> BaseModel:
    return BaseModel.objects.select_related("provider").get(provider=provider, method=method)


def begin(team: Team, person: User, version: DatasetVersion, base: BaseModel) -> TrainingRun:
    method, settings = Method.OPENAI, SETTINGS[Method.OPENAI]
    return launch(
        team=team,
        person=person,
        method=method,
        base_model=base,
        dataset_version=version,
        settings=settings,
        seed=17,
        name="",
    )


def test_an_instructor_adds_one_and_reads_in_a_sentence_that_it_works(
    added: Provider, client_for: Any, course: Course, instructor: User
) -> None:
    page = f"/courses/{course.pk}/providers/{added.pk}/"
    assert "It is being tried" in client_for(instructor).get(page).content.decode()
    jobs.try_provider(added.pk)
    said = client_for(instructor).get(page).content.decode()
    assert "It works: the key is accepted" in said and "fine-tuning jobs can be asked for" in said
    assert AuditEntry.objects.filter(course=course, action="provider added", person=instructor).exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"base_url": "http://127.0.0.1:9/v1"}, "could not be asked"),
        ({"base_url": "{}/nothing"}, "there is no fine-tuning at this address"),
    ],
)
def test_what_does_not_work_is_said_in_words(
    added: Provider, reachable: scripted.ScriptedProvider, change: dict[str, str], said: str
) -> None:
    address = change["base_url"].format(reachable.url)
    Provider.objects.filter(pk=added.pk).update(base_url=address)
    jobs.try_provider(added.pk)
    added.refresh_from_db()
    assert not added.tried_well and said in added.tried_said


def test_an_account_that_may_train_no_more_is_found_out_before_any_team_does(
    added: Provider, reachable: scripted.ScriptedProvider
) -> None:
    reachable.faults(training_not_available=True)
    jobs.try_provider(added.pk)
    added.refresh_from_db()
    assert not added.tried_well and "no longer takes new fine-tuning jobs" in added.tried_said


def test_a_model_comes_with_prices_their_source_and_its_last_day(added: Provider, course: Course) -> None:
    base = base_of(added)
    assert (base.label, str(base.shutdown_on)) == (f"{scripted.BASE} (Faculty)", "2027-05-01")
    trained = Price.objects.get(provider=added.code, model=f"ft:{scripted.BASE}", kind="output")
    assert (trained.per_million, trained.course, trained.source) == (1_600_000, course, MODEL["source"])
    assert not Price.objects.filter(provider=added.code, kind="cached_input").exists(), "unknown is never 0"


def test_a_team_trains_there_and_run_charge_and_chat_name_the_provider(
    added: Provider, team: Team, member: User, version: DatasetVersion, reachable: scripted.ScriptedProvider
) -> None:
    offered = FORMS[Method.OPENAI](team).offered["base_model"]
    assert offered[0] == base_of(added) and any(one.local for one in offered), "and this platform's own bases beside it"
    run = begin(team, member, version, base_of(added))
    jobs.execute_run(run.pk)
    reachable.faults(clock_ahead=200)
    jobs.poll_run(run.pk)
    run = TrainingRun.objects.with_related().get(pk=run.pk)
    assert (run.status, run.provider) == (RunStatus.SUCCEEDED, added.code), run.error_message
    entry = LedgerEntry.objects.get(account__team=team)
    quote = prices.price_of(course=team.course, provider=added.code, model=scripted.BASE, kind="training")  # type: ignore[arg-type]
    assert (entry.provider, entry.confidence) == (added.code, "exact")
    assert entry.delta >= quote.cost(run.training_tokens) > 0 and "read 30 Nov 2026" in entry.price_note
    team.account.refresh_from_db()
    team.course.account.refresh_from_db()
    assert team.account.spent == team.course.account.spent == entry.delta, "the course's key spends the course's money"
    bot = endpoint_for(run)
    assert (bot.base_url, bot.api_key, bot.guarded) == (f"{reachable.url}/v1", scripted.KEY, True)


def test_another_course_neither_sees_it_nor_spends_its_key(
    added: Provider, other_course: Course, client_for: Any, instructor: User, team: Team, member: User,
    version: DatasetVersion,
) -> None:  # fmt: skip
    assert base_of(added) not in BaseModel.objects.offered(other_course, Method.OPENAI)
    Provider.objects.filter(pk=added.pk).update(course=other_course)
    BaseModel.objects.filter(provider=added).update(course=other_course)
    assert client_for(instructor).get(f"/courses/{team.course_id}/providers/{added.pk}/").status_code == 404
    with pytest.raises(LaunchRefused, match="not offered"):
        begin(team, member, version, base_of(added))


def test_only_those_for_a_capability_are_offered_for_it(added: Provider, course: Course) -> None:
    assert base_of(added, Method.DSPY) in BaseModel.objects.offered(course, Method.DSPY)
    Provider.objects.filter(pk=added.pk).update(for_dspy=False)
    assert base_of(added, Method.DSPY) not in BaseModel.objects.offered(course, Method.DSPY)
    assert base_of(added) in BaseModel.objects.offered(course, Method.OPENAI)


def test_a_disabled_one_starts_nothing_new_and_a_removed_one_waits_for_its_runs(
    added: Provider,
    client_for: Any,
    course: Course,
    instructor: User,
    team: Team,
    member: User,
    version: DatasetVersion,
) -> None:
    client, page = client_for(instructor), f"/courses/{course.pk}/providers/{added.pk}/"
    run = begin(team, member, version, base_of(added))
    assert "1 run still works there" in client.post(page, {"do": "remove"}, follow=True).content.decode()
    client.post(page, {"do": "switch"})
    assert base_of(added) not in BaseModel.objects.offered(course, Method.OPENAI)
    assert endpoint_for_base(base_of(added)).api_key == scripted.KEY, "what is there answers still"
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.FAILED, provider_files=["file-left"])
    client.post(page, {"do": "remove"})
    added.refresh_from_db()
    assert added.removed_at is not None and added.sealed_key == ""
    assert "file-left" in str(run.events.filter(kind="note").values_list("data", flat=True))
    actions = set(AuditEntry.objects.filter(course=course).values_list("action", flat=True))
    assert {"provider switched", "provider removed", "provider's model saved"} <= actions


def test_an_operator_sets_one_up_for_all_courses(
    client_for: Any, instructor: User, course: Course, reachable: scripted.ScriptedProvider
) -> None:
    User.objects.filter(pk=instructor.pk).update(is_staff=True)
    instructor.refresh_from_db()
    client = client_for(instructor)
    told = {"name": "Everybody’s", "dialect": "openai", "base_url": f"{reachable.url}/v1", "key": scripted.KEY}
    assert client.post("/providers/", {**told, "for_training": "on", "for_drafting": "on"}).status_code == 302
    made = Provider.objects.get(name="Everybody’s")
    assert made.for_drafting and not made.for_judge
    assert "drafting rows" in client.get("/providers/").content.decode()
    assert client.post(f"/providers/{made.pk}/", MODEL).status_code == 302
    assert base_of(made) in BaseModel.objects.offered(course, Method.OPENAI)
    assert "Everybody’s" in client.get(f"/courses/{course.pk}/providers/").content.decode()
    first = Provider.objects.get(from_environment=True)
    page = " ".join(client.get(f"/providers/{first.pk}/").content.decode().split())
    assert "set where the platform is started" in page and "gpt-4o-mini" in page


def test_a_slip_is_said_beside_its_field_and_loses_nothing(client_for: Any, course: Course, instructor: User) -> None:
    told = {
        "name": "Slip",
        "dialect": "azure",
        "base_url": "https://10.0.0.1/v1",
        "key": "sk-x1",
        "resource": "nonsense",
    }
    page = client_for(instructor).post(f"/courses/{course.pk}/providers/", told)
    text = page.content.decode()
    assert page.status_code == 422 and "no id of an Azure AI resource" in text and 'value="Slip"' in text
    told["resource"] = ""
    text = client_for(instructor).post(f"/courses/{course.pk}/providers/", told).content.decode()
    assert "private network" in text and "PROVIDER_PRIVATE_HOSTS" in text
    assert not Provider.objects.filter(name="Slip").exists()
