"""What a person sees of runs: list, form with its price, one run as it happens, comparing; and who may."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.urls import reverse

from datasets.checks import guideline
from datasets.models import DatasetVersion
from teams.methods import named
from teams.models import Method, Team, User
from tests import factories
from training import jobs
from training.models import RunEvent, RunStatus, TrainingRun
from training.services import finish, live

Launch = Callable[..., TrainingRun]
ClientFor = Callable[[User | None], Client]
LORA = {"epochs": 2, "learning_rate": 0.01, "rank": 8, "alpha": 32, "dropout": 0.05, "target_modules": "q_proj,v_proj",
        "batch_size": 8, "max_length": 256, "early_stopping_patience": 0, "sample_every": 0, "validation_fraction": "0.2",
        "seed": 17, "name": "Gentler"}  # fmt: skip


@pytest.fixture
def browser(client_for: ClientFor, member: User) -> Client:
    return client_for(member)


def url(name: str, team: Team, *more: Any, **kwargs: Any) -> str:
    return reverse(name, args=[team.pk, *more], **kwargs)


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def form(version: DatasetVersion, **changes: Any) -> dict[str, Any]:
    from training.models import BaseModel

    base = BaseModel.objects.get(name="tiny-student")
    key = "11111111-1111-4111-8111-111111111111"
    return LORA | {"dataset_version": version.pk, "base_model": base.pk, "key": key} | changes


def test_a_run_is_started_from_the_form_once_however_often_it_is_sent(
    browser: Client, team: Team, version: DatasetVersion
) -> None:
    for _ in range(2):
        answer = browser.post(url("run_new", team, "lora"), form(version))
        assert answer.headers["Location"] == url("run_detail", team, 1)
    run = TrainingRun.objects.get()
    assert (run.name, run.seed, str(run.created_by)) == ("Gentler", 17, "Mia Member")
    assert run.settings["target_modules"] == ["q_proj", "v_proj"]
    assert (run.settings["rank"], run.settings["validation_fraction"]) == (8, 0.2)


@pytest.mark.parametrize("method", ["lora", "dspy", "openai"])
def test_the_form_opens_with_a_price_and_size_advice(
    browser: Client, team: Team, version: DatasetVersion, method: str, settings: Any
) -> None:
    settings.HAS_PROVIDER = True
    page = text(browser.get(url("run_new", team, method)))
    assert "will be held" in page
    sentences = [guideline(named(method), rows)["sentence"] for rows in range(1, version.row_count + 1)]
    assert any(sentence in page for sentence in sentences)
    assert "Your team has left $25.00" in page


def test_the_advice_follows_what_is_chosen(browser: Client, team: Team, version: DatasetVersion) -> None:
    def seconds(epochs: int) -> str:
        answer = browser.get(
            url("run_new", team, "lora"),
            form(version, epochs=epochs),
            headers={"HX-Request": "true", "HX-Target": "advice"},
        )
        assert "<html" not in answer.content.decode()
        found = re.search(r"Takes about ([^.]+?)  ?(With|About)", text(answer))
        return found[1] if found else text(answer)

    assert seconds(1) != seconds(100)


def test_a_wrong_value_is_named_beside_its_field_and_nothing_starts(
    browser: Client, team: Team, version: DatasetVersion
) -> None:
    answer = browser.post(url("run_new", team, "lora"), form(version, epochs=0))
    assert answer.status_code == 422
    assert "greater than or equal to 1" in text(answer)
    assert not TrainingRun.objects.exists()


def test_a_refusal_of_the_budget_stands_on_the_form(
    browser: Client, team: Team, version: DatasetVersion, settings: Any
) -> None:
    from teams.models import BudgetAccount
    from training.models import BaseModel

    settings.HAS_PROVIDER = True
    BudgetAccount.objects.update(limit=1)
    base = BaseModel.objects.get(method=Method.OPENAI, name="gpt-4o-mini-2024-07-18")
    data = form(
        version,
        base_model=base.pk,
        n_epochs="auto",
        batch_size="auto",
        learning_rate_multiplier="auto",
        beta="auto",
        training="supervised",
    )
    answer = browser.post(url("run_new", team, "openai"), data)
    assert answer.status_code == 422
    assert "short" in text(answer)
    day = base.shutdown_on
    assert day is not None
    assert f"switches GPT-4o mini off on {day.day} {day:%B %Y}" in text(answer)


def test_a_team_without_a_dataset_is_sent_to_make_one(browser: Client, team: Team) -> None:
    page = browser.get(url("run_new", team, "lora"))
    assert url("dataset_new", team) in page.content.decode()


def test_another_teams_dataset_is_not_offered_and_not_taken(browser: Client, team: Team, other_team: Team) -> None:
    factories.make_dataset_version(team)
    theirs = factories.make_dataset_version(other_team, name="SecretMarker")
    assert "SecretMarker" not in browser.get(url("run_new", team, "lora")).content.decode()
    assert browser.post(url("run_new", team, "lora"), form(theirs)).status_code == 422


def test_an_unknown_method_is_not_found(browser: Client, team: Team) -> None:
    assert browser.get(url("run_new", team, "magic")).status_code == 404


def test_run_again_opens_the_form_as_it_was(browser: Client, team: Team, version: DatasetVersion) -> None:
    browser.post(url("run_new", team, "lora"), form(version, epochs=7, rank=4))
    page = browser.get(url("run_new", team, "lora") + "?from=1").content.decode()
    assert 'name="epochs" value="7"' in page
    assert 'name="rank" value="4"' in page


@pytest.mark.usefixtures("stub_engines")
def test_a_finished_run_shows_its_curve_answers_cost_and_files(browser: Client, team: Team, start: Launch) -> None:
    run = start()
    jobs.execute_run(run.pk)
    html = browser.get(url("run_detail", team, run.number)).content.decode()

    assert "Training loss from 4.00 to 1.00; validation loss from 1.50 to 1.50" in html
    assert "The answer is &lt;b&gt;23&lt;/b&gt;." in html, "a model's text is data"
    assert "conversation_new" not in html
    assert f"{reverse('conversation_new', args=[team.pk])}?run=1" in html
    assert "sse-connect" not in html, "nothing more will come"
    assert "style=" not in html
    file = browser.get(url("run_file", team, run.number, "adapter/adapter_config.json"))
    assert b"".join(file.streaming_content) == b"made by the stub"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("stub_engines")
def test_the_bundle_says_what_it_takes_to_make_the_run_again(browser: Client, team: Team, start: Launch) -> None:
    import io
    import json
    import zipfile

    run = start()
    assert browser.get(url("run_bundle", team, 1)).status_code == 404, "it has not finished"
    jobs.execute_run(run.pk)
    body = b"".join(browser.get(url("run_bundle", team, 1)).streaming_content)  # type: ignore[attr-defined]
    archive = zipfile.ZipFile(io.BytesIO(body))
    manifest = json.loads(archive.read("run.json"))
    assert manifest["dataset"]["content_hash"] == run.dataset_version.content_hash
    assert manifest["settings"] == run.settings
    assert {a["path"] for a in manifest["artifacts"]} < set(archive.namelist())


@pytest.mark.parametrize("path", ["../../db.sqlite3", "engine.log", "adapter/../spec.json"])
def test_only_artefacts_can_be_downloaded(browser: Client, team: Team, start: Launch, path: str) -> None:
    start()
    assert browser.get(url("run_detail", team, 1) + f"files/{path}").status_code == 404


def test_a_failed_run_says_why_and_what_to_try(browser: Client, team: Team, start: Launch) -> None:
    run = start()
    finish.fail(run, run.claim(), finish.Failure("x", "The loss became infinite.", "Lower the learning rate."))
    page = text(browser.get(url("run_detail", team, 1)))
    assert "The loss became infinite." in page
    assert "What to try: Lower the learning rate." in page
    assert "Run again with changes" in page


def test_a_queued_run_says_its_place_and_watches_for_news(browser: Client, team: Team, start: Launch) -> None:
    start(), start()
    html = browser.get(url("run_detail", team, 2)).content.decode()
    assert "2nd in the queue: waiting for the one training slot" in html
    assert f'sse-connect="{url("run_events", team, 2)}?after=' in html


def test_cancelling_from_the_page(browser: Client, team: Team, start: Launch) -> None:
    run = start()
    assert browser.get(url("run_cancel", team, 1)).status_code == 405
    browser.post(url("run_cancel", team, 1))
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    page = browser.post(url("run_cancel", team, 1), follow=True)
    assert "has ended already" in text(page)


def test_runs_side_by_side_show_only_what_differs(browser: Client, team: Team, start: Launch) -> None:
    for rank in (4, 16):
        run = start(settings={"rank": rank})
        RunEvent.objects.bulk_create(
            RunEvent(run=run, kind="step", step=n, data={"loss": 3.0 / n}) for n in range(1, 9)
        )
    html = browser.get(url("run_compare", team) + "?runs=1,2").content.decode()
    assert ">Rank (r)<" in html
    assert ">Epochs<" not in html
    assert html.count("<polyline") == 2
    assert ">Epochs<" in browser.get(url("run_compare", team) + "?runs=1,2&all=1").content.decode()
    assert browser.get(url("run_compare", team) + "?runs=x").status_code == 200


@pytest.mark.parametrize("name", ["run_detail", "run_events", "run_cancel", "run_keep", "run_bundle"])
def test_only_the_team_and_its_instructor_reach_a_run(
    client_for: ClientFor, team: Team, start: Launch, member: User, other_member: User, outsider: User, professor: User,
    instructor: User, name: str,
) -> None:  # fmt: skip
    run = start()
    address = url(name, team, run.number)
    for person in (other_member, outsider, professor):
        for ask in (client_for(person).get, client_for(person).post):
            assert ask(address).status_code == 404
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED
    assert client_for(None).get(address).status_code == 302
    assert client_for(instructor).get(address).status_code in (200, 405, 404 if name == "run_bundle" else 200)


def test_another_teams_run_is_not_found_under_ones_own_team(
    browser: Client, team: Team, other_team: Team, other_member: User, start: Launch
) -> None:
    theirs = start(team=other_team, person=other_member, dataset_version=factories.make_dataset_version(other_team))
    TrainingRun.objects.filter(pk=theirs.pk).update(number=77, name="SecretMarker")
    assert browser.get(url("run_detail", team, 77)).status_code == 404
    assert "SecretMarker" not in browser.get(url("run_compare", team) + "?runs=77").content.decode()
    assert "SecretMarker" not in browser.get(url("run_list", team)).content.decode()


def test_the_list_asks_as_little_for_fifty_runs_as_for_one(
    browser: Client, team: Team, start: Launch, django_assert_max_num_queries: Any
) -> None:
    start()
    with django_assert_max_num_queries(14) as one:
        assert browser.get(url("run_list", team)).status_code == 200
    run = TrainingRun.objects.get()
    copies = [copy_of(run, number) for number in range(2, 51)]
    TrainingRun.objects.bulk_create(copies)
    with django_assert_max_num_queries(len(one)):
        assert text(browser.get(url("run_list", team))).count("A try") == 50


def copy_of(run: TrainingRun, number: int) -> TrainingRun:
    from uuid import uuid4

    fields = ("team_id", "name", "method", "base_model_id", "dataset_version_id", "settings", "seed")
    return TrainingRun(number=number, key=uuid4(), **{name: getattr(run, name) for name in fields})


def test_a_runs_page_asks_as_little_after_a_thousand_steps_as_at_the_start(
    browser: Client, team: Team, start: Launch, django_assert_max_num_queries: Any
) -> None:
    run = start()
    with django_assert_max_num_queries(20) as before:
        browser.get(url("run_detail", team, 1))
    RunEvent.objects.bulk_create(RunEvent(run=run, kind="step", step=n, data={"loss": 3.0 / n}) for n in range(1, 1001))
    with django_assert_max_num_queries(len(before)):
        html = browser.get(url("run_detail", team, 1)).content.decode()
    assert len(html) < 40_000


def test_every_fragment_of_the_page_can_be_sent_live(start: Launch) -> None:
    run = TrainingRun.objects.with_related().get(pk=start().pk)
    names = [name for name, _ in live.snapshot(run)]
    assert names == list(live.FRAGMENTS)
    finish.end_cancelled(run, None)
    assert live.snapshot(run)[-1] == ("done", "")
    shown_in = set().union(*live.SHOWN_IN.values())
    assert shown_in <= set(live.FRAGMENTS)


def test_news_of_a_run_reach_its_channel(start: Launch, redis_server: str) -> None:
    import redis

    run = TrainingRun.objects.with_related().get(pk=start().pk)
    live.progressed(run, {"step"})
    sent: Any = redis.Redis.from_url(redis_server).xrange(f"live:{run.topic}")
    assert [fields[b"e"].decode() for _, fields in sent][-2:] == ["run-progress", "run-chart"]


def test_the_stream_of_an_ended_run_says_everything_and_closes(browser: Client, team: Team, start: Launch) -> None:
    finish.end_cancelled(start(), None)
    answer: Any = browser.get(url("run_events", team, 1))
    assert answer["Content-Type"] == "text/event-stream"

    async def read() -> str:
        return b"".join([piece async for piece in answer.streaming_content]).decode()

    body = async_to_sync(read)()
    assert re.findall(r"^event: (.+)$", body, re.M) == [*live.FRAGMENTS, "done"]
    assert "Cancelled" in body


def test_a_working_run_says_its_rate_speed_and_time_left(browser: Client, team: Team, start: Launch) -> None:
    from datetime import timedelta

    from django.utils import timezone

    run = start()
    run.claim()
    TrainingRun.objects.filter(pk=run.pk).update(step=2, total_steps=12)
    data = {"loss": 2.0, "learning_rate": 0.00125, "tokens_per_second": 1500.0}
    now = timezone.now()  # once: ten steps are left, so a tenth of a second between the two would be a second more
    for step, ago in ((1, 20), (2, 10)):
        event = RunEvent.objects.create(run=run, kind="step", step=step, data=data)
        RunEvent.objects.filter(pk=event.pk).update(at=now - timedelta(seconds=ago))
    page = text(browser.get(url("run_detail", team, 1)))
    assert "2 of 12 steps · 1,500 tokens/s · learning rate 0.00125 · about 1 min 40 s left" in page
