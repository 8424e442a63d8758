"""Rows that train the teacher, fixed in one click: who speaks is changed over, and nothing is lost unsaid."""

from typing import Any

from django.test import Client

from datasets import checks
from datasets.formats import Message, Row
from datasets.models import DatasetVersion
from datasets.services import versions
from teams.models import Team, User

LESSON = "I'd be happy to help! Photosynthesis converts chlorophyll and glucose. What do you already know about it?"


def talk(*turns: str, system: str = "You are a helpful teacher.") -> list[Message]:
    """A talk as course samples have it: the learner begins, the teacher is the assistant."""
    spoken: list[Message] = [
        {"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(turns)
    ]
    return [{"role": "system", "content": system}, *spoken]


def row(number: int, *turns: str, **fields: Any) -> Row:
    return Row(line=number, messages=talk(*turns), **fields)


def store(team: Team, member: User, rows: list[Row]) -> DatasetVersion:
    return versions.create_version(
        dataset=versions.create_dataset(team=team, name="Lessons", person=member),
        rows=rows,
        shape="messages",
        person=member,
        note="",
        source_name="lessons.jsonl",
    )


def swap(browser: Client, version: DatasetVersion, which: str = "all") -> tuple[str, DatasetVersion]:
    """(what the page said, the dataset's newest version)."""
    at = f"/teams/{version.dataset.team_id}/datasets/{version.dataset_id}/versions/{version.number}/"
    page = browser.post(f"{at}swap/", {"which": which}, follow=True).content.decode()
    newest = versions.newest(version.dataset)
    assert newest is not None
    return page, newest


def test_the_learner_becomes_the_student_and_the_teachers_description_goes() -> None:
    made = checks.swapped(row(1, "I'm confused.", LESSON, "Plants eat sun?", LESSON, labels={"subject": "science"}))
    assert made is not None
    assert [(turn["role"], turn["content"]) for turn in made.messages] == [
        ("assistant", "I'm confused."),
        ("user", LESSON),
        ("assistant", "Plants eat sun?"),
    ]
    assert made.labels == {"subject": "science"}
    assert not checks.teaches(made)


def test_a_description_of_a_child_stays_and_weights_go() -> None:
    messages = talk("Help?", LESSON, "Um, ok.", system="You are a second-grade student.")
    messages[2]["weight"] = 0
    made = checks.swapped(Row(line=1, messages=messages))
    assert made is not None
    assert made.messages[0] == {"role": "system", "content": "You are a second-grade student."}
    assert all("weight" not in turn for turn in made.messages)


def test_a_row_in_which_the_child_would_answer_nobody_cant_be_swapped() -> None:
    assert checks.swapped(row(1, "I'm confused.", LESSON)) is None


def test_one_click_makes_the_next_version_and_its_note_counts_what_was_done(
    browser: Client, team: Team, member: User
) -> None:
    rows = [row(number, "I'm confused.", LESSON, f"Is it {number} leaves?", LESSON) for number in range(1, 4)]
    version = store(team, member, [*rows, row(4, "Help me.", LESSON)])
    page, made = swap(browser, version)
    told = "Teacher and student swapped in 3 rows of version 1; 1 row left out, in which the child would answer nobody."
    assert (made.number, made.row_count, made.skipped_rows, made.note) == (2, 3, 1, told)
    assert told in page
    assert not made.report["quality"]["speaker"]["trains_the_teacher"]
    assert [kept["messages"][-1]["content"] for kept in versions.rows(made)] == [
        f"Is it {number} leaves?" for number in range(1, 4)
    ]


def test_only_the_rows_that_sound_like_a_teacher_are_swapped_where_asked(
    browser: Client, team: Team, member: User
) -> None:
    child = Row(
        line=2,
        messages=[{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "Um, 4!"}],
    )
    version = store(team, member, [row(1, "I'm confused.", LESSON, "So leaves?", LESSON), child])
    _, made = swap(browser, version, "flagged")
    assert made.note == "Teacher and student swapped in 1 row of version 1."
    swapped, kept = versions.rows(made)
    assert (swapped["messages"][0]["role"], kept["messages"]) == ("assistant", child.messages)


def test_rows_that_cant_be_swapped_make_no_version_and_say_what_to_do(
    browser: Client, team: Team, member: User
) -> None:
    page, newest = swap(browser, store(team, member, [row(1, "Help me.", LESSON), row(2, "Why?", LESSON)]))
    assert newest.number == 1
    assert "the child would answer nobody" in page
