"""An instructor adds prices: each once, from a day on, with its source."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction

from teams.models import AuditEntry, Course, Price, PriceKind, User
from teams.services import prices

PRICE = {"provider": "openai", "model": "gpt-x", "kind": "input", "per_million": "0.40"}
PRICE |= {"effective_from": "2026-11-01", "source": "the provider's page"}


def test_the_same_price_sent_twice_stands_in_the_book_and_in_the_log_once(client_for, course, instructor):
    client, address = client_for(instructor), f"/courses/{course.pk}/prices/"
    assert client.post(address, PRICE).status_code == 302
    again = client.post(address, PRICE)
    assert again.status_code == 422
    assert "has this price" in again.content.decode()
    assert Price.objects.filter(course=course).count() == 1
    assert AuditEntry.objects.filter(course=course, action="price added").count() == 1
    assert client.post(address, PRICE | {"effective_from": "2026-11-02"}).status_code == 302


def test_a_slip_is_corrected_the_same_day_and_both_stay_in_the_book_and_in_the_log(
    client_for: Any, course: Course, instructor: User
) -> None:
    client, address = client_for(instructor), f"/courses/{course.pk}/prices/"
    client.post(address, PRICE | {"per_million": "4000"})
    said = client.post(address, PRICE, follow=True).content.decode()
    assert "in place of $4,000" in said and "<del>$4,000" in said and "· corrected" in said
    assert said.count("<del>") == 1
    asked: dict[str, Any] = {"course": course, "provider": "openai", "model": "gpt-x", "kind": PriceKind.INPUT}
    assert prices.price_of(**asked).per_million == 400_000
    client.post(address, PRICE | {"per_million": "4000"})
    assert prices.price_of(**asked).per_million == 4_000_000_000, "the last one counts, also where it was there before"
    entry = AuditEntry.objects.filter(course=course, action="price corrected").earliest("pk")
    assert (entry.before, entry.after) == ("$4,000.00 a million", "$0.40 a million")


def test_two_prices_written_at_one_moment_are_not_one_correction(
    course: Course, instructor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    day: dict[str, Any] = {**PRICE, "course": course, "effective_from": date(2026, 11, 1)}
    mine, theirs = (Price(**day | {"per_million": amount}) for amount in (1, 2))

    def just_before() -> transaction.Atomic:
        monkeypatch.undo()
        prices.add(price=theirs, person=instructor)
        return transaction.atomic()

    monkeypatch.setattr(prices, "transaction", SimpleNamespace(atomic=just_before))
    with pytest.raises(prices.PriceTaken, match="at this moment"):
        prices.add(price=mine, person=instructor)
    assert Price.objects.get(course=course).per_million == 2


def test_a_price_of_another_course_is_in_nobodys_way(client_for, course, other_course, instructor):
    Price.objects.create(course=other_course, **PRICE | {"per_million": 1})
    assert client_for(instructor).post(f"/courses/{course.pk}/prices/", PRICE).status_code == 302


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        ("per_million", "-1", "greater than or equal to 0"),
        ("per_million", "abc", "Enter a number"),
        ("effective_from", "9999-12-31", "Look at the year"),
        ("effective_from", "tomorrow", "Enter a valid date"),
        ("kind", "thinking", "Select a valid choice"),
        ("source", "", "This field is required"),
        ("provider", "azure", "looked up under openai"),
    ],
)
def test_a_slip_in_a_price_is_refused_in_words(
    client_for: Any, course: Course, instructor: User, field: str, given: str, said: str
) -> None:
    answer = client_for(instructor).post(f"/courses/{course.pk}/prices/", PRICE | {field: given})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Price.objects.filter(course=course).exists()
