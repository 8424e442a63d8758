from datetime import date

import pytest

from evaluation.models import Criterion, Level, RubricVersion
from evaluation.services.rubrics import rubric_for
from teams.models import Course, Membership, Price, Section
from teams.services import money, plan
from tests import factories
from training.models import BaseModel


@pytest.fixture
def source(course, team, member):
    course.starts_on, course.team_budget, course.compute_rate = date(2026, 9, 1), 7_000_000, 360
    course.save()
    plan.start_plan(course)
    Section.objects.create(course=course, name="Mon")
    Price.objects.create(
        course=course,
        provider="openai",
        model="m",
        kind="input",
        per_million=5,
        effective_from=date(2026, 1, 1),
        source="s",
    )
    BaseModel.objects.create(course=course, method="lora", name="org/model", label="Ours", hosting="hugging_face")
    factories.make_dataset_version(team)
    money.hold(team=team, key="run-1", amount=500)
    return course


def copied(client, course, **fields):
    given = {"name": "Next", "term": "Spring 2027", "starts_on": "2027-02-02", "ends_on": ""}
    page = client.post(f"/courses/{course.pk}/copy/", given | fields)
    assert page.status_code == 302, page.content.decode()
    return Course.objects.get(name="Next")


def test_settings_plan_sections_prices_and_base_models_come_along(client_for, source, instructor):
    made = copied(client_for(instructor), source)
    assert (made.team_budget, made.compute_rate, made.term) == (7_000_000, 360, "Spring 2027")
    assert list(made.milestones.values_list("title")) == list(source.milestones.values_list("title"))
    assert list(made.sections.values_list("name", flat=True)) == ["Mon"]
    assert made.prices.get().per_million == 5
    assert made.base_models.get().label == "Ours"


def test_the_plans_dates_move_as_far_as_the_first_day_does(client_for, source, instructor):
    made = copied(client_for(instructor), source)
    assert made.milestones.earliest("position").due_on == date(2027, 2, 9)


def test_without_a_first_day_the_plan_has_no_dates(client_for, source, instructor):
    made = copied(client_for(instructor), source, starts_on="")
    assert set(made.milestones.values_list("due_on", flat=True)) == {None}


def test_no_people_data_money_or_codes_come_along(client_for, source, instructor):
    made = copied(client_for(instructor), source)
    assert [membership.person for membership in made.memberships.all()] == [instructor]
    assert not made.teams.exists()
    assert (made.account.spent, made.account.held) == (0, 0)
    assert {made.student_code, made.professor_code}.isdisjoint({source.student_code, source.professor_code})


def test_the_rubric_the_course_graded_with_is_copied_whole_and_belongs_to_the_new_course(
    client_for, source, instructor
):
    for number in (1, 2):
        rubric = RubricVersion.objects.create(course=source, number=number, name=f"Ours {number}")
        criterion = Criterion.objects.create(rubric=rubric, position=1, part="education", unit="bot", name="Kind")
        Level.objects.create(criterion=criterion, value=1, label="Not yet", anchor="Rude.")
    rubric = rubric_for(copied(client_for(instructor), source))
    assert (rubric.name, rubric.number, rubric.course) == ("Ours 2", 1, Course.objects.get(name="Next"))
    assert rubric.criteria.get().levels.get().anchor == "Rude."
    assert Level.objects.filter(criterion__rubric__course=source).count() == 2


def test_a_course_with_the_built_in_rubric_keeps_to_it(client_for, source, instructor):
    made = copied(client_for(instructor), source)
    assert not made.rubrics.exists()
    assert rubric_for(made) == rubric_for(source)


def test_a_last_day_before_the_first_is_refused(client_for, source, instructor):
    form = {"name": "Next", "term": "", "starts_on": "2027-02-02", "ends_on": "2027-02-01"}
    page = client_for(instructor).post(f"/courses/{source.pk}/copy/", form)
    assert page.status_code == 422
    assert "before the first day" in page.content.decode()
    assert not Course.objects.filter(name="Next").exists()


def test_only_the_instructor_copies_a_course(client_for, source, member, professor):
    for person in (member, professor):
        assert client_for(person).post(f"/courses/{source.pk}/copy/", {"name": "Next"}).status_code == 403
    assert Membership.objects.filter(course__name="Next").count() == 0
