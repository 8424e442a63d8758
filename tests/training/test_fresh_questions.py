"""The questions of a verdict: by topic, far from the rows, the same for the same rows and seed."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from training.services.fresh_questions import COUNT, PER_TOPIC, SUMS, bank, draw
from training.services.questions import SAMPLE_QUESTIONS


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return written(tmp_path, ["What is 3 + 2?", "Why is the sky blue?"])


def written(folder: Path, questions: list[str]) -> Path:
    path = folder / "train.jsonl"
    lines = [
        {"messages": [{"role": "user", "content": one}, {"role": "assistant", "content": "um"}]} for one in questions
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_twenty_are_drawn_by_topic_and_six_are_sums(rows: Path) -> None:
    drawn = draw(rows, seed=17, content_hash="a")
    assert len(drawn) == COUNT == 20
    assert Counter(one.topic for one in drawn) == {**PER_TOPIC, "sums": SUMS}
    assert len({one.question for one in drawn}) == 20


def test_the_same_rows_and_seed_give_the_same_and_others_give_others(rows: Path) -> None:
    first = draw(rows, seed=17, content_hash="a")
    assert draw(rows, seed=17, content_hash="a") == first
    assert draw(rows, seed=18, content_hash="a") != first
    assert draw(rows, seed=17, content_hash="b") != first


def test_none_is_a_sample_question_and_the_bank_holds_each_once() -> None:
    everything = [question for questions in bank().values() for question in questions]
    assert len(everything) == len(set(everything)) >= 80
    assert not set(everything) & set(SAMPLE_QUESTIONS)
    assert set(bank()) == set(PER_TOPIC)
    assert all(len(bank()[topic]) >= 4 * count for topic, count in PER_TOPIC.items())


def test_what_the_rows_ask_is_not_drawn(tmp_path: Path) -> None:
    """Half of each topic stands in the rows, word for word."""
    asked = [question for questions in bank().values() for question in questions[::2]]
    path = written(tmp_path, asked)
    for seed in range(20):
        assert not {one.question for one in draw(path, seed=seed, content_hash="a")} & set(asked)


def test_a_sum_of_the_rows_is_not_drawn(tmp_path: Path) -> None:
    pairs = [(left, right) for left in range(12, 21) for right in range(2, 10)][:50]
    path = written(tmp_path, [f"What is {left} + {right}?" for left, right in pairs])
    for seed in range(20):
        sums = [one for one in draw(path, seed=seed, content_hash="a") if one.topic == "sums"]
        drawn = {tuple(sorted(map(int, re.findall(r"\d+", one.question)))) for one in sums}
        assert not drawn & {tuple(sorted(pair)) for pair in pairs}


def test_rows_that_hold_every_sum_leave_sums_to_draw(tmp_path: Path) -> None:
    path = written(tmp_path, [f"What is {left} + {right}?" for left in range(30) for right in range(30)])
    assert len(draw(path, seed=1, content_hash="a")) == 20


def test_the_right_totals_are_right(rows: Path) -> None:
    for seed in range(30):
        for one in draw(rows, seed=seed, content_hash="a"):
            if one.topic == "sums":
                left, right = map(int, re.findall(r"\d+", one.question))
                assert one.total in (left + right, left - right)
                assert ("-" in one.question or "take" in one.question) is (one.total == left - right)
