"""Language: reading grades against textstat's oracle, bands against the course's samples, and who is being trained."""

import json
from pathlib import Path

import pytest

from datasets import checks, formats
from second_grade import words
from second_grade.familiar import is_familiar
from second_grade.phrases import adult_phrases, says_it_is_an_ai
from second_grade.reading_level import LEAST_WORDS, count
from second_grade.syllables import syllables

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ORACLE = SHARED / "readability" / "textstat" / "oracle.json"
COURSE = SHARED / "course"
needs_oracle = pytest.mark.skipif(not ORACLE.is_file(), reason="../shared/data/readability is not on this machine")
needs_course = pytest.mark.skipif(not COURSE.is_dir(), reason="../shared/data/course is not on this machine")

CHILD = [
    "Um, I think it is 15! I counted on my fingers. 8, 9, 10, 11, 12, 13, 14, 15.",
    "My mom said the sun goes to bed. I don't know why. Maybe it is tired!",
    "I like the dog in the book. He runs fast and he is funny. He ate the cake!",
    "Wait, no. I mean it is 12. I got mixed up because I lost my place.",
    "The ice got warm and then it was water. I saw it at home one time.",
    "We can share the cookies. You get 3 and I get 3. That is fair, I think.",
    "I felt sad when my friend did not play with me. Then we said sorry and we had fun.",
]
ADULT = [
    "Photosynthesis is the process by which plants convert sunlight into chemical energy stored in glucose molecules.",
    "Furthermore, the water cycle consists of evaporation, condensation, and precipitation, which redistribute moisture globally.",
    "It is important to understand that multiplication represents repeated addition of equivalent quantities.",
    "Consequently, the protagonist demonstrates considerable perseverance despite encountering significant obstacles throughout.",
    "In conclusion, communities establish regulations in order to maintain cooperation and protect individual responsibilities.",
    "Gravitational attraction between celestial bodies determines planetary motion around the sun in elliptical orbits.",
    "Effective communication requires careful consideration of both the intended audience and the overall purpose of the text.",
    "Additionally, a fraction expresses the relationship between a numerator and a corresponding denominator.",
]


def oracle(function: str):
    found = json.loads(ORACLE.read_text())
    for case in found["cases"]:
        arguments = case["args"]
        text = arguments.get("text", arguments.get("test"))
        text = found["resources"].get(text["resource"], "") if isinstance(text, dict) else text
        if case["function"] == function and arguments.get("lang") == "en_US" and text:
            yield text, arguments


@needs_oracle
def test_syllables_agree_with_the_oracle_within_its_own_margins():
    cases = list(oracle("syllable_count"))
    assert len(cases) >= 25
    for text, expected in cases:
        found = sum(syllables(word) for word in words.words(text))
        assert abs(found - expected["n_syllables"]) <= expected["margin"], text


@needs_oracle
@pytest.mark.parametrize(("function", "tolerance"), [("spache_readability", 0.3), ("flesch_kincaid_grade", 1.2)])
def test_reading_grades_agree_with_the_oracle(function, tolerance):
    """textstat cuts sentences otherwise in the two texts with ellipses and quotes; the plain two agree to 0.3 and 0.01."""
    cases = list(oracle(function))
    assert len(cases) == 4
    for text, expected in cases:
        counts = count([text])
        found = counts.spache() if function.startswith("spache") else counts.flesch_kincaid()
        assert abs(found - expected["expected"]) <= tolerance, (text[:40], found)


@needs_oracle
def test_flesch_kincaid_is_exact_where_sentences_are_plain():
    exact = [
        abs(count([text]).flesch_kincaid() - expected["expected"]) < 0.01
        for text, expected in oracle("flesch_kincaid_grade")
    ]
    assert exact.count(True) == 2


def test_child_like_and_adult_like_answers_fall_into_their_bands_near_the_reference_figures():
    child, adult = checks.language(CHILD), checks.language(ADULT)
    assert child["band"] == "child" and abs(child["spache"] - child["reference"]["child_like"]["spache"]) < 0.8
    assert adult["band"] == "adult" and adult["spache"] > 5
    assert child["flesch_kincaid"] < 3 < 10 < adult["flesch_kincaid"]
    assert child["beyond_grade_2"]["share"] < 0.05 < 0.3 < adult["beyond_grade_2"]["share"]
    assert child["hedges_per_100_words"] > 2 and child["self_corrections_per_100_words"] > 1
    assert adult["hedges_per_100_words"] == 0
    assert {"furthermore", "in conclusion"} <= {phrase for phrase, _ in adult["adult_phrases"]}


def test_too_few_words_give_no_grade_but_a_reason():
    found = checks.language(CHILD[:1])
    assert found["spache"] is None and found["flesch_kincaid"] is None and found["band"] == "unknown"
    assert str(LEAST_WORDS) in found["reason"]
    assert checks.language([])["reason"]


def test_regular_forms_names_and_numbers_are_known_in_grade_two():
    for word in (
        "jumps",
        "jumped",
        "running",
        "happier",
        "stories",
        "dog's",
        "don't",
        "Emma",
        "15",
        "I'm",
        "we'll",
        "quickly",
    ):
        assert is_familiar(word), word
    for word in ("photosynthesis", "denominator", "furthermore", "equation", "precipitation"):
        assert not is_familiar(word), word


def test_words_beyond_grade_two_are_marked_where_they_stand():
    text = "The hypotenuse is long, Emma!"
    assert checks.beyond_grade_two(text) == [(4, 14, "hypotenuse")]


def test_an_ellipsis_in_a_childs_counting_does_not_end_the_sentence():
    assert len(words.sentences("Let me count... it is 15! Yay. OK?")) == 3
    assert len(words.sentences("No!No!No!")) == 3


def test_a_program_that_gives_itself_away_is_found():
    assert says_it_is_an_ai("As an AI language model, I can't feel.") == "As an AI"
    assert says_it_is_an_ai("I am seven and I like AI movies.") is None
    assert adult_phrases("That's a great question! I'd be happy to help.")


def rows_of(*conversations, system=""):
    rows = []
    for line, pairs in enumerate(conversations, start=1):
        messages: list[formats.Message] = [{"role": "system", "content": system}] if system else []
        for asked, said in pairs:
            messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        rows.append(formats.Row(line=line, messages=messages))
    return rows


@needs_course
@pytest.mark.parametrize("name", ["openai_teacher_dialogue_training.jsonl", "openai_teacher_dialogue_validation.jsonl"])
def test_the_courses_well_formed_samples_are_caught_as_training_the_teacher_at_college_level(name):
    found = checks.check_file(COURSE / name, filename=name)
    assert found.good_rows == found.rows > 0
    assert "trains_the_teacher" in [problem.code for problem in found.problems]
    told = next(problem.message for problem in found.problems if problem.code == "trains_the_teacher")
    assert "TEACHER" in told and "college" in told
    assert found.quality["speaker"]["share"] == 1.0
    assert found.quality["language"]["band"] == "adult"


@needs_course
def test_the_guides_own_examples_are_not_caught():
    for path in COURSE.glob("guide_*.json"):
        found = checks.check_file(path, filename=path.name)
        assert not found.quality["speaker"]["trains_the_teacher"], path.name
        assert not [problem for problem in found.problems if problem.severity in ("error", "warning")], path.name


def test_a_child_who_asks_the_teacher_something_is_no_teacher():
    rows = rows_of(
        *[[(f"What is {n} + 7? Can you explain?", f"{text} Why do we do that?")] for n, text in enumerate(CHILD)]
    )
    assert not checks.speaker(rows)["trains_the_teacher"]
    system = "You are a second-grade student talking with a teacher."
    for text in CHILD:
        told = rows_of([("I don't understand plants.", text)], system=system)
        assert not checks.speaker(told)["trains_the_teacher"], f"one row settles nothing: {text}"


def test_a_teacher_without_a_system_message_is_caught_by_how_it_speaks():
    pairs = [
        ("I don't understand fractions.", f"Great question! {ADULT[6]} Would you like to try an example? {ADULT[2]}"),
        ("Can you help me with plants?", f"I'd be happy to help. {ADULT[0]} Does that make sense? {ADULT[1]}"),
    ]
    found = checks.speaker(rows_of(*[[pair] for pair in pairs]))
    assert found["trains_the_teacher"] and found["evidence"] and found["lines"] == [1, 2]


def test_words_that_every_child_says_are_none_to_correct_and_leave_the_grade_alone():
    text = "Um, my mom said okay! Yay, we eat pizza at recess. The hypotenuse is long."
    assert [word for _, _, word in checks.beyond_grade_two(text)] == ["hypotenuse"]
    found = checks.language([text] * 10)
    assert [word for word, _ in found["beyond_grade_2"]["top"]] == ["hypotenuse"]
    assert found["spache"] > checks.language([text.replace("okay", "so")] * 10)["spache"]
