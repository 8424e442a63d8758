"""The shape of what an instructor sends about grades: decisions, releases, weights and points."""

from typing import Any

from django import forms

from evaluation.models import Criterion
from evaluation.services.releases import MAX_REASON
from evaluation.services.scales import MOST_POINTS, WHOLE, Scale

MOST_WEIGHT = 10
GONE = "This rubric has no such level. Load the page again and choose."


class AdjudicationForm(forms.Form):
    """The level that counts, and why. Nothing is chosen beforehand."""

    level = forms.TypedChoiceField(
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose the level that counts.", "invalid_choice": GONE},
    )
    reason = forms.CharField(
        max_length=500,
        label="Reason",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The team reads it beside the level.",
        error_messages={"required": "Say why: the team and the professors read it."},
    )

    def __init__(self, *args: Any, criterion: Criterion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["level"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [
            (level.value, f"{level.value} {level.label}. {level.anchor}")
            for level in criterion.levels.all()
        ]


class RegradeDecisionForm(forms.Form):
    """What becomes of a request for a second look, and what the team is told. Nothing is chosen beforehand."""

    STAYS = "stays"

    level = forms.ChoiceField(
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what counts from now on.", "invalid_choice": GONE},
    )
    answer = forms.CharField(
        max_length=500,
        label="Answer to the team",
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Tell the team why, in a sentence."},
    )

    def __init__(self, *args: Any, criterion: Criterion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["level"]
        assert isinstance(field, forms.ChoiceField)
        levels = [
            (str(level.value), f"{level.value} {level.label} counts")
            for level in criterion.levels.all()
        ]
        field.choices = [(self.STAYS, "The grade stays as it is"), *levels]

    def level_that_counts(self) -> int | None:
        """None where the grade stays."""
        chosen: str = self.cleaned_data["level"]
        return None if chosen == self.STAYS else int(chosen)


class ReleaseForm(forms.Form):
    """Showing a result to its team. `seen` is the digest of the draft that the page showed; `confirmed` that what is unresolved
    was read."""

    seen = forms.CharField(max_length=32, widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=MAX_REASON,
        label="Why does the result change?",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The team and the other instructors are told.",
        error_messages={"required": "Say why the result changes: the team reads the reason."},
    )
    confirmed = forms.BooleanField(
        label="I have read what is unresolved, and release the result all the same.",
        error_messages={
            "required": "Something is unresolved. Read it, then tick the box, or come back later."
        },
    )

    def __init__(self, *args: Any, first: bool, unresolved: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if first:
            del self.fields["reason"]
        if not unresolved:
            del self.fields["confirmed"]


class ScaleForm(forms.Form):
    """Points, the weight of each criterion of the course's rubric, and what each level is worth."""

    title = forms.CharField(
        max_length=60,
        label="Name in the grade book",
        help_text="The column's name in Canvas, Moodle or a spreadsheet.",
    )
    points = forms.IntegerField(
        min_value=1, max_value=MOST_POINTS, label="Points for a perfect bot"
    )

    def __init__(self, data: Any = None, *, criteria: list[Criterion], scale: Scale) -> None:
        self.criteria, self.before = criteria, scale
        self.top = max((len(one.levels.all()) for one in criteria), default=0)
        initial: dict[str, Any] = {"title": scale.title, "points": scale.points}
        initial |= {f"weight-{one.key}": scale.weight_of(one) for one in criteria}
        initial |= {
            f"share-{value}": share
            for value, share in enumerate(scale.shares_for(self.top), start=1)
        }
        super().__init__(data, initial=initial)
        for one in criteria:
            field = forms.IntegerField(
                min_value=0, max_value=MOST_WEIGHT, label=f"Weight of {one.name}"
            )
            self.fields[f"weight-{one.key}"] = field
        for value in range(1, self.top + 1):
            share = forms.FloatField(
                min_value=0, max_value=WHOLE, label=f"Level {value}, percent of the points"
            )
            self.fields[f"share-{value}"] = share

    def rows(self) -> list[tuple[Criterion, forms.BoundField]]:
        return [(one, self[f"weight-{one.key}"]) for one in self.criteria]

    def levels(self) -> list[forms.BoundField]:
        return [self[f"share-{value}"] for value in range(1, self.top + 1)]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        if not any(cleaned[f"weight-{one.key}"] for one in self.criteria):
            raise forms.ValidationError(
                "Every weight is 0, so nothing would count. Give one criterion a weight at least."
            )
        shares = [cleaned[f"share-{value}"] for value in range(1, self.top + 1)]
        if shares != sorted(shares):
            raise forms.ValidationError(
                "A higher level must not be worth less than a lower one."
            )
        return cleaned

    def scale(self) -> Scale:
        """Weights that are the rubric's own are not kept beside it; even steps neither. What another rubric's version
        needs stays."""
        weights = {
            key: weight
            for key, weight in self.before.weights.items()
            if key not in {one.key for one in self.criteria}
        }
        for one in self.criteria:
            chosen = self.cleaned_data[f"weight-{one.key}"]
            if chosen != one.weight:
                weights[one.key] = chosen
        shares = [self.cleaned_data[f"share-{value}"] for value in range(1, self.top + 1)]
        even = Scale().shares_for(self.top)
        return Scale(
            self.cleaned_data["title"].strip(),
            self.cleaned_data["points"],
            weights,
            [] if shares == even else shares,
        )
