"""From a sum on the instructor's page to each entry in it; asking for more and getting it; prices with their source."""

import re
from typing import Any

import pytest
from django.test import Client

from teams.models import BudgetAccount, Confidence, Course, LedgerEntry, LedgerSum, Method, Team, User
from teams.services import costs, money


def spend(team: Team, key: str, cost: int, person: User | None = None, model: str = "gpt") -> LedgerEntry:
    money.hold(team=team, key=key, amount=cost)
    charge = money.Charge("run", key, Method.OPENAI, "openai", model, cost, "a price", Confidence.EXACT, person=person)
    return money.settle(key=key, charge=charge)


def text(client: Client, address: str) -> str:
    page = client.get(address)
    assert page.status_code == 200
    return page.content.decode()


@pytest.mark.parametrize("field", list(costs.GROUPS))
def test_every_sum_leads_to_exactly_its_entries(
    client_for: Any,
    course: Course,
    team: Team,
    other_team: Team,
    other_course_team: Team,
    member: User,
    instructor: User,
    field: str,
) -> None:
    for number, person in enumerate((member, None, member)):
        spend(team if number else other_team, f"run-{number}", 100 + number, person, model=f"ft:a b&c:{number % 2}")
    spend(other_course_team, "run-far", 7_000_000)
    browser = client_for(instructor)
    groups = text(browser, f"/courses/{course.pk}/costs/by/{field}/")
    links = re.findall(r'href="([^"]+/entries/\?of=[^"]*)"', groups)
    assert len(links) == len(costs.grouped(course, field))
    found = []
    for link, row in zip(links, costs.grouped(course, field), strict=True):
        entries = list(costs.entries_of(course, field, row["value"]))
        assert (len(entries), sum(entry.delta for entry in entries)) == (row["entries"], row["cost"])
        page = text(browser, link.replace("&amp;", "&"))
        found += [int(pk) for pk in re.findall(r"/costs/entries/(\d+)/", page)]
        assert all(f"/costs/entries/{entry.pk}/" in page for entry in entries)
    assert sorted(found) == sorted(
        LedgerEntry.objects.filter(account__team__course=course).values_list("pk", flat=True)
    )


@pytest.mark.parametrize(
    "address", ["day/entries/?of=yesterday", "person/entries/?of=x", "person/entries/?of=" + "9" * 400, "team/entries/"]
)
def test_a_group_that_cannot_be_is_not_found(client_for: Any, course: Course, instructor: User, address: str) -> None:
    assert client_for(instructor).get(f"/courses/{course.pk}/costs/by/{address}").status_code == 404


def test_a_group_without_entries_says_so(client_for: Any, course: Course, instructor: User) -> None:
    assert "No entry belongs" in text(client_for(instructor), f"/courses/{course.pk}/costs/by/model/entries/?of=none")


def test_a_team_asks_for_more_and_an_approval_raises_its_limit_once(
    client_for: Any, course: Course, team: Team, member: User, instructor: User
) -> None:
    before = BudgetAccount.objects.get(team=team).limit
    client_for(member).post(f"/teams/{team.pk}/budget/", {"amount": "2.50", "reason": "one more run"})
    asked = team.account.requests.get()
    browser = client_for(instructor)
    assert "asks for $2.50 more" in text(browser, f"/courses/{course.pk}/costs/")
    for _ in range(2):
        browser.post(f"/courses/{course.pk}/budget/{asked.pk}/", {"answer": "approve"})
    assert BudgetAccount.objects.get(team=team).limit == before + 2_500_000
    assert "Approved" in text(client_for(member), f"/teams/{team.pk}/costs/")


def test_each_price_stands_with_its_source_and_date(client_for: Any, course: Course, instructor: User) -> None:
    page = text(client_for(instructor), f"/courses/{course.pk}/prices/")
    assert "litellm" in page
    assert re.search(r"202\d", page)


def test_long_lists_of_sums_come_a_page_at_a_time(
    client_for: Any, course: Course, team: Team, instructor: User
) -> None:
    rows = [LedgerSum(account=team.account, field="model", group=f"m{number:02}", entries=1) for number in range(60)]
    LedgerSum.objects.bulk_create(rows)
    browser = client_for(instructor)
    pages = [text(browser, f"/courses/{course.pk}/costs/by/model/?page={number}") for number in (1, 2)]
    found = [re.findall(r"<td>(m\d\d)</td>", page) for page in pages]
    assert [len(names) for names in found] == [50, 10]
    assert sorted(found[0] + found[1]) == [f"m{number:02}" for number in range(60)]
