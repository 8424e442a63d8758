"""A team's own program as a form: names and descriptions of fields, instruction, steps, phrases. Data, never code."""

from collections.abc import Mapping
from typing import Any

from django import forms

from training import program_design
from training.program_design import Design, InputField

REASONING = {
    "think": "ChainOfThought: thinks first, then answers (the guide’s choice)",
    "direct": "Predict: answers at once",
}
CHAINS = {
    "answer": "Answer",
    "answer_then_simplify": "Answer, then say it more simply (asks twice)",
}
USUAL = Design()
_BY_SOURCE = {field.source: field for field in USUAL.inputs}


def _name(label: str, initial: str, words: str, *, required: bool = False) -> forms.CharField:
    return forms.CharField(
        max_length=program_design.MOST_NAME,
        required=required,
        initial=initial,
        label=label,
        help_text=words,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )


def _description(label: str, initial: str) -> forms.CharField:
    return forms.CharField(
        max_length=program_design.MOST_DESCRIPTION,
        required=False,
        initial=initial,
        label=label,
        help_text="What the model is told about this field.",
    )


def _lines(label: str, words: str) -> forms.CharField:
    return forms.CharField(
        required=False,
        max_length=program_design.MOST_PHRASES * (program_design.MOST_PHRASE + 2),
        label=label,
        help_text=words,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class OwnProgramFields(forms.Form):
    """The part of the DSPy form that declares a program. Untouched, it is the course guide's."""

    program_fields: tuple[str, ...] = (
        "reasoning",
        "chain",
        "instruction",
        "question_name",
        "question_description",
        "history_name",
        "history_description",
        "answer_name",
        "answer_description",
        "persona_name",
        "context_name",
        "context_text",
        "wanted_phrases",
        "banned_phrases",
        "weight_phrases",
    )

    reasoning = forms.ChoiceField(
        choices=list(REASONING.items()),
        initial="think",
        required=False,
        label="How it answers",
        help_text="A model on this machine always answers at once.",
    )
    chain = forms.ChoiceField(
        choices=list(CHAINS.items()), initial="answer", required=False, label="Steps"
    )
    instruction = forms.CharField(
        max_length=program_design.MOST_INSTRUCTION,
        required=False,
        initial=USUAL.instruction,
        label="Instruction",
        help_text="Where the search starts. It is sent as it stands: signs such as { } mean nothing in it.",
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    question_name = _name(
        "Field: what the teacher says", program_design.QUESTION, "In the guide: query."
    )
    question_description = _description("Its description", _BY_SOURCE["question"].description)
    history_name = _name(
        "Field: the talk so far", program_design.HISTORY, "Empty: each question stands alone."
    )
    history_description = _description("Its description", _BY_SOURCE["history"].description)
    answer_name = _name("Field: the answer", program_design.ANSWER, "In the guide: response.")
    answer_description = _description("Its description", USUAL.answer_description)
    persona_name = _name(
        "Field: the system message",
        "",
        "A field of its own for your rows’ system message. Empty: part of the instruction.",
    )
    context_name = _name("Field: a text of yours", "", "In the guide: context. Empty: none.")
    context_text = forms.CharField(
        max_length=program_design.MOST_TEXT,
        required=False,
        label="Its text",
        help_text="The same with every question, for example what the class learned this week.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    wanted_phrases = _lines(
        "Phrases this child likes", "One a line. An answer with one of them scores higher."
    )
    banned_phrases = _lines(
        "Phrases this child never says", "One a line. An answer with one of them scores lower."
    )
    weight_phrases = forms.IntegerField(
        min_value=0,
        max_value=100,
        initial=20,
        required=False,
        label="Weight: own phrases",
        help_text="Only with phrases above. 0 leaves them out of the score.",
    )

    def clean_wanted_phrases(self) -> list[str]:
        return _phrases(self.cleaned_data["wanted_phrases"])

    def clean_banned_phrases(self) -> list[str]:
        return _phrases(self.cleaned_data["banned_phrases"])

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if any(name in self.errors for name in self.program_fields):
            return cleaned
        if bool(cleaned.get("context_text")) != bool(cleaned.get("context_name")):
            self.add_error(
                "context_name", "A text of yours needs a name and a text: give both, or neither."
            )
        elif why := self.design().trouble():
            self.add_error(self._blamed(), why)
        return cleaned

    def _blamed(self) -> str | None:
        """The field whose name can't be one; None where the fields together are at fault."""
        for field in (
            "question_name",
            "history_name",
            "answer_name",
            "persona_name",
            "context_name",
        ):
            name = self.cleaned_data.get(field)
            if name and program_design.wrong_name(name):
                return field
        return None

    def design(self) -> Design:
        """What the form declares. Only for a form whose fields are valid each by itself."""
        chosen = self.cleaned_data

        def said(name: str, otherwise: str) -> str:
            return str(chosen.get(name) or otherwise)

        inputs = []
        if chosen.get("history_name"):
            inputs.append(
                InputField(
                    chosen["history_name"], "history", chosen.get("history_description", "")
                )
            )
        if chosen.get("persona_name"):
            inputs.append(InputField(chosen["persona_name"], "persona", "who the student is"))
        if chosen.get("context_name"):
            text = chosen.get("context_text", "")
            inputs.append(InputField(chosen["context_name"], "text", "", text))
        asked = said("question_name", program_design.QUESTION)
        inputs.append(InputField(asked, "question", chosen.get("question_description", "")))
        return Design(
            inputs=tuple(inputs),
            answer=said("answer_name", program_design.ANSWER),
            answer_description=chosen.get("answer_description", ""),
            instruction=said("instruction", USUAL.instruction).replace("\r\n", "\n"),
            reasoning=chosen.get("reasoning") != "direct",
            chain="answer_then_simplify"
            if chosen.get("chain") == "answer_then_simplify"
            else "answer",
        )

    def program_settings(self) -> dict[str, Any]:
        """The settings that a team's own program adds; none where it is the guide's."""
        found: dict[str, Any] = {}
        if (design := self.design()) != USUAL:
            found["design"] = program_design.as_data(design)
        phrases = {
            "wanted": self.cleaned_data["wanted_phrases"],
            "banned": self.cleaned_data["banned_phrases"],
        }
        if any(phrases.values()):
            found["phrases"] = phrases
        return found


def _phrases(text: str) -> list[str]:
    """One a line, each once. Raises ValidationError with the line that is too long, or the number that is too great."""
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if len(lines) > program_design.MOST_PHRASES:
        raise forms.ValidationError(
            f"{len(lines)} phrases are too many: keep the {program_design.MOST_PHRASES} best."
        )
    for line in lines:
        if len(line) > program_design.MOST_PHRASE:
            raise forms.ValidationError(
                f"“{line[:30]}…” is too long for a phrase: at most {program_design.MOST_PHRASE} characters."
            )
        if not any(sign.isalnum() for sign in line):
            raise forms.ValidationError(
                f"“{line}” has no word in it, so no answer can contain it."
            )
    return lines


def initial_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The form as it was for a run with these settings."""
    try:
        design = program_design.read(settings.get("design"))
    except ValueError:
        design = USUAL
    found: dict[str, Any] = {
        "reasoning": "think" if design.reasoning else "direct",
        "chain": design.chain,
        "instruction": design.instruction,
        "answer_name": design.answer,
        "answer_description": design.answer_description,
        "history_name": "",
    }
    names = {
        "history": "history",
        "question": "question",
        "persona": "persona",
        "text": "context",
    }
    for field in design.inputs:
        found[f"{names[field.source]}_name"] = field.name
        found[f"{names[field.source]}_description"] = field.description
        if field.source == "text":
            found["context_text"] = field.text
    phrases = program_design.read_phrases(settings.get("phrases"))
    return found | {
        "wanted_phrases": "\n".join(phrases.wanted),
        "banned_phrases": "\n".join(phrases.banned),
    }
