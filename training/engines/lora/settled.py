"""A chat template that says the same in training, in chat and at home, whatever the day and whatever is passed to it.

Templates of real models are small programs. Three things in them would make a bot answer other than it was trained:

- they print today's date (SmolLM3, Granite, Llama 3.2), so the prompt of June differs from that of May;
- they let the model think first unless `enable_thinking` is false (Qwen3, GLM, SmolLM3): trained rows hold no thoughts;
- they refuse a system line, leave it out, or move it as the talk goes on (Gemma 2, Mistral).

All three are settled by lines put before the template itself, so that its text holds them wherever it is rendered: in
this engine, by the model server, and by plain `apply_chat_template` on somebody's laptop.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

MARK = "{#- settled -#}"
DAY = date(2025, 9, 1)  # any day would do; what counts is that it stays
DATE_FORMAT = re.compile(r"strftime_now\(\s*(['\"])(.*?)\1\s*\)")
SYSTEM_WORDS = "Qzx system line"

# `+%}` keeps the template's own first line break.
NO_THOUGHTS = "{% set enable_thinking = false +%}"
FOLDED = (
    "{% if messages and messages[0]['role'] == 'system' and messages | length > 1"
    " and messages[1]['role'] == 'user' +%}"
    "{% set messages = [{'role': 'user', 'content': messages[0]['content'] + '\\n\\n' + messages[1]['content']}]"
    " + messages[2:] +%}"
    "{% endif +%}"
)

Render = Callable[[str, list[dict[str, Any]]], str | None]
"""Renders a template's source with messages; None where the template refuses them."""


def settled(source: str, render: Render) -> str:
    """`source` with the lines before it that it needs; `source` itself where it needs none, or has them already."""
    if source.startswith(MARK):
        return source
    before = ""
    if re.search(r"\benable_thinking\b", source):
        before += NO_THOUGHTS
    if "strftime_now" in source:
        before += _one_day(source)
    if _needs_folding(before + source, render):
        before += FOLDED
    return f"{MARK}{before}{source}" if before else source


def _one_day(source: str) -> str:
    """A macro that stands in for `strftime_now`, and knows the formats that this template asks for."""
    formats = sorted({found[1] for found in DATE_FORMAT.findall(source)})
    cases = "".join(
        f"{{% {'elif' if number else 'if'} format == {_quoted(one)} +%}}{DAY.strftime(one)}"
        for number, one in enumerate(formats)
    )
    otherwise = f"{{% else +%}}{DAY.isoformat()}{{% endif +%}}" if cases else DAY.isoformat()
    return f"{{% macro strftime_now(format) +%}}{cases}{otherwise}{{% endmacro +%}}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _needs_folding(source: str, render: Render) -> bool:
    """Whether a system line is refused, or left out of any prompt or of what was said (Mistral shows it before the newest
    question only). A template that refuses even a plain talk is left as it is."""
    talk = [
        {"role": role, "content": word}
        for role, word in (("user", "1"), ("assistant", "2"), ("user", "3"))
    ]
    system = {"role": "system", "content": SYSTEM_WORDS}
    if render(source, talk) is None:
        return False
    prompts = [render(source, [system, *talk[:turns]]) for turns in (1, 2, 3)]
    return any(prompt is None or SYSTEM_WORDS not in prompt for prompt in prompts)
