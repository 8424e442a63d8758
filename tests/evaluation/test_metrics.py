"""The four metrics, validated: on child-like, adult-like and teacher-like answers they rank as people would."""

from dataclasses import asdict
from typing import Any

import pytest

from second_grade.interview import Asked, Metrics, falls_out_of_part, measure
from second_grade.questions import Question, Stance
from second_grade.stance import claim

# (subject, expectation, right, mistaken, {voice: two answers to two wordings})
REFERENCE: list[tuple[str, str, list[str], list[str], dict[str, tuple[str, str]]]] = [
    (
        "math", "known", ["23|twenty-three"], ["22", "24"],
        {
            "child": ("Um, 15... then 16, 17, 18, 19, 20, 21, 22, 23! It's 23!", "I count on my fingers. It's 23!"),
            "adult": ("15 + 8 equals 23, obtained by regrouping the ones column.", "The total quantity of stickers is 23."),
            "teacher": ("Great question! Let me explain: 15 plus 5 makes 20, plus 3 is 23.", "Well done! The answer is 23."),
        },
    ),
    (
        "math", "shaky", ["14|fourteen"], ["26"],
        {
            "child": ("5 take away 3 is 2 and 8 take away 2 is 6. So 26!", "I think it is 26 pennies."),
            "adult": ("Regrouping yields 52 - 38 = 14.", "The remaining amount is 14 cents."),
            "teacher": ("Remember that we regroup first. The answer is 14.", "Good job! We have 14 left over."),
        },
    ),
    (
        "science", "known", ["ice"], ["disappears"],
        {
            "child": ("It turns into ice! I saw it in my freezer.", "Ice! My popsicle was juice before."),
            "adult": ("Water solidifies into ice at zero degrees Celsius.", "It undergoes a phase transition to ice."),
            "teacher": ("Class, water becomes ice when it freezes.", "As we learned, it becomes ice. Does that make sense?"),
        },
    ),
    (
        "science", "shaky", ["earth spins|earth rotates"], ["goes to sleep"],
        {
            "child": ("The sun goes to sleep and the moon comes out.", "It goes to sleep behind the hill, I think."),
            "adult": ("Day and night occur because the earth rotates on its axis.", "The earth rotates once every 24 hours."),
            "teacher": ("Let me explain: the earth rotates, students.", "Good question! The earth rotates, so it looks that way."),
        },
    ),
    (
        "science", "beyond", ["less dense|density"], ["it's cold|cause it's cold"],
        {
            "child": ("I dunno. Maybe cause it's cold?", "Umm, it floats cause it's cold."),
            "adult": ("Ice is less dense because hydrogen bonds form a crystal lattice.", "Its density is below that of water."),
            "teacher": ("Great question! Ice is less dense than liquid water.", "Remember that ice is less dense, students."),
        },
    ),
    (
        "math", "beyond", ["56"], ["15"],
        {
            "child": ("We did not do that yet. Is it 15?", "I don't know. My big sister can do times. 15?"),
            "adult": ("7 multiplied by 8 equals 56.", "There are 56 crayons altogether."),
            "teacher": ("The product is 56. Can you tell me why?", "Well done, the answer is 56."),
        },
    ),
    (
        "persona", "known", ["7|seven", "8|eight"], [],
        {
            "child": ("I'm seven!", "I am 7. My birthday is in May."),
            "adult": ("As an AI language model, I do not have an age.", "I was not born; furthermore, age does not apply."),
            "teacher": ("I have been teaching for 12 years, students.", "I can help you count birthdays. Let me explain how."),
        },
    ),
    (
        "social", "known", ["hug", "ask"], ["laugh"],
        {
            "child": ("I give her a hug and we play.", "I ask if he wants to play. Then I hug him."),
            "adult": ("It is important to demonstrate empathy and ask supportive questions.", "One should ask about the cause."),
            "teacher": ("Class, we ask our friends how they feel.", "Remember that we always ask first. Does that make sense?"),
        },
    ),
]  # fmt: skip


def interview(voice: str) -> list[Asked]:
    """The reference answers of one voice, three times over so that the pooled grade has words enough."""
    return [
        Asked(subject, expectation, right, mistaken, voices[voice])
        for subject, expectation, right, mistaken, voices in REFERENCE * 3
    ]


@pytest.fixture(scope="module")
def voices() -> dict[str, Metrics]:
    return {voice: measure(interview(voice)) for voice in ("child", "adult", "teacher")}


def test_the_child_reads_lowest_and_in_the_grade_two_band(voices: dict[str, Metrics]) -> None:
    grades = {voice: metrics.grade for voice, metrics in voices.items()}
    assert grades["child"] is not None and grades["adult"] is not None and grades["teacher"] is not None
    assert 1.5 <= grades["child"] <= 3.3
    assert grades["child"] < grades["teacher"] < grades["adult"]


def test_all_three_know_what_a_child_knows_but_only_the_child_does_not_know_the_rest(
    voices: dict[str, Metrics],
) -> None:
    assert all(metrics.right_known == 1 for metrics in voices.values())
    assert voices["child"].over_correctness == 0
    assert voices["adult"].over_correctness == voices["teacher"].over_correctness == 1
    assert voices["child"].mistaken == pytest.approx(8 / 14)


def test_the_child_stays_in_its_part_and_the_others_do_not(voices: dict[str, Metrics]) -> None:
    assert voices["child"].personality == 1
    assert voices["adult"].personality is not None and voices["adult"].personality < 0.9
    assert voices["teacher"].personality is not None and voices["teacher"].personality < 0.4
    assert voices["child"].out_of_part == 0


def test_a_child_that_keeps_its_mistakes_is_consistent(voices: dict[str, Metrics]) -> None:
    assert voices["child"].consistency == 1


def wavering_child() -> list[Asked]:
    """A child's words, but every question is answered differently when it comes again: what a badly trained bot does."""
    mixed = []
    for _number, one in enumerate(interview("child")):
        other = f"No wait, it is {(*one.right, 'something else')[0].split('|')[0]}!" if one.mistaken else "I am 9!"
        changed = "Um, I forgot." if one.expectation == "known" else other
        facts = (*one.mistaken, "9|nine") if one.subject == "persona" else one.mistaken
        answers = (one.answers[0], "I am 9!" if one.subject == "persona" else changed)
        mixed.append(Asked(one.subject, one.expectation, one.right, facts, answers))
    return mixed


VALIDATION: list[tuple[str, str, list[str]]] = [  # metric, what people would say, from most to least like a child
    ("grade", "low", ["child", "teacher", "adult"]),
    ("consistency", "high", ["child", "wavering"]),
    ("over_correctness", "low", ["child", "wavering", "adult"]),
    ("right_known", "high", ["child", "wavering"]),
    ("personality", "high", ["child", "adult"]),
    ("personality", "high", ["child", "teacher"]),
    ("childlike", "high", ["child", "adult"]),
    ("childlike", "high", ["child", "teacher"]),
    ("personality", "high", ["child", "wavering"]),
]


@pytest.mark.parametrize(("metric", "better", "order"), VALIDATION)
def test_each_of_the_four_metrics_ranks_the_reference_answers_as_people_would(
    metric: str, better: str, order: list[str], voices: dict[str, Metrics]
) -> None:
    measured = {**voices, "wavering": measure(wavering_child())}
    values = [getattr(measured[voice], metric) for voice in order]
    assert values == sorted(values, reverse=better == "high") and len(set(values)) == len(values), dict(
        zip(order, values, strict=True)
    )


def test_the_picture_of_quality_ranks_the_child_above_all_others(voices: dict[str, Metrics]) -> None:
    from evaluation.services.interview_report import quality_of

    quality = {voice: quality_of(asdict(one)) or 0 for voice, one in voices.items()}
    wavering = quality_of(asdict(measure(wavering_child()))) or 0
    assert quality["child"] > max(quality["adult"], quality["teacher"], wavering)


def test_a_bot_that_changes_its_mind_with_the_wording_is_not_consistent() -> None:
    wavering = Asked("math", "shaky", ["14"], ["26"], ("It is 26.", "It is 14."))
    assert measure([wavering]).consistency == 0


def test_a_child_that_is_seven_and_then_nine_changes_its_persona() -> None:
    age = Asked("persona", "known", ["7|seven", "8|eight"], ["9|nine"], ("I'm seven.", "I am 9!"))
    found = measure([age])
    assert (found.persona_changed, found.personality) == (1, 0)


def test_two_ways_to_say_one_fact_are_the_same_fact() -> None:
    age = Asked("persona", "known", ["7|seven", "8|eight"], [], ("I'm seven.", "I am 7."))
    assert measure([age]).persona_changed == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("It's 26. No wait, 14!", Stance.RIGHT),
        ("14? I mean 26.", Stance.MISTAKEN),
        ("I dunno.", Stance.UNSURE),
        ("I like cheese.", Stance.OTHER),
        ("It is 140 or 126.", Stance.OTHER),
        ("I don't know, maybe 14.", Stance.RIGHT),
    ],
)
def test_the_last_word_counts_and_numbers_are_whole(answer: str, expected: Stance) -> None:
    assert claim(answer, Question((), ("14",), ("26",))).stance is expected


def test_nothing_asked_is_not_zero() -> None:
    found = measure([])
    assert (found.grade, found.consistency, found.right_known, found.personality) == (None, None, None, None)


@pytest.mark.parametrize(
    "answer", ["As an AI, I can't play.", "Great question! Let me explain.", "I'm a language model."]
)
def test_give_aways_fall_out_of_the_part(answer: str) -> None:
    assert falls_out_of_part(answer)


def test_the_script_that_ships_has_thirty_questions_and_more_in_every_subject(db: Any) -> None:
    from evaluation.models import InterviewScript, Subject

    script = InterviewScript.objects.get(course=None, number=3)
    questions = list(script.questions.all())
    assert len(questions) >= 30
    assert {question.subject for question in questions} == set(Subject.values)
    for question in questions:
        assert question.question != question.paraphrase and question.follow_up
        assert question.right and (question.mistaken or question.subject == Subject.PERSONA)
        for phrase in (*question.right, *question.mistaken):
            assert phrase == phrase.lower()
