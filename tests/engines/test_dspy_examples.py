"""From rows to the turns a DSPy program learns from."""

import json
from pathlib import Path
from typing import Any

import pytest
from dspy_program import examples
from dspy_program.failure import EngineFailure


def row(*said: str, system: str | None = None, **extra: Any) -> dict[str, Any]:
    spoken = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
    return {"messages": [*([{"role": "system", "content": system}] if system else []), *spoken], **extra}


def load(folder: Path, rows: list[dict[str, Any]], validation: list[dict[str, Any]] | None = None) -> examples.Data:
    def write(name: str, content: list[dict[str, Any]]) -> Path:
        path = folder / name
        path.write_text("\n".join(json.dumps(one) for one in content), encoding="utf-8")
        return path

    held = write("validation.jsonl", validation) if validation is not None else None
    return examples.load(write("train.jsonl", rows), held, seed=1, heldout_limit=20, selection_limit=8)


def test_each_student_turn_is_an_example_with_its_history(tmp_path: Path) -> None:
    data = load(tmp_path, [row("Hi", "Hello!", "What is 2+2?", "Four!")], [row("Bye", "Bye!")])
    assert {(turn.conversation_history, turn.teacher_prompt, turn.student_response) for turn in data.train} == {
        (examples.NO_HISTORY, "Hi", "Hello!"),
        ("Teacher: Hi\nStudent: Hello!", "What is 2+2?", "Four!"),
    }
    assert [turn.student_response for turn in data.heldout] == ["Bye!"]


def test_without_validation_data_whole_dialogues_are_held_out(tmp_path: Path) -> None:
    rows = [row(f"Q{n}", f"A{n}", f"Why {n}?", f"Because {n}.", id=f"row-{n}") for n in range(10)]
    data = load(tmp_path, rows)
    held = {turn.row_id for turn in data.heldout}
    chosen = {turn.row_id for turn in data.selection}
    learned = {turn.row_id for turn in data.train}
    assert len(held) == 2 and len(chosen) == 2 and len(learned) == 6
    assert held | chosen | learned == {f"row-{n}" for n in range(10)}
    assert "2 of the 10 dialogues" in data.notes[0]
    assert load(tmp_path, rows) == data


def test_a_persona_all_rows_share_goes_into_the_instructions(tmp_path: Path) -> None:
    data = load(tmp_path, [row("Hi", "Hey", system="You are Mia.") for _ in range(4)], [row("Hi", "Hey")])
    assert data.persona == examples.Persona("instructions", "You are Mia.")
    assert "Mia" not in data.train[0].conversation_history


def test_personas_that_differ_stand_before_their_own_conversations(tmp_path: Path) -> None:
    data = load(
        tmp_path, [row("Hi", name, system=f"You are {name}.") for name in ("Mia", "Ben", "Zoe")], [row("A", "B")]
    )
    assert data.persona.place == "history"
    for turn in data.train:
        assert turn.conversation_history.startswith(f"About the student: You are {turn.student_response}.")


def test_messages_not_trained_on_stay_in_the_history(tmp_path: Path) -> None:
    quiet = row("Hi", "Hey", "How are you?", "Good!")
    quiet["messages"][1]["weight"] = 0
    data = load(tmp_path, [quiet, row("A", "B"), row("C", "D")], [row("E", "F")])
    assert "Hey" not in {turn.student_response for turn in data.train}
    assert any("Student: Hey" in turn.conversation_history for turn in data.train)
    assert any("1 student messages are not examples" in note for note in data.notes)


@pytest.mark.parametrize(
    ("line", "said"),
    [("{", "line 2"), ('{"messages": [{"role": "robot", "content": "x"}]}', "robot"), ('{"messages": 5}', "line 2")],
)
def test_a_broken_row_is_named_by_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(f"{json.dumps(row('A', 'B'))}\n{line}\n", encoding="utf-8")
    with pytest.raises(EngineFailure) as caught:
        examples.load(path, None, seed=0, heldout_limit=5, selection_limit=5)
    assert caught.value.code == "bad_data" and said in caught.value.message


def test_too_little_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineFailure) as caught:
        load(tmp_path, [row("A", "B")], [row("C", "D")])
    assert caught.value.code == "bad_data"
