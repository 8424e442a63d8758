"""One JSON value (or table row) to one canonical row: which shape it is, what goes where, what is left over."""

from collections.abc import Iterator
from typing import Any

from datasets.formats.bad_answers import bad_answer, half_a_pair, is_bad_answer
from datasets.formats.names import (
    CONTENT_KEYS,
    CONTEXT_KEYS,
    LABEL_ALIASES,
    METADATA_KEYS,
    PAIRS,
    ROLE_KEYS,
    SYSTEM_KEYS,
    TURN_LISTS,
    WRAPPERS,
    plain_key,
)
from datasets.formats.rows import LABELS, ColumnMapping, Limits, Message, Problem, Row, RowFault, Shape, excerpt_of
from datasets.formats.strictjson import JsonFault, parse
from datasets.formats.turns import TurnList

_WRONG_KIND = {
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "a truth value",
    "NoneType": "null",
    "list": "a list",
}


def shaped(value: Any, *, line: int, mapping: ColumnMapping | None = None) -> tuple[Row, list[Problem], str]:
    """The row in a value, what was noticed (no errors), and the near shape's name. Raises `RowFault` with the
    errors.
    """
    if mapping is not None and isinstance(value, dict):
        if is_bad_answer(value):
            raise RowFault([bad_answer(line, value)])
        return _finish(_mapped(value, mapping, line))
    if type(value) is dict and len(value) == 1 and "messages" in value:
        draft = _Draft(line, "messages", "messages")
        draft.turns.read(_unpacked(value["messages"]), "messages")
        draft.shape = "dialogue" if draft.turns.classroom else "messages"
        return _finish(draft)
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        value = {"messages": value}
    if isinstance(value, dict) and is_bad_answer(value):
        raise RowFault([bad_answer(line, value)])
    if not isinstance(value, dict):
        kind = _WRONG_KIND[type(value).__name__]
        fix = 'Write the row as an object, such as {"dialogue": [{"role": "teacher", "content": "…"}, …]}.'
        raise RowFault([_fault(line, "not_an_object", f"A row must be an object; this is {kind}.", fix, value)])
    return _finish(_draft(value, line))


class _Draft:
    """A row being put together."""

    def __init__(self, line: int, shape: Shape, name: str) -> None:
        self.line, self.shape, self.name = line, shape, name
        self.turns = TurnList(line)
        self.labels: dict[str, str] = {}
        self.extra: dict[str, Any] = {}
        self.input_suffix = ""
        self.preferred: list[Message] | None = None
        self.rejected: list[Message] | None = None


def _finish(draft: _Draft) -> tuple[Row, list[Problem], str]:
    problems = draft.turns.problems
    if problems and any(problem.severity == "error" for problem in problems):
        raise RowFault(problems)
    if draft.turns.leftovers:
        draft.extra["turns"] = draft.turns.leftovers
    row = Row(
        line=draft.line,
        messages=draft.turns.messages,
        shape=draft.shape,
        labels=draft.labels,
        extra=draft.extra,
        input_suffix=draft.input_suffix,
        preferred_output=draft.preferred,
        non_preferred_output=draft.rejected,
    )
    return row, problems, draft.name


def _draft(value: dict[str, Any], line: int) -> _Draft:
    if "preferred_output" in value or "chosen" in value:
        return _preference(value, line)
    by_name = {plain_key(key): key for key in value}
    for name in TURN_LISTS:
        turns = value[by_name[name]] if name in by_name else None
        if isinstance(turns, list | str):
            return _turn_list(value, by_name[name], line)
        if isinstance(
            turns, dict
        ):  # {"dialogue": {"teacher": …, "student": …}}: what is inside counts as the row's own
            return _draft({**{key: item for key, item in value.items() if key != by_name[name]}, **turns}, line)
    for teacher_names, student_names, shape in PAIRS:
        teacher = next((by_name[name] for name in teacher_names if name in by_name), None)
        student = next((by_name[name] for name in student_names if name in by_name), None)
        if teacher is not None and student is not None:
            return _pair(value, teacher, student, shape, line)  # type: ignore[arg-type]
    if (half := half_a_pair(line, value, by_name)) is not None:
        raise RowFault([half])
    keys = ", ".join(f"`{key}`" for key in list(value)[:8])
    if not keys:
        fix = "Write what the teacher says and what the student says into it, or delete it."
        raise RowFault([_fault(line, "unknown_shape", "The row is empty: {}.", fix, value)])
    fix = "Say which key holds what the teacher says and which what the student says, or rename them."
    raise RowFault([_fault(line, "unknown_shape", f"No known kind of row has {keys}.", fix, value)])


def _turn_list(value: dict[str, Any], key: str, line: int) -> _Draft:
    draft = _Draft(line, "messages", plain_key(key))
    draft.turns.read(_unpacked(value[key]), key)
    if draft.turns.sharegpt:
        draft.name = "sharegpt"
    if draft.turns.classroom or draft.name in ("dialogue", "dialog"):
        draft.shape = "dialogue"
    used = {key}
    system = next(
        (k for k in value if plain_key(k) in SYSTEM_KEYS and isinstance(value[k], str) and value[k].strip()), None
    )
    if system and not any(message["role"] == "system" for message in draft.turns.messages):
        draft.turns.messages.insert(0, {"role": "system", "content": value[system]})
        draft.turns.leftovers = {str(int(k) + 1): v for k, v in draft.turns.leftovers.items()}
        used.add(system)
    _take_rest(draft, value, used)
    return draft


def _unpacked(value: Any) -> Any:
    """A list of turns written as JSON text in a table's cell."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            return parse(value.encode("utf-8", "replace"), max_depth=Limits().max_depth)
        except JsonFault:
            return value
    return value


def _pair(value: dict[str, Any], teacher: str, student: str, shape: Shape, line: int) -> _Draft:
    draft = _Draft(line, shape, f"{plain_key(teacher)}/{plain_key(student)}")
    used = {teacher, student}
    if _is_turns(value[teacher]) and _is_turns(value[student]):
        draft.shape = "messages"
        draft.turns.read(value[teacher], teacher)
        draft.turns.read(value[student], student)
        _take_rest(draft, value, used)
        return draft
    read_text = draft.turns.text
    system = next((key for key in value if plain_key(key) in SYSTEM_KEYS and key not in used), None)
    if system is not None:
        used.add(system)
        if value[system]:
            _say(draft, "system", read_text(value[system], system))
    context = next((key for key in value if plain_key(key) in CONTEXT_KEYS and key not in used), None)
    _history(draft, value, used)
    asked = read_text(value[teacher], teacher)
    if context is not None:
        used.add(context)
        asked = _with_context(draft, asked, read_text(value[context] if value[context] is not None else "", context))
    answered = read_text(value[student], student)
    turns = [("user", asked), ("assistant", answered)]
    if shape == "dialogue" and _student_opens(asked, answered):
        turns.reverse()
    for role, text in turns:
        _say(draft, role, text)
    _take_rest(draft, value, used)
    return draft


def _is_turns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(turn, dict) and "role" in turn for turn in value)


def _with_context(draft: _Draft, asked: str | None, context: str | None) -> str | None:
    if not context or asked is None:
        return asked
    if not asked:
        return context
    draft.input_suffix = context
    return f"{asked}\n\n{context}"


def _student_opens(teacher: str | None, student: str | None) -> bool:
    """In an object with both, the one who asks speaks first; the teacher where both or neither do."""
    return "?" in (student or "") and "?" not in (teacher or "?")


def _history(draft: _Draft, value: dict[str, Any], used: set[str]) -> None:
    history = value.get("history")
    if isinstance(history, list) and history and all(isinstance(item, list) and len(item) == 2 for item in history):
        used.add("history")
        draft.turns.read(history, "history")


def _say(draft: _Draft, role: str, text: str | None) -> None:
    if text is not None:
        draft.turns.messages.append({"role": role, "content": text})


def _preference(value: dict[str, Any], line: int) -> _Draft:
    draft = _Draft(line, "preference", "preference")
    openai = "preferred_output" in value
    source = "input" if openai else "prompt"
    given = value.get(source)
    if isinstance(given, dict):
        draft.turns.read(given.get("messages"), f"{source}.messages")
        left = {key: item for key, item in given.items() if key != "messages"}
        if left:
            draft.extra["input"] = left
    elif isinstance(given, list):
        draft.turns.read(given, source)
    elif given is not None:
        _say(draft, "user", draft.turns.text(given, source))
    elif not openai:
        _shared_start(draft, value.get("chosen"), value.get("rejected"))
    good, bad = ("preferred_output", "non_preferred_output") if openai else ("chosen", "rejected")
    draft.preferred = _answer(draft, value, good)
    draft.rejected = _answer(draft, value, bad)
    draft.turns.messages.extend(draft.preferred)
    _take_rest(draft, value, {source, good, bad})
    return draft


def _shared_start(draft: _Draft, chosen: Any, rejected: Any) -> None:
    """Two whole conversations that differ only in their ends: what they share is the prompt."""
    if isinstance(chosen, list) and isinstance(rejected, list):
        shared = 0
        while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
            shared += 1
        draft.turns.read(chosen[:shared], "chosen")


def _answer(draft: _Draft, value: dict[str, Any], key: str) -> list[Message]:
    """The messages of one of the two answers, without what they repeat of the prompt."""
    answer = value.get(key)
    inner = TurnList(draft.line)
    if isinstance(answer, str) and answer.strip():
        return [{"role": "assistant", "content": answer}]
    inner.read(answer if answer is not None else [], key)
    draft.turns.problems.extend(inner.problems)
    asked = len(draft.turns.messages)
    messages = inner.messages[asked:] if inner.messages[:asked] == draft.turns.messages and asked else inner.messages
    said = [message for message in messages if message["role"] == "assistant" and message["content"].strip()]
    if not said and not inner.problems:
        fix = f"Give the student's answer in `{key}`."
        draft.turns.report(key, "missing_answer", f"`{key}` holds no answer of the student.", fix)
    return messages


def _mapped(value: dict[str, Any], mapping: ColumnMapping, line: int) -> _Draft:
    missing = [name for name in (mapping.teacher, mapping.student) if name not in value]
    if missing:
        fix = "Choose the columns again, or delete the row."
        raise RowFault(
            [_fault(line, "missing_field", f"The row has no `{missing[0]}`.", fix, value, field=missing[0])]
        )
    draft = _Draft(line, "instruction", "mapped by hand")
    used = {mapping.teacher, mapping.student}
    if mapping.system and value.get(mapping.system):
        used.add(mapping.system)
        _say(draft, "system", draft.turns.text(value[mapping.system], mapping.system))
    asked = draft.turns.text(value[mapping.teacher], mapping.teacher)
    if mapping.context and value.get(mapping.context):
        used.add(mapping.context)
        asked = _with_context(draft, asked, draft.turns.text(value[mapping.context], mapping.context))
    _say(draft, "user", asked)
    _say(draft, "assistant", draft.turns.text(value[mapping.student], mapping.student))
    for label, column in mapping.labels.items():
        if label in LABELS and (text := _label_text(value.get(column))):
            draft.labels[label] = text
            used.add(column)
    _take_rest(draft, value, used)
    return draft


def _take_rest(draft: _Draft, value: dict[str, Any], used: set[str]) -> None:
    """Labels to their places, everything else to `extra`. Exact names win over aliases, the row's own keys over
    metadata.
    """
    rest = {key: item for key, item in value.items() if key not in used}
    if not rest:
        return
    metadata = {key: dict(rest[key]) for key in rest if key in METADATA_KEYS and isinstance(rest[key], dict)}
    for place in (rest, *metadata.values()):
        for key in list(place):
            if plain_key(key) in LABELS and plain_key(key) not in draft.labels and (text := _label_text(place[key])):
                draft.labels[plain_key(key)] = text
                del place[key]
    for place in (rest, *metadata.values()):
        for key in list(place):
            label = LABEL_ALIASES.get(plain_key(key))
            if label and label not in draft.labels and (text := _label_text(place[key])):
                draft.labels[label] = text
                del place[key]
    for key, item in rest.items():
        if key in metadata:
            item = metadata[key]
            if not item:
                continue
        draft.extra[key] = item


def _label_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()


def expanded(value: Any, max_depth: int) -> Iterator[Any]:
    """The rows in a value that holds many: lists of rows, alone or under keys such as `data` or `train`, and columns
    (`{"instruction": [...], "output": [...]}`); the row in a JSON text inside a JSON text. Any other value is itself."""
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            value = parse(value.encode("utf-8"), max_depth=max_depth)
        except JsonFault:
            yield value
            return
    if isinstance(value, list) and (_are_rows(value) or _are_conversations(value)):
        yield from value
    elif isinstance(value, dict) and (talks := _conversations_of(value)):
        yield from talks
    elif isinstance(value, dict) and (lists := _lists_of_rows(value)):
        for rows in lists:
            yield from rows
    elif isinstance(value, dict) and _are_columns(value):
        for cells in zip(*value.values(), strict=True):
            yield dict(zip(value, cells, strict=True))
    else:
        yield value


def _are_conversations(values: list[Any]) -> bool:
    """Lists of turns in a list: one conversation each."""
    return bool(values) and all(
        isinstance(talk, list) and talk and all(isinstance(turn, dict) for turn in talk) for talk in values
    )


def _conversations_of(value: dict[str, Any]) -> list[Any]:
    """The conversations that an object holds under one key, where it is several: lists of turns, or objects that hold such."""
    for key, inner in value.items():
        if plain_key(key) not in TURN_LISTS or not isinstance(inner, list) or not inner:
            continue
        if _are_conversations(inner):
            return [{**{name: item for name, item in value.items() if name != key}, key: talk} for talk in inner]
        if all(
            isinstance(talk, dict) and any(isinstance(talk.get(name), list) for name in TURN_LISTS) for talk in inner
        ):
            return inner
    return []


def _are_rows(values: list[Any]) -> bool:
    """Objects that are rows themselves, not turns of one conversation."""

    def is_turn(item: dict[str, Any]) -> bool:
        return any(key in item for key in ROLE_KEYS) or any(key in item for key in CONTENT_KEYS) or len(item) < 2

    return bool(values) and all(isinstance(item, dict) and not is_turn(item) for item in values)


def _lists_of_rows(value: dict[str, Any]) -> list[list[Any]]:
    """All lists of objects of an object that holds at least one of them under a key that means rows."""
    plain = {plain_key(key) for key in value}
    if plain & {*TURN_LISTS, "preferred_output", "chosen"} or not plain & set(WRAPPERS):
        return []
    lists = [item for item in value.values() if isinstance(item, list) and item]
    return lists if lists and all(isinstance(row, dict | list) for rows in lists for row in rows) else []


def _are_columns(value: dict[str, Any]) -> bool:
    columns = list(value.values())
    if len(columns) < 2 or not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        return False
    plain = {plain_key(key) for key in value}
    all_texts = all(isinstance(cell, str) for column in columns for cell in column)
    return all_texts and not plain & {*TURN_LISTS, "preferred_output", "chosen"}


def _fault(line: int, code: str, message: str, fix: str, value: Any, *, field: str = "") -> Problem:
    return Problem(
        line=line,
        column=None,
        field=field,
        code=code,
        severity="error",
        message=message,
        fix=fix,
        excerpt=excerpt_of(value if isinstance(value, str) else repr(value)[:200]),
    )
