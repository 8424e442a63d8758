"""The shape of what a professor and a team send."""

from typing import Any

from django import forms

from evaluation.models import Criterion, CriterionScore, Turn
from evaluation.services.grades import MAX_COMMENT_CHARACTERS, Marks

CANNOT_JUDGE = "cannot"


class MarksForm(forms.Form):
    """One criterion: a level of its own scale or "cannot judge", and a comment. `version` is what the page was made from."""

    level = forms.CharField(required=False)
    comment = forms.CharField(required=False, max_length=MAX_COMMENT_CHARACTERS, strip=False)
    version = forms.IntegerField(min_value=0)

    def __init__(self, *args: Any, score: CriterionScore, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.score = score

    def clean_level(self) -> str:
        chosen: str = self.cleaned_data["level"]
        allowed = {str(level.value) for level in self.score.criterion.levels.all()} | {CANNOT_JUDGE, ""}
        if chosen not in allowed:
            raise forms.ValidationError("This rubric has no such level. Load the page again and choose.")
        return chosen

    def marks(self) -> Marks:
        chosen, comment = self.cleaned_data["level"], self.cleaned_data["comment"]
        level = int(chosen) if chosen and chosen != CANNOT_JUDGE else None
        return Marks(level=level, cannot_judge=chosen == CANNOT_JUDGE, comment=comment)


class CommentForm(forms.Form):
    comment = forms.CharField(required=False, max_length=MAX_COMMENT_CHARACTERS, strip=False)
    version = forms.IntegerField(min_value=0)


class ReasonForm(forms.Form):
    """Why a committed grade is changed."""

    reason = forms.CharField(max_length=300, label="Why do you change it?", help_text="Kept with the grade.")


class AdjudicationForm(forms.Form):
    """The level that counts, and why."""

    level = forms.TypedChoiceField(coerce=int)
    reason = forms.CharField(max_length=500)

    def __init__(self, *args: Any, criterion: Criterion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        levels = [(level.value, f"{level.value} {level.label}") for level in criterion.levels.all()]
        field = self.fields["level"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = levels


class CriterionField(forms.ModelChoiceField):  # type: ignore[type-arg]  # a generic in the stubs only
    def label_from_instance(self, obj: Any) -> str:
        return str(obj.name)


class TurnsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # a generic in the stubs only
    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: Any) -> str:
        return f"“{obj.question[:60]}”"


class RegradeForm(forms.Form):
    """What a team asks a second look at."""

    criterion = CriterionField(Criterion.objects.none(), label="Criterion", empty_label=None)
    turns = TurnsField(Turn.objects.none(), label="Answers it is about", required=False)
    words = forms.CharField(
        max_length=2000,
        label="What may have been missed?",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Your instructor reads this. The other professor sees only the bot.",
    )

    def __init__(self, *args: Any, criteria: list[Criterion], turns: list[Turn], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        criterion, chosen = self.fields["criterion"], self.fields["turns"]
        assert isinstance(criterion, CriterionField) and isinstance(chosen, TurnsField)
        criterion.queryset = Criterion.objects.filter(pk__in=[one.pk for one in criteria])
        chosen.queryset = Turn.objects.filter(pk__in=[turn.pk for turn in turns])
        if not turns:
            del self.fields["turns"]
