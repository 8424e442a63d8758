"""Where a team's pairs of answers go."""

from typing import Any

from django import forms

from datasets.models import Dataset

NEW = "new"


class PairsForm(forms.Form):
    into = forms.ChoiceField(
        label="Put them into",
        help_text="Pairs that a dataset has already stay, and are not added twice.",
    )
    name = forms.CharField(
        max_length=80,
        required=False,
        initial="Preference pairs",
        label="Name of the new dataset",
    )

    def __init__(self, *args: Any, datasets: list[Dataset], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.datasets = {str(one.pk): one for one in datasets}
        into = self.fields["into"]
        assert isinstance(into, forms.ChoiceField)
        into.choices = [
            *((key, str(one)) for key, one in self.datasets.items()),
            (NEW, "A new dataset"),
        ]
        into.initial = next(iter(self.datasets), NEW)

    @property
    def dataset(self) -> Dataset | None:
        """The chosen dataset; None for a new one. Only for a valid form."""
        return self.datasets.get(self.cleaned_data["into"])

    def clean_name(self) -> str:
        return str(self.cleaned_data["name"]).strip() or "Preference pairs"
