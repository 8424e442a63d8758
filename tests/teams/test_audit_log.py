"""The audit log says who changed what from what to what, in a person's words; it pages, and is taken along as CSV."""

import csv
import io

import pytest

from teams.models import AuditEntry, Milestone, Role
from teams.services import budget_requests, courses, enrolment, plan, roster
from teams.templatetags.units import in_words
from tests import factories


def newest(course, action):
    entry = AuditEntry.objects.filter(course=course, action=action).first()
    assert entry, list(AuditEntry.objects.values_list("action", flat=True))
    return entry.before, entry.after


def settings_of(client, course, **changed):
    form = client.get(f"/courses/{course.pk}/settings/").context["form"]
    values = {name: form[name].value() for name in form.fields}
    cleaned = {name: form.fields[name].prepare_value(value) for name, value in values.items() if value is not None}
    return client.post(f"/courses/{course.pk}/settings/", cleaned | changed)


def test_changed_settings_stand_there_before_and_after_with_money_in_dollars(client_for, course, instructor):
    answer = settings_of(client_for(instructor), course, term="Spring 2027", team_budget="30", course_limit="500")
    assert answer.status_code == 302
    before, after = newest(course, "settings changed")
    assert before == {"term": "Fall 2026", "team_budget": "$25.00", "limit of the whole course": None}
    assert after == {"term": "Spring 2027", "team_budget": "$30.00", "limit of the whole course": "$500.00"}


def test_a_course_that_ends_before_it_begins_is_refused(client_for, course, instructor):
    answer = settings_of(client_for(instructor), course, starts_on="2026-09-02", ends_on="2026-09-01")
    assert "The last day is before the first day" in answer.content.decode()


def test_what_is_decided_about_a_team_says_what_was(course, team, member, professor, instructor):
    courses.set_budget(team=team, limit=12_500_000, person=instructor)
    assert newest(course, "budget changed") == ("$25.00", "$12.50")
    grader = professor.memberships.get()
    courses.assign_professors(team=team, professors=[grader], person=instructor)
    courses.assign_professors(team=team, professors=[], person=instructor)
    assert newest(course, "professors assigned") == (["Pat Professor"], [])
    asked = budget_requests.ask(team=team, person=member, amount=2_500_000, reason="more")
    budget_requests.answer(asked=asked, approve=True, person=instructor)
    assert newest(course, "budget request approved") == ("$12.50", "$15.00")


def test_what_is_decided_about_people_says_what_was(course, team, other_team, member, instructor):
    membership = member.memberships.get()
    courses.put_in_team(membership=membership, team=other_team, person=instructor)
    assert newest(course, "moved to a team") == ("Maple", "Birch")
    roster.enrol(course=course, text=f"{member.email},,Mon,Maple", role=Role.STUDENT, person=instructor)
    assert newest(course, "moved to a team") == ("Birch", "Maple")
    assert newest(course, "moved to a section") == (None, "Mon")
    membership.refresh_from_db()
    courses.set_role(membership=membership, role=Role.PROFESSOR, person=instructor)
    assert newest(course, "role changed") == ("student", "professor")


def test_teams_formed_for_everyone_say_who_went_where(course, instructor):
    people = [factories.make_person(f"Person {number}") for number in range(4)]
    for person in people:
        factories.enrol(course, person, Role.STUDENT)
    wanted = {"course": course, "size": 2, "by_section": False, "seed": 1}
    drawn = enrolment.mark_of(enrolment.propose_teams(**wanted))
    enrolment.form_teams(**wanted, shown=drawn, person=instructor)
    before, after = newest(course, "teams formed")
    assert before is None
    assert sorted(name for members in after.values() for name in members) == [person.name for person in people]


def test_a_moved_step_of_the_plan_says_from_where_to_where(course, instructor):
    plan.start_plan(course)
    plan.move(milestone=Milestone.objects.get(course=course, position=1), later=True, person=instructor)
    assert newest(course, "plan changed") == ({"step": 1}, {"step": 2})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        ("Mon", "Mon"),
        (0, "0"),
        (["Ana", "Ben"], "Ana, Ben"),
        ({"team_budget": "$25.00", "due": None}, "team budget: $25.00; due: –"),
        ({"Team 1": ["Ana", "Ben"]}, "Team 1: Ana, Ben"),
    ],
)
def test_what_is_kept_as_json_is_shown_in_words(value, shown):
    assert in_words(value) == shown


def test_the_page_escapes_pages_and_shows_words_and_the_csv_holds_everything_harmlessly(
    client_for, course, team, instructor, django_assert_max_num_queries
):
    for number in range(60):
        courses.set_budget(team=team, limit=number * 1_000_000, person=instructor)
    enrolment.create_section(course=course, name="=HYPERLINK(1)<b>", person=instructor)
    client = client_for(instructor)
    with django_assert_max_num_queries(20):
        page = client.get(f"/courses/{course.pk}/audit/").content.decode()
    assert "$59.00" in page
    assert "<b>" not in page.split("<main")[1]
    assert "1 of 2" in page
    text = client.get(f"/courses/{course.pk}/audit.csv").content.decode()
    lines = list(csv.reader(io.StringIO(text)))
    assert lines[0] == ["time", "person", "action", "what", "team", "before", "after", "imported"]
    assert lines[60][2:] == ["budget changed", "Maple", "Maple", "$58.00", "$59.00", ""]
    assert lines[61][2:] == ["section created", "'=HYPERLINK(1)<b>", "", "", "", ""]
    assert len(lines) == 62
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line)


def test_a_new_price_stands_there_in_dollars_with_its_date(client_for, course, instructor):
    price = {"provider": "openai", "model": "gpt-x", "kind": "input", "per_million": "0.40"}
    price |= {"effective_from": "2026-11-01", "source": "the provider's page"}
    assert client_for(instructor).post(f"/courses/{course.pk}/prices/", price).status_code == 302
    entry = AuditEntry.objects.get(course=course, action="price added")
    assert (entry.what, entry.after) == ("gpt-x: input tokens, from 2026-11-01", "$0.40 a million")
