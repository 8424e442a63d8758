"""What an instructor sets for the training of a whole course."""

from django import forms

from training.models import TrainingPolicy


class BaseModelForm(forms.Form):
    name = forms.CharField(
        max_length=200,
        label="Hugging Face id or folder",
        help_text="For example HuggingFaceTB/SmolLM2-135M-Instruct. Only safetensors weights, never the author's code.",
    )
    label = forms.CharField(
        max_length=120,
        required=False,
        label="How teams see it",
        help_text="Empty: the id or folder itself.",
    )


class PolicyForm(forms.ModelForm[TrainingPolicy]):
    class Meta:
        model = TrainingPolicy
        fields = ["team_runs_at_once", "host_label"]
