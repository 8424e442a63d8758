"""Which models may be asked to draft rows or to judge: by what their provider may be used for, and by known prices."""

from datetime import date, timedelta
from typing import Any

import pytest

from teams.models import Course, Method, Price, PriceKind, Provider, User
from tests.training.test_providers import added, reachable  # noqa: F401
from training.models import BaseModel
from training.services import asked_models

pytestmark = pytest.mark.django_db
TODAY = date.today()


@pytest.fixture
def drafter(added: Provider) -> Provider:  # noqa: F811
    """The course's own provider, the only one that may draft."""
    Provider.objects.update(for_drafting=False)
    Provider.objects.filter(pk=added.pk).update(for_drafting=True)
    added.refresh_from_db()
    return added


def price(provider: Provider, model: str, kind: PriceKind, since: date = TODAY) -> None:
    Price.objects.create(
        course=provider.course,
        provider=provider.code,
        model=model,
        kind=kind,
        per_million=100_000,
        effective_from=since,
        source="Price page",
    )


def named(course: Course) -> list[str]:
    return [model.name for model in asked_models.drafting_models(course)]


def test_a_priced_model_of_a_provider_that_may_draft_is_usable_with_its_price_and_address(
    drafter: Provider, course: Course
) -> None:
    (model,) = asked_models.drafting_models(course)
    assert str(model) == f"{model.name} (Faculty)"
    asked = model.endpoint(max_tokens=300)
    assert (asked.base_url, asked.model, asked.guarded) == (drafter.address, model.name, True)
    assert (asked.provider, asked.max_tokens) == (drafter.code, 300)
    assert model.prices(course).output.per_million == 800_000


def test_a_model_may_be_added_for_drafting_alone(
    drafter: Provider, course: Course, client_for: Any, instructor: User
) -> None:
    client, page = client_for(instructor), f"/courses/{course.pk}/providers/{drafter.pk}/"
    told = {"do": "model", "name": "writer-1", "source": "a page", "effective_from": "2026-11-01", "input": "1"}
    text = client.post(page, told).content.decode()
    assert "A model that only judges or drafts needs this price." in text
    assert client.post(page, {**told, "output": "2", "shutdown_on": "2031-01-01"}).status_code == 302
    assert "writer-1" in named(course)
    (row,) = BaseModel.objects.filter(name="writer-1")
    for method in Method:
        assert row not in BaseModel.objects.offered(course, method)
    assert row not in BaseModel.objects.listed(course)
    shown = client.get(page).content.decode()
    assert "writer-1" in shown and "drafting rows" in shown
    Provider.objects.filter(pk=drafter.pk).update(for_drafting=False)
    assert client.post(page, {**told, "name": "writer-2", "output": "2"}).status_code == 422


def test_nothing_is_usable_where_no_provider_may_draft(drafter: Provider, course: Course) -> None:
    Provider.objects.filter(pk=drafter.pk).update(for_drafting=False, for_judge=True)
    assert named(course) == []
    assert len(asked_models.judging_models(course)) == 1


def test_another_courses_provider_a_disabled_one_and_one_without_key_draft_nothing(
    drafter: Provider, course: Course, other_course: Course
) -> None:
    assert named(course) and not named(other_course)
    for change in ({"enabled": False}, {"sealed_key": ""}):
        Provider.objects.filter(pk=drafter.pk).update(enabled=True, sealed_key=drafter.sealed_key)
        assert named(course)
        Provider.objects.filter(pk=drafter.pk).update(**change)
        assert not named(course), change


def test_a_model_without_both_prices_today_is_not_usable(drafter: Provider, course: Course) -> None:
    price(drafter, "half-priced", PriceKind.INPUT)
    price(drafter, "priced-tomorrow", PriceKind.INPUT)
    price(drafter, "priced-tomorrow", PriceKind.OUTPUT, TODAY + timedelta(days=2))
    price(drafter, "priced", PriceKind.INPUT)
    price(drafter, "priced", PriceKind.OUTPUT)
    assert "priced" in named(course)
    assert not {"half-priced", "priced-tomorrow"} & set(named(course))


def test_models_that_think_first_or_were_trained_to_speak_as_children_are_not_usable(
    drafter: Provider, course: Course
) -> None:
    for model in ("gpt-5-nano", "o3", "ft:mine"):
        price(drafter, model, PriceKind.INPUT)
        price(drafter, model, PriceKind.OUTPUT)
    assert not {"gpt-5-nano", "o3", "ft:mine"} & set(named(course))


@pytest.mark.parametrize("change", [{"enabled": False}, {"shutdown_on": TODAY}])
def test_a_model_that_was_withdrawn_or_switched_off_is_not_usable(
    drafter: Provider, course: Course, change: dict[str, Any]
) -> None:
    assert named(course)
    BaseModel.objects.filter(provider=drafter).update(**change)
    assert not named(course)
