from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from teams.models import (
    BudgetAccount,
    Confidence,
    CourseAccount,
    Hold,
    LedgerEntry,
    Method,
    Notice,
    Price,
    PriceKind,
    Team,
)
from teams.services import costs, courses, money, prices
from tests import factories

CENT = 10_000


def charge(cost: int, **fields) -> money.Charge:
    given = {
        "subject_kind": "run",
        "subject_id": "1",
        "method": Method.OPENAI,
        "provider": "openai",
        "model": "m",
        "price_note": "",
        "confidence": Confidence.EXACT,
    }
    return money.Charge(cost=cost, **{**given, **fields})


def account(team: Team) -> BudgetAccount:
    return BudgetAccount.objects.get(team=team)


def test_a_hold_keeps_the_money_aside_until_it_is_settled(team):
    money.hold(team=team, key="run-1", amount=100 * CENT)
    assert (account(team).held, account(team).spent) == (100 * CENT, 0)
    entry = money.settle(key="run-1", charge=charge(40 * CENT))
    assert (account(team).held, account(team).spent) == (0, 40 * CENT)
    assert (entry.before, entry.delta, entry.after) == (0, 40 * CENT, 40 * CENT)


def test_settling_twice_charges_once(team):
    money.hold(team=team, key="run-1", amount=100)
    first = money.settle(key="run-1", charge=charge(40))
    second = money.settle(key="run-1", charge=charge(99))
    assert first == second
    assert account(team).spent == 40


def test_holding_twice_with_one_key_holds_once(team):
    assert money.hold(team=team, key="run-1", amount=100) == money.hold(team=team, key="run-1", amount=100)
    assert account(team).held == 100


def test_a_released_hold_gives_everything_back_and_only_once(team):
    money.hold(team=team, key="run-1", amount=100)
    assert money.release(key="run-1") is True
    assert money.release(key="run-1") is False
    assert money.release(key="never opened") is False
    assert account(team).held == 0


def test_a_released_hold_cannot_be_settled(team):
    money.hold(team=team, key="run-1", amount=100)
    money.release(key="run-1")
    with pytest.raises(ValueError, match="released before"):
        money.settle(key="run-1", charge=charge(40))
    assert LedgerEntry.objects.count() == 0


def test_a_settled_hold_cannot_be_released(team):
    money.hold(team=team, key="run-1", amount=100)
    money.settle(key="run-1", charge=charge(40))
    assert money.release(key="run-1") is False
    assert (account(team).held, account(team).spent) == (0, 40)


def test_more_than_the_limit_is_refused_with_the_shortfall(course):
    poor = factories.make_team(course, "Poor", budget=100 * CENT)
    money.hold(team=poor, key="run-1", amount=70 * CENT)
    with pytest.raises(money.BudgetRefused) as refused:
        money.hold(team=poor, key="run-2", amount=50 * CENT)
    assert refused.value.shortfall == 20 * CENT
    assert "$0.20 short" in str(refused.value)
    assert Hold.objects.count() == 1


def test_free_local_work_is_never_blocked(course):
    broke = factories.make_team(course, "Broke", budget=0)
    money.hold(team=broke, key="run-1", amount=0)
    money.settle(key="run-1", charge=charge(0))
    assert account(broke).spent == 0


def test_a_charge_stops_at_the_hold_and_what_was_used_above_it_is_recorded(team):
    money.hold(team=team, key="run-1", amount=10)
    entry = money.settle(key="run-1", charge=charge(25))
    assert (account(team).held, account(team).spent) == (0, 10)
    assert (entry.delta, entry.beyond_hold) == (10, 15)


def test_the_database_itself_refuses_a_ledger_entry_that_does_not_add_up(team):
    fields = {"subject_kind": "run", "subject_id": "1", "method": "lora", "provider": "p", "model": "m"}
    with pytest.raises(IntegrityError), transaction.atomic():
        LedgerEntry.objects.create(
            account=account(team), key="x", delta=1, before=0, after=2, price_note="", confidence="exact", **fields
        )


@pytest.mark.parametrize(
    ("micro", "shown"),
    [(0, "$0.00"), (30_000, "$0.03"), (12_400_000, "$12.40"), (420, "$0.00042"), (1_234_000_000, "$1,234.00")],
)
def test_money_reads_as_a_person_writes_it(micro, shown):
    assert money.dollars(micro) == shown


def test_a_fine_tuned_model_has_its_own_price(course):
    name = "ft:gpt-4o-mini-2024-07-18:course::abc123"
    quote = prices.price_of(course=course, provider="openai", model=name, kind=PriceKind.OUTPUT)
    assert quote.per_million == 1_200_000
    assert quote.cost(1) == 2, "a fraction of a micro-dollar is charged as a whole one"


def test_an_unknown_price_is_an_error_and_never_zero(course):
    with pytest.raises(prices.PriceUnknown, match="No price is known"):
        prices.price_of(course=course, provider="openai", model="unheard-of", kind=PriceKind.INPUT)


def test_the_course_own_newer_price_wins_from_its_date_on(course):
    name, kind = "gpt-4o-mini-2024-07-18", PriceKind.INPUT
    Price.objects.create(
        course=course,
        provider="openai",
        model=name,
        kind=kind,
        per_million=7,
        effective_from=date(2026, 6, 1),
        source="test",
    )
    before = prices.price_of(course=course, provider="openai", model=name, kind=kind, on=date(2026, 5, 31))
    after = prices.price_of(course=course, provider="openai", model=name, kind=kind, on=date(2026, 6, 1))
    assert (before.per_million, after.per_million) == (150_000, 7)


def test_the_course_limit_stops_all_teams_together(course):
    first, second = factories.make_team(course, "A", budget=1000), factories.make_team(course, "B", budget=1000)
    CourseAccount.objects.filter(course=course).update(limit=1500)
    money.hold(team=first, key="run-1", amount=1000)
    with pytest.raises(money.BudgetRefused, match="course's whole budget"):
        money.hold(team=second, key="run-2", amount=1000)
    assert account(second).held == 0
    money.settle(key="run-1", charge=charge(200))
    shared = CourseAccount.objects.get(course=course)
    assert (shared.held, shared.spent) == (0, 200)


def test_a_frozen_course_spends_nothing_and_still_trains_locally(course, team):
    course.spending_frozen = True
    course.save()
    with pytest.raises(money.BudgetRefused, match="paused all spending"):
        money.hold(team=team, key="run-1", amount=1)
    money.hold(team=team, key="run-2", amount=0)


def test_one_person_cannot_pass_the_daily_chat_cap_and_a_team_mate_still_can(course, team, member):
    course.daily_chat_cap = 100
    course.save()
    money.hold(team=team, key="turn-1", amount=60, person=member, subject_kind="turn")
    money.settle(key="turn-1", charge=charge(50, subject_kind="turn"))
    money.hold(team=team, key="turn-2", amount=50, person=member, subject_kind="turn")
    with pytest.raises(money.BudgetRefused, match="today's chat limit"):
        money.hold(team=team, key="turn-3", amount=1, person=member, subject_kind="turn")
    mate = factories.make_person("Mate")
    money.hold(team=team, key="turn-4", amount=60, person=mate, subject_kind="turn")
    money.hold(team=team, key="run-1", amount=500, person=member)


def test_the_team_and_the_instructor_are_told_once_at_80_and_at_100_percent(course, member, instructor, mailoutbox):
    team = member.memberships.get().team
    money.open_account(team=team, limit=0)
    BudgetAccount.objects.filter(team=team).update(limit=1000)
    money.hold(team=team, key="run-1", amount=790)
    assert Notice.objects.count() == 0
    money.hold(team=team, key="run-2", amount=20)
    money.hold(team=team, key="run-3", amount=5)
    assert set(Notice.objects.values_list("person__name", flat=True)) == {member.name, instructor.name}
    assert Notice.objects.count() == 2
    money.hold(team=team, key="run-4", amount=185)
    assert Notice.objects.filter(text__contains="used up").count() == 2


def test_the_instructor_is_told_once_when_the_whole_course_is_near_its_limit(course, member, other_team, instructor):
    shared = CourseAccount.objects.get_or_create(course=course)[0]
    CourseAccount.objects.filter(pk=shared.pk).update(limit=1000)
    money.hold(team=member.memberships.get().team, key="run-1", amount=500)
    assert not Notice.objects.exists()
    money.hold(team=other_team, key="run-2", amount=350)
    money.hold(team=other_team, key="run-3", amount=1)
    told = Notice.objects.get()
    assert (told.person, "80 % of its whole budget" in told.text) == (instructor, True)
    money.hold(team=other_team, key="run-4", amount=149)
    assert Notice.objects.filter(text__contains="whole budget is used up").count() == 1
    courses.change_course(course=course, person=instructor, limit=10_000, changed={})
    money.hold(team=other_team, key="run-5", amount=7_000)
    assert Notice.objects.filter(text__contains="80 %").count() == 2


def test_the_forecast_goes_on_at_the_pace_so_far(course, team):
    today = timezone.localdate()
    course.starts_on, course.ends_on = today - timedelta(days=9), today + timedelta(days=10)
    assert costs.forecast(course) == 0
    money.hold(team=team, key="run-1", amount=500)
    money.settle(key="run-1", charge=charge(400))
    assert costs.forecast(course) == 800
    course.ends_on = None
    assert costs.forecast(course) is None


def test_the_ledger_replays_to_the_account(course, team):
    for number, cost in enumerate([5, 0, 17, 400]):
        money.hold(team=team, key=f"run-{number}", amount=500)
        money.settle(key=f"run-{number}", charge=charge(cost))
    entries = list(LedgerEntry.objects.filter(account__team=team).order_by("id"))
    assert [entry.before for entry in entries[1:]] == [entry.after for entry in entries[:-1]]
    assert entries[-1].after == account(team).spent == 422


def test_a_team_that_spent_everything_is_graded_all_the_same(course, professor):
    broke = factories.make_team(course, "Broke", budget=0)
    money.hold(team=broke, key="turn-1", amount=90, person=professor, subject_kind=money.GRADING)
    money.settle(key="turn-1", charge=charge(60, subject_kind="turn"))
    assert (account(broke).held, account(broke).spent) == (0, 60)
    CourseAccount.objects.filter(course=course).update(limit=100)
    with pytest.raises(money.BudgetRefused, match="course's whole budget"):
        money.hold(team=broke, key="turn-2", amount=90, person=professor, subject_kind=money.GRADING)
