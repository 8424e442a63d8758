"""The names people give to keys, columns and speakers in real course files, and what each means here."""

import re

TURN_LISTS = (
    "messages",
    "dialogue",
    "dialog",
    "conversations",
    "conversation",
    "turns",
    "chat",
    "transcript",
    "c_h",
)
"""Keys that hold a list of turns."""

ROLE_KEYS = ("role", "from", "speaker", "author", "who")
CONTENT_KEYS = ("content", "value", "text", "message", "utterance", "said", "sentence")
TURN_SPEAKERS = ("speaker", "role", "who", "speaker_name", "speaker_role", "talker")
TURN_TEXTS = (
    "content",
    "text",
    "utterance",
    "message",
    "sentence",
    "transcript",
    "said",
    "turn_text",
)
TURN_GROUPS = (
    "conversation_id",
    "dialogue_id",
    "dialog_id",
    "conversation",
    "dialogue",
    "id",
    "row",
    "session",
)
"""Columns of a table that holds a turn a record."""
TEXT_KEYS = (
    *("text", "content", "value", "output", "response", "answer", "message"),
    *(
        "teacher_prompt",
        "teacher_question",
        "student_response",
        "student_answer",
        "question",
        "prompt",
        "query",
    ),
)
"""Keys under which an object given where a string belongs holds its text."""

_ROLES = {
    "system": ("system", "developer", "instructions"),
    "user": (
        "user",
        "teacher",
        "human",
        "instructor",
        "tutor",
        "professor",
        "prompter",
        "interviewer",
        "question",
        "q",
        "t",
    ),
    "assistant": (
        "assistant",
        "student",
        "gpt",
        "child",
        "kid",
        "pupil",
        "bot",
        "chatbot",
        "model",
        "ai",
        "chatgpt",
        "learner",
        "second-grader",
        "second grader",
        "answer",
        "a",
        "s",
    ),
    "tool": ("tool", "function", "observation"),
}
STANDARD_ROLE = {name: role for role, names in _ROLES.items() for name in names}
CLASSROOM_ROLES = frozenset(
    {
        "teacher",
        "student",
        "instructor",
        "tutor",
        "professor",
        "child",
        "kid",
        "pupil",
        "learner",
    }
)


_TITLE = re.compile(r"(?:mr|mrs|ms|miss|mx|dr|prof|coach)\b\.?")


def standard_role(name: str) -> str | None:
    """system, user, assistant or tool for a speaker's name in any case; None where nobody knows."""
    plain = name.strip().strip(":*").lower().replace("_", " ")
    if plain in STANDARD_ROLE:
        return STANDARD_ROLE[plain]
    if _TITLE.match(plain):
        return "user"
    return STANDARD_ROLE.get(re.sub(r"[\s\d]+$", "", plain))  # "student 2", "Teacher1"


PAIRS: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (("instruction",), ("output", "response", "answer", "completion"), "instruction"),
    (("question", "questions"), ("answer", "answers", "response", "output"), "instruction"),
    (("prompt",), ("completion", "response", "answer", "output"), "instruction"),
    (
        (
            "teacher_prompt",
            "teacher_question",
            "teacher_message",
            "teacher_says",
            "teacher_utterance",
            "teacher_text",
        ),
        (
            "student_response",
            "student_answer",
            "student_message",
            "student_says",
            "student_reply",
            "student_utterance",
            "student_text",
        ),
        "dialogue",
    ),
    (("teacher", "tutor", "instructor"), ("student", "child", "pupil", "kid"), "dialogue"),
    (("user", "human"), ("assistant", "gpt", "ai", "bot", "model"), "messages"),
    (("query",), ("response", "answer", "output"), "instruction"),
    (("input",), ("output", "response", "answer", "completion", "target"), "instruction"),
    (("q",), ("a",), "instruction"),
    (("source_text", "text"), ("target", "target_text", "label_text"), "instruction"),
)
"""What the teacher says, what the student says, and the shape such a row counts as. The first match wins."""

CONTEXT_KEYS = ("input", "context", "passage")
SYSTEM_KEYS = ("system", "system_prompt", "system_message")
METADATA_KEYS = ("metadata", "labels", "meta", "tags")
WRAPPERS = (
    "data",
    "rows",
    "examples",
    "train",
    "training",
    "validation",
    "valid",
    "test",
    "dev",
    "eval",
    "dataset",
    "items",
    "dialogues",
    "records",
    "samples",
)
"""Keys under which a file of one object holds its rows."""

LABEL_ALIASES = {
    "topic": "subject",
    "subject_area": "subject",
    "category": "subject",
    "domain": "subject",
    "level": "difficulty",
    "difficulty_level": "difficulty",
    "mood": "emotion",
    "emotional_state": "emotion",
    "feeling": "emotion",
    "misconceptions": "misconception",
    "special": "special_case",
    "special_cases": "special_case",
    "special_note": "special_case",
    "origin": "source",
    "source_context": "source",
}


def plain_key(name: str) -> str:
    """A key or column name without case, blanks and hyphens: `Teacher Prompt` is `teacher_prompt`."""
    return re.sub(r"[\s\-]+", "_", name.strip().strip("\ufeff").lower())


PLACEHOLDERS = frozenset(
    (
        "...",
        "…",
        "<image>",
        "[image]",
        "<audio>",
        "<video>",
        "[inaudible]",
        "n/a",
        "null",
        "nan",
        "undefined",
        "todo",
        "tbd",
        "-",
        "--",
        "—",
        "xxx",
        "lorem ipsum",
        "placeholder",
        "[placeholder]",
        "<placeholder>",
        "[student answer]",
        "[answer]",
        "your answer here",
        "{answer}",
        "{{answer}}",
        "<answer>",
        "<text>",
        "[text]",
        "<unk>",
        "<empty>",
        "[deleted]",
        "[removed]",
    )
)
"""Texts that stand where something was to be said, in small letters."""
LONGEST_PLACEHOLDER = 24
IMAGE_MARK = "<image>"


def is_placeholder(text: str) -> bool:
    """Whether nothing is said: dots, `<image>`, `TODO`; or a picture is shown that is not there."""
    if len(text) > LONGEST_PLACEHOLDER:
        return IMAGE_MARK in text
    return (
        IMAGE_MARK in text
        or text.strip().lower() in PLACEHOLDERS
        or not text.strip(" .…-_*\n\t")
    )
