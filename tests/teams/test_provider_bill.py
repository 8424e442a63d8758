"""The provider's bill beside the ledgers, against the scripted provider's costs page with lines that a test puts on it."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from courseplatform import value
from teams.models import (
    BillCheck,
    BilledDay,
    BudgetAccount,
    Confidence,
    Course,
    CourseAccount,
    LedgerEntry,
    Method,
    Team,
    User,
)
from teams.services import audit, billing, ledger_sums, money, providers
from tests.scripted_provider import server as scripted

TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)
OLD = TODAY - timedelta(days=4)
Bill = Callable[..., None]


@pytest.fixture(scope="module")
def provider_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[scripted.ScriptedProvider]:
    with scripted.started(tmp_path_factory.mktemp("bill"), "--allow-faults") as running:
        yield running


@pytest.fixture
def billed(provider_process: scripted.ScriptedProvider, settings: Any) -> Bill:
    """Put lines (day, dollars, currency, line item) on the bill; as with a real key, at the provider's address."""
    provider_process.faults(reset=True)
    settings.HAS_PROVIDER, settings.OPENAI_ADMIN_KEY = True, "sk-admin"
    settings.OPENAI_BASE_URL = f"{provider_process.url}/v1"

    def write(*lines: tuple[date, float], currency: str = "usd", item: str = "chat") -> None:
        costs = [
            {"day": day.isoformat(), "value": dollars, "currency": currency, "line_item": item}
            for day, dollars in lines
        ]
        provider_process.faults(costs=costs)

    return write


@pytest.fixture(autouse=True)
def still_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Midnight may pass between reading this file and running it."""

    class ThatDay(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "ThatDay":
            return cls(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=tz)

    monkeypatch.setattr(billing, "datetime", ThatDay)


def spend(team: Team, key: str, micro: int, day: date, confidence: Confidence = Confidence.EXACT) -> LedgerEntry:
    money.hold(team=team, key=key, amount=micro)
    charge = money.Charge("run", key, Method.OPENAI, "openai", "gpt", micro, "a price", confidence)
    entry = money.settle(key=key, charge=charge)
    LedgerEntry.objects.filter(pk=entry.pk).update(for_time=datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    entry.refresh_from_db()
    return entry


def noted(day: date) -> list[tuple[int, int]]:
    return list(BilledDay.objects.filter(day=day).order_by("id").values_list("billed", "booked"))


def test_the_difference_of_a_day_is_a_row_of_its_own_and_no_entry_changes(team: Team, billed: Bill) -> None:
    entry = spend(team, "a", 1_000_000, YESTERDAY)
    billed((YESTERDAY, 1.25))
    assert billing.check_bill() == "1 days noted"
    row = BilledDay.objects.get()
    assert (row.day, row.billed, row.booked, row.difference) == (YESTERDAY, 1_250_000, 1_000_000, 250_000)
    entry.refresh_from_db()
    assert entry.delta == 1_000_000
    assert LedgerEntry.objects.count() == 1


def test_a_night_is_checked_once_however_often_the_clock_asks(team: Team, billed: Bill) -> None:
    billed((YESTERDAY, 1.25))
    assert billing.check_bill()
    assert billing.check_bill() == ""
    assert (BillCheck.objects.count(), BilledDay.objects.count()) == (1, 1)


def test_a_second_clock_that_asked_the_provider_too_adds_nothing(
    team: Team, billed: Bill, monkeypatch: pytest.MonkeyPatch
) -> None:
    billed((YESTERDAY, 1.25))
    ask, said = billing.billed_by_day, []

    def while_the_other_clock_notes_it(*asked: Any) -> dict[date, int]:
        monkeypatch.setattr(billing, "billed_by_day", ask)
        said.append(billing.check_bill())
        return ask(*asked)

    monkeypatch.setattr(billing, "billed_by_day", while_the_other_clock_notes_it)
    assert billing.check_bill() == ""
    assert said == ["1 days noted"]
    assert (BillCheck.objects.count(), BilledDay.objects.count()) == (1, 1)


def test_trouble_with_the_ledger_is_not_taken_for_a_second_clock(
    team: Team, billed: Bill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: Any) -> None:
        raise IntegrityError("account_spent_not_negative")

    spend(team, "unknown", 500_000, OLD, Confidence.UNKNOWN)
    billed((YESTERDAY, 1.25))
    with monkeypatch.context() as patch:
        patch.setattr(money, "correct", broken)
        with pytest.raises(IntegrityError, match="account_spent"):
            billing.check_bill()
    assert not BillCheck.objects.exists(), "the night is not done"
    assert billing.check_bill() == "1 days noted"


def test_what_an_imported_course_spent_elsewhere_is_not_held_against_this_bill(
    team: Team, other_course_team: Team, billed: Bill
) -> None:
    spend(other_course_team, "there", 5_000_000, OLD)
    audit.record(course=other_course_team.course, person=None, action=audit.IMPORTED, what="a course")
    later = spend(other_course_team, "here", 300_000, OLD)
    lost = spend(team, "lost", 1_000_000, OLD, Confidence.UNKNOWN)
    billed((OLD, 1.3))
    billing.check_bill()
    assert noted(OLD) == [(1_300_000, 1_300_000)]
    assert list(LedgerEntry.objects.order_by("id"))[1:] == [later, lost], "nothing was given back"


def test_a_run_over_midnight_gets_back_only_what_neither_day_was_billed(team: Team, billed: Bill) -> None:
    run = spend(team, "run-1", 1_000_000, OLD, Confidence.UNKNOWN)
    billed((OLD - timedelta(days=1), 0.5), (OLD, 0.4))
    billing.check_bill()
    assert LedgerEntry.objects.get(subject_kind="correction").delta == -100_000
    run.refresh_from_db()
    assert (run.delta, BudgetAccount.objects.get(team=team).spent) == (1_000_000, 900_000)


def test_what_comes_late_adds_a_row_and_the_old_one_stays(team: Team, billed: Bill) -> None:
    billed((YESTERDAY, 1.25))
    billing.check_bill()
    billing.check_bill(night=TODAY + timedelta(days=1))
    assert noted(YESTERDAY) == [(1_250_000, 0)], "nothing is new, nothing is added"
    billed((YESTERDAY, 1.5))
    billing.check_bill(night=TODAY + timedelta(days=2))
    assert noted(YESTERDAY) == [(1_250_000, 0), (1_500_000, 0)]
    assert [row.billed for row in billing.shown().days if row.day == YESTERDAY] == [1_500_000]


def test_a_line_that_two_pages_repeat_counts_once_and_the_exact_sum_is_taken(
    billed: Bill, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = int(datetime(YESTERDAY.year, YESTERDAY.month, YESTERDAY.day, tzinfo=UTC).timestamp())
    lines = [
        {"amount": {"value": amount, "currency": "usd"}, "line_item": item, "project_id": "p"}
        for item, amount in (("chat", "0.1"), ("training", "0.2"))
    ]
    pages = [{"start_time": start, "results": lines}, {"start_time": start, "results": lines[:1]}]
    monkeypatch.setattr(billing, "_buckets", lambda *_: iter(pages))
    asked = billing.source()
    assert asked is not None
    assert billing.billed_by_day(asked, OLD, TODAY) == {YESTERDAY: 300_000}


def test_many_days_come_over_several_pages(billed: Bill) -> None:
    far = TODAY - timedelta(days=20)
    billed((far, 0.5), (YESTERDAY, 0.25))
    asked = billing.source()
    assert asked is not None
    found = billing.billed_by_day(asked, TODAY - timedelta(days=30), TODAY)
    assert (len(found), found[far], found[YESTERDAY], sum(found.values())) == (30, 500_000, 250_000, 750_000)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"costs": [{"day": YESTERDAY.isoformat(), "value": 1, "currency": "eur"}]}, "bills in EUR"),
        ({"server_errors": 9}, "answered 500"),
        ({"rate_limited": 9}, "answered 429"),
        ({"costs": [{"day": YESTERDAY.isoformat(), "value": "many"}]}, "form that the platform does not know"),
    ],
)
def test_a_bill_that_cannot_be_used_is_said_and_tried_again_the_next_night(
    billed: Bill,
    provider_process: scripted.ScriptedProvider,
    client_for: Any,
    course: Any,
    instructor: Any,
    faults: dict[str, Any],
    said: str,
) -> None:
    provider_process.faults(reset=True, **faults)
    assert said in billing.check_bill()
    assert said in client_for(instructor).get(f"/courses/{course.pk}/costs/").content.decode()
    billed((YESTERDAY, 2))
    provider_process.faults(server_errors=0, rate_limited=0)
    assert billing.check_bill(night=TODAY + timedelta(days=1)) == "1 days noted"
    assert noted(YESTERDAY) == [(2_000_000, 0)]


def test_a_provider_that_is_away_or_refuses_the_key_is_named(db: None, billed: Bill, settings: Any) -> None:
    settings.OPENAI_ADMIN_KEY = refused_key = "sk-refused"
    assert "refused the admin key" in billing.check_bill()
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    said = billing.check_bill(night=TODAY + timedelta(days=1))
    assert "could not be reached" in said
    assert refused_key not in said


def test_without_an_admin_key_the_page_says_so(settings: Any, client_for: Any, course: Any, instructor: Any) -> None:
    settings.HAS_PROVIDER, settings.OPENAI_ADMIN_KEY = True, ""
    assert billing.check_bill() == ""
    page = client_for(instructor).get(f"/courses/{course.pk}/costs/").content.decode()
    assert "no admin key is set" in page
    assert not BillCheck.objects.exists()


def test_an_unknown_charge_is_given_back_when_the_final_bill_does_not_have_it(team: Team, billed: Bill) -> None:
    known = spend(team, "known", 700_000, OLD)
    unknown = spend(team, "unknown", 500_000, OLD, Confidence.UNKNOWN)
    fresh = spend(team, "fresh", 100_000, YESTERDAY, Confidence.UNKNOWN)
    billed((OLD, 0.9))
    billing.check_bill()
    correction = LedgerEntry.objects.get(subject_kind="correction")
    assert (correction.delta, correction.corrects) == (-300_000, unknown)
    assert correction.for_time == unknown.for_time
    assert noted(OLD) == [(900_000, 900_000)]
    for entry, cost in ((known, 700_000), (unknown, 500_000), (fresh, 100_000)):
        entry.refresh_from_db()
        assert entry.delta == cost
    account = BudgetAccount.objects.get(team=team)
    assert account.spent == CourseAccount.objects.get().spent == correction.after == 1_000_000
    kept = {(row.field, row.group): row.cost for row in account.sums.all()}
    assert kept["use", "openai"] == 1_000_000, "a run's correction counts with its method, not with chat"
    ledger_sums.rebuild([account])
    assert kept == {(row.field, row.group): row.cost for row in account.sums.all()}


def test_a_correction_is_made_once_and_leads_to_what_it_corrects(
    team: Team, member: Any, billed: Bill, client_for: Any
) -> None:
    unknown = spend(team, "unknown", 500_000, OLD, Confidence.UNKNOWN)
    billing.check_bill()
    billing.check_bill(night=TODAY + timedelta(days=1))
    correction = LedgerEntry.objects.get(subject_kind="correction")
    assert correction.delta == -500_000
    subject = value.subject_of(correction, team, is_instructor=False)
    assert subject.address == f"/teams/{team.pk}/costs/entries/{unknown.key}/"
    listed = client_for(member).get(f"/teams/{team.pk}/costs/").content.decode()
    assert f'<a href="{subject.address}">correction</a>' in listed
    page = client_for(member).get(subject.address).content.decode()
    assert "Corrected on" in page and "−$0.50" in page


def test_unknown_charges_that_were_billed_stay(team: Team, billed: Bill) -> None:
    spend(team, "unknown", 500_000, OLD, Confidence.UNKNOWN)
    billed((OLD, 0.8))
    billing.check_bill()
    assert not LedgerEntry.objects.filter(subject_kind="correction").exists()


def test_an_instructor_sees_the_own_course_alone_and_staff_the_whole(
    team: Team, other_course_team: Team, billed: Bill, client_for: Any, course: Course, instructor: User
) -> None:
    spend(team, "mine", 1_110_000, OLD)
    spend(team, "mine lost", 220_000, OLD, Confidence.UNKNOWN)
    spend(team, "today", 770_000, TODAY)
    spend(other_course_team, "theirs", 5_550_000, OLD)
    spend(other_course_team, "more of theirs", 3_330_000, YESTERDAY)
    billed((OLD, 6.66), (YESTERDAY, 4.44))
    billing.check_bill()
    mine = billing.days_of(course, billing.shown())
    assert [(row.day, row.booked, row.back, row.difference) for row in mine] == [
        (TODAY, 770_000, 0, None),
        (OLD, 1_110_000, 220_000, 0),
    ]
    page = client_for(instructor).get(f"/courses/{course.pk}/costs/").content.decode()
    assert "$1.11" in page and "$0.22" in page
    hidden = ("$5.55", "$3.33", "$6.66", "$4.44", "The whole bill")
    assert not [amount for amount in hidden if amount in page]
    assert client_for(instructor).get("/accounts/bill/").status_code == 403
    User.objects.filter(pk=instructor.pk).update(is_staff=True)
    assert "The whole bill" in client_for(instructor).get(f"/courses/{course.pk}/costs/").content.decode()
    whole = client_for(instructor).get("/accounts/bill/").content.decode()
    assert "$6.66" in whole and "$4.44" in whole and "$3.33" in whole


def test_a_course_learns_that_more_was_billed_and_not_how_much(
    team: Team, billed: Bill, client_for: Any, course: Course, instructor: User
) -> None:
    spend(team, "mine", 1_110_000, YESTERDAY)
    billed((YESTERDAY, 8.88))
    billing.check_bill()
    page = client_for(instructor).get(f"/courses/{course.pk}/costs/").content.decode()
    assert "more was billed" in page and "tell whoever runs the platform" in page
    assert "$8.88" not in page and "$7.77" not in page


def test_each_provider_is_compared_with_its_own_bill(
    team: Team, billed: Bill, course: Course, instructor: User, provider_process: scripted.ScriptedProvider, settings: Any,
    client_for: Any,
) -> None:  # fmt: skip
    """A course's own account: its instructor reads the whole bill of it, and another provider's entries are not in it."""
    settings.PROVIDER_PRIVATE_HOSTS, settings.OPENAI_ADMIN_KEY = ["127.0.0.1"], ""
    address = f"{provider_process.url}/v1"
    wanted = providers.Wanted("Faculty", "openai", address, key="sk-course", admin_key="sk-admin")
    mine = providers.add(course=course, person=instructor, wanted=wanted)
    spend(team, "of-openai", 5_000_000, YESTERDAY)
    entry = spend(team, "of-mine", 1_000_000, YESTERDAY)
    LedgerEntry.objects.filter(pk=entry.pk).update(provider=mine.code)
    billed((YESTERDAY, 1.25))
    assert billing.check_bill() == "1 days noted"
    row = BilledDay.objects.select_related("check_made").get()
    assert (row.check_made.provider, row.booked, row.difference) == (mine.code, 1_000_000, 250_000)
    page = client_for(instructor).get(f"/courses/{course.pk}/providers/{mine.pk}/").content.decode()
    assert "Its bill" in page and "$1.25" in page and "sk-admin" not in page
