"""The shape of what an instructor says about the judge."""

from typing import Any

from django import forms

from evaluation.models import JudgeUse


class JudgeForm(forms.Form):
    """When a judge reads interviews, and which of the models that have a price it is."""

    use = forms.ChoiceField(
        choices=JudgeUse.choices, label="A judge reads", widget=forms.RadioSelect
    )
    model = forms.ChoiceField(label="Model", required=False)

    def __init__(self, *args: Any, models: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["model"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Choose one"), *((name, name) for name in models)]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if (
            cleaned.get("use") != JudgeUse.OFF
            and not cleaned.get("model")
            and "model" not in self.errors
        ):
            self.add_error("model", "Choose the model that judges.")
        return cleaned
