"""What an instructor sets for the training of a whole course."""

from django import forms

from training.models import TrainingPolicy


class PolicyForm(forms.ModelForm[TrainingPolicy]):
    class Meta:
        model = TrainingPolicy
        fields = ["team_runs_at_once"]
