"""Parallel questions of one person, on real connections: together they never pass the daily cap."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from teams.models import Hold
from teams.services import money
from tests import factories

ASKED, CAP, ONE = 12, 1_000, 180


@pytest.mark.django_db(transaction=True)
def test_parallel_questions_and_calls_never_pass_the_cap() -> None:
    course = factories.make_course(daily_chat_cap=CAP)
    person = factories.make_person("Many Tabs")
    teams = [factories.make_team(course, name, budget=10**9) for name in ("A", "B")]
    ready = Barrier(ASKED)

    def ask(number: int) -> bool:
        kind = (money.TURN, money.ENDPOINT)[number % 2]
        try:
            ready.wait(60)
            money.hold(
                team=teams[number // 2 % 2], key=f"{kind}-{number}", amount=ONE, person=person, subject_kind=kind
            )
        except money.BudgetRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(ASKED) as pool:
        admitted = sum(pool.map(ask, range(ASKED)))
    assert admitted == CAP // ONE == Hold.objects.count()
