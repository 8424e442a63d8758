"""An instructor adds prices: each once, from a day on, with its source."""

from typing import Any

import pytest

from teams.models import AuditEntry, Course, Price, User

PRICE = {"provider": "openai", "model": "gpt-x", "kind": "input", "per_million": "0.40"}
PRICE |= {"effective_from": "2026-11-01", "source": "the provider's page"}


def test_the_same_price_sent_twice_stands_in_the_book_and_in_the_log_once(client_for, course, instructor):
    client, address = client_for(instructor), f"/courses/{course.pk}/prices/"
    assert client.post(address, PRICE).status_code == 302
    again = client.post(address, PRICE)
    assert again.status_code == 422
    assert "choose a later day" in again.content.decode()
    assert Price.objects.filter(course=course).count() == 1
    assert AuditEntry.objects.filter(course=course, action="price added").count() == 1
    assert client.post(address, PRICE | {"effective_from": "2026-11-02"}).status_code == 302


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
