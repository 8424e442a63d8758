"""The row rules: what a row needs so that a student can be trained on it. Errors refuse the row, warnings tell."""

from itertools import pairwise
from typing import Any

from datasets.formats.names import is_placeholder
from datasets.formats.plainchat import speaks_in_turn
from datasets.formats.rows import Limits, Message, Problem, Row, Severity, excerpt_of


def check_row(row: Row, limits: Limits) -> list[Problem]:
    """Every problem of one canonical row, errors and warnings, in order of its turns."""
    if _is_plain_chat(row.messages, limits) and row.preferred_output is None:
        return []
    return _Check(row, limits).run()


def _is_plain_chat(messages: list[Message], limits: Limits) -> bool:
    """[system], then teacher and student in turn, each saying something, the student last: nothing to complain of."""
    if len(messages) > limits.max_turns or not speaks_in_turn(
        tuple([message["role"] for message in messages])
    ):
        return False
    for message in messages:
        content = message["content"]
        if (
            len(message) != 2
            or not content
            or len(content) > limits.max_turn_chars
            or "\x00" in content
        ):
            return False
        if content.strip() != content or is_placeholder(content):
            return False
    return True


class _Check:
    def __init__(self, row: Row, limits: Limits) -> None:
        self.row, self.limits = row, limits
        self.key = "dialogue" if row.shape == "dialogue" else "messages"
        self.problems: list[Problem] = []

    def run(self) -> list[Problem]:
        messages = self.row.messages
        if len(messages) > self.limits.max_turns:
            message = (
                f"The row has {len(messages):,} turns; {self.limits.max_turns:,} are allowed."
            )
            self.add(
                self.key, "too_many_turns", message, "Cut the conversation into several rows."
            )
        for index, turn in enumerate(messages):
            self.check_turn(turn, f"{self.key}[{index}]")
        self.check_speakers()
        self.check_order()
        return self.problems

    def add(
        self,
        field: str,
        code: str,
        message: str,
        fix: str,
        severity: Severity = "error",
        *,
        fixable: bool = False,
        text: str = "",
    ) -> None:
        self.problems.append(
            Problem(
                line=self.row.line,
                column=None,
                field=field,
                code=code,
                severity=severity,
                message=message,
                fix=fix,
                excerpt=excerpt_of(text or self.row.prompt()),
                fixable=fixable,
            )
        )

    def check_turn(self, turn: Message, field: str) -> None:
        content = turn["content"]
        if not content.strip() and not (turn.get("tool_calls") or turn.get("function_call")):
            fix = "Write what is said, or delete the turn."
            self.add(
                f"{field}.content",
                "empty_content",
                "Nothing is said here.",
                fix,
                fixable="[" in field,
            )
        elif content != content.strip():
            fix = "Nothing to do, or use the one-click fix."
            self.add(
                f"{field}.content",
                "untrimmed",
                "Blanks stand around what is said.",
                fix,
                "info",
                fixable=True,
                text=content,
            )
        if len(content) > self.limits.max_turn_chars:
            message = f"The turn has {len(content):,} characters; {self.limits.max_turn_chars:,} are allowed."
            self.add(
                f"{field}.content",
                "too_long",
                message,
                "Shorten it: a second-grader says a few sentences.",
                text=content,
            )
        if content.strip() and is_placeholder(content) and turn["role"] in ("user", "assistant"):
            message = "This is a placeholder, nothing that anybody said; what a picture shows is not there either."
            fix = "Write what is said, or delete the row."
            self.add(f"{field}.content", "placeholder", message, fix, "warning", text=content)
        if "\x00" in content:
            message = "There is a NUL character (U+0000) in the text; databases and tokenizers refuse it."
            self.add(
                f"{field}.content",
                "null_character",
                message,
                "Remove it.",
                fixable=True,
                text=content,
            )
        if "weight" in turn:
            self.check_weight(turn, field)

    def check_weight(self, turn: Message, field: str) -> None:
        weight: Any = turn["weight"]
        if isinstance(weight, bool) or weight not in (0, 1):
            message = (
                f"The weight is {weight!r}; only 0 (not trained on) and 1 (trained on) exist."
            )
            self.add(f"{field}.weight", "bad_weight", message, "Write 0 or 1, or leave it out.")
        elif turn["role"] != "assistant":
            message = "Only a student's turn can have a training weight."
            fix = "Delete the weight; the one-click fix does."
            self.add(f"{field}.weight", "weight_on_wrong_role", message, fix, fixable=True)

    def check_speakers(self) -> None:
        messages = self.row.messages
        student = [turn for turn in messages if turn["role"] == "assistant"]
        if not messages:
            fix = "Write at least one question of the teacher and one answer of the student."
            self.add(self.key, "no_turns", "The row has no turns at all.", fix)
            return
        if not student:
            message = "The student (assistant) never speaks, so there is nothing to learn from."
            self.add(
                self.key,
                "no_student_turn",
                message,
                "Add the student's answer, or check who is who.",
            )
        elif all(turn.get("weight") == 0 for turn in student):
            message = "Every student turn has weight 0, so nothing of this row is trained on."
            self.add(
                self.key,
                "nothing_trained",
                message,
                "Set the weight of at least one student turn to 1.",
            )
        if not any(turn["role"] == "user" for turn in messages):
            message = "The teacher (user) never speaks, so the student answers nobody."
            self.add(
                self.key, "no_teacher_turn", message, "Add the teacher's question.", "warning"
            )
        if self.row.preferred_output is not None and not self.row.non_preferred_output:
            message = "A preference row needs both a preferred and a rejected answer."
            self.add(
                "non_preferred_output",
                "missing_answer",
                message,
                "Add the answer that is not wanted.",
            )
        self.check_pair()

    def check_pair(self) -> None:
        """Two answers to one prompt, and not the same one."""
        preferred, rejected = self.row.preferred_output, self.row.non_preferred_output
        if not preferred or not rejected:
            return
        if any(turn["role"] == "user" for turn in (*preferred, *rejected)):
            message = "The two answers do not follow the same prompt: what the teacher says differs between them."
            fix = "Give both answers to one question, word for word the same, or make two rows of it."
            self.add("non_preferred_output", "prompts_differ", message, fix)
        elif [turn["content"].strip() for turn in preferred] == [
            turn["content"].strip() for turn in rejected
        ]:
            message = "The preferred and the rejected answer are the same, so there is nothing to prefer."
            fix = "Write the answer that is not wanted, or delete the row."
            self.add("non_preferred_output", "same_answers", message, fix)

    def check_order(self) -> None:
        spoken = [
            (index, turn)
            for index, turn in enumerate(self.row.messages)
            if turn["role"] in ("user", "assistant")
        ]
        self.check_repeats(spoken)
        if not spoken or not any(turn["role"] == "assistant" for _, turn in spoken):
            return
        if spoken[0][1]["role"] == "assistant" and any(
            turn["role"] == "user" for _, turn in spoken
        ):
            message = "The student speaks first, so that turn answers nobody."
            fix = "Begin with the teacher's question, or swap the speakers if they are the wrong way round."
            self.add(
                f"{self.key}[{spoken[0][0]}]",
                "student_opens",
                message,
                fix,
                "warning",
                text=spoken[0][1]["content"],
            )
        if self.row.messages[-1]["role"] != "assistant":
            self.check_end(len(self.row.messages) - 1)

    def check_repeats(self, spoken: list[tuple[int, Message]]) -> None:
        """A system message out of its place, and one speaker twice in a row."""
        late = [
            i for i, turn in enumerate(self.row.messages) if turn["role"] == "system" and i > 0
        ]
        if late:
            message = "The description of the bot (system) belongs first, and only once."
            self.add(
                f"{self.key}[{late[0]}].role",
                "system_not_first",
                message,
                "Move it to the top.",
                "warning",
            )
        for (_, before), (index, turn) in pairwise(spoken):
            plain = not (before.get("tool_calls") or before.get("function_call"))
            if (
                before["role"] == turn["role"]
                and plain
                and self.row.messages[index - 1]["role"] != "tool"
            ):
                who = "The teacher" if turn["role"] == "user" else "The student"
                message, fix = (
                    f"{who} speaks twice in a row.",
                    "Join the turns, or add what was said in between.",
                )
                field, text = f"{self.key}[{index}]", turn["content"]
                self.add(
                    field,
                    "same_speaker_twice",
                    message,
                    fix,
                    "warning",
                    fixable=True,
                    text=text,
                )
                break

    def check_end(self, index: int) -> None:
        """A classroom dialogue may end with the teacher (the guide's does); cloud fine-tuning refuses such a row."""
        severity: Severity = "info" if self.row.shape == "dialogue" else "error"
        message = "The last turn is not the student's, so nothing answers it."
        fix = "Add the student's answer, or delete the last turn (the one-click fix does)."
        text = self.row.messages[index]["content"]
        self.add(
            f"{self.key}[{index}]",
            "last_turn_not_student",
            message,
            fix,
            severity,
            fixable=True,
            text=text,
        )
