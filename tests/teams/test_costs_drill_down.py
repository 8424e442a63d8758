"""From a sum on the instructor's page to each entry in it; asking for more and getting it; prices with their source."""

import csv
import io
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db.models.signals import post_init
from django.test import Client
from django.utils import timezone

from teams.models import BudgetAccount, Confidence, Course, CourseAccount, LedgerEntry, LedgerSum, Method, Team, User
from teams.services import budget_requests, costs, money


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
    "address",
    [
        "day/entries/?of=yesterday",
        "day/entries/?of=9999-12-31",
        "person/entries/?of=x",
        "person/entries/?of=" + "9" * 400,
        "team/entries/",
    ],
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


def test_the_whole_courses_budget_stands_beside_the_teams_ones(
    client_for: Any, course: Course, team: Team, instructor: User
) -> None:
    browser, address = client_for(instructor), f"/courses/{course.pk}/costs/"
    assert "the whole course may spend" not in text(browser, address)
    CourseAccount.objects.filter(course=course).update(limit=30_000_000, spent=12_000_000, held=500_000)
    page = text(browser, address)
    assert "$30.00" in page
    assert "$17.50 left" in page


def test_who_is_near_the_limit_and_who_asks_is_said_once_a_team(
    client_for: Any, course: Course, team: Team, other_team: Team, member: User, instructor: User
) -> None:
    address = f"/courses/{course.pk}/costs/"
    assert "0 teams" in text(client_for(instructor), address)
    money.hold(team=team, key="near", amount=23_100_000)
    budget_requests.ask(team=team, person=member, amount=10_000_000, reason="more")
    page = text(client_for(instructor), address)
    assert "1 team<" in page
    assert "Maple at 92 % and asked for $10.00 more" in page
    money.hold(team=other_team, key="other", amount=20_000_000)
    assert "Birch at 80 %" in text(client_for(instructor), address)


def test_a_days_entries_are_found_without_calculating_a_date_for_every_row(course: Course, team: Team) -> None:
    entry = spend(team, "one", 5)
    LedgerEntry.objects.filter(pk=entry.pk).update(at=datetime(2026, 10, 1, 23, 30, tzinfo=UTC))
    with timezone.override("Europe/Berlin"):
        assert list(costs.entries_of(course, "day", "2026-10-02")) == [entry]
        assert not costs.entries_of(course, "day", "2026-10-01").exists()
    assert "cast_date" not in str(costs.entries_of(course, "day", "2026-10-01").query)


def test_the_csv_is_written_from_plain_values_because_models_take_most_of_the_time(
    course: Course, team: Team, member: User
) -> None:
    spend(team, "named", 5_000_000, member)
    spend(team, "nobody's", 1)
    made: list[type] = []

    def note(sender: type, **_: object) -> None:
        made.append(sender)

    post_init.connect(note)
    out = io.StringIO()
    try:
        costs.write_ledger_csv(course, out)
    finally:
        post_init.disconnect(note)
    assert made == []
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [(row["team"], row["person"], row["dollars"]) for row in rows] == [
        ("Maple", "Mia Member", "5.000000"),
        ("Maple", "", "0.000001"),
    ]


def test_a_charge_for_a_turn_is_called_an_answer(client_for: Any, course: Course, team: Team, instructor: User) -> None:
    entry = spend(team, "one", 5)
    LedgerEntry.objects.filter(pk=entry.pk).update(subject_kind="turn")
    for address in (f"costs/{team.pk}/", "costs/by/model/entries/?of=gpt"):
        assert ">answer</a>" in text(client_for(instructor), f"/courses/{course.pk}/{address}")
