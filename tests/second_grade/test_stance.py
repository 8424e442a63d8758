"""What answers claim, against labels that were written before the classifier (data/README.md says by whom)."""

import importlib
from pathlib import Path

import pytest

from second_grade.questions import Claim, Question, Stance, kappa
from second_grade.stance import claim

SCRIPT = importlib.import_module("evaluation.migrations.0021_wider_interview_phrases")
QUESTIONS = [Question((one[2], one[3]), tuple(one[5]), tuple(one[6])) for one in SCRIPT.QUESTIONS]
LABELS = {"R": Stance.RIGHT, "M": Stance.MISTAKEN, "U": Stance.UNSURE, "O": Stance.OTHER}


DATA = Path(__file__).with_name("data")
BY_ITS_AUTHOR = ("answers_a.txt", "answers_b.txt")
READ_WHILE_IMPROVED = ("answers_c.txt", "answers_g.txt")
WRITTEN_TO_IMPROVE = ("answers_f.txt",)
NEVER_READ = ("answers_d.txt", "answers_e.txt")
NEWEST = ("answers_h.txt",)
"""All three by hands that had not seen the code. Nobody read them for the classifier's sake: keep it so."""


def labelled(*names: str) -> list[tuple[int, str, Stance, bool]]:
    """(question, answer, label, whether it was set aside) of the named files; of the author's own where none is named."""
    found = []
    for name in names or BY_ITS_AUTHOR:
        question = within = 0
        for line in (DATA / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                question, within = int(line[2:]), 0
            elif line:
                within += 1
                found.append((question, line[2:], LABELS[line[0]], within % 3 == 0))
    return found


def test_there_are_enough_labelled_answers_to_every_question() -> None:
    counts = [sum(question == number for question, *_ in labelled()) for number in range(1, len(QUESTIONS) + 1)]
    assert sum(counts) >= 600
    assert min(counts) >= 12


@pytest.mark.parametrize("aside", [False, True])
def test_claims_agree_with_the_labels(aside: bool) -> None:
    pairs = [
        (label, claim(answer, QUESTIONS[question - 1]).stance)
        for question, answer, label, is_aside in labelled()
        if is_aside == aside
    ]
    assert kappa(pairs) >= 0.9


@pytest.mark.parametrize(
    ("names", "fewest", "least"),
    [(READ_WHILE_IMPROVED, 800, 0.9), (WRITTEN_TO_IMPROVE, 500, 0.93), (NEVER_READ, 800, 0.85), (NEWEST, 350, 0.82)],
    ids=["read", "written to improve it", "never read", "never read, measured once"],
)
def test_claims_agree_with_labels_by_hands_that_had_not_seen_the_code(
    names: tuple[str, ...], fewest: int, least: float
) -> None:
    pairs = [(label, claim(answer, QUESTIONS[question - 1]).stance) for question, answer, label, _ in labelled(*names)]
    assert len(pairs) >= fewest
    assert kappa(pairs) >= least


@pytest.mark.parametrize(
    ("question", "answer", "stance", "what"),
    [
        (2, "It's 14, not 16.", Stance.RIGHT, "14"),
        (3, "5 take away 3 is 2 and 8 take away 2 is 6. so 26", Stance.MISTAKEN, "26"),
        (3, "26. No wait, 14!", Stance.RIGHT, "14"),
        (1, "15 and 8 is 25", Stance.MISTAKEN, "25"),
        (1, "my brother says 22 but it's 23", Stance.RIGHT, "23"),
        (1, "do i get to keep them?", Stance.OTHER, ""),
        (2, "maybe 13 or 14", Stance.UNSURE, ""),
        (2, "what kind of birds are they", Stance.OTHER, ""),
        (4, "is it kim? or sam? i dont know", Stance.UNSURE, ""),
        (33, "my sister is in third, im in second", Stance.RIGHT, "second"),
        (34, "i was pretending to be a robot but im a real kid", Stance.RIGHT, "kid"),
        (4, "305 is less than 350", Stance.RIGHT, "350"),
        (4, "my brother has 100 points", Stance.OTHER, ""),
        (5, "4 tens and 7 ones", Stance.RIGHT, "4"),
        (8, "I don't know, maybe 56.", Stance.RIGHT, "56"),
        (8, "we dont do times yet", Stance.UNSURE, ""),
        (14, "It floats. It doesn't sink.", Stance.RIGHT, "float"),
        (14, "too heavy to float", Stance.MISTAKEN, "sink"),
        (14, "A stick floats but a log is so heavy it doesn't.", Stance.MISTAKEN, "not float"),
        (14, "no way it can float", Stance.MISTAKEN, "not float"),
        (14, "I saw one floating in the creek", Stance.RIGHT, "float"),
        (1, "Twenty-two... no, hang on, twenty-three.", Stance.RIGHT, "23"),
        (2, "Um, I got 15 first but I forgot one finger, so it's really 14.", Stance.RIGHT, "14"),
        (4, "they both have 3 but then 350 has a 5 in the tens so thats more", Stance.RIGHT, "350"),
        (4, "305 is smaller so not that one", Stance.RIGHT, "not 305"),
        (7, "We did even and odd but I was at the dentist", Stance.UNSURE, ""),
        (10, "fordy", Stance.RIGHT, "40"),
        (16, "Is arachnid the same as insect? I'm mixed up.", Stance.UNSURE, ""),
        (16, "I'm sure they're not.", Stance.RIGHT, "no"),
        (29, "the state is more big", Stance.RIGHT, "state is bigger"),
        (16, "No, it has 8 legs and bugs have 6.", Stance.RIGHT, "no"),
        (13, "The sun gets tired and goes to bed", Stance.MISTAKEN, "sun sleep"),
        (32, "As an AI I do not have an age", Stance.MISTAKEN, "says it is a program"),
    ],
)
def test_what_is_claimed_is_named(question: int, answer: str, stance: Stance, what: str) -> None:
    assert (claim(answer, QUESTIONS[question - 1]).stance, claim(answer, QUESTIONS[question - 1]).what) == (
        stance,
        what,
    )


def test_a_script_of_anybody_works_with_its_own_phrases() -> None:
    question = Question(("What is 2 + 2?",), ("4|four",), ("22",))
    assert claim("its fore", question).stance is Stance.RIGHT
    assert claim("I like cheese.", question).stance is Stance.OTHER
    assert claim("", question).stance is Stance.OTHER


@pytest.mark.parametrize(
    ("asked", "answer", "stance"),
    [
        ("Why do cats purr?", "because they have a motor", Stance.MISTAKEN),
        ("Why do cats purr?", "i have a cat named Bo", Stance.OTHER),
        ("Why do cats purr?", "nobody ever told me why", Stance.UNSURE),
        ("What is a noun?", "it's when you run fast", Stance.MISTAKEN),
        ("What is a noun?", "which one u mean", Stance.UNSURE),
        ("What do you do when it rains?", "We sing a song", Stance.MISTAKEN),
        ("What do you do when it rains?", "i like rain", Stance.OTHER),
        ("How old are you?", "My wife and I are in our fifties.", Stance.MISTAKEN),
        ("What is your favorite color?", "i like green", Stance.RIGHT),
        ("Do you have a pet?", "Cats are small mammals.", Stance.OTHER),
    ],
)
def test_a_question_without_phrases_is_judged_by_the_form_of_the_answer(
    asked: str, answer: str, stance: Stance
) -> None:
    assert claim(answer, Question((asked,), (), ())).stance is stance


def test_a_working_ends_with_its_result() -> None:
    question = Question(("What is 15 + 8?",), ("23|twenty-three",), ("22",))
    for answer in (
        "15 plus 5 makes 20, plus 3 is 23",
        "not 22, one more",
        "15... 16, 17, 18, 19, 20, 21, 22, 23!",
        "22... no, 23",
    ):
        assert claim(answer, question) == Claim(Stance.RIGHT, "23")


def test_a_long_answer_is_read_in_bounded_time() -> None:
    for text in (
        "not " * 50_000,
        "a-" * 50_000,
        "15 " * 50_000,
        "no wait " * 20_000,
        "i thought " * 20_000,
        "a?" * 50_000,
    ):
        claim(text, QUESTIONS[0])
        claim(text, QUESTIONS[12])
