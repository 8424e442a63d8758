"""Marks on single answers: tags of every kind tied to criteria, and better answers that become training rows after release."""

import pytest
from django.urls import reverse

from datasets.models import Dataset
from datasets.services import drafts
from evaluation.models import Turn, TurnCorrection, TurnTag, UnappliedSave
from evaluation.services import gradings, releases, results, tags, training_rows
from tests.evaluation.test_grading import committed, grading, second_professor, submission, url_of  # noqa: F401  (fixtures)

HTMX = {"HX-Request": "true"}


@pytest.fixture
def turn(grading):  # noqa: F811
    talk = gradings.interview_of(grading)
    return Turn.objects.create(
        conversation=talk, position=1, question="What is ice?", answer="A crystal lattice.", status="done"
    )


@pytest.fixture
def page(grading, professor, client_for):  # noqa: F811
    client = client_for(professor)
    return lambda: client.get(url_of(grading)).content.decode()


def tag(client_for, grading, turn, **data):  # noqa: F811
    client = client_for(grading.grader.person)
    return client.post(url_of(grading, "interview_tag", turn_key=turn.key), data, headers=HTMX).content.decode()


def evidence_of(grading, label):  # noqa: F811
    """The criteria beside which a tag is counted."""
    criteria = list(grading.submission.rubric.criteria.all())
    found = tags.evidence(grading=grading, criteria=criteria)
    return {one.key for one in criteria if label in dict(found[one.pk].tagged)}


@pytest.mark.parametrize(
    ("label", "speaks_to"),
    [
        ("too grown-up", {"vocabulary", "reasoning"}),
        ("real misconception", {"misconceptions", "understanding"}),
        ("out of character", {"flow"}),
        ("great", {"flow", "engagement"}),
    ],
)
def test_each_ready_tag_counts_beside_the_criteria_it_speaks_to(label, speaks_to, grading, turn, client_for):  # noqa: F811
    html = tag(client_for, grading, turn, label=label)
    assert f'aria-pressed="true">{label.capitalize()}' in html and "Speaks to: " in html
    assert evidence_of(grading, label) == speaks_to


def test_a_tag_in_ones_own_words_counts_beside_the_criterion_it_was_tied_to(grading, turn, client_for, page):  # noqa: F811
    curriculum = grading.submission.rubric.criteria.get(key="curriculum")
    html = tag(client_for, grading, turn, label="  Third  grade ", criterion=curriculum.key)
    assert "Third grade" in html and f"Speaks to: {curriculum.name}" in html and "1 tagged third grade" in html
    assert evidence_of(grading, "third grade") == {"curriculum"}
    assert page().count("1 tagged third grade") == 1
    tag(client_for, grading, turn, label="third grade")
    assert not TurnTag.objects.exists()


def test_an_own_tag_can_stand_without_a_criterion_and_a_ready_one_keeps_its_own(grading, turn, client_for):  # noqa: F811
    tag(client_for, grading, turn, label="funny")
    tag(client_for, grading, turn, label="great", criterion=grading.submission.rubric.criteria.first().pk)
    assert {(one.label, one.criterion_id) for one in TurnTag.objects.all()} == {("funny", None), ("great", None)}
    assert evidence_of(grading, "funny") == set()


def test_a_tag_cannot_be_tied_to_a_criterion_of_another_rubric(grading, turn, client_for, other_course):  # noqa: F811
    from evaluation.services import rubrics

    rubrics.use_again(course=other_course, version=rubrics.rubric_for(other_course), person=grading.grader.person)
    foreign = other_course.rubrics.get().criteria.first()
    tag(client_for, grading, turn, label="odd", criterion=foreign.pk)
    assert TurnTag.objects.get().criterion is None


def test_an_empty_tag_is_none_and_a_long_or_hostile_one_is_cut_and_escaped(grading, turn, client_for):  # noqa: F811
    tag(client_for, grading, turn, label=" \x00 ")
    assert not TurnTag.objects.exists()
    html = tag(client_for, grading, turn, label="<script>alert(1)</script>" + "x" * 90)
    assert len(TurnTag.objects.get().label) == 40 and "<script>alert" not in html


def better(client_for, grading, turn, answer, seen=None, before="", **headers):  # noqa: F811
    """`seen`: what the page showed before; what is there now where nothing else is said."""
    client, url = client_for(grading.grader.person), url_of(grading, "interview_correction", turn_key=turn.key)
    there = TurnCorrection.objects.filter(grading=grading, turn=turn).values_list("answer", flat=True).first() or ""
    version = tags.mark_of(grading, there if seen is None else seen)
    return client.post(url, {"answer": answer, "version": version, "before": before}, headers=headers)


def test_better_answers_of_two_windows_are_both_kept_and_one_is_chosen(grading, turn, client_for, page):  # noqa: F811
    better(client_for, grading, turn, "From the laptop.", seen="", **HTMX)
    for _ in range(2):  # its answer was lost, and it came again
        answer = better(client_for, grading, turn, "From the tablet.", seen="", **HTMX)
        assert "From the tablet." in answer.content.decode() and answer["Saved"] == f"better-{turn.key}"
    assert TurnCorrection.objects.get().answer == "From the laptop."
    kept = UnappliedSave.objects.get()
    assert kept.turn == turn and "Kept aside:" in page()
    choose = reverse("grading_choose", args=[grading.grader.course_id, grading.code, kept.code])
    client_for(grading.grader.person).post(choose, {"use": "kept"})
    assert TurnCorrection.objects.get().answer == "From the tablet."
    assert "Kept aside:" not in page()


def test_a_better_answer_whose_save_was_lost_on_the_way_is_no_conflict_with_itself(grading, turn, client_for):  # noqa: F811
    better(client_for, grading, turn, "First", seen="", **HTMX)
    better(client_for, grading, turn, "First and more", seen="", before='[{"answer": "First"}]', **HTMX)
    assert TurnCorrection.objects.get().answer == "First and more"
    assert not UnappliedSave.objects.exists()


def test_a_tag_that_is_sent_twice_is_on_and_one_that_is_taken_off_twice_is_off(grading, turn, client_for):  # noqa: F811
    for on, left in (("1", 1), ("1", 1), ("0", 0), ("0", 0)):
        tag(client_for, grading, turn, label="Great", on=on)
        assert TurnTag.objects.count() == left


def test_a_better_answer_saves_itself_and_is_there_on_the_next_visit(grading, turn, client_for, page):  # noqa: F811
    saved = better(client_for, grading, turn, "It's water that got cold!", **HTMX)
    assert "Saved." in saved.content.decode() and f'id="corrected-{turn.key}"' in saved.content.decode()
    assert "It&#x27;s water that got cold!</textarea>" in page()
    taken_back = better(client_for, grading, turn, "  ", **HTMX)
    assert "Taken back." in taken_back.content.decode() and not TurnCorrection.objects.exists()


def test_a_better_answer_that_is_too_long_is_refused_with_a_sentence_and_the_old_one_stays(grading, turn, client_for):  # noqa: F811
    better(client_for, grading, turn, "Frozen water.", **HTMX)
    for headers in (HTMX, {}):
        refused = better(client_for, grading, turn, "x" * 2001, **headers)
        assert refused.status_code == 422 and "up to 2,000 characters" in refused.content.decode()
    assert TurnCorrection.objects.get().answer == "Frozen water."
    assert better(client_for, grading, turn, "Cold water.").status_code == 302
    assert TurnCorrection.objects.get().answer == "Cold water."


def test_another_grader_neither_sees_nor_changes_it(grading, turn, client_for, team):  # noqa: F811
    better(client_for, grading, turn, "Only mine to see.")
    other = second_professor(team)
    gradings.ensure_gradings(course=team.course)
    theirs = grading.submission.gradings.get(grader__person=other)
    url = url_of(theirs, "interview_correction", turn_key=turn.key)
    assert client_for(other).post(url, {"answer": "Mine now."}).status_code == 404
    assert "Only mine to see." not in client_for(other).get(url_of(theirs)).content.decode()


def candidates_page(client_for, person, team):
    return client_for(person).get(reverse("candidate_list", kwargs={"team_id": team.pk})).content.decode()


def test_a_better_answer_is_offered_to_the_team_after_release_and_becomes_a_row(
    grading,  # noqa: F811
    turn,
    client_for,
    member,
    team,
    instructor,
):
    better(client_for, grading, turn, "It's water that got cold!")
    committed(grading)
    assert "water that got cold" not in candidates_page(client_for, member, team)
    releases.publish(submission=grading.submission, person=instructor)
    html = candidates_page(client_for, member, team)
    assert "A professor would rather hear:" in html and "It&#x27;s water that got cold!</textarea>" in html
    [candidate] = training_rows.candidates(grading.submission)
    assert (candidate.proposal, candidate.labels) == ("It's water that got cold!", [])
    shown = client_for(member).get(reverse("submission_detail", kwargs={"team_id": team.pk})).content.decode()
    assert "It&#x27;s water that got cold!" in shown
    dataset = Dataset.objects.get(team=team)
    url = reverse("candidate_list", kwargs={"team_id": team.pk})
    client_for(member).post(url, {"turn": turn.key, "dataset": dataset.pk, "answer": candidate.proposal})
    assert "It's water that got cold!" in str(drafts.added(dataset.draft)[0])


def test_marks_of_a_grader_who_has_not_committed_stay_hers_even_after_the_release(
    grading,  # noqa: F811
    turn,
    client_for,
    member,
    team,
    instructor,
    course,
):
    other = second_professor(team)
    gradings.ensure_gradings(course=course)
    committed(grading.submission.gradings.select_related("grade", "grader__person").get(grader__person=other))
    better(client_for, grading, turn, "Not meant for you yet.")
    tag(client_for, grading, turn, label="half a thought")
    releases.publish(submission=grading.submission, person=instructor)
    shown = client_for(member).get(reverse("submission_detail", kwargs={"team_id": team.pk})).content.decode()
    for html in (candidates_page(client_for, member, team), shown):
        assert "Not meant for you yet." not in html and "alf a thought" not in html
    assert training_rows.candidates(grading.submission) == []


def test_the_result_shows_every_marked_answer_once_with_all_its_tags(
    grading,  # noqa: F811
    turn,
    client_for,
    member,
    team,
    instructor,
):
    flow = grading.submission.rubric.criteria.get(key="flow")
    tag(client_for, grading, turn, label="too grown-up")
    tag(client_for, grading, turn, label="robot words", criterion=flow.key)
    committed(grading)
    releases.publish(submission=grading.submission, person=instructor)
    html = client_for(member).get(reverse("submission_detail", kwargs={"team_id": team.pk})).content.decode()
    assert html.count("A crystal lattice.") == 1
    assert "Too grown-up</span>" in html and f"Robot words: {flow.name}</span>" in html


def test_the_result_draws_each_criterion_and_each_professors_own_level(
    grading,  # noqa: F811
    client_for,
    member,
    team,
    instructor,
    course,
):
    second_professor(team)
    gradings.ensure_gradings(course=course)
    for level, one in zip(
        (2, 3), grading.submission.gradings.select_related("grade", "grader__person").order_by("code"), strict=True
    ):
        committed(one, level)
    releases.publish(submission=grading.submission, person=instructor)
    result = results.results_of([grading.submission])[0]
    assert {row.bar for row in result.criteria} == {62.5} and {tuple(row.dots) for row in result.criteria} == {(50, 75)}
    html = client_for(member).get(reverse("submission_detail", kwargs={"team_id": team.pk})).content.decode()
    assert html.count('width="62.50"') == 8 and html.count('x1="75.00"') == 8
    assert "data-print" in html and 'class="print-only"' in html
