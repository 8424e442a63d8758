"""Child-likeness on talk that it was not fitted on: it takes real children and refuses adults, made-up children and no talk."""

import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from second_grade.childlikeness import CHILD_FROM, named_parts, read, read_one

TALK = Path(__file__).with_name("data") / "talk"


def voices(file: str) -> dict[str, list[str]]:
    """Name of a made speaker to its answers."""
    pieces = re.split(r"^## *(.*)$", (TALK / f"{file}.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        name: [line for line in body.splitlines() if line]
        for name, body in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def auc(children: Sequence[float], others: Sequence[float]) -> float:
    pairs = [(child > other) + (child == other) / 2 for child in children for other in others]
    return sum(pairs) / len(pairs)


def single_scores(file: str) -> list[float]:
    return [read_one(answer).score for answers in voices(file).values() for answer in answers]


@pytest.mark.parametrize("others", ["llm_children_held", "adults_held"])
def test_single_answers_of_children_are_told_from_others(others: str) -> None:
    children = single_scores("children_held")
    assert len(children) >= 25
    assert auc(children, single_scores(others)) >= 0.95


@pytest.mark.parametrize("others", ["llm_children_held", "adults_held"])
def test_no_voice_of_others_reads_like_a_child(others: str) -> None:
    accepted = [name for name, answers in voices(others).items() if read(answers).childlike]
    assert accepted == []


def test_every_voice_of_children_is_accepted() -> None:
    refused = [name for name, answers in voices("children_held").items() if not read(answers).childlike]
    assert refused == []


@pytest.mark.parametrize(
    "answer",
    [
        "i lik to play soker wif my frends at resess",
        "and then my dad he came and he said get in the car and we went to the store and we got ice cream and i got choclate",
        "its 23 i counted",
    ],
)
def test_lower_case_run_ons_and_invented_spelling_are_a_childs(answer: str) -> None:
    assert read_one(answer).childlike


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        (["水很冷的时候会变成冰。"], "other language: Chinese"),
        (["Ich weiß es nicht, vielleicht wird es zu Eis."], "other language: German"),
        (["El agua se convierte en hielo cuando hace mucho frío"], "other language: Spanish"),
        (["Привет, вода превращается в лёд"], "other language: Russian"),
        (["asdf jkl qwe zxcv"], "gibberish"),
        (["tigerteller from droce vuck snorfel blimp gazork"], "gibberish"),
        (["the of is my tree go and the a with of"], "gibberish"),
        (["vuck " * 11], "repetition"),
        (["I don't know."] * 20, "repetition"),
        (["I like the dog. I like the dog. I like the dog. I like the dog."], "repetition"),
        ([""], "empty"),
        ([], "empty"),
        (["!!! ..."], "empty"),
    ],
)
def test_what_is_no_talk_is_named(answers: list[str], problem: str) -> None:
    found = read(answers)
    assert (found.problem, found.score, found.childlike) == (problem, 0.0, False)
    assert found.sentence


def test_a_reading_names_its_parts_and_says_what_speaks_against_a_child() -> None:
    found = read(voices("llm_children_held")["cheerful helper"])
    assert set(found.parts) == {part.name for part in named_parts()}
    assert found.score < CHILD_FROM
    assert "a real child:" in found.sentence


def test_much_text_is_read_in_bounded_time() -> None:
    assert read(["a" * 500_000, "the dog ran. " * 50_000, "." * 300_000]).answers == 3


def test_words_that_are_none_are_looked_up_in_few_steps() -> None:
    """Every letter was tried in every place: 200 KB of made words held a web thread for half a minute."""
    read_one("the tables are there now")
    letters = "bcdfglmnprst"
    made = [
        f"{letters[n % 12]}a{letters[n // 12 % 12]}o{letters[n // 144 % 12]}u{letters[n // 1728]}ik"
        for n in range(15_000)
    ]
    before = time.process_time()
    read([" ".join(made)])
    assert time.process_time() - before < 5
