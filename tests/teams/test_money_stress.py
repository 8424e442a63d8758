"""64 threads hold, settle, release and crash at random, everything delivered more than once: not a micro-dollar is lost."""

import random
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from teams.models import (
    BudgetAccount,
    Confidence,
    CourseAccount,
    Hold,
    HoldState,
    LedgerEntry,
    LedgerSum,
    Method,
    Team,
)
from teams.services import money
from tests import factories

THREADS, ROUNDS = 64, 6
TEAM_LIMIT, COURSE_LIMIT = 400_000, 700_000
MOST_OF_ONE = 20_000

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


class Crash(Exception):
    """The process dies before its transaction commits."""


def charge(key: str, cost: int) -> money.Charge:
    return money.Charge("run", key, Method.OPENAI, "openai", "m", cost, "", Confidence.EXACT)


class Storm:
    """What the threads did, to compare with what the database says. Appending to a list is atomic."""

    def __init__(self, teams: list[Team]) -> None:
        self.teams = teams
        self.admitted: list[tuple[str, int]] = []
        self.refused: list[str] = []
        self.entries: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.released: list[str] = []
        self.overspent: list[str] = []
        self.start = threading.Barrier(THREADS)

    def work(self, number: int) -> None:
        draw = random.Random(number)
        self.start.wait(60)
        try:
            for turn in range(ROUNDS):
                self.one(draw, f"run-{number // 2}-{turn}")  # two threads share each key: every call comes twice
                self.watch()
        finally:
            connection.close()

    def one(self, draw: random.Random, key: str) -> None:
        known = random.Random(key)  # both deliveries of a call are the same call
        team, amount = known.choice(self.teams), known.randint(0, MOST_OF_ONE)
        try:
            hold = money.hold(team=team, key=key, amount=amount)
        except money.BudgetRefused:
            self.refused.append(key)
            return
        self.admitted.append((key, hold.amount))
        fate = draw.choice(["settle", "settle", "release", "crash", "crash and retry", "killed"])
        if fate == "release":
            if money.release(key=key):
                self.released.append(key)
        elif fate == "crash":
            self.settle(draw, hold, crash=True)
        elif fate == "crash and retry":
            self.settle(draw, hold, crash=True)
            self.settle(draw, hold)
            self.settle(draw, hold)
        elif fate == "settle":
            self.settle(draw, hold)

    def settle(self, draw: random.Random, hold: Hold, *, crash: bool = False) -> None:
        try:
            with transaction.atomic():
                entry = money.settle(key=hold.key, charge=charge(hold.key, draw.randint(0, hold.amount)))
                if crash:
                    raise Crash
        except Crash:
            return
        except ValueError:
            return  # released before: the other delivery gave the money back
        self.entries[hold.key].append((entry.pk, entry.delta))

    def watch(self) -> None:
        """At any moment, not only at the end."""
        for account in BudgetAccount.objects.all():
            if account.spent + account.held > account.limit:
                self.overspent.append(f"team {account.team_id}: {account.spent} + {account.held}")
        for shared in CourseAccount.objects.all():
            if shared.spent + shared.held > COURSE_LIMIT:
                self.overspent.append(f"course: {shared.spent} + {shared.held}")


def test_64_threads_overspend_lose_and_double_charge_nothing(db: None) -> None:
    course = factories.make_course()
    teams = [factories.make_team(course, name, budget=TEAM_LIMIT) for name in ("A", "B")]
    CourseAccount.objects.filter(course=course).update(limit=COURSE_LIMIT)
    storm = Storm(teams)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(storm.work, range(THREADS)))
    assert storm.refused, "the limits must be reached, or this proves nothing"
    assert len(storm.entries) > 20
    assert len(storm.released) > 5
    assert storm.overspent == []
    assert_every_call_counted_once(storm)
    assert_every_account_agrees_with_its_rows()
    sweep()
    assert_every_account_agrees_with_its_rows()
    assert set(BudgetAccount.objects.values_list("held", flat=True)) == {CourseAccount.objects.get().held} == {0}


def assert_every_call_counted_once(storm: Storm) -> None:
    assert Hold.objects.count() == len({key for key, _ in storm.admitted})
    assert len(storm.released) == len(set(storm.released)) == Hold.objects.filter(state=HoldState.RELEASED).count()
    for key, answers in storm.entries.items():
        assert len(set(answers)) == 1, f"{key} was settled more than once: {answers}"
        assert LedgerEntry.objects.get(key=key).delta == answers[0][1]
    settled = set(Hold.objects.filter(state=HoldState.SETTLED).values_list("key", flat=True))
    assert settled == set(storm.entries) == set(LedgerEntry.objects.values_list("key", flat=True))
    assert settled.isdisjoint(storm.released)


def assert_every_account_agrees_with_its_rows() -> None:
    """Held is the sum of the open holds; the ledger replays to what is spent; the course is the sum of its teams."""
    for account in BudgetAccount.objects.all():
        open_holds = Hold.objects.filter(account=account, state=HoldState.OPEN)
        assert account.held == (open_holds.aggregate(sum=Sum("amount"))["sum"] or 0)
        at = 0
        for entry in account.entries.order_by("id"):
            assert (entry.before, entry.after) == (at, at + entry.delta)
            at = entry.after
        assert at == account.spent
        for name in LedgerSum.Field.values:
            sums = account.sums.filter(field=name).aggregate(cost=Sum("cost"), entries=Sum("entries"))
            assert (sums["cost"] or 0, sums["entries"] or 0) == (at, account.entries.count())
    shared = CourseAccount.objects.get()
    totals = BudgetAccount.objects.aggregate(held=Sum("held"), spent=Sum("spent"))
    assert (shared.held, shared.spent) == (totals["held"], totals["spent"])


def sweep() -> None:
    """What a reconciler does for runs that died while their money was held."""
    for key in Hold.objects.filter(state=HoldState.OPEN).values_list("key", flat=True):
        assert money.release(key=key)
