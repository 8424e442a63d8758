"""The shape of an answer on its way to becoming a training row."""

from typing import Any

from django import forms

from datasets.models import Dataset
from evaluation.services.clean import MAX_ANSWER_CHARACTERS


class TrainingRowForm(forms.Form):
    """`earlier`: how many exchanges came before in the talk; without any there is nothing to choose."""

    turn = forms.CharField(widget=forms.HiddenInput, required=False)
    answer = forms.CharField(
        label="What the student should have said",
        max_length=MAX_ANSWER_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    dataset = forms.ModelChoiceField(
        queryset=Dataset.objects.none(), label="Add to", empty_label=None
    )
    with_earlier = forms.BooleanField(required=False)

    def __init__(self, *args: Any, datasets: list[Dataset], earlier: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["dataset"]
        assert isinstance(chosen, forms.ModelChoiceField)
        chosen.queryset = Dataset.objects.filter(pk__in=[one.pk for one in datasets])
        chosen.choices = [
            (one.pk, str(one)) for one in datasets
        ]  # known: a page has many of these forms
        chosen.initial = datasets[0].pk if datasets else None
        before = "the exchange" if earlier == 1 else f"the {earlier} exchanges"
        self.fields[
            "with_earlier"
        ].label = f"With {before} before it, as context that is not trained on"
        if not earlier:
            del self.fields["with_earlier"]
