"""What a team writes on a run."""

from django import forms

from training.models import TrainingRun


class RunLabelForm(forms.Form):
    """Sends back what it showed, so that only what a person changed is saved."""

    name = forms.CharField(max_length=80, required=False, show_hidden_initial=True, label="Name")
    note = forms.CharField(
        max_length=2_000,
        required=False,
        show_hidden_initial=True,
        label="Note",
        help_text="What you tried and what you saw. Only your team and your instructor read it.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    @classmethod
    def of(cls, run: TrainingRun) -> "RunLabelForm":
        """The form as it stands on the run's page."""
        return cls(initial={"name": run.name, "note": run.note})

    def changes(self) -> dict[str, str]:
        """The fields that a person changed. Only for a valid form."""
        return {name: str(self.cleaned_data[name]) for name in self.changed_data}
