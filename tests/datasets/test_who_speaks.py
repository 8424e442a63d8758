"""Whose turns a dataset trains is told by who asks and says "you", over all rows: swapped ones are found, right ones left."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasets import checks, formats
from datasets.formats import Message, Row

ROOT = Path(__file__).parents[2]
BRIDGE = ROOT.parent / "shared" / "data" / "transcripts" / "bridge_train.json"
COURSE = ROOT.parent / "shared" / "data" / "course"
OTHER = {"user": "assistant", "assistant": "user"}
TEACHES = {"openai_teacher_dialogue_training.jsonl", "openai_teacher_dialogue_validation.jsonl"}
"""The course's own samples in which the assistant is the teacher."""


def exchanged(rows: list[Row]) -> list[Row]:
    """Teacher's and child's talk exchanged, and nothing else: the child may then speak first, and the teacher last."""
    changed = []
    for row in rows:
        turns: list[Message] = [
            {"role": OTHER[turn["role"]], "content": turn["content"]} for turn in row.messages if turn["role"] in OTHER
        ]
        changed.append(Row(line=row.line, messages=turns))
    return changed


def bridge(*, start: int = 0, step: int = 1) -> list[Row]:
    rows = []
    for number, talk in enumerate(json.loads(BRIDGE.read_text())[start::step], 1):
        turns: list[Message] = []
        for turn in talk["c_h"]:
            role = "user" if turn["user"] == "tutor" else "assistant"
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += f" {turn['text']}"
            else:
                turns.append({"role": role, "content": turn["text"]})
        rows.append(Row(line=number, messages=turns))
    return rows


def personas(path: Path) -> list[Row]:
    pairs = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line]
    return [
        Row(line=number, messages=[{"role": "user", "content": asked}, {"role": "assistant", "content": said}])
        for number, (asked, said) in enumerate(pairs, 1)
    ]


def rows_of(path: Path) -> list[Row]:
    with formats.read(path, filename=path.name) as reader:
        return [item for item in reader if isinstance(item, Row)]


def right_sets() -> Iterator[tuple[str, list[Row]]]:
    for path in sorted((ROOT / "tests" / "data" / "personas").glob("*.tsv")):
        yield path.name, personas(path)
    for path in sorted((ROOT / "courseplatform" / "demo_data").glob("*.jsonl")):
        yield path.name, rows_of(path)
    for path in sorted(COURSE.glob("*.jsonl")):
        if path.name not in TEACHES:
            yield path.name, rows_of(path)
    if BRIDGE.exists():
        yield "bridge", bridge()
        for start in range(20):
            yield f"bridge, every twentieth from {start}", bridge(start=start, step=20)


SETS = dict(right_sets())
ASK_AS_MUCH = ("questioner.tsv",)  # a child who answers with questions: ten rows of it, exchanged, could be either


@pytest.mark.parametrize("name", SETS)
def test_a_right_dataset_is_not_accused_and_a_swapped_one_is_found(name: str) -> None:
    assert not checks.speaker(SETS[name])["trains_the_teacher"]
    assert checks.speaker(exchanged(SETS[name]))["trains_the_teacher"]


@pytest.mark.parametrize("name", [name for name in SETS if name not in ASK_AS_MUCH])
def test_ten_rows_of_it_are_enough(name: str) -> None:
    few = SETS[name][:10]
    assert not checks.speaker(few)["trains_the_teacher"]
    assert checks.speaker(exchanged(few))["trains_the_teacher"]


@pytest.mark.skipif(not COURSE.exists(), reason="the course's samples are not on this machine")
@pytest.mark.parametrize("name", sorted(TEACHES))
def test_the_courses_teacher_rows_are_found(name: str) -> None:
    found = checks.speaker(rows_of(COURSE / name))
    assert found["trains_the_teacher"] and "asks in" in found["evidence"][0]


def said(system: str, asked: str, answered: str) -> list[Row]:
    turns: list[Message] = [
        {"role": "system", "content": system},
        {"role": "user", "content": asked},
        {"role": "assistant", "content": answered},
    ]
    return [Row(line=1, messages=turns)]


def test_a_teachers_description_is_enough_to_ask() -> None:
    found = checks.speaker(said("You are a knowledgeable teacher.", "Plants.", "Plants need water."))
    assert not found["trains_the_teacher"] and "Swap them" in found["question"]
    assert any(
        problem.code == "who_is_the_bot" for problem in checks.report(said("You are a teacher.", "A", "B")).problems
    )


def test_a_teachers_description_of_a_childs_turns_is_asked_about_and_not_swapped() -> None:
    rows = said("You are a knowledgeable teacher.", "What do you like? Can you tell me?", "um i like my dog, i think")
    found = checks.speaker(rows)
    assert not found["trains_the_teacher"] and "Is the description wrong?" in found["question"]


def test_a_childs_description_asks_nothing() -> None:
    assert checks.speaker(said("You are a second grader who talks to a teacher.", "Why?", "i dunno"))["question"] == ""
