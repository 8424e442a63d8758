"""What the instructor releases and what the team reads; the grade book."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from evaluation.models import Grade, Grading, Submission
from evaluation.services import chat, grades, gradings, releases, results, submissions
from evaluation.services.grades import Marks
from teams.models import AuditEntry
from tests import factories
from tests.evaluation.conftest import make_run, professor_of
from tests.evaluation.test_grading import committed, marks_for, second_professor, url_of


@pytest.fixture
def submission(run, member, team, professor):
    professor_of(team, professor)
    return submissions.submit(team=team, run=run, person=member)


@pytest.fixture
def grading(submission):
    return submission.gradings.select_related("grade", "grader").get()


def team_page(client, team):
    return client.get(reverse("submission_detail", kwargs={"team_id": team.pk})).content.decode()


def release_by_hand(client, submission, **more):
    """As an instructor does it: look at the page, then send its form, with what it asks for."""
    url = reverse("grade_release", kwargs={"course_id": submission.team.course_id, "submission_id": submission.pk})
    seen = client.get(url).context["draft"].digest
    return client.post(url, {"seen": seen, "confirmed": "on", **more}, follow=True)


def test_the_team_sees_levels_comments_and_tagged_answers_only_after_release(
    grading, team, member, instructor, professor, client_for, model_server, answers_at_once
):
    turn = chat.ask(conversation=gradings.interview_of(grading), question="What is ice?", person=professor)
    client_for(professor).post(url_of(grading, "interview_tag", turn_key=turn.key), {"label": "great"})
    marks_for(grading, level=2, comment="Too tidy by half.")
    grades.commit(grade=grading.grade, seen_version=grading.grade.version, person=professor)
    client = client_for(member)
    before = team_page(client, team)
    assert "Too tidy by half." not in before and "0 of 1 professor graded" in before, "the minute is not told"
    Grade.objects.update(committed_at=timezone.now() - timedelta(days=1))
    assert "1 of 1 professor graded" in team_page(client, team)
    where = {"course_id": team.course_id, "submission_id": grading.submission_id}
    release_by_hand(client_for(instructor), grading.submission)
    after = team_page(client, team)
    assert (
        "Too tidy by half." in after
        and "2 Partly" in after
        and "It turns into ice!" in after
        and "What to do next" in after
    )
    client_for(instructor).post(reverse("grade_hide", kwargs=where))
    assert "Too tidy by half." not in team_page(client, team)
    assert list(
        AuditEntry.objects.filter(action__startswith="grade").values_list("action", flat=True).order_by("id")
    ) == [
        "grade released",
        "grade hidden",
    ]


def test_nothing_is_released_before_a_professor_has_committed(submission, instructor, client_for, course):
    url = reverse("grade_release", kwargs={"course_id": course.pk, "submission_id": submission.pk})
    client = client_for(instructor)
    assert "nothing to release" in client.get(url).content.decode()
    html = release_by_hand(client, submission).content.decode()
    assert "nothing to release" in html
    assert Submission.objects.get().released_at is None


def test_release_all_takes_those_that_every_assigned_professor_has_graded(
    grading, team, other_team, other_member, instructor
):
    committed(grading)
    professor_of(other_team, grading.grader.person)
    second_professor(other_team)
    half = submissions.submit(team=other_team, run=make_run(other_team), person=other_member)
    committed(half.gradings.select_related("grade", "grader__person").first())
    assert releases.release_complete(course=team.course, person=instructor) == 1
    grading.submission.refresh_from_db()
    half.refresh_from_db()
    assert grading.submission.released_at and not half.released_at


def test_a_gap_of_two_levels_is_flagged_for_the_instructor(grading, team, instructor, client_for, course):
    second_professor(team)
    gradings.ensure_gradings(course=course)
    one, two = Grading.objects.select_related("grade", "grader__person").order_by("id")
    committed(one, level=4)
    committed(two, level=2)
    html = client_for(instructor).get(reverse("course_grades", kwargs={"course_id": course.pk})).content.decode()
    assert "8 criteria 2 or more apart" in html


def test_cannot_judge_does_not_pull_the_mean_down(grading):
    grade = marks_for(grading, level=4)
    score = grade.scores.select_related("criterion", "grade").first()
    grades.save_score(score=score, marks=Marks(cannot_judge=True), version=score.version)
    grade.refresh_from_db()
    grades.commit(grade=grade, seen_version=grade.version, person=grading.grader.person)
    assert results.results_of([grading.submission])[0].overall == 4


def test_the_grade_book_runs_no_formula(grading, team, instructor, client_for, course):
    team.name = "=HYPERLINK(1)"
    team.save()
    criteria = grading.submission.rubric.criteria
    criteria.filter(key="vocabulary").update(name="=1+1")  # as an imported course may have it
    marks_for(grading)
    grades.save_comment(grade=grading.grade, comment="+cmd", version=0)
    grading.grade.refresh_from_db()
    grades.commit(grade=grading.grade, seen_version=grading.grade.version, person=grading.grader.person)
    body = (
        client_for(instructor)
        .get(reverse("course_grades_csv", kwargs={"course_id": course.pk}))
        .content.decode("utf-8-sig")
    )
    row = next(csv.DictReader(io.StringIO(body)))
    assert row["team"] == "'=HYPERLINK(1)" and row["comment"] == "'+cmd"
    assert row["Engagement level"] == "3" and row["mean level"] == "3.0"
    assert "'=1+1" in row and "=1+1" not in row


def test_the_grades_page_takes_the_same_queries_for_two_teams_and_for_ten(course, professor, instructor, client_for):
    client = client_for(instructor)
    url = reverse("course_grades", kwargs={"course_id": course.pk})
    taken = []
    for count in (2, 8):
        for _ in range(count):
            team = factories.make_team(course, "", factories.make_person())
            professor_of(team, professor)
            submissions.submit(team=team, run=make_run(team), person=team.memberships.get().person)
        client.get(url)
        with CaptureQueriesContext(connection) as queries:
            client.get(url)
        taken.append(len(queries))
    assert taken[0] == taken[1] <= 20
