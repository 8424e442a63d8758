"""Pairs of answers out of votes, better answers and tags: each once, none that people disagree about, none unseen."""

import pytest
from django.urls import reverse

from datasets.models import DatasetVersion
from datasets.services import pairs as pair_rows
from datasets.services import versions
from evaluation.models import (
    BetterAnswer,
    Comparison,
    Contender,
    Conversation,
    GradeStatus,
    Turn,
    TurnCorrection,
    TurnStatus,
    TurnTag,
    Vote,
)
from evaluation.services import gradings, preference_pairs, releases, submissions, training_rows
from evaluation.services.preference_pairs import PairsRefused, collect
from teams.models import Role
from tests import factories
from tests.evaluation.conftest import make_run

CHILD, BOOK = "Um, it gets hard like ice!", "It undergoes a phase transition."
QUESTION = "What happens to cold water?"


@pytest.fixture
def other_member(team):
    person = factories.make_person("Ben")
    factories.enrol(team.course, person, Role.STUDENT, team)
    return person


def said(talk, question=QUESTION, answer=BOOK, **fields):
    made = {"status": TurnStatus.DONE, "position": talk.turns.count() + 1} | fields
    return Turn.objects.create(conversation=talk, question=question, answer=answer, **made)


def compared(team, run, person, *answers, question=QUESTION, **fields):
    """Answers on sides A, B, …; gives the contenders."""
    comparison = Comparison.objects.create(team=team, question=question, asked_by=person)
    made = []
    for position, answer in enumerate(answers):
        talk = Conversation.objects.create(run=run, person=person)
        said(talk, question, answer, **fields)
        made.append(Contender.objects.create(comparison=comparison, position=position, conversation=talk))
    return made


def vote(contenders, person, better):
    comparison = contenders[0].comparison
    side = contenders[better] if better is not None else None
    return Vote.objects.create(comparison=comparison, person=person, better=side)


def told(found):
    return [(pair.source, pair.question, pair.chosen, pair.rejected) for pair in found]


# Votes


def test_the_better_answer_is_preferred_to_each_of_the_others(team, run, member):
    vote(compared(team, run, member, BOOK, CHILD, "Ice."), member, 1)
    assert told(collect(team)) == [("blind vote", QUESTION, CHILD, BOOK), ("blind vote", QUESTION, CHILD, "Ice.")]


def test_ties_unfinished_and_equal_answers_are_no_pairs(team, run, member):
    vote(compared(team, run, member, BOOK, CHILD), member, None)
    vote(compared(team, run, member, BOOK, CHILD, status=TurnStatus.STOPPED), member, 1)
    vote(compared(team, run, member, CHILD, CHILD), member, 1)
    assert collect(team) == []


def test_what_people_disagree_about_is_left_out_and_the_greater_number_counts(team, run, member, other_member):
    sides = compared(team, run, member, BOOK, CHILD)
    vote(sides, member, 1)
    vote(sides, other_member, 0)
    assert collect(team) == []
    vote(sides, factories.make_person("Cleo"), 1)
    assert told(collect(team)) == [("blind vote", QUESTION, CHILD, BOOK)]


def test_another_teams_votes_are_not_ours(team, run, member, course):
    stranger = factories.make_person()
    other = factories.make_team(course, "Oak", stranger)
    vote(compared(other, make_run(other), stranger, BOOK, CHILD), stranger, 1)
    assert collect(team) == []


def test_a_vote_is_not_shown_to_who_has_yet_to_judge_blind(team, run, member, other_member, client_for):
    sides = compared(team, run, member, BOOK, CHILD)
    vote(sides, member, 1)
    page = client_for(other_member).get(reverse("pair_list", args=[team.pk])).content.decode()
    assert CHILD not in page
    vote(sides, other_member, 1)
    assert CHILD in client_for(other_member).get(reverse("pair_list", args=[team.pk])).content.decode()


# Better answers


def test_a_row_made_of_an_answer_is_a_pair_with_that_answer(team, run, member):
    talk = Conversation.objects.create(run=run, person=member)
    said(talk, "Hello?", "Hi.")
    turn = said(talk)
    dataset = team.datasets.get()
    training_rows.add(turn=turn, dataset=dataset, answer=f" {CHILD} ", with_earlier=True, person=member)
    [pair] = collect(team)
    assert pair.prompt == (("user", "Hello?"), ("assistant", "Hi."), ("user", QUESTION))
    assert (pair.source, pair.chosen, pair.rejected) == ("better answer", CHILD, BOOK)
    training_rows.add(turn=turn, dataset=dataset, answer="It freezes!", with_earlier=False, person=member)
    [pair] = collect(team)
    assert (pair.prompt, pair.chosen) == ((("user", QUESTION),), "It freezes!"), "the newest counts"


def test_a_row_made_of_an_answer_as_it_was_is_no_pair(team, run, member):
    turn = said(Conversation.objects.create(run=run, person=member), answer=CHILD)
    training_rows.add(turn=turn, dataset=team.datasets.get(), answer=CHILD, with_earlier=False, person=member)
    assert not BetterAnswer.objects.exists()


@pytest.fixture
def graded(team, run, member, professor):
    """A submission with a committed grading and two answers to one question in the professor's interview."""
    factories.assign(team, professor)
    submission = submissions.submit(team=team, run=run, person=member)
    gradings.ensure_gradings(course=team.course)
    grading = submission.gradings.get()
    for answer in (BOOK, CHILD):
        talk = Conversation.objects.create(run=run, submission=submission, person=professor)
        said(talk, answer=answer)
    grading.grade.status = GradeStatus.COMMITTED
    grading.grade.save()
    return grading


def answer_of(text):
    return Turn.objects.get(answer=text)


def test_what_a_professor_would_rather_hear_counts_from_the_release_on(team, graded, instructor):
    TurnCorrection.objects.create(grading=graded, turn=answer_of(BOOK), answer="It gets cold and hard!")
    assert collect(team) == []
    releases.publish(submission=graded.submission, person=instructor)
    assert told(collect(team)) == [("better answer", QUESTION, "It gets cold and hard!", BOOK)]
    releases.hide(submission=graded.submission, person=instructor)
    assert collect(team) == [], "what was taken back counts no more"


def test_what_a_professor_has_not_committed_stays_hers(team, graded, instructor):
    TurnCorrection.objects.create(grading=graded, turn=answer_of(BOOK), answer="It gets cold and hard!")
    releases.publish(submission=graded.submission, person=instructor)
    TurnCorrection.objects.update(answer="Written after the release.")
    assert told(collect(team)) == [("better answer", QUESTION, "It gets cold and hard!", BOOK)]


def test_a_great_answer_beside_a_grown_up_one_to_the_same_prompt_is_a_pair(team, graded, instructor):
    TurnTag.objects.create(grading=graded, turn=answer_of(CHILD), label="great")
    TurnTag.objects.create(grading=graded, turn=answer_of(BOOK), label="too grown-up")
    assert collect(team) == []
    releases.publish(submission=graded.submission, person=instructor)
    assert told(collect(team)) == [("tag", QUESTION, CHILD, BOOK)]
    Turn.objects.filter(answer=BOOK).update(question="Something else?")
    assert collect(team) == [], "they answer different prompts"


def test_graders_who_disagree_make_no_pair(team, graded, instructor):
    TurnTag.objects.create(grading=graded, turn=answer_of(CHILD), label="great")
    TurnTag.objects.create(grading=graded, turn=answer_of(CHILD), label="out of character")
    TurnTag.objects.create(grading=graded, turn=answer_of(BOOK), label="too grown-up")
    releases.publish(submission=graded.submission, person=instructor)
    assert collect(team) == []


# Into a dataset


def test_the_pairs_become_a_dataset_and_later_ones_are_added_once(team, run, member, client_for):
    vote(compared(team, run, member, BOOK, CHILD), member, 1)
    page, browser = reverse("pair_list", args=[team.pk]), client_for(member)
    sent = browser.post(page, {"into": "new", "name": "Our pairs"})
    version = DatasetVersion.objects.get(shape="preference")
    assert sent.url == f"{reverse('run_new', args=[team.pk, 'dpo'])}?version={version.pk}"
    assert (str(version), version.note) == ("Our pairs v1", "Added 1 pair: 1 from blind votes.")
    [row] = versions.stored_rows(version)
    assert row.preferred_output == [{"role": "assistant", "content": CHILD}]
    assert pair_rows.told(version).words == "1 from blind votes"
    into = {"into": version.dataset_id, "name": ""}
    refused = browser.post(page, into)
    assert refused.status_code == 422
    assert "has all of your team" in refused.content.decode()
    vote(compared(team, run, member, "Ice.", "um, ice?", question="What is ice?"), member, 1)
    browser.post(page, into)
    second = DatasetVersion.objects.filter(shape="preference").latest("id")
    assert (second.number, second.row_count) == (2, 2)
    assert next(versions.stored_rows(second)).id == row.id, "pairs keep their ids"


def test_uploaded_pairs_stay_beside_them(team, run, member):
    chosen, rejected = ([{"role": "assistant", "content": text}] for text in ("Um, 2!", "Two."))
    uploaded = {
        "messages": [{"role": "user", "content": "What is 1 + 1?"}, *chosen],
        "shape": "preference",
        "preferred_output": chosen,
        "non_preferred_output": rejected,
    }
    dataset = versions.create_dataset(team=team, name="Ours", person=member)
    versions.create_version(
        dataset=dataset, rows=[uploaded], shape="preference", person=member, note="", source_name="x"
    )
    vote(compared(team, run, member, BOOK, CHILD), member, 1)
    version = preference_pairs.make_version(team=team, person=member, dataset=dataset, name="")
    assert dict(pair_rows.told(version).sources) == {"uploaded": 1, "from blind votes": 1}


def test_without_any_pair_nothing_is_made(team, run, member, client_for):
    with pytest.raises(PairsRefused, match="There is no pair yet"):
        preference_pairs.make_version(team=team, person=member, dataset=None, name="Empty")
    assert not team.datasets.filter(name="Empty").exists()
    assert "There is no pair yet" in client_for(member).get(reverse("pair_list", args=[team.pk])).content.decode()


def test_another_teams_dataset_is_no_choice(team, run, member, course, client_for):
    other = factories.make_team(course, "Oak")
    dataset = versions.create_dataset(team=other, name="Theirs", person=None)
    vote(compared(team, run, member, BOOK, CHILD), member, 1)
    sent = client_for(member).post(reverse("pair_list", args=[team.pk]), {"into": dataset.pk, "name": "x"})
    assert sent.status_code == 422
    assert not dataset.versions.exists()
