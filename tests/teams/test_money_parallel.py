"""Parallel requests on real connections. In a file of its own: such tests empty the tables, so they come last."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from teams.models import Hold, HoldState
from teams.services import money
from tests import factories
from tests.teams.test_money import account, charge

pytestmark = pytest.mark.django_db(transaction=True)


def test_parallel_holds_never_pass_the_limit(course):
    team = factories.make_team(course, "Busy", budget=1000)

    def admit(number: int) -> bool:
        try:
            money.hold(team=team, key=f"turn-{number}", amount=90)
        except money.BudgetRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        admitted = sum(pool.map(admit, range(32)))
    assert admitted == 11
    assert account(team).held == 990


def test_parallel_settlements_of_one_hold_charge_once(course):
    team = factories.make_team(course, "Busy", budget=1000)
    money.hold(team=team, key="run-1", amount=500)

    def settle(_: int) -> int:
        try:
            return money.settle(key="run-1", charge=charge(300)).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        entries = set(pool.map(settle, range(16)))
    assert len(entries) == 1
    assert (account(team).held, account(team).spent) == (0, 300)
    assert Hold.objects.get().state == HoldState.SETTLED
