"""No main page asks the database for more than the limit, for whoever opens it: one query too many fails here."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from datasets.models import DatasetVersion
from teams.models import Role, Team, User
from tests import factories
from tests.benchmarks.bench_pages import QUERY_LIMIT, pages
from tests.evaluation.conftest import make_run
from tests.world import make_world

MAIN_PAGES = 14


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
