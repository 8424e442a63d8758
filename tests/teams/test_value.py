from uuid import uuid4

import pytest

from courseplatform import value
from evaluation.models import GradeStatus
from evaluation.services import gradebook, gradings, submissions
from teams.models import Confidence, LedgerEntry, Method, PaidFor, Role, SubjectKind
from teams.services import money
from tests import factories
from tests.evaluation.conftest import make_run
from training.models import TrainingRun


def spend(team, key: str, cost: int, paid_for: PaidFor | None = None, **fields) -> LedgerEntry:
    given = {
        "subject_kind": "run", "subject_id": key[:40], "method": Method.LORA, "provider": "local", "model": "tiny",
        "cost": cost, "price_note": "", "confidence": Confidence.EXACT,
    }  # fmt: skip
    money.hold(team=team, key=key, paid_for=paid_for, amount=cost)
    return money.settle(key=key, charge=money.Charge(**{**given, **fields}))


def grade(team, professor, levels: list[int | None]) -> None:
    """Hand in a run and commit these levels for the first criteria; the rest cannot be judged."""
    factories.assign(team, professor)
    submission = submissions.submit(team=team, run=make_run(team), person=team.memberships.get().person)
    gradings.ensure_gradings(course=team.course)
    marks = submission.gradings.get().grade
    for number, score in enumerate(marks.scores.order_by("criterion__position")):
        score.level = levels[number] if number < len(levels) else None
        score.cannot_judge = score.level is None
        score.save()
    marks.status = GradeStatus.COMMITTED
    marks.save()


def text_of(client, address: str) -> str:
    page = client.get(address)
    assert page.status_code == 200
    return str(page.content.decode())


def test_cost_per_rubric_point_is_what_was_spent_divided_by_the_levels(course, team, professor):
    grade(team, professor, [4, 3, 3])
    points = value.points_by_team(course)[team.pk]
    assert (points.points, points.most) == (10.0, 12)
    assert points.price(5_000_000) == 500_000


def test_points_agree_with_what_the_grade_page_adds_up(course, team, professor):
    grade(team, professor, [4, 3, None, 1])
    result = gradebook.course_results(course)[0]
    assert value.points_by_team(course)[team.pk].points == sum(
        one.final for one in result.criteria if one.final is not None
    )


def test_the_costs_page_shows_it_beside_teams_that_have_no_grade(
    client_for, course, team, other_team, professor, instructor
):
    grade(team, professor, [4, 1])
    spend(team, "run-x", 2_500_000)
    page = text_of(client_for(instructor), f"/courses/{course.pk}/costs/")
    assert "$0.50" in page
    assert page.count("not graded") == 1


def test_a_bot_that_nobody_could_judge_has_no_price_per_point(course, team, professor):
    grade(team, professor, [])
    assert value.points_by_team(course) == {}


def finished(team, method: Method, expected: int, most: int, actual: int) -> None:
    run = make_run(team, method)
    TrainingRun.objects.filter(pk=run.pk).update(expected_cost=expected, most_cost=most)
    spend(team, run.hold_key, actual, run.paid_for)


def test_estimates_stand_beside_actual_costs_with_the_usual_error(course, team):
    for expected, actual in ((110, 100), (100, 100), (50, 100)):
        finished(team, Method.LORA, expected, 105, actual)
    finished(team, Method.OPENAI, 300, 100, 200)
    finished(team, Method.DSPY, 0, 0, 0)
    by_method = {row.method: row for row in value.estimates(course)}
    lora = by_method[Method.LORA]
    assert (lora.runs, lora.expected, lora.actual, lora.error, lora.above_most) == (3, 260, 300, 10.0, 0)
    assert (by_method[Method.OPENAI].error, by_method[Method.OPENAI].above_most) == (50.0, 1)
    dspy = by_method[Method.DSPY]
    assert (dspy.runs, dspy.error, dspy.above_most) == (0, 0.0, 0), "it was free"


def test_the_estimates_page_says_where_there_is_nothing_yet(client_for, course, instructor):
    assert text_of(client_for(instructor), f"/courses/{course.pk}/costs/estimates/").count("no such run yet") == 3


def test_an_entry_leads_to_its_run_for_the_team_and_for_the_instructor(client_for, course, team, member, instructor):
    run = make_run(team, name="First try")
    entry = spend(team, run.hold_key, 40, run.paid_for)
    for person, address in (
        (member, f"/teams/{team.pk}/costs/entries/{entry.key}/"),
        (instructor, f"/courses/{course.pk}/costs/entries/{entry.pk}/"),
    ):
        assert f"/teams/{team.pk}/runs/{run.number}/" in text_of(client_for(person), address)
    assert f"/costs/entries/{entry.key}/" in text_of(client_for(member), f"/teams/{team.pk}/costs/")
    assert f"/costs/entries/{entry.pk}/" in text_of(client_for(instructor), f"/courses/{course.pk}/costs/{team.pk}/")


@pytest.fixture
def talk(team, member):
    conversation = make_run(team).conversations.create(person=member)
    return conversation, conversation.turns.create(position=1, question="Why?", status="done")


def test_an_entry_of_an_answer_leads_to_its_talk(client_for, team, member, talk):
    conversation, turn = talk
    entry = spend(team, turn.hold_key, 4, turn.paid_for, subject_kind="turn")
    page = text_of(client_for(member), f"/teams/{team.pk}/costs/entries/{entry.key}/")
    assert f"/teams/{team.pk}/chat/{conversation.key}/" in page


def test_an_answer_to_a_professor_leads_the_instructor_to_its_grade_and_the_team_nowhere(
    client_for, course, team, member, instructor, professor, talk
):
    conversation, turn = talk
    submission = submissions.submit(team=team, run=conversation.run, person=member)
    conversation.submission = submission
    conversation.save()
    money.hold(
        team=team,
        key=turn.hold_key,
        paid_for=turn.paid_for,
        amount=4,
        person=professor,
        subject_kind=money.GRADING,
    )
    entry = spend(team, turn.hold_key, 4, turn.paid_for, subject_kind="turn")
    assert client_for(member).get(f"/teams/{team.pk}/costs/entries/{entry.key}/").status_code == 404
    theirs = text_of(client_for(instructor), f"/courses/{course.pk}/costs/entries/{entry.pk}/")
    assert f"/courses/{course.pk}/grades/{submission.pk}/" in theirs


def test_another_teams_entry_is_not_found(client_for, course, team, other_team, other_course_team, member, instructor):
    factories.enrol(course, factories.make_person(), Role.STUDENT)
    for strange in (other_team, other_course_team):
        entry = spend(strange, f"run-{strange.pk}", 4)
        assert client_for(member).get(f"/teams/{team.pk}/costs/entries/{entry.key}/").status_code == 404
    assert client_for(instructor).get(f"/courses/{course.pk}/costs/entries/{entry.pk}/").status_code == 404


def test_an_entry_whose_subject_is_gone_still_opens(client_for, team, member):
    for number, (paid_for, said) in enumerate(
        [(PaidFor(SubjectKind.RUN, uuid4()), "a run that is gone"), (None, "run not-a-key")]
    ):
        entry = spend(team, f"run-{number}", 4, paid_for, subject_id="not-a-key")
        assert said in text_of(client_for(member), f"/teams/{team.pk}/costs/entries/{entry.key}/")
