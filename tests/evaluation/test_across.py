"""One criterion across all of a professor's bots, and one question to several of them: blind, and nothing is overwritten."""

import pytest
from django.urls import reverse

from evaluation.models import CriterionScore, GradeStatus, Grading, Turn, UnappliedSave
from evaluation.services import gradings, submissions, tags
from tests import factories
from tests.evaluation.conftest import make_run

HTMX = {"HX-Request": "true"}


@pytest.fixture
def bots(team, other_team, member, professor):
    """Two bots that wait for the professor."""
    for one in (team, other_team):
        factories.assign(one, professor)
        submissions.submit(team=one, run=make_run(one, name=f"{one.name} secret"), person=member)
    return list(Grading.objects.select_related("grade", "submission__team", "grader__person").order_by("order", "id"))


@pytest.fixture
def client(bots, professor, client_for):
    return client_for(professor)


def page_of(bots, key="flow"):
    return reverse("grading_across", args=[bots[0].grader.course_id, key])


def score_of(grading, key="flow"):
    return CriterionScore.objects.get(grade__grading=grading, criterion__key=key)


def save(client, grading, level, version, key="flow", **headers):
    url = reverse("grading_across_score", args=[grading.grader.course_id, key, grading.code])
    return client.post(url, {"level": level, "comment": "", "version": version}, headers=headers)


def test_one_criterion_is_graded_across_all_bots_without_a_name(bots, client):
    turn = Turn.objects.create(
        conversation=gradings.interview_of(bots[0]), position=1, question="Why?", answer="Because!", status="done"
    )
    tags.put(grading=bots[0], turn=turn, label="great", on=True)
    html = client.get(page_of(bots)).content.decode()
    for grading in bots:
        assert f"<h2>{grading}</h2>" in html
        assert grading.submission.team.name not in html and "secret" not in html
    assert "Because!" in html
    for number, grading in enumerate(bots, start=1):
        saved = save(client, grading, number, 0, **HTMX)
        assert saved["Saved"] == f"flow-{grading.code}"
        assert f"{number} of 2 bots have a level" in saved.content.decode()
    assert [score_of(grading).level for grading in bots] == [1, 2]


def test_what_the_desk_saved_meanwhile_is_kept_beside_and_chosen_there(bots, client):
    save(client, bots[0], 2, 0)
    answer = save(client, bots[0], 4, 0, **HTMX).content.decode()
    assert "Another window saved something else" in answer
    assert score_of(bots[0]).level == 2 and UnappliedSave.objects.get().level == 4


def test_a_bot_that_was_submitted_is_no_longer_graded_here(bots, client):
    bots[0].grade.status = GradeStatus.COMMITTED
    bots[0].grade.save()
    assert f"<h2>{bots[0]}</h2>" not in client.get(page_of(bots)).content.decode()
    save(client, bots[0], 4, 0)
    assert score_of(bots[0]).level is None


def test_a_criterion_that_no_rubric_has_is_not_found(bots, client):
    assert client.get(page_of(bots, "no-such")).status_code == 404


def compare(client, bots, question, **more):
    url = reverse("grading_compare", args=[bots[0].grader.course_id])
    return client.post(url, {"bot": [str(one.code) for one in bots], "question": question, **more})


def test_one_question_goes_to_each_bots_interview_once(bots, client, answers_at_once, model_server):
    key = "1c0f7e6a-93c4-4a5e-8f5c-2d7a0b1c2d3e"
    for _ in range(2):  # its answer was lost, and it came again
        answer = compare(client, bots, "What is ice?", key=key)
        assert answer.status_code == 302
    for grading in bots:
        [turn] = gradings.interview_of(grading).turns.all()
        assert turn.question == "What is ice?" and turn.answer
    html = client.get(answer.url).content.decode()
    for grading in bots:
        assert f"<h2>{grading}</h2>" in html and grading.submission.team.name not in html
        side = client.get(reverse("grading_compare_side", args=[grading.grader.course_id, grading.code]))
        assert "What is ice?" in side.content.decode()


@pytest.mark.parametrize("number", [0, 1])
def test_fewer_than_two_bots_are_not_asked_and_the_question_is_kept(number, bots, client):
    answer = compare(client, bots[:number] or bots[:0] or [], "What is ice?") if number else None
    if answer is None:
        url = reverse("grading_compare", args=[bots[0].grader.course_id])
        answer = client.post(url, {"question": "What is ice?"})
    assert answer.status_code == 422
    assert "Choose two or three bots" in answer.content.decode() and "What is ice?" in answer.content.decode()
    assert not Turn.objects.exists()


def test_another_professors_bots_are_neither_shown_nor_asked(bots, client_for, course):
    from teams.models import Role

    stranger = factories.make_person("Quinn Professor", "quinn@example.edu")
    factories.enrol(course, stranger, Role.PROFESSOR)
    other = client_for(stranger)
    assert compare(other, bots, "What is ice?").status_code == 422
    assert "No bot waits for you." in other.get(page_of(bots)).content.decode()
    assert save(other, bots[0], 4, 0).status_code == 404
    assert not Turn.objects.exists()
