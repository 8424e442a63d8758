"""From rows of dialogue to the turns a program learns from and is measured on. Pure: no DSPy.

Every assistant (student) message is one turn: what was said before, what the teacher says now, what the child answers.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dspy_program.failure import EngineFailure

NO_HISTORY = "(The conversation starts here.)"
_SPEAKERS = {"user": "Teacher", "assistant": "Student"}


@dataclass(frozen=True)
class Turn:
    """One student turn: the program's inputs, the reference answer, and where it came from."""

    conversation_history: str
    teacher_prompt: str
    student_response: str
    row_id: str
    persona: str = ""


@dataclass(frozen=True)
class Row:
    """One dialogue: merged messages (role, content, trained on) without its system message, which is `persona`."""

    row_id: str
    persona: str
    messages: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True)
class Persona:
    """Where the rows' system message goes.

    `instructions`: one message for all rows, part of the program's instructions. `history`: rows differ, so it stands
    before the conversation (`text` is the commonest, for chats that bring none). `field`: the program has a field for it.
    `none`: the rows have no such message.
    """

    place: Literal["none", "instructions", "history", "field"]
    text: str = ""


@dataclass(frozen=True)
class Data:
    """`train` to learn from, `selection` for optimisers to choose by, `heldout` to measure. `notes` are for people."""

    train: list[Turn]
    selection: list[Turn]
    heldout: list[Turn]
    persona: Persona
    notes: list[str]
    sha256: str


def format_history(messages: Sequence[tuple[str, str]], persona: str = "") -> str:
    """`[("user", "Hi"), ("assistant", "Hello")]` as "Teacher: Hi\\nStudent: Hello", the persona above where given."""
    lines = [f"{_SPEAKERS[role]}: {content}" for role, content in messages] or [NO_HISTORY]
    return "\n".join([f"About the student: {persona}", *lines] if persona else lines)


def merge_messages(
    messages: Sequence[tuple[str, str, bool]],
) -> tuple[tuple[str, str, bool], ...]:
    """Neighbouring messages of one role become one, so that teacher and student take turns."""
    merged: list[tuple[str, str, bool]] = []
    for role, content, trained in messages:
        if merged and merged[-1][0] == role:
            role, before, trained_before = merged.pop()
            merged.append((role, f"{before}\n{content}", trained and trained_before))
        else:
            merged.append((role, content, trained))
    return tuple(merged)


def load(
    train_file: Path,
    validation_file: Path | None,
    *,
    seed: int,
    heldout_limit: int,
    selection_limit: int,
    persona_field: bool = False,
) -> Data:
    """Read and split the rows. Without a validation file a fifth of the rows (never single turns) is held out.

    `persona_field`: the program has a field of its own for the system message.

    Raises EngineFailure `bad_data` where a row can't be read or too few student turns are left.
    """
    notes: list[str] = []
    rng = random.Random(seed)
    rows = _read_rows(train_file)
    digest = hashlib.sha256(train_file.read_bytes())
    if validation_file is None:
        rows, heldout_rows = _split(rows, max(1, round(len(rows) / 5)), rng)
        notes.append(
            f"No validation data was given, so {len(heldout_rows)} of the {len(rows) + len(heldout_rows)} dialogues "
            "were held out by chance to measure with; the program never sees them."
        )
    else:
        heldout_rows = _read_rows(validation_file)
        digest.update(validation_file.read_bytes())
    persona = _shared_persona(rows, has_field=persona_field)
    train, skipped = _turns(rows, persona)
    heldout, _ = _turns(heldout_rows, persona)
    if skipped:
        notes.append(
            f"{skipped} student messages are not examples: no teacher message before them, or weight 0."
        )
    if len(train) < 2 or not heldout:
        raise _bad_data(
            f"{len(train)} student turns to learn from and {len(heldout)} to measure with are too few."
        )
    heldout = _limit(heldout, heldout_limit, rng, "held-out turns to measure with", notes)
    train, selection = _selection(rows, train, persona, selection_limit, rng, notes)
    return Data(train, selection, heldout, persona, notes, digest.hexdigest())


def _selection(
    rows: list[Row],
    train: list[Turn],
    persona: Persona,
    limit: int,
    rng: random.Random,
    notes: list[str],
) -> tuple[list[Turn], list[Turn]]:
    """Split `train` by row once more: optimisers choose by turns they do not copy, and never by the held-out ones."""
    if len(rows) < 4:
        notes.append(
            "Too few dialogues to set some aside: the optimiser chooses by the same ones it learns from."
        )
        return train, train[:limit]
    kept_rows, chosen_rows = _split(rows, max(1, round(len(rows) * 0.3)), rng)
    kept, _ = _turns(kept_rows, persona)
    chosen, _ = _turns(chosen_rows, persona)
    if len(kept) < 2 or not chosen:
        return train, train[:limit]
    rng.shuffle(kept)
    return kept, rng.sample(chosen, min(limit, len(chosen)))


def _read_rows(path: Path) -> list[Row]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_data(f"{path} cannot be read: {error}") from error
    rows = [_row(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise _bad_data(f"{path} holds no rows.")
    return rows


def _row(path: Path, number: int, line: str) -> Row:
    try:
        data: dict[str, Any] = json.loads(line)
        messages = [
            (m["role"], str(m["content"]).strip(), m.get("weight", 1) != 0)
            for m in data["messages"]
        ]
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise _bad_data(f"{path}, line {number}: not a row of messages ({error!r}).") from error
    unknown = {role for role, _, _ in messages} - {"system", *_SPEAKERS}
    if unknown:
        raise _bad_data(f"{path}, line {number}: unknown role {sorted(unknown)[0]!r}.")
    persona = "\n".join(content for role, content, _ in messages if role == "system" and content)
    spoken = [message for message in messages if message[0] != "system" and message[1]]
    return Row(str(data.get("id", number)), persona, merge_messages(spoken))


def _shared_persona(rows: list[Row], *, has_field: bool) -> Persona:
    counts = Counter(row.persona for row in rows)
    commonest, times = next(((text, n) for text, n in counts.most_common() if text), ("", 0))
    if has_field:
        return Persona("field", commonest)
    if not commonest:
        return Persona("none")
    return Persona("instructions" if times == len(rows) else "history", commonest)


def _turns(rows: list[Row], persona: Persona) -> tuple[list[Turn], int]:
    turns: list[Turn] = []
    skipped = 0
    for row in rows:
        prefix = row.persona if persona.place == "history" else ""
        for place, (role, content, trained) in enumerate(row.messages):
            if role != "assistant":
                continue
            if not trained or place == 0:
                skipped += 1
                continue
            before = [(role, said) for role, said, _ in row.messages[: place - 1]]
            history = format_history(before, prefix)
            turns.append(
                Turn(history, row.messages[place - 1][1], content, row.row_id, row.persona)
            )
    return turns, skipped


def _split(rows: list[Row], count: int, rng: random.Random) -> tuple[list[Row], list[Row]]:
    if len(rows) < 2:
        raise _bad_data(
            "One dialogue can't be split into one to learn from and one to measure with."
        )
    chosen = set(rng.sample(range(len(rows)), min(count, len(rows) - 1)))
    kept = [row for place, row in enumerate(rows) if place not in chosen]
    return kept, [rows[place] for place in sorted(chosen)]


def _limit(
    turns: list[Turn], limit: int, rng: random.Random, what: str, notes: list[str]
) -> list[Turn]:
    if len(turns) <= limit:
        return turns
    notes.append(
        f"{limit} of the {len(turns)} {what} were drawn by chance, to keep calls for the optimiser."
    )
    return [turns[place] for place in sorted(rng.sample(range(len(turns)), limit))]


def _bad_data(message: str) -> EngineFailure:
    return EngineFailure(
        "bad_data", message, "Add dialogues in which the teacher asks and the student answers."
    )
