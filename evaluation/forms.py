"""The shape of what a professor and a team send."""

from typing import Any

from django import forms

from evaluation.models import CriterionScore
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
