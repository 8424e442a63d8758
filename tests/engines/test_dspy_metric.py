"""The DSPy metric on good and bad answers."""

import json
from pathlib import Path

import pytest
from dspy_program import metric

import second_grade
from second_grade import childlikeness, familiar, phrases, reading_level

REFERENCE = "It turns into ice! I saw it in my freezer."
CHILD = "Um, it gets hard and turns to ice! I saw ice in my freezer at home."
ADULT = (
    "When the temperature of water decreases below zero degrees Celsius, it undergoes a phase transition, forming a "
    "crystalline solid structure; furthermore, its volume increases considerably."
)
TEACHER = "Great question! Water turns into ice when it freezes. Can you think of other liquids that freeze? Well done!"
ASSISTANT = (
    "As an AI language model, I'd be happy to help! Water turns into ice. Let me know if you need anything else."
)


def total(answer: str, reference: str = REFERENCE) -> float:
    return metric.score(answer, reference).total


def test_a_childs_answer_ranks_above_an_adults_and_a_teachers() -> None:
    assert total(CHILD) > total(ADULT) + 0.3
    assert total(CHILD) > total(TEACHER) + 0.2
    assert total(ADULT) > total("")


@pytest.mark.parametrize("reference", ["I think it is 5.", "My mom says plants drink water.", "I don't know. Maybe?"])
def test_the_rank_holds_whatever_the_child_said(reference: str) -> None:
    assert total(reference, reference) > 0.9
    assert total(CHILD, reference) > max(
        total(ADULT, reference), total(TEACHER, reference), total(ASSISTANT, reference)
    )


def test_assistant_talk_loses_character_and_persona() -> None:
    result = metric.score(ASSISTANT, REFERENCE)
    assert result.parts["in_character"] == 0.0
    assert result.parts["persona"] < 0.3
    assert any("as an ai" in leak.lower() for leak in result.leaks)


def test_a_teachers_praise_and_questions_are_out_of_character() -> None:
    assert len(metric.out_of_character(TEACHER)) >= 3
    assert metric.out_of_character("- first\n- second") != ()
    assert metric.out_of_character(CHILD) == ()


def test_a_child_who_repeats_the_teachers_words_stays_in_character() -> None:
    for answer in ("I did a good drawing today.", "Can I tell you about my dog?", "I am seven and I like soccer."):
        assert metric.out_of_character(answer) == ()


def test_an_answer_five_times_too_long_scores_lower_on_length() -> None:
    assert metric.score(CHILD, REFERENCE).parts["length"] == 1.0
    assert metric.score(" ".join([CHILD] * 5), REFERENCE).parts["length"] < 0.5
    assert metric.score("Ice.", REFERENCE).parts["length"] < 0.5


def test_an_answer_of_digits_is_an_answer() -> None:
    assert metric.score("15", "15").parts["answers"] == 1.0
    assert metric.score("...", "15").total == 0.0


def test_weights_decide_what_counts() -> None:
    only_answers = {"answers": 1.0}
    assert metric.score(REFERENCE, REFERENCE, only_answers).total == 1.0
    assert metric.score(ASSISTANT, REFERENCE, only_answers).total < 0.5
    assert metric.score(ASSISTANT, REFERENCE, {"in_character": 2.0}).total == 0.0
    unrelated = "I like my dog."
    assert metric.score(unrelated, REFERENCE, {"reading": 1.0}).total == 1.0
    assert metric.score(unrelated, REFERENCE, {"reading": 1.0, "answers": 0.01}).total < 0.5


def test_what_the_real_child_says_too_is_in_character() -> None:
    asks_back = "Um, I think so! What do you think?"
    assert metric.score(asks_back, asks_back).leaks == ()
    assert metric.score(asks_back, REFERENCE).leaks != ()


def test_the_advice_names_what_is_wrong() -> None:
    assert "out of character" in metric.advice(metric.score(ASSISTANT, REFERENCE))
    assert "too hard" in metric.advice(metric.score(ADULT, REFERENCE))
    assert "Keep this" in metric.advice(metric.score(REFERENCE, REFERENCE))


def test_syllables_and_grades_are_near_the_oracle(shared_data: Path) -> None:
    oracle = json.loads((shared_data / "readability" / "textstat" / "oracle.json").read_text())
    text_of = lambda text: oracle["resources"][text["resource"]] if isinstance(text, dict) else text  # noqa: E731
    words = wrong = grades = 0
    for case in oracle["cases"]:
        arguments = case["args"]
        if arguments.get("lang") != "en_US":
            continue
        if case["function"] not in ("syllable_count", "flesch_kincaid_grade"):
            continue
        counted = reading_level.count([text_of(arguments["text"])])
        if case["function"] == "syllable_count":
            words += 1
            wrong += abs(counted.syllables - arguments["n_syllables"]) > arguments["margin"]
        else:
            grades += 1
            assert counted.flesch_kincaid() == pytest.approx(arguments["expected"], abs=1.3)
    assert words > 20 and wrong <= 2 and grades == 5


def test_the_metric_reads_with_the_measures_of_second_grade(monkeypatch: pytest.MonkeyPatch) -> None:
    """No list of its own: what the package says of words, phrases and children decides."""
    odd = "I saw a zorbly thing and a blarny thing and a quumpy thing."
    before = metric.score(odd, REFERENCE).parts
    monkeypatch.setattr(familiar, "unfamiliar_spans", lambda text: [])
    assert metric.score(odd, REFERENCE).parts["reading"] > before["reading"]
    assert metric.out_of_character(TEACHER) == phrases.out_of_character(TEACHER)
    for answer in (ADULT, CHILD):
        reads = childlikeness.read_one(answer).score / min(0.5, childlikeness.read_one(REFERENCE).score)
        assert metric.score(answer, REFERENCE).parts["persona"] == pytest.approx(min(1.0, reads**0.5))


def test_the_version_names_the_formula_and_the_measures() -> None:
    assert f"{metric.VERSION}/{second_grade.VERSION}" == metric.MEASURE


CHILDREN = [
    "It turns into ice! I saw it in my freezer.",
    "Let me count... 16, 17, 18... it's 23!",
    "Um, I think because the ocean is blue and it goes up there?",
    "They need sun and water. My grandma has tomatoes!",
    "I read about a bear who lost his hat. It was funny!",
    "Because the sun is hotter in summer? I don't know.",
    "They flap flap flap their wings really fast.",
]
ADULTS = [
    "Animals occupy habitats that provide them with nourishment, water and shelter. Some sleep all winter.",
    "A fraction represents a portion of a whole that has been divided into equal parts. The denominator indicates the "
    "number of parts, and the numerator indicates how many of them are considered.",
    "Certainly! Water turns into ice when it gets very cold. Should you require more, do not hesitate to ask.",
    "That is an excellent question. The sum equals 13. To arrive at this result, one begins with the quantity 6.",
    ADULT,
    TEACHER,
    ASSISTANT,
]


@pytest.mark.parametrize("reference", CHILDREN)
def test_what_any_child_says_beats_what_any_adult_says(reference: str) -> None:
    """By its style, even where the child says something else than the reference."""
    style = {name: weight for name, weight in metric.DEFAULT_WEIGHTS.items() if name != metric.ANSWERS}
    children = [metric.score(answer, reference, style).total for answer in CHILDREN if answer != reference]
    adults = [metric.score(answer, reference, style).total for answer in ADULTS]
    assert min(children) > max(adults)
