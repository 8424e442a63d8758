"""No team has more runs at work than its course allows; what waits for that says so, and starts when a place is free."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from teams.models import AuditEntry, Method, Team, User
from tests import factories
from training.models import RunStatus, TrainingPolicy, TrainingRun
from training.services import finish, limits, policy, queue, reconcile
from training.services.execute import execute

Launch = Callable[..., TrainingRun]
ClientFor = Callable[[User | None], Client]


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


@pytest.fixture
def one_at_once(team: Team) -> TrainingPolicy:
    return TrainingPolicy.objects.create(course=team.course, team_runs_at_once=1)


@pytest.fixture
def theirs(other_team: Team, other_member: User, start: Launch) -> Launch:
    version = factories.make_dataset_version(other_team, factories.child_rows(20))
    return lambda method=Method.LORA: start(method, team=other_team, person=other_member, dataset_version=version)


def test_a_team_at_its_limit_lets_the_others_pass(one_at_once: TrainingPolicy, start: Launch, theirs: Launch) -> None:
    at_work, waits = start(), start()
    assert at_work.claim()
    other = theirs()
    assert [run.pk for run in queue.waiting_in_order()] == [other.pk, waits.pk]
    claimed = queue.claim_next(waits.pk)
    assert claimed is not None
    assert claimed[0].pk == other.pk, "the call was for the team at its limit; the other team's run starts"
    assert queue.claim_next(waits.pk) is None


def test_the_limit_counts_every_method(one_at_once: TrainingPolicy, start: Launch) -> None:
    cloud, local = start(Method.OPENAI), start()
    assert queue.claim_next(cloud.pk) is not None
    assert queue.claim_next(local.pk) is None
    assert execute(start(Method.OPENAI).pk) == "nothing waits"


def test_the_reason_stands_on_the_runs_page_and_in_the_list(
    one_at_once: TrainingPolicy, start: Launch, client_for: ClientFor, member: User, team: Team
) -> None:
    start().claim()
    waits = start(Method.OPENAI)
    browser = client_for(member)
    page = text(browser.get(reverse("run_detail", args=[team.pk, waits.number])))
    assert "your team has 1 run at work, and 1 at once is the most in this course" in page
    listed = text(browser.get(reverse("run_list", args=[team.pk])))
    assert "after your team’s other runs" in listed
    assert "At work now: 1 of the 1 run that a team may have at once" in listed


def test_a_runs_end_wakes_the_teams_next(
    one_at_once: TrainingPolicy, start: Launch, django_capture_on_commit_callbacks: Any, redis_server: str
) -> None:
    import django_rq

    first, second = start(Method.OPENAI), start(Method.OPENAI)
    lease = first.claim()
    with django_capture_on_commit_callbacks(execute=True):
        finish.fail(first, lease, finish.Failure("x", "It failed.", "Try again."))
    assert queue.wake_id(second) in django_rq.get_queue("quick").job_ids


def test_the_reconciler_leaves_a_run_alone_that_its_team_holds_back(one_at_once: TrainingPolicy, start: Launch) -> None:
    at_work, waits = start(Method.OPENAI), start(Method.OPENAI)
    assert at_work.claim()
    assert reconcile.reconcile().woken == []
    finish.fail(at_work, at_work.lease, finish.Failure("x", "It failed.", "Try again."))
    assert reconcile.reconcile().woken == [waits.pk]


def test_without_a_setting_a_team_may_have_three(start: Launch, team: Team) -> None:
    runs = [start(Method.OPENAI) for _ in range(4)]
    assert [queue.claim_next(run.pk) is not None for run in runs] == [True, True, True, False]
    assert limits.loads([team.pk])[team.pk] == limits.Load(busy=3, most=3)


def test_the_instructor_sets_the_limit_and_it_holds_at_once(
    client_for: ClientFor, instructor: User, team: Team, start: Launch
) -> None:
    address = reverse("course_training", args=[team.course_id])
    browser = client_for(instructor)
    assert 'value="3"' in browser.get(address).content.decode()
    assert browser.post(address, {"team_runs_at_once": 0}).status_code == 422
    assert browser.post(address, {"team_runs_at_once": 1}).status_code == 302
    assert policy.policy_of(team.course).team_runs_at_once == 1
    entry = AuditEntry.objects.get(action="training limit changed")
    told = [{"runs of one team": most, "host label": ""} for most in (3, 1)]
    assert ([entry.before, entry.after], entry.person) == (told, instructor)
    first, second = start(), start()
    assert queue.claim_next(first.pk) is not None
    assert queue.claim_next(second.pk) is None
    second.refresh_from_db()
    assert second.status == RunStatus.QUEUED


def test_only_the_instructor_sees_the_setting(client_for: ClientFor, member: User, team: Team) -> None:
    assert client_for(member).get(reverse("course_training", args=[team.course_id])).status_code == 403


def test_the_next_terms_course_has_the_same_limit(one_at_once: TrainingPolicy, instructor: User) -> None:
    from courseplatform.copying import copy_course

    made = copy_course(
        course=one_at_once.course, person=instructor, name="EDEL 4620", term="Spring 2027", starts_on=None, ends_on=None
    )
    assert policy.policy_of(made).team_runs_at_once == 1
