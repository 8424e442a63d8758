"""Nobody is charged more than was held for, whatever a provider says that it used; what goes beyond is written down."""

import json
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.services import chat, interviews
from teams.models import (
    BudgetAccount,
    Confidence,
    CourseAccount,
    Hold,
    HoldState,
    LedgerEntry,
    Method,
    Price,
    PriceKind,
    Team,
    User,
)
from teams.services import billing, costs, money
from tests.evaluation.conftest import make_prices
from tests.security.paid_bots import bot
from tests.security.recording_provider import Recorder
from tests.security.test_requests_match_holds import endpoint_of
from tests.teams.test_money import account, charge
from training.models import RunStatus, TrainingRun
from training.services import finish
from training.services.calls.usage import MOST_TOKENS, usage_of

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]

ABSURD: dict[str, Any] = {
    "enormous": {"prompt_tokens": 10**30, "completion_tokens": 10**30, "total_tokens": 2 * 10**30},
    "a little more": {"prompt_tokens": 2_000, "completion_tokens": 900, "total_tokens": 2_900},
    "negative": {"prompt_tokens": -50, "completion_tokens": -10_000, "total_tokens": -10_050},
    "words": {"prompt_tokens": "many", "completion_tokens": None, "total_tokens": {}},
    "truth values": {"prompt_tokens": True, "completion_tokens": True, "total_tokens": True},
    "more cached than read": {
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 10**9},
    },
    "thinking beside the answer": {
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 9_015,
        "completion_tokens_details": {"reasoning_tokens": 9_000},
    },
    "a list": [1, 2],
    "none": "none",
}  # fmt: skip


def check(team: Team) -> list[LedgerEntry]:
    """Every charge is within its hold, accounts add up, nothing stays held."""
    held = dict(Hold.objects.filter(account__team=team).values_list("key", "amount"))
    entries = list(LedgerEntry.objects.filter(account__team=team))
    assert all(0 <= entry.delta <= held[entry.key] and entry.beyond_hold >= 0 for entry in entries)
    found = BudgetAccount.objects.get(team=team)
    assert (found.spent, found.held) == (sum(entry.delta for entry in entries), 0)
    assert CourseAccount.objects.get(course=team.course).spent == found.spent
    return entries


@pytest.mark.parametrize("said", ABSURD)
def test_no_usage_that_a_provider_reports_charges_more_than_was_held(
    said: str, team: Team, member: User, recorder: Recorder, answers_at_once: None, short_script: object, calls: object
) -> None:
    make_prices(team)
    recorder.usage = ABSURD[said]
    run, ask = endpoint_of(team, member, Method.OPENAI)
    chat.ask(conversation=chat.open_conversation(run=run, person=member), question="What is ice?", person=member)
    for more in ({}, {"stream": True}):
        answer = ask(more)
        assert answer.streaming or answer.status_code == 200
    interview = interviews.start(run=run, person=member)
    interviews.carry_out(interview.pk)
    entries = check(team)
    assert {entry.subject_kind for entry in entries} >= {"turn", "endpoint", "interview"}
    beyond = sum(entry.beyond_hold for entry in entries)
    assert (beyond > 0) == (said in ("enormous", "a little more", "thinking beside the answer"))


@pytest.mark.parametrize("said", ABSURD)
def test_a_programs_provider_may_report_anything_too(
    said: str, team: Team, member: User, recorder: Recorder, programs: str, answers_at_once: None
) -> None:
    make_prices(team)
    recorder.usage = ABSURD[said]
    run, ask = endpoint_of(team, member, Method.DSPY)
    chat.ask(conversation=chat.open_conversation(run=run, person=member), question="What is ice?", person=member)
    ask({})
    check(team)


def test_tokens_from_the_providers_memory_are_held_for_at_the_dearer_price(
    team: Team, member: User, recorder: Recorder, answers_at_once: None
) -> None:
    """Nothing keeps an instructor from a cached price above the fresh one, nor a provider from remembering everything."""
    make_prices(team)
    Price.objects.create(
        course=team.course, provider="openai", model="ft:gpt-test", kind=PriceKind.CACHED_INPUT, per_million=9_000_000,
        effective_from=date(2026, 1, 1), source="test",
    )  # fmt: skip
    recorder.usage = {
        "prompt_tokens": 17, "completion_tokens": 300, "total_tokens": 317, "prompt_tokens_details": {"cached_tokens": 16},
    }  # fmt: skip
    talk = chat.open_conversation(run=bot(team, Method.OPENAI), person=member)
    chat.ask(conversation=talk, question="What is ice?", person=member)
    (entry,) = check(team)
    assert entry.delta == 1 + 16 * 9 + 600 and entry.beyond_hold == 0


numbers = st.one_of(st.integers(), st.booleans(), st.floats(), st.none(), st.text(max_size=5), st.just(10**40))
usages = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": numbers,
        "completion_tokens": numbers,
        "total_tokens": numbers,
        "prompt_tokens_details": st.one_of(numbers, st.fixed_dictionaries({"cached_tokens": numbers})),
        "completion_tokens_details": st.one_of(numbers, st.fixed_dictionaries({"reasoning_tokens": numbers})),
    },
)


@given(said=st.one_of(usages, numbers, st.lists(numbers)))
def test_what_counts_of_a_report_is_whole_numbers_that_a_column_holds(said: Any) -> None:
    found = usage_of(said)
    if found is not None:
        assert 0 <= found.cached_input_tokens <= found.input_tokens <= MOST_TOKENS
        assert 0 <= found.output_tokens <= MOST_TOKENS
        assert all(type(count) is int for count in found.counted.values())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(parts=st.lists(st.tuples(st.integers(0, 300), st.integers(-(10**6), 10**25)), max_size=5), last=st.integers())
def test_whatever_is_carved_out_of_a_hold_and_settled_costs_no_more_than_the_hold(
    team: Team, parts: list[tuple[int, int]], last: int
) -> None:
    number = Hold.objects.count()
    before = account(team).spent
    key = f"interview-{number}"
    money.hold(team=team, key=key, amount=500)
    for place, (amount, cost) in enumerate(parts):
        part = f"{key}-{place}"
        moved = money.carve(key=key, into=part, amount=amount)
        assert money.carve(key=key, into=part, amount=amount) == moved, "a second time moves nothing"
        assert account(team).held == sum(Hold.objects.filter(state=HoldState.OPEN).values_list("amount", flat=True))
        money.settle(key=part, charge=charge(cost))
    money.settle(key=key, charge=charge(last))
    assert 0 <= account(team).spent - before <= 500
    assert account(team).held == 0


@pytest.mark.parametrize("method", [Method.OPENAI, Method.DSPY, Method.LORA])
@pytest.mark.parametrize("tokens", [0, 7, 10**15])
def test_a_run_is_never_charged_more_than_the_most_it_can_cost(team: Team, method: Method, tokens: int) -> None:
    make_prices(team)
    run = bot(team, method)
    TrainingRun.objects.filter(pk=run.pk).update(
        started_at=run.created_at, status=RunStatus.FAILED, most_cost=12, input_tokens=tokens, output_tokens=tokens,
        training_tokens=tokens, compute_seconds=float(tokens),
    )  # fmt: skip
    team.course.compute_rate = 3_600_000_000
    team.course.save()
    run = TrainingRun.objects.get(pk=run.pk)
    money.hold(team=team, key=run.hold_key, paid_for=run.paid_for, amount=12)
    finish.settle(run, Confidence.EXACT)
    if Hold.objects.get(key=run.hold_key).state == HoldState.OPEN:  # no training price in the book: it waits
        return
    (entry,) = check(team)
    assert entry.delta <= run.most_cost
    if method == Method.LORA:
        assert "the most it can cost" in entry.price_note or not tokens, (
            "nobody is owed more for this machine's own work"
        )
    else:
        assert (entry.beyond_hold > 0) == (tokens > 0)


def test_the_instructor_sees_what_went_beyond_holds_and_the_bill_counts_it(
    team: Team, instructor: User, client_for: Any
) -> None:
    money.hold(team=team, key="turn-1", amount=4_360)
    entry = money.settle(key="turn-1", charge=charge(5_095, subject_kind="turn"))
    found = costs.beyond_holds(team.course)
    assert found is not None and (found.total, found.number, found.newest) == (735, 1, [entry])
    page = client_for(instructor).get(reverse("course_costs", args=[team.course_id])).content.decode()
    assert "Used above what was held" in page and "$0.000735" in page
    one = client_for(instructor).get(reverse("course_ledger_entry", args=[team.course_id, entry.pk])).content.decode()
    assert "$0.000735 more was used" in one
    assert billing.booked_on("openai", entry.at.date()) == 5_095
    csv = client_for(instructor).get(reverse("course_costs_csv", args=[team.course_id])).content.decode()
    assert csv.splitlines()[0].endswith("above the hold") and csv.splitlines()[1].endswith("0.000735")


def test_a_course_whose_holds_were_kept_shows_no_such_table(team: Team, instructor: User, client_for: Any) -> None:
    money.hold(team=team, key="turn-1", amount=10)
    money.settle(key="turn-1", charge=charge(10))
    page: Client = client_for(instructor)
    assert "above what was held" not in page.get(reverse("course_costs", args=[team.course_id])).content.decode()
    assert json.dumps(costs.beyond_holds(team.course)) == "null"
