"""What reads every row of a big version is done by the worker, and its end is told by a notice."""

from collections.abc import Callable
from typing import Any

import django_rq
import pytest
from django.test import Client
from django.urls import reverse

from datasets import jobs
from datasets.models import DatasetVersion, FrozenSplit
from datasets.services import measure
from teams.models import Notice, Team, User
from tests import factories

PAGES = {
    "privacy_pseudonyms": ("pseudonyms", {}),
    "labels_confirm": ("labels", {}),
    "version_swap": ("swap", {"which": "all"}),
    "version_fork": ("fork", {"shape": "dialogue"}),
}


def _rows() -> list[dict[str, Any]]:
    rows = factories.child_rows(12)
    rows[0]["messages"][0]["content"] = "Is my student Emma Johnson here? What is 3 + 4?"
    for row in rows:
        row["labels"] = {}
        row["messages"] += row["messages"]  # two turns each, so that something is left with the speakers changed over
    return rows


@pytest.mark.django_db(transaction=True)  # jobs are sent when the transaction is over
@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_big_version_is_reworked_by_the_worker(
    page: str,
    team: Team,
    member: User,
    redis_server: str,
    client_for: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = factories.make_dataset_version(team, _rows(), person=member)
    monkeypatch.setattr(measure, "INLINE_ROWS", 5)
    work, data = PAGES[page]
    answer = client_for(member).post(reverse(page, args=[team.pk, version.dataset_id, 1]), data, follow=True)
    assert "a worker does this" in answer.content.decode()
    assert DatasetVersion.objects.count() == 1, "nothing was made in the request"
    (job,) = django_rq.get_queue("files").jobs
    assert job.func_name == "datasets.jobs.make_version" and job.args[2] == work
    jobs.make_version(*job.args)
    made = DatasetVersion.objects.latest("pk")
    notice = Notice.objects.get()
    assert made != version and notice.person == member and f"{made} is ready" in notice.text
    assert notice.path == reverse("version_detail", args=[team.pk, made.dataset_id, made.number])
    jobs.make_version(*job.args)
    told = Notice.objects.latest("pk").text
    assert page == "version_fork" or "No new version was made" in told


@pytest.mark.django_db(transaction=True)
def test_without_a_queue_nothing_is_done_and_a_person_is_told(
    team: Team, member: User, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    version = factories.make_dataset_version(team, _rows(), person=member)
    monkeypatch.setattr(measure, "INLINE_ROWS", 5)
    away = {"HOST": "127.0.0.1", "PORT": 1, "DB": 0}
    settings.RQ_QUEUES = dict.fromkeys(settings.RQ_QUEUES, away)
    page = reverse("privacy_pseudonyms", args=[team.pk, version.dataset_id, 1])
    answer = client_for(member).post(page, follow=True)
    assert "workers can&#x27;t be reached" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_split_of_a_big_version_is_decided_by_the_worker(
    team: Team, member: User, redis_server: str, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = factories.make_dataset_version(team, _rows(), person=member)
    monkeypatch.setattr(measure, "INLINE_ROWS", 5)
    browser, page = client_for(member), reverse("split_decide", args=[team.pk, version.dataset_id, 1])
    asked = {"percent": "25", "seed": "17"}
    assert "a worker does this" in browser.post(page, asked, follow=True).content.decode()
    assert not FrozenSplit.objects.exists(), "nothing was decided in the request"
    (job,) = django_rq.get_queue("files").jobs
    jobs.decide_split(*job.args)
    assert len(FrozenSplit.objects.get().validation_ids) == 3
    notice = Notice.objects.get()
    assert notice.person == member and "9 rows to learn from, 3 to measure with" in notice.text
    assert "9 rows to learn from" in browser.post(page, asked, follow=True).content.decode(), "known now: told at once"
    assert not django_rq.get_queue("files").job_ids[1:]


@pytest.mark.django_db(transaction=True)
def test_without_a_queue_no_split_is_decided_and_a_person_is_told(
    team: Team, member: User, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    version = factories.make_dataset_version(team, _rows(), person=member)
    monkeypatch.setattr(measure, "INLINE_ROWS", 5)
    away = {"HOST": "127.0.0.1", "PORT": 1, "DB": 0}
    settings.RQ_QUEUES = dict.fromkeys(settings.RQ_QUEUES, away)
    page = reverse("split_decide", args=[team.pk, version.dataset_id, 1])
    answer = client_for(member).post(page, {"percent": "25", "seed": "17"}, follow=True)
    assert "workers can&#x27;t be reached" in answer.content.decode()
    assert not FrozenSplit.objects.exists()
