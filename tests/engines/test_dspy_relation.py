"""The metric rewards answering the question: on the turns of the demo, and on questions that are not in it."""

import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import pytest
from dspy_program import metric, relation

Turns = list[tuple[str, str]]
DEMO = Path(__file__).parents[2] / "courseplatform" / "demo_data" / "dspy_dialogues.jsonl"
MOST_TURNS = 60
GENERIC = [
    "I don't know.",
    "Um, I don't know. My teacher told us!",
    "Yes!",
    "It's 15!",
    "Um, I think so! My mom says so. I counted on my fingers!",
    "Oh, I know this one! It's 8! I used my fingers and my toes! I'm pretty sure! My teacher showed us.",
    "Yes, it's 8! No, I think it's 15. I like my dog and my mom.",
]


@pytest.fixture(scope="module")
def turns() -> Turns:
    """Sixty questions of the demo with the child's answer."""
    found: Turns = []
    for line in DEMO.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)["dialogue"]
        for before, after in itertools.pairwise(said):
            if (before["role"], after["role"]) == ("teacher", "student"):
                found.append((before["content"], after["content"]))
    return random.Random(7).sample(found, MOST_TURNS)


def mean_of(turns: Turns, answer: Callable[[str, str], str]) -> float:
    """The mean score of what `answer` makes of each question and the child's own answer."""
    return mean(metric.score(answer(asked, gold), gold, question=asked).total for asked, gold in turns)


def shuffled(text: str, rng: random.Random) -> str:
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


def test_the_childs_own_answer_scores_high(turns: Turns) -> None:
    assert mean_of(turns, lambda asked, gold: gold) >= 0.9
    assert min(metric.score(gold, gold, question=asked).total for asked, gold in turns) >= 0.9


@pytest.mark.parametrize("seed", range(3))
def test_the_answer_to_another_question_scores_low(turns: Turns, seed: int) -> None:
    rng = random.Random(seed)
    golds = [gold for _, gold in turns]
    assert mean_of(turns, lambda asked, gold: rng.choice([one for one in golds if one != gold])) <= 0.4


@pytest.mark.parametrize("seed", range(3))
def test_the_childs_words_in_any_order_score_low(turns: Turns, seed: int) -> None:
    rng = random.Random(seed)
    assert mean_of(turns, lambda asked, gold: shuffled(gold, rng)) <= 0.5


def test_no_constant_wins(turns: Turns) -> None:
    golds = [gold for _, gold in turns]
    words = sorted({word for gold in golds for word in gold.split()})
    constants = {*GENERIC, *golds, " ".join(golds), " ".join(golds[:4]), " ".join(words)}
    scores = {constant: mean_of(turns, lambda asked, gold, said=constant: said) for constant in constants}  # type: ignore[misc]
    best = max(scores, key=lambda one: scores[one])
    assert scores[best] <= 0.4, best


def test_a_constant_that_is_built_to_win_does_not(turns: Turns) -> None:
    """Words are added one by one, each time the one that helps most on the very turns that are scored."""
    words = sorted({word for _, gold in turns[:20] for word in gold.split()})[::4]
    said: list[str] = []
    for _ in range(6):
        tries = {word: mean_of(turns[:20], lambda asked, gold, word=word: " ".join([*said, word])) for word in words}  # type: ignore[misc]
        said.append(max(tries, key=lambda one: tries[one]))
        assert tries[said[-1]] <= 0.4, said


@pytest.mark.parametrize(
    "say",
    [
        lambda asked: asked,
        lambda asked: f"Um, {asked}",
        lambda asked: f"{asked.rstrip('?')}! I think so. My mom says so.",
    ],
)
def test_saying_the_question_back_scores_low(turns: Turns, say: Callable[[str], str]) -> None:
    assert mean_of(turns, lambda asked, gold: say(asked)) <= 0.4


ASKED = [
    ("What happens to water when it gets very cold?", "It turns into ice! I saw it in my freezer.",
     ["Um, it gets hard and turns to ice! I saw ice at home.", "It freezes! Like the ice in my drink."],
     ["Water gets warm in the sun and I like swimming.", "I like pizza!", "It's 15!"]),
    ("What happens when you add 6 + 9?", "Let me count... 10, 11, 12... It's 15!",
     ["6 plus 9 is 15. I used my fingers.", "I think it's fifteen!"],
     ["Um... 14?", "It makes 6 + 9!", "11 12 13 14 15 16 17 18 19 20", "I counted on my fingers!"]),
    ("Is a shark a fish?", "Yes, it's a big fish with lots of teeth! My teacher showed us.",
     ["Yes! Sharks are big fish and they have sharp teeth.", "Yeah, it is!"],
     ["No, it's a mammal.", "My teacher showed us.", "I don't know."]),
    ("What do plants need?", "They need the sun and water, my mom says.",
     ["Um, water and dirt and sun!", "Plants need water to drink."],
     ["Plants need photosynthesis, which requires light.", "My mom says so.", "They say the mom sun my need and water."]),
    ("How do you say 71?", "Hmm... it's seventy-one! I used my fingers!",
     ["Seventy one!", "71"], ["seventeen!", "Hmm... I used my fingers!"]),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "gold", "good", "bad"), ASKED)
def test_another_right_answer_beats_every_wrong_one(asked: str, gold: str, good: list[str], bad: list[str]) -> None:
    def of(answer: str) -> float:
        return metric.score(answer, gold, question=asked).total

    assert min(map(of, good)) > max(map(of, bad)) + 0.05
    assert of(gold) > max(map(of, good))


def test_numbers_are_one_however_they_are_written() -> None:
    assert relation.words_of("Seventy-one and 9 o'clock") == ["71", "and", "9", "o'clock"]
    assert relation.words_of("c-a-t spells cat") == ["c-a-t", "spells", "cat"]
    asked = set(relation.words_of("What is 24 - 17?"))
    assert relation.committed_number(relation.words_of("24 - 17 is 7! I crossed out 17."), asked) == "7"


def test_of_an_endless_answer_only_the_beginning_is_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    longest_common = relation.longest_common

    def counted(left: Sequence[str], right: Sequence[str]) -> int:
        compared.append(len(left) * len(right))
        return longest_common(left, right)

    monkeypatch.setattr(relation, "longest_common", counted)
    long = "my dog runs to the big red ball " * 4_000
    metric.score(long, long, question="What?")
    assert 0 < max(compared) <= relation.MOST_ORDERED**2
