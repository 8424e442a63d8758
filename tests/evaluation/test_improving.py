"""The loop of a bot: failed answers first, better ones as rows of its own dataset, several people at once, old against new."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from courseplatform import erasing_rows
from datasets.models import DatasetVersion, Draft, DraftChange
from datasets.services import drafts, reading
from evaluation.models import (
    BetterAnswer,
    Comparison,
    Contender,
    Conversation,
    GradeStatus,
    Interview,
    InterviewAnswer,
    InterviewStatus,
    Turn,
    TurnCorrection,
    TurnStatus,
    TurnTag,
    Vote,
)
from evaluation.services import bot_history, gradings, improving, preference_pairs, releases, submissions
from evaluation.services.improving import SavedMeanwhile
from evaluation.services.interviews import asked_of
from second_grade.interview import measure
from teams.models import Role
from tests import factories
from tests.evaluation.conftest import make_run
from training.models import RunVerdict, TrainingRun

HTMX = {"HX-Request": "true"}
CHILD = "um, 15 and then 8 more, it's 23!"


@pytest.fixture
def interview(short_script, run, member):
    """Of three questions: a sum it gets wrong in one wording, an answer of a program, and a child's."""
    made = Interview.objects.create(run=run, script=short_script, started_by=member, status=InterviewStatus.DONE)
    for question in short_script.questions.all():
        said = {
            1: ("It is 23!", "It is 99."),
            11: ("I am a language model.", "It turns into ice!"),
            32: ("I'm 7!", "7!"),
        }
        first, second = said[question.position]
        for wording, answer in (("question", first), ("paraphrase", second), ("follow_up", "i like dogs")):
            if wording != "follow_up" or question.follow_up:
                InterviewAnswer.objects.create(interview=made, question=question, wording=wording, answer=answer)
    made.finished_at, made.metrics = timezone.now(), asdict(measure(asked_of(made)))
    made.save()
    return made


@pytest.fixture
def second_member(team):
    person = factories.make_person("Ben Second")
    factories.enrol(team.course, person, Role.STUDENT, team)
    return person


def url(run, name="run_improve"):
    return reverse(name, args=[run.team_id, run.number])


def items(run):
    return improving.items_of(run, improving.interview_of(run))


def newest(run: TrainingRun) -> DatasetVersion:
    found = reading.newest(run.dataset_version.dataset)
    assert found is not None
    return found


def item(run, key="question-1-paraphrase"):
    return next(one for one in items(run) if one.key == key)


def sent(run, text=CHILD, key="question-1-paraphrase", **fields):
    return {"item": key, "text": text, "seen": item(run, key).seen} | fields


def contents(row: Any) -> list[str]:
    return [one["content"] for one in row["messages"]]


def test_what_failed_comes_first_with_its_mark_and_reason(run, interview, member, client_for):
    found = items(run)
    assert [one.marked.failed for one in found] == sorted((one.marked.failed for one in found), reverse=True)
    assert found[0].answer == "I am a language model." and found[0].marked.mark == "out of character"
    page = client_for(member).get(url(run)).content.decode()
    assert page.index("I am a language model.") < page.index("It is 99.") < page.index("It is 23!")
    assert "gives itself away as a program" in page and page.count("<textarea") == len(found)


def test_a_better_answer_becomes_a_row_of_the_dataset_that_the_run_learnt_from(run, interview, member, client_for):
    answer = client_for(member).post(url(run), sent(run), headers=HTMX)
    assert answer.status_code == 200 and answer["Saved"] == "question-1-paraphrase"
    assert "waits in the edits" in answer.content.decode() and "Save as version 2" in answer.content.decode()
    change = DraftChange.objects.get()
    asked = interview.script.questions.get(position=1).paraphrase
    assert change.draft.dataset == run.dataset_version.dataset and contents(change.row) == [asked, CHILD]
    assert change.changed_by == member


def test_a_follow_up_becomes_a_row_with_what_it_follows_as_context(run, interview, member, client_for):
    client_for(member).post(url(run), sent(run, key="question-1-follow_up", text="i count on my fingers"))
    messages = (DraftChange.objects.get().row or {})["messages"]
    assert [one["content"] for one in messages][1] == "It is 23!" and messages[1]["weight"] == 0
    assert messages[3]["content"] == "i count on my fingers" and "weight" not in messages[3]


def test_the_version_is_saved_on_the_same_page_and_then_it_says_train_again(run, interview, member, client_for):
    browser = client_for(member)
    browser.post(url(run), sent(run))
    assert "Train again with" not in browser.get(url(run)).content.decode()
    saved = browser.post(url(run, "run_improve_publish"), follow=True).content.decode()
    version = newest(run)
    assert version.number == 2 and version.row_count == run.dataset_version.row_count + 1
    again = f"{reverse('run_new', args=[run.team_id, 'lora'])}?from={run.number}&amp;version={version.pk}"
    assert again in saved and item(run).state == "saved"
    form = browser.get(again.replace("&amp;", "&")).content.decode()
    assert f'<option value="{version.pk}" selected>' in form


def test_a_saved_row_can_be_changed_and_is_the_same_row_then(run, interview, member, client_for):
    browser = client_for(member)
    browser.post(url(run), sent(run))
    browser.post(url(run, "run_improve_publish"))
    browser.post(url(run), sent(run, text="it's 23, i counted"))
    change = DraftChange.objects.get()
    assert (change.kind, contents(change.row)[-1]) == ("edit", "it's 23, i counted")
    browser.post(url(run, "run_improve_publish"))
    version = newest(run)
    last = reading.row_at(version, version.row_count - 1)
    assert version.row_count == run.dataset_version.row_count + 1
    assert last is not None and last.student_text() == ["it's 23, i counted"]


@pytest.mark.parametrize("text", ["", "   ", "\x00", "x" * 8_001])
def test_what_can_be_no_row_is_refused_in_words_and_given_back(text, run, interview, member, client_for):
    answer = client_for(member).post(url(run), sent(run, text=text), headers=HTMX)
    page = answer.content.decode()
    assert answer.status_code == 422 and 'role="alert"' in page and "Saved" not in answer
    assert not DraftChange.objects.exists() and not BetterAnswer.objects.exists()
    assert text[:8001].strip("\x00 ") in page


def test_of_two_people_the_second_sees_the_firsts_text_and_loses_none(
    run, interview, member, second_member, client_for
):
    mine, theirs = sent(run, text="mine: it's 23"), sent(run, text="theirs: it's 23")
    client_for(second_member).post(url(run), theirs, headers=HTMX)
    answer = client_for(member).post(url(run), mine, headers=HTMX)
    page = answer.content.decode()
    assert answer.status_code == 422 and "Saved" not in answer
    assert "Ben Second" in page and "<q>theirs: it&#x27;s 23</q>" in page and ">mine: it&#x27;s 23</textarea>" in page
    assert contents(DraftChange.objects.get().row)[-1] == "theirs: it's 23"
    again = client_for(member).post(url(run), sent(run, text="mine: it's 23"), headers=HTMX)
    assert again.status_code == 200 and contents(DraftChange.objects.get().row)[-1] == "mine: it's 23"


def test_two_saves_at_the_same_moment_leave_one_whole_row(run, interview, member, second_member):
    """Both looked before either wrote: the loser's transaction takes its row back."""
    first = second = item(run)
    improving.save(run=run, item=first, text="first", seen=first.seen, person=member)
    with pytest.raises(SavedMeanwhile):
        improving.save(run=run, item=second, text="second", seen=second.seen, person=second_member)
    assert [contents(one.row)[-1] for one in DraftChange.objects.all()] == ["first"]
    stale = item(run)
    improving.save(run=run, item=stale, text="newer", seen=stale.seen, person=member)
    with pytest.raises(SavedMeanwhile):
        improving.save(run=run, item=stale, text="stale", seen=stale.seen, person=second_member)
    assert [contents(one.row)[-1] for one in DraftChange.objects.all()] == ["newer"]


def test_a_row_that_was_changed_on_the_dataset_page_is_not_overwritten_unseen(run, interview, member, client_for):
    browser = client_for(member)
    browser.post(url(run), sent(run))
    browser.post(url(run, "run_improve_publish"))
    shown = sent(run, text="mine")
    version = newest(run)
    place = version.row_count - 1
    row = drafts.shown(version, place, place + 1)[0]
    changed = reading.plain(row.row)
    changed.messages = [changed.messages[0], {"role": "assistant", "content": "from the dataset page"}]
    drafts.edit_row(version=version, position=place, row=changed, seen=row.fingerprint, person=member)
    answer = browser.post(url(run), shown, headers=HTMX)
    assert answer.status_code == 422 and "<q>from the dataset page</q>" in answer.content.decode()


def test_a_teammates_edit_of_another_answer_stays(run, interview, member, second_member, client_for):
    mine, theirs = sent(run), sent(run, key="question-11-question", text="it gets hard!")
    client_for(second_member).post(url(run), theirs, headers=HTMX)
    assert client_for(member).post(url(run), mine, headers=HTMX).status_code == 200
    assert DraftChange.objects.count() == 2 and Draft.objects.count() == 1


def test_an_edit_can_be_taken_back_until_it_is_saved(run, interview, member, client_for):
    browser = client_for(member)
    browser.post(url(run), sent(run))
    browser.post(url(run), sent(run, back="1"))
    assert not DraftChange.objects.exists() and not BetterAnswer.objects.exists() and item(run).state == ""
    browser.post(url(run), sent(run))
    browser.post(url(run, "run_improve_publish"))
    refused = browser.post(url(run), sent(run, back="1"), headers=HTMX)
    assert refused.status_code == 422 and item(run).state == "saved"


def test_a_row_taken_out_of_the_dataset_is_said_and_can_come_back(run, interview, member, client_for):
    browser = client_for(member)
    browser.post(url(run), sent(run))
    drafts.drop(draft=Draft.objects.get())
    assert item(run).state == "gone" and "taken out of the dataset" in browser.get(url(run)).content.decode()
    assert browser.post(url(run), sent(run), headers=HTMX).status_code == 200 and item(run).state == "waiting"


def test_a_form_of_an_older_interview_is_not_taken_for_an_answer_to_another_question(
    run, interview, member, client_for
):
    old = sent(run)
    InterviewAnswer.objects.filter(interview=interview, wording="paraphrase").update(answer="i am new")
    assert client_for(member).post(url(run), old, headers=HTMX).status_code == 422
    assert not DraftChange.objects.exists()


def test_a_key_that_is_no_answer_of_this_bot_is_not_found(run, interview, member, client_for):
    data = sent(run) | {"item": "question-99-question"}
    assert client_for(member).post(url(run), data).status_code == 404


@pytest.fixture
def marked(run, member, professor, team):
    """A professor's marks and better answer, committed and not released."""
    factories.assign(team, professor)
    grading = submissions.submit(team=team, run=run, person=member).gradings.get()
    talk = gradings.interview_of(grading)
    fields = {"conversation": talk, "status": TurnStatus.DONE}
    turn = Turn.objects.create(position=1, question="Why is the sky blue?", answer="Rayleigh scattering.", **fields)
    TurnTag.objects.create(grading=grading, turn=turn, label="too grown-up")
    TurnCorrection.objects.create(grading=grading, turn=turn, answer="cuz god painted it")
    grading.grade.status, grading.grade.committed_at = GradeStatus.COMMITTED, timezone.now() - timedelta(minutes=1)
    grading.grade.save()
    return grading


def test_a_professors_better_answer_stands_in_the_input_only_after_the_release(
    run, marked, member, professor, instructor, client_for
):
    browser = client_for(member)
    before = browser.get(url(run)).content.decode()
    assert "god painted it" not in before and "Rayleigh" not in before and "too grown-up" not in before
    releases.publish(submission=marked.submission, person=instructor)
    after = browser.get(url(run)).content.decode()
    assert ">cuz god painted it</textarea>" in after and "too grown-up" in after
    assert professor.name not in after and professor.email not in after
    releases.hide(submission=marked.submission, person=instructor)
    assert "god painted it" not in browser.get(url(run)).content.decode()


def test_a_professors_better_answer_to_the_same_question_stands_beside_the_interviews_answer(
    run, interview, marked, instructor
):
    turn = Turn.objects.get(conversation__submission=marked.submission)
    turn.question = interview.script.questions.get(position=11).question.upper()
    turn.save()
    releases.publish(submission=marked.submission, person=instructor)
    assert item(run, "question-11-question").text == "cuz god painted it"


def test_a_graders_interview_of_today_is_not_told(run, interview, member, client_for):
    Interview.objects.filter(pk=interview.pk).update(for_grading=True)
    assert "language model" not in client_for(member).get(url(run)).content.decode()
    yesterday = timezone.now() - timedelta(days=1)
    Interview.objects.filter(pk=interview.pk).update(finished_at=yesterday, created_at=yesterday)
    page = client_for(member).get(url(run)).content.decode()
    assert "language model" in page and f"{timezone.localtime(yesterday):%H:%M}" not in page


def test_no_primary_key_tells_the_order_of_graders_interviews(run, interview, member, client_for):
    page = client_for(member).get(url(run)).content.decode()
    for answer in InterviewAnswer.objects.all():
        assert f'value="{answer.pk}"' not in page


def duel(run, newer, member, better):
    comparison = Comparison.objects.create(team=run.team, question="What is 2 + 2?", asked_by=member)
    for position, one in enumerate((run, newer)):
        talk = Conversation.objects.create(run=one, person=member)
        Turn.objects.create(conversation=talk, position=1, question="?", answer="!", status=TurnStatus.DONE)
        Contender.objects.create(comparison=comparison, position=position, conversation=talk)
    Vote.objects.create(
        comparison=comparison, person=member, better=comparison.contenders.get(conversation__run=better)
    )
    return comparison


def test_old_and_new_are_compared_and_votes_are_told_to_those_who_voted(
    run, interview, member, second_member, instructor, client_for
):
    newer = make_run(run.team, name="second try")
    comparison = duel(run, newer, member, newer)
    seen = client_for(member).get(url(run)).content.decode()
    assert "old better 0, new better 1, equally good 0" in seen
    blind = client_for(second_member).get(url(run)).content.decode()
    assert "new better" not in blind and reverse("comparison_detail", args=[run.team_id, comparison.key]) in blind
    assert "new better 1" in client_for(instructor).get(url(run)).content.decode()
    assert f'name="bot" value="run-{newer.number}"' in seen


def test_verdicts_stand_in_the_order_of_the_runs(run, member, client_for):
    newer = make_run(run.team)
    counted = {"asked": 20, "changed": 20, "language": 20, "repeats": 0, "sums": 4, "answers": [], "measure": "1"}
    for one, childlike in ((run, 9), (newer, 17)):
        fields = {"of": "checkpoint", "step": 5, "kept": True, "right": 2}
        RunVerdict.objects.create(run=one, childlike=childlike, **fields, **counted)
    stages = bot_history.stages_of(run, run.dataset_version.dataset)
    assert [(one.run, one.verdict and one.verdict.childlike) for one in stages] == [(run, 9), (newer, 17)]
    page = client_for(member).get(url(run)).content.decode()
    assert page.index("9 of 20") < page.index("17 of 20")


def test_an_answer_of_the_interview_and_its_better_one_are_a_preference_pair(run, interview, member, client_for, team):
    client_for(member).post(url(run), sent(run))
    [pair] = preference_pairs.collect(team)
    assert (pair.chosen, pair.rejected) == (CHILD, "It is 99.")


def test_an_erased_row_leaves_no_better_answer_behind(run, interview, member, client_for, team):
    browser = client_for(member)
    browser.post(url(run), sent(run, text="my brother Emil said 23"))
    browser.post(url(run, "run_improve_publish"))
    erasing_rows.erase(team=team, row_id=item(run).kept.row_id, person=member, reason="the parents asked")
    assert not BetterAnswer.objects.exists()
    assert "Emil" not in client_for(member).get(url(run)).content.decode()


def test_a_bot_that_learnt_from_pairs_improves_the_data_of_the_run_it_goes_on_from(run, team, member):
    pairs = factories.make_dataset_version(team, name="pairs")
    pairs.shape = "preference"
    pairs.save()
    later = make_run(team)
    later.dataset_version, later.starts_from = pairs, run
    later.save()
    assert improving.target_of(later) == run.dataset_version.dataset
    later.starts_from = None
    assert improving.target_of(later) is None
