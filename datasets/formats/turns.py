"""Lists of turns in all their spellings, to canonical messages."""

import re
from typing import Any

from datasets.formats.names import (
    CLASSROOM_ROLES,
    CONTENT_KEYS,
    ROLE_KEYS,
    STANDARD_ROLE,
    TEXT_KEYS,
    standard_role,
)
from datasets.formats.rows import Message, Problem, excerpt_of
from datasets.formats.transcripts import speakers_of, turns_in_cell

KEPT_KEYS = frozenset(
    {"weight", "name", "tool_calls", "tool_call_id", "function_call", "refusal"}
)
_PLAIN = frozenset({"system", "user", "assistant"})
_SPOKEN = re.compile(r"^\s*\**([A-Za-z][A-Za-z \-]{0,20}?\d?)\**\s*:\s*(.*)$", re.DOTALL)
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


class TurnList:
    """The turns of one row as read so far: messages, what had no place, and what was wrong."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.messages: list[Message] = []
        self.leftovers: dict[str, dict[str, Any]] = {}
        self.problems: list[Problem] = []
        self.classroom = False
        self.sharegpt = False

    def report(
        self,
        field: str,
        code: str,
        message: str,
        fix: str,
        *,
        severity: Any = "error",
        excerpt: Any = "",
        fixable: bool = False,
    ) -> None:
        shown = excerpt if isinstance(excerpt, str) else repr(excerpt)
        self.problems.append(
            Problem(
                line=self.line,
                column=None,
                field=field,
                code=code,
                severity=severity,
                message=message,
                fix=fix,
                excerpt=excerpt_of(shown),
                fixable=fixable,
            )
        )

    def read(self, turns: Any, path: str) -> None:
        """Adds every turn of a list; anything that is no turn becomes an error at its path."""
        if isinstance(turns, str) and (said := turns_in_cell(turns)):
            turns = speakers_of(said, self.report, path)
        if not isinstance(turns, list):
            self.report(
                path,
                "not_a_list",
                f"`{path}` must be a list of turns.",
                'Write [{"role": …, "content": …}, …].',
                excerpt=turns,
            )
            return
        for index, turn in enumerate(turns):
            if (
                type(turn) is dict
                and len(turn) == 2
                and turn.get("role") in _PLAIN
                and type(turn.get("content")) is str
            ):
                self.messages.append(turn)  # type: ignore[arg-type]
            else:
                self._read_turn(turn, f"{path}[{index}]")

    def _read_turn(self, turn: Any, path: str) -> None:
        if isinstance(turn, dict):
            self._read_object(turn, path)
        elif (
            isinstance(turn, str)
            and (spoken := _SPOKEN.match(turn))
            and standard_role(spoken[1])
        ):
            self._add(spoken[1], spoken[2], {}, path)
        elif (
            isinstance(turn, list)
            and len(turn) == 2
            and all(isinstance(part, str) for part in turn)
        ):
            self._add("user", turn[0], {}, f"{path}[0]")
            self._add("assistant", turn[1], {}, f"{path}[1]")
        else:
            fix = 'Write the turn as {"role": "…", "content": "…"}.'
            self.report(
                path,
                "not_a_turn",
                "A turn must be an object with a speaker and a text.",
                fix,
                excerpt=turn,
            )

    def _read_object(self, turn: dict[str, Any], path: str) -> None:
        role_key = next((key for key in ROLE_KEYS if key in turn), None)
        if (
            role_key is None
            and isinstance(turn.get("user"), str)
            and standard_role(turn["user"])
        ):
            role_key = "user"  # {"user": "tutor", "text": "…"}, as Bridge has it
        content_key = next(
            (key for key in CONTENT_KEYS if key in turn and key != role_key), None
        )
        if role_key is None:
            spoken = [key for key in turn if standard_role(key)]
            if len(spoken) == 1:  # {"teacher": "What is 8 + 7?"}
                rest = {key: value for key, value in turn.items() if key != spoken[0]}
                self._add(
                    spoken[0], turn[spoken[0]], rest, path, content_path=f"{path}.{spoken[0]}"
                )
                return
            fix = "Say who speaks: teacher or student (user or assistant)."
            self.report(
                f"{path}.role",
                "missing_role",
                "The turn does not say who speaks.",
                fix,
                excerpt=turn,
            )
            return
        self.sharegpt = self.sharegpt or role_key == "from"
        if content_key is None and not (turn.get("tool_calls") or turn.get("function_call")):
            fix = "Add what is said, or delete the turn."
            self.report(
                f"{path}.content", "missing_content", "The turn has no text.", fix, excerpt=turn
            )
            return
        rest = {key: value for key, value in turn.items() if key not in (role_key, content_key)}
        content = turn[content_key] if content_key else None
        self._add(
            turn[role_key],
            content,
            rest,
            path,
            role_path=f"{path}.{role_key}",
            content_path=f"{path}.{content_key or 'content'}",
        )

    def _add(
        self,
        said_by: Any,
        content: Any,
        rest: dict[str, Any],
        path: str,
        *,
        role_path: str = "",
        content_path: str = "",
    ) -> None:
        role = self._role(said_by, role_path or path)
        text = self.text(
            content,
            content_path or path,
            silent=bool(rest.get("tool_calls") or rest.get("function_call")),
        )
        if role is None or text is None:
            return
        message: Message = {"role": role, "content": text}
        for key in KEPT_KEYS & rest.keys():
            message[key] = rest[key]  # type: ignore[literal-required]
        left = {key: value for key, value in rest.items() if key not in KEPT_KEYS}
        if left:
            self.leftovers[str(len(self.messages))] = left
        self.messages.append(message)

    def _role(self, said_by: Any, path: str) -> str | None:
        if not isinstance(said_by, str):
            fix = "Write the speaker as text: teacher or student."
            self.report(
                path,
                "unknown_role",
                "The speaker must be a name in text.",
                fix,
                excerpt=said_by,
            )
            return None
        role = standard_role(said_by)
        if role is None:
            fix = "Use teacher and student (or user and assistant); system for the description of the bot."
            self.report(
                path,
                "unknown_role",
                f"Nobody knows the speaker “{said_by[:40]}”.",
                fix,
                excerpt=said_by,
            )
            return None
        plain = said_by.strip().lower()
        self.classroom = self.classroom or plain in CLASSROOM_ROLES
        if said_by not in STANDARD_ROLE:
            fix = f"Write {role} (or teacher / student)."
            message = f"The speaker “{said_by[:40]}” was taken for {role}."
            self.report(
                path, "role_alias", message, fix, severity="info", excerpt=said_by, fixable=True
            )
        return role

    def text(self, content: Any, path: str, *, silent: bool = False) -> str | None:
        """The text of a content; lists of text parts and objects with one text are taken, anything else is an error."""
        if isinstance(content, str):
            return content
        if content is None:
            if not silent:
                self.report(
                    path,
                    "empty_content",
                    "Nothing is said here.",
                    "Write what is said, or delete the turn.",
                    fixable=True,
                )
            return "" if silent else None
        if isinstance(content, list):
            return self._joined_parts(content, path)
        if isinstance(content, dict):
            return self._text_of_object(content, path)
        fix = f'Put it in quotes: "{content}". The one-click fix does.'
        message = f"{content!r} is a {'truth value' if isinstance(content, bool) else 'number'} where text belongs."
        self.report(
            path,
            "not_text",
            message,
            fix,
            excerpt=str(content),
            fixable=not isinstance(content, bool),
        )
        return None

    def _joined_parts(self, parts: list[Any], path: str) -> str | None:
        texts: list[str] = []
        for index, part in enumerate(parts):
            text: Any = part
            if isinstance(part, dict) and part.get("type", "text") in _TEXT_PARTS:
                text = next(
                    (
                        part[key]
                        for key in ("text", "value", "content")
                        if isinstance(part.get(key), str)
                    ),
                    None,
                )
            if not isinstance(text, str):
                fix = "Only text can be trained on here; take pictures and sounds out."
                self.report(
                    f"{path}[{index}]",
                    "content_not_text",
                    "This part of the content is not text.",
                    fix,
                    excerpt=part,
                )
                return None
            texts.append(text)
        if len(texts) > 1:
            message = f"{len(texts)} text parts were put together into one text."
            self.report(path, "content_parts_joined", message, "Nothing to do.", severity="info")
        return "".join(texts)

    def _text_of_object(self, content: dict[str, Any], path: str) -> str | None:
        key = next((key for key in TEXT_KEYS if isinstance(content.get(key), str)), None)
        texts = [name for name, item in content.items() if isinstance(item, str)]
        key = key or (texts[0] if len(texts) == 1 and len(content) == 1 else None)
        if key is None:
            fix = "Write the text itself instead of the object."
            self.report(
                path, "not_text", "An object stands where text belongs.", fix, excerpt=content
            )
            return None
        left = {name: item for name, item in content.items() if name != key}
        if left:
            self.leftovers.setdefault(str(len(self.messages)), {})["content"] = left
        fix = "Nothing to do; write the text itself to silence this."
        message = f"An object stands where text belongs; its `{key}` was taken."
        self.report(f"{path}.{key}", "object_as_text", message, fix, severity="info")
        return str(content[key])
