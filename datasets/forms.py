from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.template.defaultfilters import filesizeformat

from datasets import formats

PASTED_NAME = "pasted text"
ACCEPTED = ".jsonl,.json,.ndjson,.csv,.tsv,.xlsx,.txt,.gz"


class UploadForm(forms.Form):
    """A file, or the same pasted."""

    file = forms.FileField(
        required=False,
        label="File",
        widget=forms.FileInput(attrs={"accept": ACCEPTED}),
        help_text="JSON lines, a JSON array, CSV, TSV, Excel, or text; also compressed (.gz).",
    )
    text = forms.CharField(
        required=False,
        label="Or paste the rows here",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "mono"}),
    )

    def clean_file(self) -> "UploadedFile[bytes] | None":
        file: UploadedFile[bytes] | None = self.cleaned_data["file"]
        if file is not None and (file.size or 0) > settings.DATASET_MAX_BYTES:
            raise forms.ValidationError(
                f"{file.name} has {filesizeformat(file.size or 0)}; the most that is taken is "
                f"{filesizeformat(settings.DATASET_MAX_BYTES)}. Split it, or leave out rows that teach nothing new."
            )
        return file

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("file") and not (cleaned.get("text") or "").strip() and "file" not in self.errors:
            raise forms.ValidationError("Choose a file or paste some rows.")
        if cleaned.get("file") and (cleaned.get("text") or "").strip():
            raise forms.ValidationError("There is both a file and pasted text. Send one of them, then the other.")
        return cleaned

    @property
    def upload(self) -> "UploadedFile[bytes]":
        """The file, or the pasted text as one. Valid forms only."""
        file: UploadedFile[bytes] | None = self.cleaned_data["file"]
        return file or SimpleUploadedFile(PASTED_NAME, self.cleaned_data["text"].encode("utf-8", "surrogatepass"))


class NewDatasetForm(UploadForm):
    name = forms.CharField(
        max_length=80,
        label="Name",
        required=False,
        help_text="What your team will call it. Empty: the name of the file.",
    )
    field_order = ("name", "file", "text")

    @property
    def chosen_name(self) -> str:
        return self.cleaned_data["name"] or (self.upload.name or PASTED_NAME).split(".")[0].replace("_", " ")


class MappingForm(forms.Form):
    """Which column holds what, chosen by a person where the names do not say it."""

    teacher = forms.ChoiceField(label="The teacher says", required=False)
    student = forms.ChoiceField(label="The second-grader answers", required=False)
    context = forms.ChoiceField(label="Added to what the teacher says", required=False)
    system = forms.ChoiceField(label="Description of the bot (system)", required=False)

    speaker = forms.ChoiceField(
        label="Or, one turn a line: who speaks", required=False, help_text="For transcripts, in place of the first two."
    )
    utterance = forms.ChoiceField(label="What is said", required=False)
    conversation = forms.ChoiceField(label="Which conversation it belongs to", required=False)
    teachers = forms.CharField(
        label="Names of those who teach",
        required=False,
        max_length=400,
        help_text="As they stand in that column, with commas between: T, Ms. A. Everybody else is the second-grader.",
    )

    def __init__(self, *args: Any, columns: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(name, name) for name in columns]
        if isinstance(self.initial.get("teachers"), list):
            self.initial = {**self.initial, "teachers": ", ".join(self.initial["teachers"])}
        for name in ("teacher", "student", "context", "system", "speaker", "utterance", "conversation"):
            self._choices(name, [("", "none"), *choices])
        for label in formats.LABELS:
            title = f"Label: {label.replace('_', ' ')}"
            self.fields[f"label_{label}"] = forms.ChoiceField(
                label=title, required=False, choices=[("", "none"), *choices]
            )

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("teacher") and cleaned.get("teacher") == cleaned.get("student"):
            raise forms.ValidationError("Teacher and student can't be the same column.")
        by_turns = cleaned.get("speaker") and cleaned.get("utterance")
        if by_turns and not self._teachers():
            raise forms.ValidationError("Name at least one who teaches, as the column of speakers has it.")
        if not by_turns and not (cleaned.get("teacher") and cleaned.get("student")):
            raise forms.ValidationError(
                "Choose what the teacher says and what the second-grader answers; or, of a transcript, who speaks and what is said."
            )
        return cleaned

    def _teachers(self) -> list[str]:
        return [name.strip() for name in (self.cleaned_data.get("teachers") or "").split(",") if name.strip()]

    @property
    def mapping(self) -> dict[str, Any]:
        """The fields of `formats.ColumnMapping`. Valid forms only."""
        chosen = self.cleaned_data
        labels = {label: chosen[f"label_{label}"] for label in formats.LABELS if chosen[f"label_{label}"]}
        return {
            "teacher": chosen["teacher"],
            "student": chosen["student"],
            "context": chosen["context"] or None,
            "system": chosen["system"] or None,
            "speaker": chosen["speaker"] or None,
            "utterance": chosen["utterance"] or None,
            "conversation": chosen["conversation"] or None,
            "teachers": self._teachers(),
            "labels": labels,
        }


class JustificationForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        label="Why nobody real can be recognised",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For example: all names are invented; the telephone number is from a picture book.",
    )


SPEAKERS = {"user": "Teacher", "assistant": "Student", "system": "About the bot"}


class RowForm(forms.Form):
    """One conversation: a box a turn, two more to go on with, and its labels. An emptied box deletes its turn."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, row: formats.Row, suggested: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        self.roles = [message["role"] for message in row.messages] + self._next_roles()
        for index, role in enumerate(self.roles):
            old = row.messages[index]["content"] if index < len(row.messages) else ""
            self.fields[f"turn_{index}"] = forms.CharField(
                required=False,
                label=SPEAKERS.get(role, role) + ("" if index < len(row.messages) else " goes on"),
                initial=old,
                max_length=20_000,
                widget=forms.Textarea(attrs={"rows": 2 + len(old) // 90}),
            )
        for label in formats.LABELS:
            guess = (suggested or {}).get(label, "")
            self.fields[f"label_{label}"] = forms.CharField(
                required=False,
                max_length=80,
                label=label.replace("_", " ").capitalize(),
                initial=row.labels.get(label, ""),
                help_text=f"suggested: {guess}" if guess and label not in row.labels else "",
            )

    def _next_roles(self) -> list[str]:
        spoken = [message["role"] for message in self.row.messages if message["role"] in ("user", "assistant")]
        return ["assistant", "user"] if spoken and spoken[-1] == "user" else ["user", "assistant"]

    @property
    def turns(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("turn_")]

    @property
    def labels(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("label_")]

    @property
    def edited(self) -> formats.Row:
        """The row as the person wants it, with all that the form does not show. Valid forms only."""
        given = self.cleaned_data
        messages = []
        for index, role in enumerate(self.roles):
            content = given[f"turn_{index}"].replace("\r\n", "\n").strip()
            if content:
                kept = self.row.messages[index] if index < len(self.row.messages) else {"role": role}
                messages.append({**kept, "content": content})
        data = self.row.as_dict()
        if len(messages) != len(self.row.messages):
            data["extra"] = {key: value for key, value in data["extra"].items() if key != "turns"}
        prompt = next((message["content"] for message in messages if message["role"] == "user"), "")
        suffix = data["input_suffix"] if prompt.endswith(data["input_suffix"]) else ""
        labels = {label: given[f"label_{label}"].strip() for label in formats.LABELS if given[f"label_{label}"].strip()}
        return formats.Row.from_dict({**data, "messages": messages, "labels": labels, "input_suffix": suffix})


class SplitForm(forms.Form):
    percent = forms.IntegerField(
        min_value=1, max_value=50, initial=10, label="Percent of the rows to measure with", help_text="Ten is usual."
    )
    seed = forms.IntegerField(
        min_value=0, max_value=2**31 - 1, initial=17, help_text="The same seed always gives the same rows."
    )


class AdviceForm(forms.Form):
    """The guide's first and third factor; the second, the data, is known."""

    goal = forms.ChoiceField(
        label="What you are after",
        choices=[
            ("quick_personality", "A second-grade personality, quickly"),
            ("subject_knowledge", "Sure ground in certain subjects"),
            ("deep_personality", "A deep and steady personality"),
        ],
    )
    time = forms.ChoiceField(
        label="Time you have",
        choices=[
            ("quick", "This afternoon"),
            ("moderate", "Some days, waiting now and then"),
            ("long", "Weeks of trying again"),
        ],
    )
