"""No main page asks the database for more than the limit, for whoever opens it: one query too many fails here."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from datasets.models import DatasetVersion
from datasets.services import versions
from evaluation.models import Conversation, Interview
from teams.models import Confidence, Role, Team, User
from teams.services import money
from tests import factories
from tests.benchmarks.bench_pages import QUERY_LIMIT, pages
from tests.evaluation.conftest import make_run
from tests.world import World, make_world
from training.models import Drafting, DraftingStatus

MAIN_PAGES = 18


def asked(browser: Client, address: str) -> list[str]:
    """What a second look at a page asks of the database (the first fills caches)."""
    assert browser.get(address).status_code == 200, address
    with CaptureQueriesContext(connection) as queries:
        browser.get(address)
    return [query["sql"][:200] for query in queries]


def test_no_main_page_asks_more_than_the_limit(
    team: Team, professor: User, instructor: User, client_for: Callable[[User | None], Client], redis_server: str
) -> None:
    factories.enrol(team.course, professor, Role.PROFESSOR)
    world = make_world(team, professor, "mark")
    for _ in range(3):
        make_run(team)
    found: dict[str, Any] = {}
    for name, (person, address) in pages(world, instructor, professor).items():
        found[name] = asked(client_for(person), address)
    assert len(found) == MAIN_PAGES, "the walk must not pass by finding less"
    assert {name: queries for name, queries in found.items() if len(queries) > QUERY_LIMIT} == {}


@pytest.mark.parametrize("method", ["lora", "dspy", "openai"])
def test_the_form_of_each_method_stays_within_the_limit(
    team: Team, member: User, client_for: Callable[[User | None], Client], redis_server: str, method: str
) -> None:
    version: DatasetVersion = factories.make_dataset_version(team, factories.child_rows(20))
    browser, address = client_for(member), reverse("run_new", args=[team.pk, method])
    assert len(asked(browser, address)) <= QUERY_LIMIT
    assert len(asked(browser, f"{address}?version={version.pk}")) <= QUERY_LIMIT


def grow(world: World, professor: User) -> None:
    """More of everything that the pages list: teams, runs with talks and interviews, versions, datasets, charges, drafts."""
    team, member = world.team, world.member
    for number in range(4):
        run = make_run(team, name=f"more {number}")
        Conversation.objects.create(run=run, person=member, title=f"talk {number}")
        Interview.objects.create(run=run, script=world.standard.script, status="failed", started_by=member)
        factories.make_dataset_version(team, name=f"more {number}", person=member)
        rows = factories.child_rows(14 + number)
        versions.create_version(
            dataset=world.dataset, rows=rows, shape="messages", person=member, note="", source_name=""
        )
        Drafting.objects.create(
            team=team,
            dataset=world.dataset,
            examples=[],
            writer="base:0",
            writer_name="a base",
            wanted=1,
            status=DraftingStatus.DONE,
        )
        key = f"grown-{team.pk}-{number}"
        money.hold(team=team, key=key, amount=10, person=member)
        money.settle(key=key, charge=money.Charge("turn", key, "lora", "local", "a-model", 5, "", Confidence.EXACT))
    for number in range(2):
        other = factories.make_team(team.course, f"Grown {number}", factories.make_person(f"Grown {number}"))
        make_world(other, professor, f"grown{number}")


def test_no_main_page_asks_more_where_there_is_more_to_show(
    team: Team, professor: User, instructor: User, client_for: Callable[[User | None], Client], redis_server: str
) -> None:
    factories.enrol(team.course, professor, Role.PROFESSOR)
    world = make_world(team, professor, "mark")
    other = factories.make_team(team.course, "Second", factories.make_person("Second"))
    make_world(other, professor, "second")
    make_run(team)
    walked = pages(world, instructor, professor)
    before = {name: asked(client_for(person), address) for name, (person, address) in walked.items()}
    grow(world, professor)
    grown: dict[str, list[str]] = {}
    for name, (person, address) in walked.items():
        now = asked(client_for(person), address)
        if len(now) > len(before[name]):
            repeated = Counter(query[:120] for query in now) - Counter(query[:120] for query in before[name])
            grown[name] = [f"{times} x {query}" for query, times in repeated.items()]
    assert grown == {}
