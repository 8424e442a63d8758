"""Shapes: the three of the guide, the near ones of real files, and the rules for rows."""

import json
from io import BytesIO
from pathlib import Path

import pytest

from datasets import formats
from datasets.formats import Limits, Row

COURSE = Path(__file__).resolve().parents[3] / "shared" / "data" / "course"
OPENAI = COURSE.parent / "openai"
ASK, SAY = "What is 8 + 7?", "It is 15!"
CHAT = [{"role": "user", "content": ASK}, {"role": "assistant", "content": SAY}]


def one(value) -> Row:
    row, problems = formats.from_object(value)
    assert row is not None, problems
    return row


def codes(value, severity=None) -> list[str]:
    _, problems = formats.from_object(value)
    return [p.code for p in problems if severity in (None, p.severity)]


NEAR: dict = {
    "dialogue": {"dialogue": [{"role": "teacher", "content": ASK}, {"role": "student", "content": SAY}]},
    "messages": {"messages": CHAT},
    "instruction": {"instruction": ASK, "output": SAY},
    "alpaca": {"instruction": ASK, "input": "", "output": SAY},
    "question": {"question": ASK, "answer": SAY},
    "prompt": {"prompt": ASK, "completion": SAY},
    "input": {"input": ASK, "output": SAY},
    "conversation": {"conversation": [{"role": "Teacher", "content": ASK}, {"role": "Student", "content": SAY}]},
    "sharegpt": {"conversations": [{"from": "human", "value": ASK}, {"from": "gpt", "value": SAY}]},
    "speaker": {"turns": [{"speaker": "teacher", "text": ASK}, {"speaker": "child", "text": SAY}]},
    "pair": {"teacher": ASK, "student": SAY},
    "pair turned round": {"student": SAY, "teacher": ASK},
    "capitals": {"Question": ASK, "Answer": SAY},
    "bare list": CHAT,
    "one key a turn": {"dialogue": [{"teacher": ASK}, {"student": SAY}]},
    "spoken lines": {"dialogue": [f"Teacher: {ASK}", f"Student: {SAY}"]},
    "pairs": {"conversation": [[ASK, SAY]]},
    "list content": {"messages": [{"role": "user", "content": [{"type": "text", "text": ASK}]}, CHAT[1]]},
    "objects": {"question": {"text": ASK}, "answer": {"text": SAY}},
    "object of objects": {"dialogue": {"teacher": ASK, "student": SAY}},
    "turns in a pair": {"prompt": [CHAT[0]], "completion": [CHAT[1]]},
    "objects with more": {"input": {"teacher_prompt": ASK, "mood": "x"}, "output": {"student_response": SAY, "b": "c"}},
    "whole conversations": {"chosen": CHAT, "rejected": [CHAT[0], {"role": "assistant", "content": "Fifteen."}]},
    "object content": {"messages": [{"role": "user", "content": {"text": ASK}}, CHAT[1]]},
}


@pytest.mark.parametrize("name", NEAR)
def test_each_near_shape_is_the_same_conversation(name):
    assert one(NEAR[name]).messages == CHAT


def test_the_student_who_asks_speaks_first_in_a_pair():
    row = one({"teacher": "Water turns into ice.", "student": "What happens to water when it is cold?"})
    assert [m["role"] for m in row.messages] == ["assistant", "user"]


def test_an_instructions_input_is_part_of_the_question_and_comes_back():
    value = {"instruction": "Read this.", "input": "The cat sat.", "output": "A cat!"}
    row = one(value)
    assert row.prompt() == "Read this.\n\nThe cat sat."
    assert formats.to_shape(row, "instruction") == value


def test_metadata_becomes_labels_and_the_rest_is_kept():
    row = one({"messages": CHAT, "metadata": {"topic": "math", "level": 2, "id": "x7"}, "emotion": "happy", "week": 3})
    assert row.labels == {"subject": "math", "difficulty": "2", "emotion": "happy"}
    assert row.extra == {"metadata": {"id": "x7"}, "week": 3}


def test_weights_tools_and_tool_calls_are_kept():
    call = [{"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}]
    turns = [
        {"role": "user", "content": ASK},
        {"role": "assistant", "content": None, "tool_calls": call, "weight": 0},
        {"role": "tool", "content": "15", "tool_call_id": "1"},
        {"role": "assistant", "content": SAY, "weight": 1},
    ]
    row = one({"messages": turns, "tools": [{"type": "function"}], "parallel_tool_calls": False})
    assert row.messages[1] == {"role": "assistant", "content": "", "tool_calls": call, "weight": 0}
    assert row.extra == {"tools": [{"type": "function"}], "parallel_tool_calls": False}
    assert codes({"messages": turns}) == []


def test_a_preference_pair_keeps_both_answers():
    value = {
        "input": {"messages": [CHAT[0]], "tools": []},
        "preferred_output": [CHAT[1]],
        "non_preferred_output": [{"role": "assistant", "content": "The sum equals fifteen."}],
    }
    row = one(value)
    assert row.shape == "preference" and row.messages == CHAT
    assert formats.to_shape(row, "preference") == value
    assert formats.losses(row, "messages") == ["the rejected answer"]
    assert one({"prompt": ASK, "chosen": SAY, "rejected": "Fifteen."}).messages == CHAT


def test_rows_under_columns_are_expanded():
    data = json.dumps({"question": [ASK, "b?"], "answer": [SAY, "c"]}).encode()
    assert [i.prompt() for i in formats.read(BytesIO(data), filename="a.json") if isinstance(i, Row)] == [ASK, "b?"]


BROKEN: dict[str, list] = {
    "not_an_object": [1, "text", None, True, 1.5, [], ["a"]],
    "unknown_shape": [{}, {"foo": "bar"}, {"text": "only"}],
    "not_a_list": [{"messages": "hello"}],
    "not_a_turn": [{"messages": ["hello", 3]}],
    "no_turns": [{"messages": []}],
    "missing_role": [{"messages": [{"content": "a"}, CHAT[1]]}],
    "missing_content": [{"messages": [{"role": "user"}, CHAT[1]]}],
    "unknown_role": [
        {"messages": [{"role": "dog", "content": "woof"}, CHAT[1]]},
        {"messages": [{"role": 3, "content": "a"}]},
    ],
    "empty_content": [{"question": " ", "answer": "a"}, {"messages": [{"role": "user", "content": None}, CHAT[1]]}],
    "no_student_turn": [{"messages": [CHAT[0]]}],
    "last_turn_not_student": [{"messages": [*CHAT, CHAT[0]]}],
    "not_text": [{"question": ASK, "answer": 15}, {"question": ASK, "answer": {"a": "b", "c": "d"}}],
    "content_not_text": [
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, CHAT[1]]}
    ],
    "bad_weight": [
        {"messages": [CHAT[0], {**CHAT[1], "weight": 0.5}]},
        {"messages": [CHAT[0], {**CHAT[1], "weight": True}]},
    ],
    "weight_on_wrong_role": [{"messages": [{**CHAT[0], "weight": 1}, CHAT[1]]}],
    "nothing_trained": [{"messages": [CHAT[0], {**CHAT[1], "weight": 0}]}],
    "missing_answer": [{"input": {"messages": [CHAT[0]]}, "preferred_output": [CHAT[1]]}],
    "null_character": [{"question": "a\x00b", "answer": "c"}],
}


@pytest.mark.parametrize("code", BROKEN)
def test_each_row_rule_refuses_what_breaks_it(code):
    for value in BROKEN[code]:
        row, problems = formats.from_object(value, line=7)
        assert row is None
        assert code in [p.code for p in problems if p.severity == "error"], problems
        assert all(p.line == 7 and p.message and p.fix for p in problems)


WARNED: dict = {
    "student_opens": {"messages": [CHAT[1], *CHAT]},
    "same_speaker_twice": {"messages": [CHAT[0], *CHAT]},
    "system_not_first": {"messages": [CHAT[0], {"role": "system", "content": "x"}, CHAT[1]]},
    "no_teacher_turn": {"messages": [{"role": "system", "content": "x"}, CHAT[1]]},
}


@pytest.mark.parametrize("code", WARNED)
def test_what_is_odd_is_told_and_kept(code):
    row, problems = formats.from_object(WARNED[code])
    assert row is not None
    assert [p.code for p in problems] == [code] and problems[0].severity == "warning"


def test_a_dialogue_may_end_with_the_teacher_as_the_guides_does():
    assert codes({"dialogue": [*NEAR["dialogue"]["dialogue"], {"role": "teacher", "content": "Good!"}]}, "error") == []


def test_limits_on_turns_and_length_are_row_errors_with_the_figure():
    limits = Limits(max_turns=4, max_turn_chars=20)
    for value, code, figure in (
        ({"messages": CHAT * 3}, "too_many_turns", "4"),
        ({"question": "x" * 30, "answer": "a"}, "too_long", "20"),
    ):
        row, problems = formats.from_object(value, limits=limits)
        assert row is None
        assert [p.code for p in problems if figure in p.message] == [code]


def test_a_shape_asked_for_refuses_the_others():
    items = list(formats.read(BytesIO(json.dumps({"messages": CHAT}).encode()), filename="a.jsonl", shape="dialogue"))
    assert [item.code for item in items if isinstance(item, formats.Problem)] == ["other_shape"] and len(items) == 1


def test_the_fast_and_the_long_way_agree():
    """The same rows with blanks that only the long way takes give the same rows."""
    values = [
        {"messages": CHAT},
        {"messages": [{"role": "system", "content": "x"}, *CHAT, *CHAT]},
        {"messages": [CHAT[1], *CHAT]},
    ]
    fast = "\n".join(json.dumps(value) for value in values)
    slow = "\n".join(json.dumps(value, separators=(", ", " : ")) for value in values)
    assert list(formats.read(BytesIO(fast.encode()), filename="a.jsonl")) == list(
        formats.read(BytesIO(slow.encode()), filename="a.jsonl")
    )


@pytest.mark.skipif(not COURSE.is_dir(), reason="../shared/data/course is not on this machine")
def test_the_courses_own_files_are_good_rows():
    found = {}
    for path in sorted([*COURSE.glob("*.json*"), OPENAI / "toy_chat_fine_tuning.jsonl"]):
        items = list(formats.read(path, filename=path.name))
        assert not [item for item in items if isinstance(item, formats.Problem) and item.severity == "error"], path.name
        rows = [item for item in items if isinstance(item, Row)]
        found[path.name] = (rows[0].shape, len(rows))
    assert found["guide_dialogue_1.json"] == ("dialogue", 1)
    assert found["guide_instruction_2.json"] == ("instruction", 1)
    assert found["openai_teacher_dialogue_training.jsonl"] == ("messages", 5)
    assert found["teacher_student_dialogues.jsonl"] == ("dialogue", 5)
    assert found["toy_chat_fine_tuning.jsonl"] == ("messages", 5)
    assert len(found) == 10
