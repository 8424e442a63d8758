"""What a person may choose for an echo."""

from django import forms

from training.forms.run import RunForm


class EchoForm(RunForm):
    method = "echo"
    essential = (*RunForm.essential, "loudness")

    loudness = forms.IntegerField(min_value=1, max_value=3, initial=1, label="Loudness", help_text="3 shouts.")
