"""The selective flip score: what it tells apart, that nothing said to everything earns it, and what its interval
covers.
"""

import random

import pytest

from second_grade import learning
from second_grade.interview import Asked, measure, stance_after_feedback
from second_grade.learning import FEEDBACKS, FEWEST, GENERIC, MISALIGNED, TARGETED, Corrected, flip_score
from second_grade.learning_items import ITEMS, LearningItem
from second_grade.questions import Question, Stance
from second_grade.stance import claim
from tests.second_grade.test_stance import QUESTIONS

OF = {wording: question for question in QUESTIONS for wording in question.asked}


def asked(item: LearningItem, question: Question, **answers: str) -> Asked:
    told = {kind: [answers[kind]] for kind in FEEDBACKS}
    return Asked("math", "known", question.right, question.mistaken, [], (), (item.question,), told)


def right_of(item: LearningItem) -> str:
    """A right answer in the words of the first phrase."""
    return OF[item.question].right[0].split("|")[0].removeprefix("=")


def score_of(**says: object) -> learning.FlipScore:
    """Of a bot that says, after each feedback, "right", "mistake", "parrot" or a constant."""
    interview = []
    for item in ITEMS:
        texts = {"right": right_of(item), "mistake": item.mistake}
        answers = {
            kind: learning.feedback(item, kind)
            if says[kind] == "parrot"
            else texts.get(str(says[kind]), str(says[kind]))
            for kind in FEEDBACKS
        }
        interview.append(asked(item, OF[item.question], **answers))
    found = measure(interview).flips
    assert found is not None
    return found


def test_there_are_at_least_twenty_questions_of_the_script_that_ships() -> None:
    assert len(ITEMS) >= 20
    assert all(item.question in OF for item in ITEMS)


@pytest.mark.parametrize("item", ITEMS, ids=[item.question for item in ITEMS])
def test_the_mistake_is_one_and_no_feedback_gives_the_answer_away(item: LearningItem) -> None:
    question = OF[item.question]
    assert claim(item.mistake, question).stance is Stance.MISTAKEN
    for said in (item.targeted, item.misaligned, *(learning.feedback(item, kind) for kind in FEEDBACKS)):
        assert claim(said, question).stance is not Stance.RIGHT, said


def test_a_child_who_learns_from_what_fits_scores_near_one() -> None:
    found = score_of(targeted="right", misaligned="mistake", generic="mistake")
    assert found.score is not None and found.low is not None
    assert found.score > 0.9 and found.low > 0.5
    assert found.targeted == pytest.approx(1, abs=0.1)
    assert (found.misaligned, found.generic) == (0, 0)


@pytest.mark.parametrize("said", ["right", "mistake", "parrot", "I don't know.", "It is 14.", ""])
def test_a_bot_that_says_the_same_after_every_feedback_scores_nothing(said: str) -> None:
    found = score_of(targeted=said, misaligned=said, generic=said)
    assert found.score is not None and found.low is not None and found.high is not None
    assert found.score == pytest.approx(0, abs=0.05)
    assert found.low < 0 < found.high, "an interval without width would say that it is known for sure"


def test_who_turns_after_the_wrong_feedback_scores_below_nothing() -> None:
    found = score_of(targeted="mistake", misaligned="right", generic="right")
    assert found.score is not None and found.score < -0.9


def test_repeating_the_teacher_is_no_answer() -> None:
    item = next(one for one in ITEMS if "cat" in one.question)
    told = asked(item, OF[item.question], targeted="", misaligned="", generic="")
    assert stance_after_feedback(told, GENERIC, learning.feedback(item, GENERIC)) is Stance.OTHER
    assert stance_after_feedback(told, GENERIC, "Hat!") is Stance.RIGHT


def test_too_few_questions_have_no_score_and_none_have_no_figure() -> None:
    one = Corrected({kind: [Stance.RIGHT] for kind in FEEDBACKS})
    few = flip_score([one] * (FEWEST - 1))
    assert few is not None and few.score is None and few.low is None and few.questions == FEWEST - 1
    assert flip_score([]) is None
    assert flip_score([Corrected({TARGETED: [Stance.RIGHT], MISALIGNED: [], GENERIC: []})]) is None


def test_repeats_count_as_shares_of_their_question() -> None:
    half = Corrected(
        {TARGETED: [Stance.RIGHT, Stance.OTHER], MISALIGNED: [Stance.OTHER] * 2, GENERIC: [Stance.OTHER] * 2}
    )
    found = flip_score([half] * 10)
    assert found is not None and found.score == pytest.approx(0.5) and found.questions == 10


FLIP_SHARES = ((0.02, 0.02, 0.02), (0.5, 0.5, 0.5), (0.7, 0.2, 0.1), (0.95, 0.05, 0.05))
"""How often a bot turns after targeted, misaligned and generic feedback."""


def coverage(shares: tuple[float, float, float], questions: int) -> float:
    """How often the interval holds the truth, of 600 simulated interviews."""
    drawn, tries, covered = random.Random(5), 600, 0
    truth = shares[0] - (shares[1] + shares[2]) / 2
    for _ in range(tries):
        flips = [[drawn.random() < share for share in shares] for _ in range(questions)]
        low, high = learning.interval([one[0] - (one[1] + one[2]) / 2 for one in flips])
        covered += low <= truth <= high
    return covered / tries


@pytest.mark.parametrize("shares", FLIP_SHARES)
@pytest.mark.parametrize("questions", [FEWEST, len(ITEMS)])
def test_the_interval_covers_the_truth_at_least_95_times_in_100(
    shares: tuple[float, float, float], questions: int
) -> None:
    assert coverage(shares, questions) >= 0.95


def test_the_score_is_no_part_of_the_quality() -> None:
    item = ITEMS[0]
    one = Asked(
        "math", "known", OF[item.question].right, OF[item.question].mistaken, ["It's 14!", "14"], (), (item.question,)
    )
    told = asked(item, OF[item.question], targeted="14", misaligned="26", generic="26")
    more = Asked(one.subject, one.expectation, one.right, one.mistaken, one.answers, (), one.wordings, told.corrected)
    assert measure([one]).quality == measure([more]).quality
