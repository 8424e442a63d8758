"""The selective flip score in the standard interview: asked as its own talks, charged, shown before and after training."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from evaluation.models import Grade, Interview, InterviewScript, InterviewStatus, Wording
from evaluation.services import improving, interviews, judging, learning_report, submissions
from evaluation.services.wordings import FEEDBACK
from second_grade.learning import feedback
from second_grade.learning_items import ITEMS
from teams.models import LedgerEntry
from tests import factories
from tests.evaluation.conftest import make_prices, make_run, professor_of
from tests.evaluation.test_grading import committed, url_of
from tests.second_grade.test_learning import right_of


@pytest.fixture
def script(course):
    """Nine questions at which a mistake can be corrected."""
    made = InterviewScript.objects.create(course=course, number=1, name="Mistakes")
    built_in = InterviewScript.objects.filter(course=None).latest("number")
    wanted = [item.question for item in ITEMS[:9]]
    for question in built_in.questions.filter(question__in=wanted):
        question.pk, question.script = None, made
        question.save()
    return made


def as_a_child(body):
    """Right after the feedback that fits; else the mistake."""
    said = body["messages"][-1]["content"]
    item = next((one for one in ITEMS if said == f"{one.targeted} So, once more: {one.question}"), None)
    if item is None:
        return next((one.mistake for one in ITEMS if one.question in said), "um")
    return right_of(item)


@pytest.fixture
def interview(script, paid_run, member, model_server, calls):
    model_server.says = as_a_child
    return interviews.start(run=paid_run, person=member)


@pytest.fixture
def done(interview):
    assert interviews.carry_out(interview.pk) == "done"
    interview.refresh_from_db()
    return interview


def shown(interview):
    found = learning_report.before_after(interview)
    assert found is not None
    return found


def test_each_feedback_is_a_talk_of_its_own_after_the_childs_mistake(done, model_server):
    item = ITEMS[0]
    told = [body["messages"] for body in model_server.asked if body["messages"][-2]["content"] == item.mistake]
    at_item = [talk for talk in told if talk[-1]["content"].endswith(item.question)]
    assert len(at_item) == 3
    for talk in at_item:
        assert [message["role"] for message in talk] == ["system", "user", "assistant", "user"]
        assert talk[1]["content"] == item.question
    assert len({talk[-1]["content"] for talk in at_item}) == 3
    assert done.answers.filter(wording=Wording.TARGETED).count() == 9


def test_the_score_is_stored_with_its_version_and_charged_as_part_of_the_interview(done):
    flips = done.metrics["flips"]
    assert flips["version"] == "1" and flips["questions"] == 9
    assert flips["score"] > 0.8 and flips["low"] > 0
    assert LedgerEntry.objects.get().delta == done.answers.count() * (20 + 2 * 5)


def test_answers_after_feedback_are_in_no_other_figure_no_judging_and_nothing_to_improve(done, team):
    plain = done.answers.exclude(wording__in=FEEDBACK)
    assert done.metrics["answers"] == plain.count()
    told = [teacher for _, exchanges in judging.sections(done) for teacher, _ in exchanges]
    assert not any("once more" in teacher for teacher in told)
    items = improving.items_of(done.run, done)
    assert len(items) == plain.count()


def test_a_script_of_other_questions_has_no_such_figure(short_script, paid_run, member, model_server, calls):
    made = interviews.start(run=paid_run, person=member)
    interviews.carry_out(made.pk)
    made.refresh_from_db()
    assert made.metrics["flips"] is None
    assert learning_report.before_after(made) is None


def test_the_interview_page_shows_score_interval_and_what_was_said(done, team, member, client_for):
    page = client_for(member).get(reverse("standard_detail", args=[team.pk, done.key])).content.decode()
    assert "Selective flip score" in page and "95 %" in page and "Ask its base model too" in page
    assert ITEMS[0].targeted.split(".")[0] in page and "turned right" in page


def test_the_base_model_is_asked_without_training_and_stands_before(
    done, team, member, client_for, calls, model_server
):
    model_server.says = lambda body: "um"
    client = client_for(member)
    answer = client.post(reverse("standard_list", args=[team.pk]), {"run": done.run.number, "untrained": "1"})
    before = Interview.objects.get(untrained=True)
    assert answer.url == reverse("standard_detail", args=[team.pk, before.key])
    asked_before = len(model_server.asked)
    interviews.carry_out(before.pk)
    assert {body["model"] for body in model_server.asked[asked_before:]} == {done.run.base_model.name}
    found = shown(done)
    assert found.before is not None
    assert found.before.value == "0.00" and found.before_interview == before
    assert found.after.value.startswith("+")
    page = client.get(reverse("standard_detail", args=[team.pk, done.key])).content.decode()
    assert "Before training" in page and "What the base said" in page and "Ask its base model too" not in page
    listed = client.get(reverse("standard_list", args=[team.pk])).content.decode()
    assert "not trained" in listed


def test_a_base_models_interview_is_never_taken_for_the_runs(script, paid_run, member, team, model_server, calls):
    before = interviews.start(run=paid_run, person=member, untrained=True)
    also = interviews.start(run=paid_run, person=member)
    interviews.carry_out(before.pk)
    assert interviews.newest_of(paid_run) == also
    assert improving.interview_of(paid_run) is None and improving.asking_of(paid_run) == also


def test_a_before_of_another_team_script_or_version_is_not_shown(done, team, other_team, other_member, calls):
    other = make_run(other_team)
    fields = {"status": InterviewStatus.DONE, "untrained": True, "metrics": done.metrics}
    Interview.objects.create(run=other, script=done.script, **fields)
    other_script = InterviewScript.objects.filter(course=None).latest("number")
    Interview.objects.create(run=done.run, script=other_script, **fields)
    assert shown(done).before is None
    older = fields | {"metrics": done.metrics | {"flips": done.metrics["flips"] | {"version": "0"}}}
    Interview.objects.create(run=done.run, script=done.script, **older)
    assert shown(done).before is None
    Interview.objects.create(run=done.run, script=done.script, **fields)
    assert shown(done).before is not None


def test_the_runs_page_loads_the_score(done, team, member, client_for):
    client = client_for(member)
    url = reverse("run_learning", args=[team.pk, done.run.number])
    assert url in client.get(reverse("run_detail", args=[team.pk, done.run.number])).content.decode()
    part = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "Selective flip score" in part and "<html" not in part
    assert client.get(url).url == reverse("standard_detail", args=[team.pk, done.key])
    Interview.objects.update(metrics={**done.metrics, "flips": None})
    assert "before this was asked" in client.get(url, headers={"HX-Request": "true"}).content.decode()


def test_a_professor_sees_no_flip_before_the_grade_is_in(done, team, member, professor, client_for):
    professor_of(team, professor)
    submission = submissions.submit(team=team, run=done.run, person=member)
    grading = submission.gradings.select_related("grade", "grader__person", "submission__team").get()
    url, client = url_of(grading, "grading_standard"), client_for(professor)
    page = client.get(url).content.decode()
    assert "Selective flip score" not in page and "turned right" not in page and "After the mistake" in page
    grade = committed(grading)
    Grade.objects.filter(pk=grade.pk).update(committed_at=timezone.now() - timedelta(minutes=1))
    page = client.get(url).content.decode()
    assert "Selective flip score" in page and "turned right" in page
    assert "Ask its base model too" not in page and f"/teams/{team.pk}" not in page


def test_feedback_that_stands_in_the_training_rows_is_counted(script, team, member, model_server, calls):
    item = ITEMS[2]
    told = feedback(item, "targeted")
    drilled = {"messages": [{"role": "user", "content": told}, {"role": "assistant", "content": "4"}]}
    factories.make_dataset_version(team, [drilled, *factories.child_rows(3)], name="Drilled")
    make_prices(team)
    made = interviews.start(run=make_run(team), person=member)
    interviews.carry_out(made.pk)
    made.refresh_from_db()
    assert made.in_training == 1
