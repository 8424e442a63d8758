"""Recorded talk and odd containers: turns a line, conversations in a cell, bad answers, placeholders, nested conversations."""

import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from datasets import formats
from datasets.formats import ColumnMapping, Problem, Row

BRIDGE = Path(__file__).parents[3] / "shared" / "data" / "transcripts" / "bridge_train.json"


def read(content: Any, name: str = "rows.jsonl", **options: Any) -> tuple[list[Row], list[Problem]]:
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    items = list(formats.read(io.BytesIO(content), filename=name, **options))
    return [item for item in items if isinstance(item, Row)], [item for item in items if isinstance(item, Problem)]


def turns(row: Row) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in row.messages]


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


# Bad answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [False, "false"])
@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "What is 3 + 4?", "completion": "As an AI, I say 7."},
        {
            "prompt": [{"role": "user", "content": "What is 3 + 4?"}],
            "completion": [{"role": "assistant", "content": "As an AI, I say 7."}],
        },
    ],
)
def test_an_answer_marked_as_bad_is_no_row(row: dict[str, Any], label: Any) -> None:
    rows, problems = read({**row, "label": label})
    assert rows == [] and codes(problems) == ["bad_answer"] and "marked as a bad one" in problems[0].message


def test_it_is_none_under_a_mapping_either() -> None:
    mapping = ColumnMapping(teacher="prompt", student="completion")
    rows, problems = read({"prompt": "Why?", "completion": "no", "label": False}, mapping=mapping)
    assert rows == [] and codes(problems) == ["bad_answer"]


def test_an_answer_marked_as_good_is_a_row() -> None:
    rows, _ = read({"prompt": "What is 3 + 4?", "completion": "um, 7?", "label": True})
    assert turns(rows[0]) == [("user", "What is 3 + 4?"), ("assistant", "um, 7?")]


# Nothing said --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["...", "…", "<image>", "<image>\nlook", "TODO", "N/A", "- -", "[inaudible]"])
@pytest.mark.parametrize("who", ["user", "assistant"])
def test_a_placeholder_is_warned_of(said: str, who: str) -> None:
    row = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "um"}]}
    next(turn for turn in row["messages"] if turn["role"] == who)["content"] = said
    rows, problems = read(row)
    assert len(rows) == 1 and [(one.code, one.severity) for one in problems] == [("placeholder", "warning")]


@pytest.mark.parametrize("said", ["No.", "7", "um...", "none of them", "I see an image"])
def test_a_short_answer_is_no_placeholder(said: str) -> None:
    row = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": said}]}
    assert read(row)[1] == []


@pytest.mark.parametrize("said", ["", "   ", None])
def test_a_row_without_text_is_refused_and_told(said: Any) -> None:
    row = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": said}]}
    rows, problems = read(row)
    assert rows == [] and "empty_content" in codes(problems)


# Parts and nests -----------------------------------------------------------------------------------------------------


def test_text_parts_are_text_by_whatever_key() -> None:
    parts = [{"type": "text", "value": "What is "}, {"type": "text", "text": "3 + 4?"}]
    rows, _ = read({"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "7"}]})
    assert turns(rows[0])[0] == ("user", "What is 3 + 4?")


def test_a_part_that_is_no_text_is_still_refused() -> None:
    parts = [{"type": "image", "value": "cat.png"}]
    _, problems = read({"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "7"}]})
    assert "content_not_text" in codes(problems)


TALK = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "um"}]


@pytest.mark.parametrize(
    "nested",
    [
        {"conversation": {"turns": TALK}},
        {"conversations": [TALK, TALK]},
        {"conversations": [{"id": 1, "messages": TALK}, {"id": 2, "messages": TALK}]},
        {"data": [{"conversation": {"messages": TALK}}]},
        [[*TALK], [*TALK]],
    ],
)
def test_conversations_are_found_inside_others(nested: Any) -> None:
    rows, problems = read(nested, "rows.json")
    assert rows and not problems and all(turns(row) == [("user", "Why?"), ("assistant", "um")] for row in rows)


# Transcripts ---------------------------------------------------------------------------------------------------------

LESSON = [
    ("T", "Good morning."),
    ("T", "What is ten?"),
    ("S1", "um"),
    ("S2", "a one and a zero"),
    ("T", "Yes!"),
    ("Student", "ok"),
]


def csv(columns: str, records: list[tuple[str, str]]) -> bytes:
    return "\n".join([columns, *(f'{who},"{said}"' for who, said in records)]).encode()


def test_a_table_of_turns_is_a_lesson() -> None:
    rows, problems = read(csv("Speaker,Utterance", LESSON), "lesson.csv")
    assert [turns(row) for row in rows] == [
        [
            ("user", "Good morning. What is ten?"),
            ("assistant", "um a one and a zero"),
            ("user", "Yes!"),
            ("assistant", "ok"),
        ]
    ]
    assert all(problem.severity != "error" for problem in problems)


def test_a_long_lesson_becomes_rows_that_end_with_the_student() -> None:
    records = [
        pair for number in range(100) for pair in (("Teacher", f"What is {number}?"), ("Student", f"It is {number}."))
    ]
    rows, problems = read(csv("Speaker,Sentence", records), "lesson.csv")
    assert (
        len(rows) == 10
        and not [one for one in problems if one.severity != "info"]
        and all(row.messages[-1]["role"] == "assistant" for row in rows)
    )


def test_speakers_nobody_knows_are_mapped_by_a_person() -> None:
    records = [("Okafor", "What is ten?"), ("Kim", "um"), ("Okafor", "And two?"), ("Lu", "two")]
    content = csv("Speaker,Utterance", records)
    rows, problems = read(content, "lesson.csv")
    assert rows == [] and "unknown_role" in codes(problems)
    mapping = ColumnMapping(speaker="Speaker", utterance="Utterance", teachers=["okafor"])
    rows, problems = read(content, "lesson.csv", mapping=mapping)
    assert problems == []
    assert turns(rows[0]) == [("user", "What is ten?"), ("assistant", "um"), ("user", "And two?"), ("assistant", "two")]


def test_columns_of_any_name_are_mapped_by_a_person() -> None:
    content = csv("wer,was", [("Frau K", "What is ten?"), ("Kind", "um")])
    mapping = ColumnMapping(speaker="wer", utterance="was", teachers=["Frau K"])
    rows, _ = read(content, "lesson.csv", mapping=mapping)
    assert turns(rows[0]) == [("user", "What is ten?"), ("assistant", "um")]


def test_a_sheet_of_talk_moves_is_read() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    records: list[list[Any]] = [
        ["Turn", "Speaker", "Sentence", "Teacher Tag"],
        [1, "T", "What is ten?", "Press"],
        [2, "S", "um", None],
    ]
    for record in records:
        sheet.append(record)
    kept = io.BytesIO()
    book.save(kept)
    rows, _ = read(kept.getvalue(), "lesson.xlsx")
    assert turns(rows[0]) == [("user", "What is ten?"), ("assistant", "um")]


def test_turns_in_a_json_list_are_a_lesson() -> None:
    records = [{"Speaker": who, "Utterance": said, "Tag": "x"} for who, said in LESSON[1:4]]
    rows, _ = read(records, "lesson.json")
    assert turns(rows[0])[0] == ("user", "What is ten?") and len(rows) == 1


@pytest.mark.parametrize("key", ["conversation", "dialogue"])
def test_a_conversation_in_a_cell_is_taken_apart(key: str) -> None:
    rows, problems = read({key: "Teacher: (probing)What is ten?|EOM|Student: um|EOM|Teacher: Try.|EOM|Student: 10"})
    assert turns(rows[0]) == [
        ("user", "(probing)What is ten?"),
        ("assistant", "um"),
        ("user", "Try."),
        ("assistant", "10"),
    ]
    assert problems == []


def test_the_other_speaker_of_two_is_taken_for_the_student_and_told() -> None:
    rows, problems = read({"conversation": "Teacher: What is ten?|EOM|Steven: um"})
    assert turns(rows[0]) == [("user", "What is ten?"), ("assistant", "um")]
    assert [(one.code, one.severity) for one in problems] == [("speaker_assumed", "warning")]


def test_pairs_of_a_classroom_table_are_read() -> None:
    rows, _ = read(b"student_text,teacher_text\num,What is ten?\n", "pairs.csv")
    assert sorted(turns(rows[0])) == [("assistant", "um"), ("user", "What is ten?")]


def test_bridge_is_read_with_its_speakers() -> None:
    if not BRIDGE.exists():
        pytest.skip("Bridge is not on this machine")
    rows, problems = read(BRIDGE.read_bytes(), "bridge.json")
    assert len(rows) > 400
    first = json.loads(BRIDGE.read_text())[0]["c_h"]
    assert [turn["content"] for turn in rows[0].messages] == [turn["text"] for turn in first]
    assert {turn["role"] for row in rows for turn in row.messages} == {"user", "assistant"}
    assert {problem.code for problem in problems if problem.severity == "error"} <= {"empty_content", "no_student_turn"}


# Captions ------------------------------------------------------------------------------------------------------------


def cue(begins: str, said: str) -> str:
    return f"{begins}.000 --> {begins}.900\n{said}\n\n"


def test_cues_of_one_speaker_are_one_turn_and_a_long_pause_ends_the_talk() -> None:
    text = "WEBVTT\n\n" + "".join(
        [
            cue("00:00:01", "Teacher: What is"),
            cue("00:00:03", "Teacher: 8 + 7?"),
            cue("00:00:05", "Student: Um, 15!"),
            cue("00:01:04", "Teacher: Why?"),
            cue("00:01:06", "Student: I counted."),
            cue("00:02:30", "Teacher: What is ice?"),
            cue("00:02:31", "Student: Cold water."),
        ]
    )
    rows, problems = read(text.encode(), "talk.vtt")
    assert not problems
    assert turns(rows[0])[0] == ("user", "What is 8 + 7?") and len(rows[0].messages) == 4
    assert turns(rows[1]) == [("user", "What is ice?"), ("assistant", "Cold water.")]
    assert (rows[0].line, rows[1].line) == (4, 19), "where it stands in the file"


def test_notes_styles_tags_and_escapes_of_captions_are_no_talk() -> None:
    text = (
        "WEBVTT - a lesson\n\nSTYLE\n::cue { color: red }\n\nNOTE Teacher: not said\n\n"
        "1\n00:01.000 --> 00:02.000 align:start\n<v.loud Ms. Bee>You &amp; I, <i>what</i> now?</v>\n\n"
        "2\n00:03.000 --> 00:04.000\n<v Theo>I &lt;3 frogs!\n"
    )
    rows, problems = read(
        text.encode(), "lesson.vtt", mapping=ColumnMapping(speakers={"Ms. Bee": "teacher", "Theo": "student"})
    )
    assert not [one for one in problems if one.severity == "error"]
    assert turns(rows[0]) == [("user", "You & I, what now?"), ("assistant", "I <3 frogs!")]


def test_subtitles_of_films_are_read_alike() -> None:
    text = "1\r\n00:00:01,000 --> 00:00:02,000\r\nTeacher: Why?\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nStudent: Because!\r\n"
    rows, _ = read(text.encode(), "talk.srt")
    assert turns(rows[0]) == [("user", "Why?"), ("assistant", "Because!")]


def test_captions_without_names_say_what_to_do() -> None:
    with pytest.raises(formats.UnreadableFile, match="does not say who speaks"):
        read(("WEBVTT\n\n" + cue("00:00:01", "What is ice?") + cue("00:00:03", "Cold.")).encode(), "x.vtt")


def test_a_turn_without_end_is_cut_and_not_held() -> None:
    limits = formats.Limits(max_row_bytes=2_000)
    said = "".join(cue(f"00:{n // 60:02}:{n % 60:02}", "Teacher: " + "so " * 100) for n in range(60))
    rows, problems = read(("WEBVTT\n\n" + said).encode(), "long.vtt", limits=limits)
    assert not rows and problems
