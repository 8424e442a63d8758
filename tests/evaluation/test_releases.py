"""Results as versions: what was released does not move, and what changes later is published with a reason or not at all."""

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone

from evaluation.models import Grading, ResultRelease, Submission
from evaluation.services import chat, frozen, grades, gradings, releases, results, scales, submissions, tags
from evaluation.services.grades import Marks
from evaluation.services.scales import Scale
from teams.models import AuditEntry, Notice, NoticeKind, Role
from tests import factories
from tests.evaluation.conftest import professor_of
from tests.evaluation.test_grading import committed, marks_for, second_professor
from tests.evaluation.test_results import release_by_hand, team_page


@pytest.fixture
def submission(run, member, team, professor):
    professor_of(team, professor)
    return submissions.submit(team=team, run=run, person=member)


@pytest.fixture
def grading(submission):
    return submission.gradings.select_related("grade", "grader__person", "submission__team__course").get()


@pytest.fixture
def released(grading, submission, instructor):
    committed(grading, level=3)
    releases.publish(submission=submission, person=instructor)
    return submission


def entry_of(action) -> Any:
    """The one line of the audit log about it."""
    return AuditEntry.objects.get(action=action)


def revise(grading, level, reason="I read it again."):
    marks = {score.criterion_id: Marks(level=level, comment="Anew.") for score in grading.grade.scores.all()}
    return grades.revise(grade=grading.grade, marks=marks, comment="", reason=reason, person=grading.grader.person)


def another_grade(submission, level):
    second_professor(submission.team)
    gradings.ensure_gradings(course=submission.team.course)
    rows = Grading.objects.filter(submission=submission, grade__status="draft")
    return committed(rows.select_related("grade", "grader__person").get(), level=level)


# What counts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("levels", "final"), [([3], 3), ([2, 3], 2.5), ([1, 4, 4], 4), ([1, 2, 4], 2)])
def test_without_an_adjudication_the_median_counts(levels, final):
    assert results.final_level(levels, None) == final
    assert results.final_level(levels, results.Settled(1, "Because.")) == 1
    assert results.final_level([], None) is None


def test_weights_and_shares_make_points(released, instructor, course):
    shown = frozen.current_of(released)
    assert shown is not None
    assert (shown.points, shown.overall) == (75, 3), "level 3 of 4, in even steps"
    heavy = released.rubric.criteria.order_by("position").first()
    scale = Scale(points=40, weights={heavy.key: 5}, shares=[0, 50, 60, 100])
    assert scales.set_scale(course=course, scale=scale, person=instructor)
    now = results.results_of([Submission.objects.select_related("team__course").get()])[0]
    assert now.points == pytest.approx(24)
    assert scale.share_of(2.5, 4) == 55
    assert scale.share_of(4, 4) == 100
    results.adjudicate(submission=released, criterion=heavy, level=4, reason="It counts.", person=instructor)
    now = results.results_of([Submission.objects.select_related("team__course").get()])[0]
    assert now.points == pytest.approx(40 * (5 * 100 + 7 * 60) / 1200)


# A release does not move --------------------------------------------------------------------------------------------


def test_nothing_that_happens_after_the_release_reaches_the_team(
    released, grading, team, member, instructor, course, client_for, model_server, answers_at_once
):
    client = client_for(member)
    before = team_page(client, team)
    revise(grading, level=1)
    turn = chat.ask(conversation=gradings.interview_of(grading), question="What is ice?", person=grading.grader.person)
    tags.put(grading=grading, turn=turn, label="great")
    tags.correct(grading=grading, turn=turn, answer="Um, cold water?")
    another_grade(released, level=1)
    criterion = released.rubric.criteria.first()
    results.adjudicate(submission=released, criterion=criterion, level=2, reason="We talked.", person=instructor)
    scales.set_scale(course=course, scale=Scale(points=10), person=instructor)
    after = team_page(client, team)
    assert _without_clock(after) == _without_clock(before)
    assert releases.draft_of(released).waits


def _without_clock(page):
    """The page but for its bell, its token and the minute it was printed."""
    return [
        line
        for line in page.splitlines()
        if not any(word in line.lower() for word in ("notice-bell", "csrf", "printed"))
    ]


def test_a_change_is_told_to_instructors_and_published_with_its_reason(
    released, grading, team, member, instructor, client_for
):
    revise(grading, level=2, reason="I had missed the second answer.")
    waits = Notice.objects.get(person=instructor, kind=NoticeKind.DECISION)
    assert "I had missed the second answer" in waits.text
    entry = entry_of("grade revised")
    assert set(entry.before.values()) == {3} and entry.after["reason"] == "I had missed the second answer."
    client = client_for(instructor)
    page = client.get(waits.path).content.decode()
    assert "Engagement level: 3 → 2." in page and "I had missed the second answer." in page
    refused = release_by_hand(client, released, reason="")
    assert refused.status_code == 422
    assert released.releases.count() == 1
    release_by_hand(client, released, reason="A professor read the interview again.")
    shown = team_page(client_for(member), team)
    assert "This is version 2 of your result." in shown
    assert "A professor read the interview again." in shown
    told = member.notices.filter(kind=NoticeKind.GRADE).first()
    assert told.text.endswith("A professor read the interview again.")
    entry = entry_of("grade published anew")
    assert (entry.before["points"], entry.after["points"]) == (75, 50)


def test_what_changed_between_the_page_and_the_click_is_not_published_unseen(
    grading, submission, instructor, client_for
):
    committed(grading, level=3)
    client = client_for(instructor)
    url = reverse("grade_release", kwargs={"course_id": submission.team.course_id, "submission_id": submission.pk})
    seen = client.get(url).context["draft"].digest
    revise(grading, level=1)
    answer = client.post(url, {"seen": seen, "confirmed": "on"})
    assert answer.status_code == 409
    assert "Look at it again" in answer.content.decode()
    assert not ResultRelease.objects.exists()


def test_a_release_asks_when_something_is_unresolved(grading, submission, instructor, client_for, team):
    second_professor(team)
    gradings.ensure_gradings(course=team.course)
    committed(grading, level=3)
    client = client_for(instructor)
    url = reverse("grade_release", kwargs={"course_id": team.course_id, "submission_id": submission.pk})
    page = client.get(url)
    assert "Quinn Professor has not submitted a grade (0 of 8 scored)." in page.content.decode()
    data = {"seen": page.context["draft"].digest}
    assert client.post(url, data).status_code == 422
    assert not ResultRelease.objects.exists()
    assert client.post(url, {**data, "confirmed": "on"}).status_code == 302
    assert ResultRelease.objects.get().number == 1


def test_an_open_gap_is_listed_before_the_release(grading, submission, instructor, client_for):
    committed(grading, level=4)
    another_grade(submission, level=1)
    said = releases.draft_of(submission).unresolved
    assert any("Two or more levels apart and not adjudicated: Age-appropriate" in one for one in said)
    page = client_for(instructor).get(reverse("grades_release_all", args=[submission.team.course_id]))
    html = page.content.decode()
    assert html.index("Not ready (1)") < html.index("Two or more levels apart")


def test_hidden_and_shown_again_is_the_same_version(released, team, member, instructor, client_for):
    client, where = client_for(instructor), {"course_id": team.course_id, "submission_id": released.pk}
    client.post(reverse("grade_hide", kwargs=where), {"do": "hide"})
    assert "mean level" not in team_page(client_for(member), team)
    client.post(reverse("grade_hide", kwargs=where), {"do": "show"})
    assert "75 of 100 points" in team_page(client_for(member), team)
    assert ResultRelease.objects.get().number == 1
    assert AuditEntry.objects.filter(action="grade shown again").exists()


def test_an_older_version_can_still_be_read(released, grading, instructor, client_for):
    revise(grading, level=1)
    releases.publish(submission=released, person=instructor, reason="A mistake.")
    where = {"course_id": released.team.course_id, "submission_id": released.pk}
    client = client_for(instructor)
    pages = [client.get(reverse("grade_version", kwargs={**where, "number": n})).content.decode() for n in (1, 2)]
    assert "75 of 100 points" in pages[0] and "25 of 100 points" in pages[1]
    assert client.get(reverse("grade_version", kwargs={**where, "number": 3})).status_code == 404


def test_two_instructors_who_release_at_once_make_one_version(grading, submission, instructor):
    committed(grading)
    releases.publish(submission=submission, person=instructor)
    stale = Submission.objects.select_related("team__course", "run").get(pk=submission.pk)
    with pytest.raises(releases.CannotRelease):
        releases.publish(submission=stale, person=instructor)
    assert Notice.objects.filter(kind=NoticeKind.GRADE).count() == 1


# The decision -------------------------------------------------------------------------------------------------------


def test_an_adjudicator_sees_both_interviews_and_nothing_is_chosen_for_her(
    grading, submission, instructor, client_for, model_server, answers_at_once
):
    person = grading.grader.person
    turn = chat.ask(conversation=gradings.interview_of(grading), question="What is 52 - 38?", person=person)
    tags.put(grading=grading, turn=turn, label="too grown-up")
    chat.ask(conversation=gradings.interview_of(grading), question="And 15 + 8?", person=person)
    committed(grading, level=4)
    another_grade(submission, level=2)
    other = Grading.objects.exclude(pk=grading.pk).select_related("grader__person").get()
    chat.ask(conversation=gradings.interview_of(other), question="Why is ice cold?", person=other.grader.person)
    criterion = submission.rubric.criteria.get(key="vocabulary")
    where = {"course_id": submission.team.course_id, "submission_id": submission.pk, "criterion_id": criterion.pk}
    html = client_for(instructor).get(reverse("grade_adjudicate", kwargs=where)).content.decode()
    assert html.count('type="radio"') == 4 and " checked" not in html
    for shown in (
        "What is 52 - 38?",
        "And 15 + 8?",
        "Why is ice cold?",
        "4 Like a child",
        "2 Partly",
        "1 marked answer",
    ):
        assert shown in html, shown


def test_a_draft_of_a_professor_is_not_shown_to_the_adjudicator(grading, submission, instructor, client_for):
    marks_for(grading, level=1, comment="Only a first thought.")
    criterion = submission.rubric.criteria.first()
    where = {"course_id": submission.team.course_id, "submission_id": submission.pk, "criterion_id": criterion.pk}
    html = client_for(instructor).get(reverse("grade_adjudicate", kwargs=where)).content.decode()
    assert "Only a first thought." not in html and "Has not submitted" in html


# Weights and points -------------------------------------------------------------------------------------------------


def points_form(client, course, **changed):
    url = reverse("scale_edit", args=[course.pk])
    form = client.get(url).context["form"]
    values = {field.html_name: field.value() for field in form}
    return client.post(url, {**values, **changed}, follow=True)


def test_the_instructor_sets_weights_and_points_and_everyone_reads_them(
    course, team, member, professor, instructor, client_for
):
    assert (
        "Points: 20 for a perfect bot"
        in points_form(client_for(instructor), course, **{"points": 20, "weight-vocabulary": 3}).content.decode()
    )
    for person in (member, professor):
        html = client_for(person).get(reverse("rubric_read", args=[course.pk])).content.decode()
        assert "Points: 20 for a perfect bot" in html and "6 points" in html and "Like a child" in html
    assert scales.scale_of(course).weights == {"vocabulary": 3}, "the rubric's own weights are not kept twice"
    assert entry_of("weights and points").before["points"] == 100


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"points": 0}, "greater than or equal to 1"),
        ({"share-1": 90}, "must not be worth less"),
        ({"weight-vocabulary": 11}, "less than or equal to 10"),
        ({"share-4": "nan"}, "Enter a number"),
    ],
)
def test_bad_weights_and_points_are_refused_with_a_sentence(changed, said, course, instructor, client_for):
    answer = points_form(client_for(instructor), course, **changed)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert scales.scale_of(course) == Scale()


def test_teams_that_handed_in_are_told_of_new_weights(submission, member, instructor, course):
    outsider = factories.enrol(course, factories.make_person("No Team"), Role.STUDENT).person
    scales.set_scale(course=course, scale=Scale(points=10), person=instructor)
    assert member.notices.filter(text__contains="weights or points").count() == 1
    assert not outsider.notices.exists()
    assert not scales.set_scale(course=course, scale=Scale(points=10), person=instructor)


# From before there were versions ------------------------------------------------------------------------------------


def test_what_was_released_before_there_were_versions_becomes_version_1_as_teams_saw_it(
    grading, submission, instructor, model_server, answers_at_once
):
    person = grading.grader.person
    turn = chat.ask(conversation=gradings.interview_of(grading), question="What is ice?", person=person)
    tags.put(grading=grading, turn=turn, label="great")
    tags.correct(grading=grading, turn=turn, answer="Um, cold?")
    committed(grading, level=4)
    another_grade(submission, level=3)
    criterion = submission.rubric.criteria.get(position=2)
    results.adjudicate(submission=submission, criterion=criterion, level=1, reason="A rule.", person=instructor)
    at = timezone.now()
    Submission.objects.update(released_at=at)
    migration = import_module("evaluation.migrations.0014_result_releases")
    migration.keep_what_teams_see(apps, None)
    made = ResultRelease.objects.get()
    assert (made.number, made.created_at) == (1, at)
    fresh = Submission.objects.select_related("team__course", "run").get()
    assert not releases.draft_of(fresh).waits, "nothing has changed by the move"
    shown = frozen.current_of(fresh)
    assert shown is not None
    assert [row.final for row in shown.criteria][:3] == [3.5, 1, 3.5]
    assert [one.turn for one in shown.marked] == [turn]
