"""What is read off the grades and interviews: agreement over rubric versions, advice, the grade book, votes, progress."""

import csv
import io
from dataclasses import asdict

import pytest
from django.urls import reverse

from evaluation.models import Criterion, Interview
from evaluation.services import agreement_report, results, rubrics, submissions
from evaluation.services.interview_report import progress, quality_points
from evaluation.services.interviews import script_for
from evaluation.services.next_steps import ADVICE, next_steps
from evaluation.services.rubrics import LevelDraft
from second_grade.interview import measure
from teams.models import Confidence, Method
from teams.services import money
from teams.services.money import Charge
from tests import factories
from tests.evaluation.conftest import make_prices, make_run, professor_of
from tests.evaluation.test_grading import committed, second_professor
from tests.evaluation.test_handing_in import due
from tests.evaluation.test_metrics import interview


def renamed(course, person, *, name="Words of a child", extra_level=False, lowest="", same_meaning=False):
    """The rubric's next version: its first criterion under another name, perhaps on a longer scale or with a lowest level
    that sounds otherwise.
    """
    before = rubrics.rubric_for(course)
    draft = rubrics.draft_of(before)
    criteria = [asdict(one) | {"levels": one.levels} for one in draft.criteria]
    criteria[0]["name"] = name
    if lowest:
        first, *others = criteria[0]["levels"]
        criteria[0]["levels"] = (LevelDraft(first.label, lowest), *others)
    if extra_level:
        criteria = [one | {"levels": (*one["levels"], LevelDraft("Beyond", "More than a child."))} for one in criteria]
    made = rubrics.RubricDraft(draft.name, tuple(rubrics.CriterionDraft(**one) for one in criteria))
    return rubrics.save_version(course=course, draft=made, based_on=before, person=person, same_meaning=same_meaning)


def graded_team(course, professors, levels):
    team = factories.make_team(course, "", factories.make_person())
    for one in professors:
        professor_of(team, one)
    submission = submissions.submit(team=team, run=make_run(team), person=team.memberships.get().person)
    for grading in submission.gradings.select_related("grade", "grader__person"):
        committed(grading, level=levels[professors.index(grading.grader.person)])
    return submission


@pytest.fixture
def professors(course, professor, team):
    return [professor, second_professor(team)]


def test_agreement_follows_a_criterion_through_the_rubrics_versions(course, professors, instructor, client_for):
    graded_team(course, professors, (1, 1))
    graded_team(course, professors, (2, 3))
    renamed(course, instructor)
    graded_team(course, professors, (4, 4))
    rows = agreement_report.agreement_of(course).criteria
    assert len(rows) == 8 and {(row.n, row.versions) for row in rows} == {(3, 2)}
    assert rows[0].criterion.name == "Words of a child" and rows[0].alpha is not None
    html = client_for(instructor).get(reverse("course_agreement", args=[course.pk])).content.decode()
    assert html.count("over 2 versions of the rubric") == 8


def test_levels_of_scales_of_different_length_are_not_put_into_one_table(course, professors, instructor):
    graded_team(course, professors, (1, 2))
    renamed(course, instructor, extra_level=True)
    graded_team(course, professors, (4, 4))
    rows = agreement_report.agreement_of(course).criteria
    assert len(rows) == 16 and {(row.n, row.versions) for row in rows} == {(1, 1)}


@pytest.mark.parametrize(("same_meaning", "rows_of_it"), [(False, [1, 2]), (True, [3])])
def test_ratings_on_levels_that_mean_something_else_are_kept_apart(
    same_meaning, rows_of_it, course, professors, instructor, client_for
):
    graded_team(course, professors, (1, 1))
    graded_team(course, professors, (2, 3))
    renamed(course, instructor, lowest="Only says bananas.", same_meaning=same_meaning)
    graded_team(course, professors, (4, 4))
    rows = agreement_report.agreement_of(course).criteria
    assert sorted(row.n for row in rows if row.criterion.key == "vocabulary") == rows_of_it
    html = client_for(instructor).get(reverse("course_agreement", args=[course.pk])).content.decode()
    assert ("levels as in" in html) is not same_meaning
    assert html.count("over 2 versions of the rubric") == (8 if same_meaning else 7)


def test_advice_stays_with_a_criterion_that_was_renamed(course, professors, instructor):
    assert set(ADVICE) == set(Criterion.objects.filter(rubric__course=None).values_list("key", flat=True))
    renamed(course, instructor)
    submission = graded_team(course, professors, (1, 1))
    [result] = results.results_of([submission])
    assert result.criteria[0].criterion.name == "Words of a child"
    assert next_steps(result.criteria)[0] == ADVICE["vocabulary"]


def grade_book(client, course):
    text = client.get(reverse("course_grades_csv", args=[course.pk])).content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_grade_book_says_who_was_late(course, professors, instructor, client_for):
    client = client_for(instructor)
    graded_team(course, professors, (3, 3))
    assert {row["late"] for row in grade_book(client, course)} == {""}
    due(course, 1)
    assert {row["late"] for row in grade_book(client, course)} == {"no"}
    due(course, -1)
    assert {row["late"] for row in grade_book(client, course)} == {"yes"}


def test_a_renamed_criterion_keeps_one_column_under_its_newest_name(course, professors, instructor, client_for):
    graded_team(course, professors, (3, 3))
    renamed(course, instructor)
    graded_team(course, professors, (2, 2))
    rows = grade_book(client_for(instructor), course)
    assert sorted(row["Words of a child"] for row in rows) == ["2", "2", "3", "3"]
    assert "Age-appropriate vocabulary and language" not in rows[0]


def test_progress_is_drawn_for_each_metric_and_over_runs_of_all_three_methods(team, member, client_for):
    make_prices(team)
    for method, voice in ((Method.DSPY, "adult"), (Method.OPENAI, "teacher"), (Method.LORA, "child")):
        made = make_run(team, method)
        metrics = asdict(measure(interview(voice)))
        Interview.objects.create(run=made, script=script_for(team.course), status="done", metrics=metrics)
    found = {one.name: one for one in progress(team)}
    assert len(found) == 5 and all(len(one.dots) == 3 for one in found.values())
    grades = found["Vocabulary grade level"].dots
    assert [dot.run.number for dot in grades] == [1, 2, 3] and grades[0].y < grades[1].y < grades[2].y
    assert [dot.x for dot in grades] == [6, 50, 94]
    html = client_for(member).get(reverse("standard_list", args=[team.pk])).content.decode()
    assert "Progress over your runs" in html and html.count("<polyline") == 5
    assert all(f'class="dot {method}"' in html for method in ("dspy", "openai", "lora")) and "Cost and quality" in html


def test_all_three_methods_stand_on_one_picture_of_cost_and_quality(team, member, client_for):
    made = {}
    for method, voice, paid, would in (
        (Method.DSPY, "adult", 0, 20_000),
        (Method.OPENAI, "teacher", 80_000, None),
        (Method.LORA, "child", 0, None),
    ):
        made[method] = run = make_run(team, method, rehearsal=would is not None)
        metrics = asdict(measure(interview(voice)))
        Interview.objects.create(run=run, script=script_for(team.course), status="done", metrics=metrics)
        money.hold(team=team, key=run.hold_key, paid_for=run.paid_for, amount=paid)
        charge = Charge("run", str(run.key), method, "p", "m", paid, "", Confidence.EXACT, would_have_cost=would)
        money.settle(key=run.hold_key, charge=charge)
    points = {Method(one.run.method): one for one in quality_points(team)}
    assert set(points) == set(Method)
    assert (points[Method.LORA].x, points[Method.DSPY].x, points[Method.OPENAI].x) == (8, 29, 92)
    assert points[Method.LORA].y < min(points[Method.DSPY].y, points[Method.OPENAI].y), "the child is highest"
    html = client_for(member).get(reverse("standard_list", args=[team.pk])).content.decode()
    assert "$0.00<br><small>rehearsal, would have cost $0.02</small>" in html and "$0.08</td>" in html


def test_one_interviewed_run_is_no_progress_yet(team):
    made = make_run(team)
    Interview.objects.create(
        run=made, script=script_for(team.course), status="done", metrics=asdict(measure(interview("child")))
    )
    assert progress(team) == []


def test_a_model_without_a_figure_leaves_a_gap_and_no_zero(team):
    for voice in ("child", "adult"):
        Interview.objects.create(
            run=make_run(team), script=script_for(team.course), status="done", metrics=asdict(measure(interview(voice)))
        )
    Interview.objects.create(
        run=make_run(team), script=script_for(team.course), status="done", metrics=asdict(measure([]))
    )
    assert {len(one.dots) for one in progress(team)} == {2}
