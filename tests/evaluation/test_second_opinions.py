"""Two professors, their disagreement, its settlement, and a second look after release."""

import pytest
from django.urls import reverse

from evaluation.models import Adjudication, Grading, RegradeRequest, RegradeStatus
from evaluation.services import agreement_report, chat, gradings, regrades, releases, results, submissions, tags
from teams.models import AuditEntry, Membership, Role
from tests import factories
from tests.evaluation.conftest import make_run, professor_of
from tests.evaluation.test_grading import committed, marks_for, second_professor, url_of
from tests.evaluation.test_results import team_page


@pytest.fixture
def two_gradings(run, member, team, professor):
    """The same bot, graded 4 by one professor and 2 by the other."""
    professor_of(team, professor)
    second_professor(team)
    submissions.submit(team=team, run=run, person=member)
    one, two = Grading.objects.select_related("grade", "grader__person", "submission__team__course").order_by("id")
    committed(one, level=4)
    committed(two, level=2)
    return one, two


@pytest.fixture
def submission(two_gradings):
    return two_gradings[0].submission


def adjudicate(client, submission, criterion, **data):
    where = {"course_id": submission.team.course_id, "submission_id": submission.pk, "criterion_id": criterion.pk}
    return client.post(reverse("grade_adjudicate", kwargs=where), data, follow=True)


def test_a_gap_of_two_levels_keeps_a_result_from_release_all_until_it_is_settled(
    submission, instructor, client_for, course
):
    assert releases.release_complete(course=course, person=instructor) == 0
    client = client_for(instructor)
    for criterion in submission.rubric.criteria.all():
        adjudicate(client, submission, criterion, level="3", reason="We listened together.")
    assert releases.release_complete(course=course, person=instructor) == 1


def test_the_settled_level_is_what_the_team_sees_and_the_marks_stay(submission, member, team, instructor, client_for):
    criterion = submission.rubric.criteria.first()
    adjudicate(client_for(instructor), submission, criterion, level="4", reason="It counted on its fingers.")
    releases.publish(submission=submission, person=instructor)
    page = team_page(client_for(member), team)
    assert "Adjudicated: <strong>level 4</strong>: It counted on its fingers." in page
    assert "4 Like a child" in page and "2 Partly" in page
    assert results.results_of([submission])[0].criteria[0].final == 4
    assert results.results_of([submission])[0].overall == pytest.approx((4 + 7 * 3) / 8)
    assert AuditEntry.objects.filter(action="level adjudicated").count() == 1


@pytest.mark.parametrize("data", [{"level": "9", "reason": "x"}, {"level": "3", "reason": ""}])
def test_a_settlement_needs_a_level_of_the_rubric_and_a_reason(data, submission, instructor, client_for):
    answer = adjudicate(client_for(instructor), submission, submission.rubric.criteria.first(), **data)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "This rubric has no such level" in html or "Say why" in html
    assert data["reason"] in html, "what was written is still there"
    assert not Adjudication.objects.exists()


def test_agreement_is_counted_on_the_first_ratings(course, professor, instructor, client_for):
    other, levels = None, [(1, 1), (2, 3), (4, 4), (3, 3)]
    for number, pair in enumerate(levels):
        team = factories.make_team(course, f"Team {number}", factories.make_person())
        professor_of(team, professor)
        other = other or second_professor(team)
        if number:
            professor_of(team, other)
        submissions.submit(team=team, run=make_run(team), person=team.memberships.get().person)
        found = Grading.objects.filter(submission__team=team).select_related("grade", "grader__person")
        for grading in found:
            committed(grading, level=pair[grading.grader.person_id != professor.pk])
    report = agreement_report.agreement_of(course)
    row = report.criteria[0]
    assert (row.n, len(report.raters)) == (4, 2)
    assert row.shares is not None and (row.shares.exact, row.shares.adjacent) == (0.75, 1.0)
    assert row.alpha is not None and 0.8 < row.alpha < 1
    assert sorted(offset for offset in row.offsets if offset is not None) == [-0.125, 0.125]
    html = client_for(instructor).get(reverse("course_agreement", kwargs={"course_id": course.pk})).content.decode()
    assert "75 %" in html and "+0.1" in html


def test_agreement_of_equal_ratings_is_not_defined(two_gradings, instructor, client_for, course):
    html = client_for(instructor).get(reverse("course_agreement", kwargs={"course_id": course.pk})).content.decode()
    assert "not defined" in html


def ask(client, team, criterion, **more):
    data = {"criterion": criterion.pk, "words": "It said twenty-six twice.", **more}
    return client.post(reverse("regrade_request", kwargs={"team_id": team.pk}), data, follow=True)


def third_professor(course):
    person = factories.make_person("Robin Third", "third@example.edu")
    return factories.enrol(course, person, Role.PROFESSOR)


def test_a_team_asks_for_a_second_look_only_after_release(submission, team, member, client_for):
    criterion = submission.rubric.criteria.first()
    assert ask(client_for(member), team, criterion).status_code == 404
    assert not RegradeRequest.objects.exists()


def test_a_request_points_at_a_criterion_and_marked_answers(
    submission, two_gradings, team, member, instructor, client_for, model_server, answers_at_once
):
    grading = two_gradings[0]
    turn = chat.ask(
        conversation=gradings.interview_of(grading), question="What is 52 - 38?", person=grading.grader.person
    )
    tags.toggle(grading=grading, turn=turn, label="real misconception")
    releases.publish(submission=submission, person=instructor)
    criterion = submission.rubric.criteria.get(position=3)
    client = client_for(member)
    assert "decides what happens next" in ask(client, team, criterion, turns=[turn.key]).content.decode()
    made = RegradeRequest.objects.get()
    assert made.criterion == criterion and list(made.turns.all()) == [turn]
    assert "asked about this criterion already" in ask(client, team, criterion).content.decode()
    where = {"course_id": team.course_id, "submission_id": submission.pk}
    seen = client_for(instructor).get(reverse("submission_grades", kwargs=where)).content.decode()
    assert "It said twenty-six twice." in seen and "What is 52 - 38?" in seen


def decide(client, asked, **data):
    where = {"course_id": asked.submission.team.course_id, "submission_id": asked.submission_id, "regrade_id": asked.pk}
    return client.post(reverse("regrade_decide", kwargs=where), data, follow=True)


@pytest.fixture
def asked(submission, member, instructor):
    releases.publish(submission=submission, person=instructor)
    return regrades.request_regrade(
        submission=submission,
        criterion=submission.rubric.criteria.first(),
        turns=[],
        words="Maple asks.",
        person=member,
    )


def test_another_professor_takes_the_second_look_blind(asked, instructor, client_for, course):
    third = third_professor(course)
    assert [free.pk for free in regrades.free_professors(asked.submission)] == [third.pk]
    decide(client_for(instructor), asked, professor=str(third.pk))
    asked.refresh_from_db()
    assert asked.status == RegradeStatus.SECOND_LOOK
    grading = Grading.objects.select_related("grade", "grader__person", "submission__team").get(grader=third)
    assert asked.grading == grading
    page = client_for(third.person).get(url_of(grading)).content.decode()
    assert "Maple" not in page and "second look" not in page
    committed(grading, level=3)
    assert len(results.results_of([asked.submission])[0].committed) == 3


def test_a_professor_who_graded_the_bot_cannot_take_the_second_look(asked, instructor, professor, client_for, course):
    mine = Membership.objects.get(course=course, person=professor)
    assert "Choose another one" in decide(client_for(instructor), asked, professor=str(mine.pk)).content.decode()
    asked.refresh_from_db()
    assert asked.status == RegradeStatus.OPEN


def test_a_declined_request_says_why_to_the_team(asked, instructor, team, member, client_for):
    assert "Tell the team why" in decide(client_for(instructor), asked, answer=" ").content.decode()
    decide(client_for(instructor), asked, answer="Both professors heard it.")
    page = team_page(client_for(member), team)
    assert "Both professors heard it." in page and "Declined" in page
    assert "already" in decide(client_for(instructor), asked, answer="Again").content.decode()


def test_nothing_is_lost_when_one_professor_loses_the_connection(run, member, team, professor, client_for):
    """Half a draft, a new session, the rest: the first half is still there and commits with the second."""
    professor_of(team, professor)
    submissions.submit(team=team, run=run, person=member)
    grading = Grading.objects.select_related("grade", "grader__person", "submission__team").get()
    scores = list(grading.grade.scores.all())
    first, second = client_for(professor), client_for(professor)
    for client, half in ((first, scores[:4]), (second, scores[4:])):
        for score in half:
            url = url_of(grading, "grading_score", criterion=score.criterion.key)
            client.post(url, {"level": "3", "comment": "", "version": 0}, headers={"HX-Request": "true"})
    second.post(url_of(grading, "grading_commit"), {"version": 8})
    grading.grade.refresh_from_db()
    assert grading.grade.status == "committed"
    assert {score["level"] for score in grading.grade.revisions.get().scores} == {3}


def test_marks_of_a_draft_never_reach_the_instructors_means(two_gradings, team, run, course):
    third = third_professor(course)
    factories.assign(team, third.person)
    gradings.ensure_gradings(course=course)
    marks_for(Grading.objects.select_related("grade").get(grader=third), level=1)
    assert results.results_of([two_gradings[0].submission])[0].overall == 3
