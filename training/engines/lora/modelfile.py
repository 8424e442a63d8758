"""An Ollama Modelfile for a merged model: its chat template in Ollama's own words, its end marks, its system line.

Ollama fills a template for each turn: `.System`, `.Prompt` (what the teacher says) and `.Response`. The text between them is
read from what the chat template renders, so that Ollama asks with the same prompt as chat here did.
"""

import json
import re

from lora.events import EngineError
from lora.templates import ChatTemplate

# words that no template holds
SYSTEM = "Aqz system line"
PROMPT = "Bqz prompt"
RESPONSE = "Cqz response"
OTHER_TURNS = "# From the second question on, the model's own chat template writes a talk otherwise than Ollama does.\n"
CONDITION = re.compile(
    r"{{ if \.System }}(?P<then>.*?)(?:{{ else }}(?P<otherwise>.*?))?{{ end }}", re.DOTALL
)
FIELD = re.compile(r"{{ \.(System|Prompt|Response) }}")
NO_TEMPLATE = "# The chat template of this model can't be written in Ollama's way: ask it by its chat template instead.\n"
HEAD = """# `ollama create my-student -f Modelfile` in this folder makes it a model of your Ollama.
FROM .
"""


def modelfile(template: ChatTemplate, end_tokens: list[str], system: str | None) -> str:
    """The file's text. `end_tokens`: as text; `system`: the line that the model was trained with."""
    text = HEAD
    go = go_template(template)
    if go is not None and not _holds_for_two_turns(go, template):
        text += OTHER_TURNS
    text += NO_TEMPLATE if go is None else f'TEMPLATE """{go}"""\n'
    if system:
        text += f"SYSTEM {json.dumps(system, ensure_ascii=False)}\n"
    for token in end_tokens:
        text += f"PARAMETER stop {json.dumps(token, ensure_ascii=False)}\n"
    return text


def go_template(template: ChatTemplate) -> str | None:
    """Ollama's template: what it renders is what the chat template renders. None where that can't be said in it."""
    user = {"role": "user", "content": PROMPT}
    try:
        asked = template.render([user], add_generation_prompt=True)
        with_system = template.render(
            [{"role": "system", "content": SYSTEM}, user], add_generation_prompt=True
        )
        (passage,) = template.passages([user, {"role": "assistant", "content": RESPONSE}])
    except (EngineError, ValueError):
        return None
    start, end = passage.spans[0]
    said = passage.text[start:end]
    # Ollama puts the first token of the text there by itself.
    first = template.special_tokens.get("bos_token", "")
    asked, with_system = (text.removeprefix(first) for text in (asked, with_system))
    if any(
        mark in piece for mark in ("{{", "}}", '"""') for piece in (asked, with_system, said)
    ):
        return None
    turn = _with_system(asked, with_system)
    if turn is None or RESPONSE not in said:
        return None
    return turn.replace(PROMPT, "{{ .Prompt }}") + said.replace(RESPONSE, "{{ .Response }}")


def filled(go: str, *, system: str, prompt: str, response: str | None) -> str:
    """What Ollama makes of the template for one turn; without a response, up to where the model goes on."""
    found = CONDITION.search(go)
    if found is not None:
        go = (
            go[: found.start()]
            + (found["then"] if system else found["otherwise"] or "")
            + go[found.end() :]
        )
    if response is None:
        go = go[: go.index("{{ .Response }}")]
    words = {"System": system, "Prompt": prompt, "Response": response or ""}
    return FIELD.sub(lambda field: words[field[1]], go)


def _holds_for_two_turns(go: str, template: ChatTemplate) -> bool:
    talk = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": PROMPT},
        {"role": "assistant", "content": RESPONSE},
        {"role": "user", "content": PROMPT},
    ]
    first = template.special_tokens.get("bos_token", "")
    asked = template.render(talk, add_generation_prompt=True).removeprefix(first)
    turns = filled(go, system=SYSTEM, prompt=PROMPT, response=RESPONSE)
    return asked == turns + filled(go, system="", prompt=PROMPT, response=None)


def _with_system(asked: str, with_system: str) -> str | None:
    """Both prompts in one: what a system line adds stands in a condition. `asked` may say something in its place."""
    before = _same_from_left(asked, with_system)
    after = _same_from_left(asked[before:][::-1], with_system[before:][::-1])
    added = with_system[before : len(with_system) - after]
    instead = asked[before : len(asked) - after]
    if added.count(SYSTEM) != 1:
        return None
    while (
        not instead and before and asked[before - 1] == added[-1]
    ):  # the condition begins where the system's turn does
        before, after, added = before - 1, after + 1, added[-1] + added[:-1]
    otherwise = f"{{{{ else }}}}{instead}" if instead else ""
    condition = (
        f"{{{{ if .System }}}}{added.replace(SYSTEM, '{{ .System }}')}{otherwise}{{{{ end }}}}"
    )
    return asked[:before] + condition + asked[len(asked) - after :]


def _same_from_left(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next(
        (place for place, (left, right) in pairs if left != right), min(len(one), len(other))
    )
