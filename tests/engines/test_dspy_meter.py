"""The meter of the DSPy engine: it refuses before a call that could pass the cap, and forgets nothing."""

import threading
from pathlib import Path

import pytest
from dspy_program.meter import MILLION, BudgetExceeded, Meter, Prices, Ticket

PRICES = Prices(input=150_000, cached_input=75_000, output=600_000)


def call(meter: Meter, *, tokens: tuple[int, int, int] = (100, 0, 20)) -> None:
    ticket = meter.reserve(input_most=400, output_most=100)
    meter.settle(ticket, input_tokens=tokens[0], cached_tokens=tokens[1], output_tokens=tokens[2])


def test_the_call_past_the_cap_is_refused_before_it_is_made() -> None:
    meter = Meter(max_calls=2)
    call(meter)
    call(meter)
    with pytest.raises(BudgetExceeded):
        meter.reserve(input_most=1, output_most=1)
    assert (meter.usage().calls, meter.tripped) == (2, "calls")


def test_a_failed_call_counts_against_the_cap() -> None:
    meter = Meter(max_calls=1)
    meter.fail(meter.reserve(input_most=1, output_most=1), maybe_billed=False)
    with pytest.raises(BudgetExceeded):
        meter.reserve(input_most=1, output_most=1)
    assert (meter.usage().calls, meter.usage().failed_calls, meter.cost_microdollars()) == (1, 1, 0)


def test_money_is_reserved_at_the_most_and_settled_at_the_truth() -> None:
    meter = Meter(max_cost_microdollars=130, prices=PRICES)
    ticket = meter.reserve(input_most=400, output_most=100)  # at most 60 + 60 = 120
    meter.settle(ticket, input_tokens=100, cached_tokens=40, output_tokens=10)
    assert meter.cost_microdollars() == 18  # 60 x .15 + 40 x .075 + 10 x .6
    with pytest.raises(BudgetExceeded):
        meter.reserve(input_most=400, output_most=100)  # 18 + 120 is more than 130, and nothing is under way
    assert meter.tripped == "money"


def test_a_call_that_may_have_been_billed_keeps_its_most() -> None:
    meter = Meter(max_cost_microdollars=130, prices=PRICES)
    meter.fail(meter.reserve(input_most=400, output_most=100), maybe_billed=True)
    assert meter.cost_microdollars() == 120
    assert meter.usage().unreported_calls == 1


def test_an_answer_without_usage_counts_at_its_most() -> None:
    meter = Meter(prices=PRICES)
    ticket = meter.reserve(input_most=400, output_most=100)
    meter.settle(ticket, input_tokens=None, cached_tokens=0, output_tokens=None)
    assert (meter.cost_microdollars(), meter.usage().unreported_calls) == (120, 1)


def test_what_is_kept_back_is_free_again_afterwards() -> None:
    meter = Meter(max_calls=3)
    with meter.keep_back(calls=2, cost_microdollars=0):
        call(meter)
        assert meter.calls_left() == 0
        with pytest.raises(BudgetExceeded):
            call(meter)
    call(meter)
    call(meter)
    assert meter.calls_left() == 0


def test_threads_never_pass_the_cap_together() -> None:
    meter = Meter(max_calls=50, max_cost_microdollars=2_000, prices=PRICES)
    refused: list[int] = []

    def work() -> None:
        for _ in range(20):
            try:
                call(meter, tokens=(400, 0, 100))
            except BudgetExceeded:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.usage().calls + len(refused) == 160
    assert meter.cost_microdollars() == 120 * meter.usage().calls
    assert 1_600 < meter.cost_microdollars() <= 2_000


def test_a_killed_run_goes_on_counting_and_books_its_open_call_at_the_most(tmp_path: Path) -> None:
    journal = tmp_path / "usage.jsonl"
    first = Meter(max_calls=3, prices=PRICES, journal=journal)
    call(first)
    first.reserve(input_most=400, output_most=100)  # killed here
    with journal.open("a") as lines:
        lines.write('{"call": 2, "tok')  # cut by the kill
    second = Meter(max_calls=3, prices=PRICES, journal=journal)
    assert (second.usage().calls, second.usage().failed_calls) == (2, 1)
    assert second.cost_microdollars() == 27 + 120
    call(second)
    with pytest.raises(BudgetExceeded):
        call(second)
    third = Meter(max_calls=9, prices=PRICES, journal=journal)
    assert third.usage() == second.usage()
    assert third.cost_microdollars() == second.cost_microdollars()


def test_a_call_waits_for_money_that_another_only_reserved() -> None:
    meter = Meter(max_cost_microdollars=100, prices=Prices(output=MILLION))
    first = meter.reserve(input_most=0, output_most=80)
    admitted: list[Ticket] = []
    waiting = threading.Thread(target=lambda: admitted.append(meter.reserve(input_most=0, output_most=80)))
    waiting.start()
    assert not admitted
    meter.settle(first, input_tokens=0, cached_tokens=0, output_tokens=5)
    waiting.join(60)
    assert [ticket.number for ticket in admitted] == [2] and meter.tripped is None


def test_a_call_that_no_settlement_can_pay_for_is_refused_and_wakes() -> None:
    meter = Meter(max_cost_microdollars=100, prices=Prices(output=MILLION))
    first = meter.reserve(input_most=0, output_most=80)
    refused: list[str] = []

    def ask() -> None:
        try:
            meter.reserve(input_most=0, output_most=80)
        except BudgetExceeded as error:
            refused.append(str(error))

    waiting = threading.Thread(target=ask)
    waiting.start()
    meter.fail(first, maybe_billed=True)  # counts at its most: the second never fits
    waiting.join(60)
    assert len(refused) == 1 and meter.tripped == "money" and meter.usage().calls == 1
