"""From an answer back to the data: a corrected answer becomes a row, and an answer shows the rows nearest to it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from datasets.models import DraftChange
from datasets.services import drafts, reading
from evaluation.models import Conversation, GradeStatus, Turn, TurnStatus, TurnTag
from evaluation.services import gradings, releases, submissions
from tests import factories
from tests.evaluation.conftest import make_run

RIGHT = "Um, it gets hard, like an ice cube?"


@pytest.fixture
def talk(run, member):
    return Conversation.objects.create(run=run, person=member, title="Water")


def said(talk, question="What happens to water?", answer="It undergoes a phase transition.", **fields):
    position = talk.turns.count() + 1
    made = {"status": TurnStatus.DONE} | fields
    return Turn.objects.create(conversation=talk, position=position, question=question, answer=answer, **made)


def address(team, turn, name="turn_row"):
    return reverse(name, args=[team.pk, turn.conversation.key, turn.key])


def sent(team, **fields):
    return {"dataset": team.datasets.get().pk, "answer": RIGHT} | fields


def added_row():
    return DraftChange.objects.get().row


def test_one_click_shows_the_answer_to_correct_and_the_second_adds_the_row(team, member, talk, client_for):
    turn, browser = said(talk), client_for(member)
    page = browser.get(reverse("conversation_detail", args=[team.pk, talk.key])).content.decode()
    assert f'href="{address(team, turn)}"' in page
    form = browser.get(address(team, turn), headers={"HX-Request": "true"}).content.decode()
    assert turn.answer in form and "Maple rows" in form and "<html" not in form
    answer = browser.post(address(team, turn), sent(team), headers={"HX-Request": "true"})
    assert "waits among the edits of Maple rows" in answer.content.decode()
    assert [(one["role"], one["content"]) for one in added_row()["messages"]] == [
        ("user", "What happens to water?"),
        ("assistant", RIGHT),
    ]
    assert DraftChange.objects.get().changed_by == member


def test_the_row_is_in_the_next_version(team, member, talk, client_for):
    client_for(member).post(address(team, said(talk)), sent(team))
    dataset = team.datasets.get()
    version = drafts.publish(draft=dataset.draft, person=member, note="")
    last = reading.row_at(version, version.row_count - 1)
    assert last is not None and last.student_text() == [RIGHT]


def test_without_scripts_the_page_leads_to_the_edits(team, member, talk, client_for):
    turn, browser = said(talk), client_for(member)
    assert "Make this a training row" in browser.get(address(team, turn)).content.decode()
    response = browser.post(address(team, turn), sent(team))
    assert response.url == reverse("draft_detail", args=[team.pk, team.datasets.get().pk])


def test_what_was_said_before_comes_along_only_when_wanted_and_is_not_trained_on(team, member, talk, client_for):
    said(talk, "Hello?", "Greetings.")
    turn, browser = said(talk), client_for(member)
    browser.post(address(team, turn), sent(team))
    assert len(added_row()["messages"]) == 2
    DraftChange.objects.all().delete()
    browser.post(address(team, turn), sent(team, with_earlier="on"))
    messages = added_row()["messages"]
    assert [one["content"] for one in messages] == ["Hello?", "Greetings.", "What happens to water?", RIGHT]
    assert messages[1]["weight"] == 0 and "weight" not in messages[3]


def test_the_first_question_of_a_talk_offers_nothing_before_it(team, member, talk, client_for):
    assert "with_earlier" not in client_for(member).get(address(team, said(talk))).content.decode()


@pytest.mark.parametrize("answer", ["", "   ", "x" * 200_000])
def test_an_answer_that_cannot_be_a_row_is_refused_with_words_and_kept(answer, team, member, talk, client_for):
    response = client_for(member).post(address(team, said(talk)), sent(team, answer=answer))
    assert response.status_code == 422 and "errorlist" in response.content.decode()
    assert not DraftChange.objects.exists()


def test_the_same_row_twice_is_refused(team, member, talk, client_for):
    turn, browser = said(talk), client_for(member)
    browser.post(address(team, turn), sent(team))
    again = browser.post(address(team, turn), sent(team))
    assert again.status_code == 422 and "waits among the dataset" in again.content.decode()
    assert DraftChange.objects.count() == 1


def test_another_teams_dataset_cannot_take_the_row(team, other_team, member, talk, client_for):
    theirs = factories.make_dataset_version(other_team).dataset
    response = client_for(member).post(address(team, said(talk)), sent(team, dataset=theirs.pk))
    assert response.status_code == 422 and not DraftChange.objects.exists()


@pytest.mark.parametrize(("status", "answer"), [(TurnStatus.STREAMING, "It"), (TurnStatus.FAILED, "")])
def test_without_a_whole_answer_there_is_no_row_and_no_nearest_one(status, answer, team, member, talk, client_for):
    turn = said(talk, status=status, answer=answer)
    for name in ("turn_row", "turn_sources"):
        assert client_for(member).get(address(team, turn, name)).status_code == 404


def test_a_professors_interview_is_not_the_teams_to_take(team, member, professor, run, client_for):
    grading = handed_in(team, member, professor, run)
    turn = said(gradings.interview_of(grading))
    for name in ("turn_row", "turn_sources"):
        assert client_for(member).get(address(team, turn, name)).status_code == 404


def handed_in(team, member, professor, run):
    factories.assign(team, professor)
    return submissions.submit(team=team, run=run, person=member).gradings.get()


@pytest.fixture
def graded(team, member, professor, run):
    """A committed grading with a marked answer, another without a mark; not released."""
    grading = handed_in(team, member, professor, run)
    interview = gradings.interview_of(grading)
    marked = said(interview, "Why is the sky blue?", "Rayleigh scattering.")
    said(interview, "What is 2 + 2?", "I say unmarked.")
    for label in ("too grown-up", "out of character"):
        TurnTag.objects.create(grading=grading, turn=marked, label=label)
    grading.grade.status = GradeStatus.COMMITTED
    grading.grade.committed_at = timezone.now() - timedelta(minutes=1)
    grading.grade.save()
    return grading


def candidates_page(team):
    return reverse("candidate_list", args=[team.pk])


def release(submission, reason=""):
    """Show the team what is marked now."""
    releases.publish(submission=submission, person=submission.submitted_by, reason=reason)


def test_before_the_release_nothing_of_the_grading_is_offered(team, member, graded, client_for):
    page = client_for(member).get(candidates_page(team)).content.decode()
    assert "not released yet" in page and "Rayleigh" not in page
    turn = graded.tags.first().turn
    refused = client_for(member).post(candidates_page(team), sent(team, turn=turn.key))
    assert refused.status_code == 404 and not DraftChange.objects.exists()


def test_after_the_release_marked_answers_are_offered_once_each_and_become_rows(team, member, graded, client_for):
    release(graded.submission)
    browser, turn = client_for(member), graded.tags.first().turn
    page = browser.get(candidates_page(team)).content.decode()
    assert page.count("Why is the sky blue?") == 1
    assert "too grown-up" in page and "out of character" in page
    assert "I say unmarked" not in page and "Pat Professor" not in page
    assert candidates_page(team) in browser.get(reverse("submission_detail", args=[team.pk])).content.decode()
    after = browser.post(candidates_page(team), sent(team, turn=turn.key), follow=True).content.decode()
    assert "Save them as the next version" in after
    assert [one["content"] for one in added_row()["messages"]] == ["Why is the sky blue?", RIGHT]


def test_many_marked_answers_take_the_same_queries_as_one(
    team, member, graded, client_for, django_assert_max_num_queries
):
    release(graded.submission)
    browser, interview = client_for(member), graded.tags.first().turn.conversation
    browser.get(candidates_page(team))
    with CaptureQueriesContext(connection) as for_one:
        browser.get(candidates_page(team))
    for number in range(10):
        turn = said(interview, f"What is {number} + 1?", "Hm.")
        TurnTag.objects.create(grading=graded, turn=turn, label="great")
    release(graded.submission, "More answers were marked.")
    with django_assert_max_num_queries(len(for_one)):
        page = browser.get(candidates_page(team)).content.decode()
    assert page.count("Make this a training row") == 11
    assert "With the 2 exchanges before it" in page and "With the 11 exchanges before it" in page


def test_a_candidate_with_nothing_in_it_is_refused_in_its_place(team, member, graded, client_for):
    release(graded.submission)
    turn = graded.tags.first().turn
    response = client_for(member).post(candidates_page(team), sent(team, turn=turn.key, answer=" "))
    assert response.status_code == 422 and "<details open>" in response.content.decode()
    assert not DraftChange.objects.exists()


def test_an_unmarked_answer_is_no_candidate(team, member, graded, client_for):
    release(graded.submission)
    unmarked = Turn.objects.get(answer="I say unmarked.")
    assert client_for(member).post(candidates_page(team), sent(team, turn=unmarked.key)).status_code == 404


def test_without_a_submission_the_page_says_what_to_do(team, member, client_for):
    assert "Hand one in" in client_for(member).get(candidates_page(team)).content.decode()


def test_the_team_sees_the_training_rows_nearest_to_an_answer(team, member, talk, client_for):
    turn = said(talk, "What is 4 + 5?", "I count on my fingers. I think it is 9!")
    page = client_for(member).get(address(team, turn, "turn_sources"), headers={"HX-Request": "true"}).content.decode()
    version = team.datasets.get().versions.get()
    first = reverse("row_detail", args=[team.pk, version.dataset_id, version.number, 3])
    assert page.count("% alike") == 3 and page.index(first) < page.index("% alike")
    assert "What is 4 + 5?" in page and "<html" not in page


def test_an_answer_that_shares_no_word_says_so(team, member, talk, client_for):
    page = client_for(member).get(address(team, said(talk, answer="Zzz."), "turn_sources")).content.decode()
    assert "No training row shares a word" in page


def test_a_grader_sees_the_nearest_rows_only_after_committing_and_no_names(team, professor, graded, client_for):
    turn = graded.tags.first().turn
    Turn.objects.filter(pk=turn.pk).update(answer="I count on my fingers.")
    browser = client_for(professor)
    here = reverse("interview_sources", args=[team.course_id, graded.code, turn.key])
    detail = reverse("grading_detail", args=[team.course_id, graded.code])
    assert here in browser.get(detail).content.decode()
    page = browser.get(here).content.decode()
    assert "% alike" in page and "on my fingers" in page
    assert not any(name in page for name in (team.name, "Mia Member", f"/teams/{team.pk}/"))
    graded.grade.status = GradeStatus.DRAFT
    graded.grade.save()
    assert here not in browser.get(detail).content.decode()
    early = browser.get(here)
    assert early.status_code == 409
    assert "once your grade is submitted" in early.content.decode() and "% alike" not in early.content.decode()


def test_another_professor_does_not_find_it(team, other_team, course, graded, client_for):
    from teams.models import Role

    stranger = factories.make_person("Sam Stranger")
    factories.enrol(course, stranger, Role.PROFESSOR)
    turn = graded.tags.first().turn
    here = reverse("interview_sources", args=[course.pk, graded.code, turn.key])
    assert client_for(stranger).get(here).status_code == 404


def test_each_method_can_be_traced(team, member, client_for):
    from teams.models import Method

    for method in Method:
        talk = Conversation.objects.create(run=make_run(team, method), person=member)
        turn = said(talk, answer="I count on my fingers.")
        assert "% alike" in client_for(member).get(address(team, turn, "turn_sources")).content.decode()
