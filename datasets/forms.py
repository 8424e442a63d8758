from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.template.defaultfilters import filesizeformat

from datasets import formats
from datasets.models import SourceRecord
from datasets.services.split import USUAL_FRACTION, USUAL_SEED

PASTED_NAME = "pasted text"
ACCEPTED = ".jsonl,.json,.ndjson,.csv,.tsv,.xlsx,.txt,.vtt,.srt,.gz"


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


WHO = [
    ("teacher", "Teacher"),
    ("student", "Second-grader"),
    ("system", "Description of the bot"),
    ("skip", "Leave out"),
]


class MappingForm(forms.Form):
    """Which column holds what and which speaker is who, chosen by a person where the file does not say it."""

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
    header = forms.ChoiceField(
        label="The first line of the table",
        required=False,
        choices=[("", "as recognised"), ("yes", "names the columns"), ("no", "is a row already")],
    )

    def __init__(
        self,
        *args: Any,
        columns: list[str],
        speakers: list[str] | None = None,
        samples: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.names = speakers or []
        shown = samples or {}
        choices = [(name, f"{name}: {shown[name][:40]}" if shown.get(name) else name) for name in columns]
        self.initial = self._initial()
        for name in ("teacher", "student", "context", "system", "speaker", "utterance", "conversation"):
            self._choices(name, [("", "none"), *choices])
        for label in formats.LABELS:
            title = f"Label: {label.replace('_', ' ')}"
            self.fields[f"label_{label}"] = forms.ChoiceField(
                label=title, required=False, choices=[("", "none"), *choices]
            )
        for number, name in enumerate(self.names):
            self.fields[f"speaker_{number}"] = forms.ChoiceField(label=name, required=False, choices=WHO)
        if not columns:
            for name in [name for name in self.fields if not name.startswith("speaker_")]:
                del self.fields[name]

    def _initial(self) -> dict[str, Any]:
        """The fields' values out of those of a `ColumnMapping`."""
        given = dict(self.initial)
        if isinstance(given.get("teachers"), list):
            given["teachers"] = ", ".join(given["teachers"])
        given["header"] = {True: "yes", False: "no"}.get(given.get("header"), "")  # type: ignore[arg-type]
        for label, column in (given.get("labels") or {}).items():
            given[f"label_{label}"] = column
        for number, name in enumerate(self.names):
            given[f"speaker_{number}"] = (given.get("speakers") or {}).get(name, "student")
        return given

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        roles = set(self._speakers().values())
        if cleaned.get("teacher") and cleaned.get("teacher") == cleaned.get("student"):
            raise forms.ValidationError("Teacher and student can't be the same column.")
        by_turns = cleaned.get("speaker") and cleaned.get("utterance")
        by_columns = cleaned.get("teacher") and cleaned.get("student")
        by_names = bool(self.names) and (by_turns or not by_columns)
        if by_names and "student" not in roles:
            raise forms.ValidationError(
                "Say which of the speakers is the second-grader: nobody else can be learnt from."
            )
        if by_turns and "teacher" not in roles and not self._teachers():
            raise forms.ValidationError("Name at least one who teaches, as the column of speakers has it.")
        if not by_turns and not by_columns and not self.names and cleaned.get("header") in ("", None):
            raise forms.ValidationError(
                "Choose what the teacher says and what the second-grader answers; or, of a transcript, who speaks and "
                "what is said."
            )
        return cleaned

    def _teachers(self) -> list[str]:
        return [name.strip() for name in (self.cleaned_data.get("teachers") or "").split(",") if name.strip()]

    def _speakers(self) -> dict[str, str]:
        chosen = [(name, self.cleaned_data.get(f"speaker_{number}")) for number, name in enumerate(self.names)]
        return {name: role for name, role in chosen if role}

    @property
    def speaker_fields(self) -> list[forms.BoundField]:
        return [self[f"speaker_{number}"] for number in range(len(self.names))]

    @property
    def column_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if not name.startswith(("speaker_", "label_"))]

    @property
    def label_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("label_")]

    @property
    def mapping(self) -> dict[str, Any]:
        """The fields of `formats.ColumnMapping`. Valid forms only."""
        chosen = self.cleaned_data
        labels = {label: chosen[f"label_{label}"] for label in formats.LABELS if chosen.get(f"label_{label}")}
        by_turns = bool(chosen.get("speaker") and chosen.get("utterance"))
        optional = ("context", "system", "speaker", "utterance", "conversation")
        return {
            "teacher": "" if by_turns else chosen.get("teacher") or "",
            "student": "" if by_turns else chosen.get("student") or "",
            **{name: chosen.get(name) or None for name in optional},
            "teachers": self._teachers(),
            "speakers": self._speakers(),
            "header": {"yes": True, "no": False}.get(chosen.get("header") or ""),
            "labels": labels,
        }


class EncodingForm(forms.Form):
    """The encoding of a file, chosen by how its special characters read."""

    encoding = forms.ChoiceField(
        label="Special characters read right as", choices=[(name, "") for name in formats.ENCODING_CHOICES]
    )

    def __init__(self, *args: Any, samples: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["encoding"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(name, self._title(name, samples)) for name in formats.ENCODING_CHOICES]

    def _title(self, name: str, samples: dict[str, str]) -> str:
        title = formats.ENCODING_NAMES[name]
        if name.startswith("utf-16"):
            title += ", big end first" if name.endswith("be") else ", little end first"
        return f"{samples[name][:40]} ({title})" if samples.get(name) else title


LONGEST_TURN = 20_000
MOST_TURNS = 42


def repaired_rows(data: Any, most: int) -> list[tuple[str, list[tuple[str, str]], bool]]:
    """(key of the row, its turns, whether to leave it out) of each row in a posted page of broken rows."""
    rows = []
    for number in range(most):
        key = data.get(f"key_{number}", "")
        if not key:
            continue
        turns = []
        for place in range(MOST_TURNS):
            role = data.get(f"role_{number}_{place}", "")
            if role in SPEAKERS:
                turns.append((role, data.get(f"text_{number}_{place}", "")[:LONGEST_TURN]))
        rows.append((key, turns, bool(data.get(f"skip_{number}"))))
    return rows


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


class FindForm(forms.Form):
    """What a person looks for among the rows of a version."""

    words = forms.CharField(required=False, max_length=200, label="Words in the row")
    label = forms.ChoiceField(required=False, label="Label")
    value = forms.CharField(
        required=False, max_length=80, label="Its value", help_text="Empty: any value. A dash (-): rows without it."
    )
    edited = forms.BooleanField(required=False, label="Only rows with open edits")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["label"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "any"), *((name, name.replace("_", " ")) for name in formats.LABELS)]


class BulkLabelForm(forms.Form):
    """One label for all rows that were found."""

    set_label = forms.ChoiceField(
        label="Label", choices=[(name, name.replace("_", " ").capitalize()) for name in formats.LABELS]
    )
    set_value = forms.CharField(
        required=False, max_length=80, label="New value", help_text="Empty: the label is taken away."
    )


class SplitForm(forms.Form):
    percent = forms.IntegerField(
        min_value=1,
        max_value=50,
        initial=round(100 * USUAL_FRACTION),
        label="Percent of the rows to measure with",
        help_text="A run keeps back as many, unless its form says otherwise.",
    )
    seed = forms.IntegerField(
        min_value=0, max_value=2**31 - 1, initial=USUAL_SEED, help_text="The same seed always gives the same rows."
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


class SourceForm(forms.ModelForm[SourceRecord]):
    """Where a dataset is from."""

    class Meta:
        model = SourceRecord
        fields = ["kind", "place", "people", "period", "consent"]
        labels = {
            "kind": "Where these rows are from",
            "place": "Where it was collected",
            "people": "Whose words they are",
            "period": "When it was collected",
            "consent": "Consent form or IRB protocol",
        }
        help_texts = {
            "place": "A school district, a published source; no street.",
            "people": "For example: two second-grade classes, 41 children. No names.",
            "period": "",
            "consent": "Its number or name, so that somebody can look it up.",
        }
