"""The shape of what a professor, a team and an instructor send."""

import json
from collections.abc import Mapping
from typing import Any, cast

from django import forms

from evaluation.models import (
    Criterion,
    CriterionScore,
    Expectation,
    InterviewQuestion,
    InterviewScript,
    Part,
    RubricVersion,
    Subject,
    Turn,
    Unit,
)
from evaluation.models.rubric import new_criterion_key
from evaluation.services.grades import MAX_COMMENT_CHARACTERS, Marks
from evaluation.services.regrades import MAX_COMMENT, Opinion
from evaluation.services.rubrics import (
    MAX_CRITERIA,
    MAX_LEVELS,
    MAX_WEIGHT,
    MIN_LEVELS,
    CriterionDraft,
    LevelDraft,
    RubricDraft,
    draft_of,
)
from evaluation.services.scripts import MAX_QUESTIONS, QuestionDraft, ScriptDraft
from evaluation.services.tags import CORRECTION_MAX_CHARACTERS

CANNOT_JUDGE = "cannot"
MOST_BEFORE = 20
MOST_DIGITS = 4


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
        return _marks(self.cleaned_data["level"], self.cleaned_data["comment"])

    def before(self) -> list[Marks]:
        """What the same page sent earlier and got no answer to."""
        return [_marks(one.get("level", ""), one.get("comment", "")) for one in sent_before(self.data)]


def _marks(chosen: str, comment: str) -> Marks:
    level = int(chosen) if chosen.isdecimal() and len(chosen) < MOST_DIGITS else None
    return Marks(level=level, cannot_judge=chosen == CANNOT_JUDGE, comment=comment)


def sent_before(data: Mapping[str, Any]) -> list[dict[str, str]]:
    """The field `before` of a form that saves itself: a JSON list of what it held; nothing where it is none."""
    try:
        found = json.loads(data.get("before") or "[]")
    except (ValueError, RecursionError):
        return []
    rows = found[:MOST_BEFORE] if isinstance(found, list) else []
    return [{str(name): str(value) for name, value in row.items()} for row in rows if isinstance(row, dict)]


class CommentForm(forms.Form):
    comment = forms.CharField(required=False, max_length=MAX_COMMENT_CHARACTERS, strip=False)
    version = forms.IntegerField(min_value=0)


class CorrectionForm(forms.Form):
    """What the student should have said, in a grader's words; empty takes it back."""

    answer = forms.CharField(required=False, max_length=CORRECTION_MAX_CHARACTERS, strip=False)
    version = forms.CharField(required=False, max_length=64)

    def clean(self) -> dict[str, Any]:
        return {"answer": self.cleaned_data.get("answer", ""), "seen": self.cleaned_data.get("version", "")}

    def said(self) -> str:
        """Why it was not saved; empty where it was."""
        if not self.errors:
            return ""
        return f"Not saved: a better answer can have up to {CORRECTION_MAX_CHARACTERS:,} characters. Make it shorter."


class ReasonForm(forms.Form):
    """Why a committed grade is changed."""

    reason = forms.CharField(max_length=300, label="Why do you change it?", help_text="Kept with the grade.")


class SecondLookForm(forms.Form):
    """One criterion's level, or "cannot judge", and what is heard in the answers. Nothing is chosen beforehand."""

    level = forms.ChoiceField(
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choose a level, or “Cannot judge”.",
            "invalid_choice": "This rubric has no such level. Load the page again and choose.",
        },
    )
    comment = forms.CharField(
        max_length=MAX_COMMENT,
        label="What do you hear in these answers?",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The instructor reads it, and may pass it on to the team without your name.",
        error_messages={"required": "Say in a sentence what you hear in these answers."},
    )

    def __init__(self, *args: Any, criterion: Criterion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        levels = [
            (str(level.value), f"{level.value} {level.label}. {level.anchor}") for level in criterion.levels.all()
        ]
        field = self.fields["level"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [*levels, (CANNOT_JUDGE, "Cannot judge")]

    def opinion(self) -> Opinion:
        chosen: str = self.cleaned_data["level"]
        return Opinion(None if chosen == CANNOT_JUDGE else int(chosen), self.cleaned_data["comment"])


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
        help_text="Your instructor reads this. The other professor sees only the criterion and the answers.",
    )

    def __init__(self, *args: Any, criteria: list[Criterion], turns: list[Turn], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        criterion, chosen = self.fields["criterion"], self.fields["turns"]
        assert isinstance(criterion, CriterionField) and isinstance(chosen, TurnsField)
        criterion.queryset = Criterion.objects.filter(pk__in=[one.pk for one in criteria])
        chosen.queryset = Turn.objects.filter(pk__in=[turn.pk for turn in turns])
        chosen.to_field_name = "key"  # a turn's number would tell when it was asked
        if not turns:
            del self.fields["turns"]


class VersionForm(forms.Form):
    """The name of a rubric or script, and the version that the page was made from."""

    name = forms.CharField(max_length=120, label="Name")
    based_on = forms.IntegerField(widget=forms.HiddenInput)


class RubricForm(VersionForm):
    """With what only the person who edits can say."""

    NEW, SAME = "new", "same"
    meaning = forms.ChoiceField(
        choices=[
            (NEW, "Yes. Scores before and after are kept apart"),
            (SAME, "No, it is only said better. Scores stay comparable"),
        ],
        initial=NEW,
        required=False,
        widget=forms.RadioSelect,
        label="If you change a level’s name or description: does the level mean something else then?",
    )

    @property
    def same_meaning(self) -> bool:
        return bool(self.cleaned_data["meaning"] == self.SAME)


def _lines(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows})


class CriterionForm(forms.Form):
    """One criterion with up to MAX_LEVELS levels; a level without label and anchor is none."""

    key = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)
    name = forms.CharField(max_length=120, label="Name")
    part = forms.ChoiceField(choices=Part.choices, initial=Part.AUTHENTICITY, label="Part")
    unit = forms.ChoiceField(choices=Unit.choices, initial=Unit.TURN, label="What is judged")
    weight = forms.IntegerField(min_value=1, max_value=MAX_WEIGHT, initial=1, label="Weight")
    explanation = forms.CharField(max_length=2000, required=False, label="Explanation", widget=_lines(3))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for value in range(1, MAX_LEVELS + 1):
            self.fields[f"label_{value}"] = forms.CharField(max_length=40, required=False, label=f"Level {value}")
            self.fields[f"anchor_{value}"] = forms.CharField(
                max_length=1000, required=False, label=f"Level {value} sounds like", widget=_lines(2)
            )

    def level_fields(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """(label, anchor) as the page shows them."""
        return [(self[f"label_{value}"], self[f"anchor_{value}"]) for value in range(1, MAX_LEVELS + 1)]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        levels = [
            LevelDraft(cleaned.get(f"label_{value}", ""), cleaned.get(f"anchor_{value}", ""))
            for value in range(1, MAX_LEVELS + 1)
        ]
        levels = [level for level in levels if level.label or level.anchor]
        if any(not level.label or not level.anchor for level in levels):
            raise forms.ValidationError("Each level needs a label and a sentence on what it sounds like.")
        if len(levels) < MIN_LEVELS:
            raise forms.ValidationError("A criterion needs two levels at least.")
        return cleaned | {"levels": tuple(levels)}


class CriteriaFormSet(forms.BaseFormSet):  # type: ignore[type-arg]  # a generic in the stubs only
    def kept(self) -> list[dict[str, Any]]:
        """What was written, in its new order, removed ones left out."""
        return [form.cleaned_data for form in self.ordered_forms]

    def clean(self) -> None:
        if not self.is_valid():
            return
        kept = self.kept()
        if not kept:
            raise forms.ValidationError("A rubric needs a criterion at least.")
        if len({len(one["levels"]) for one in kept}) > 1:
            raise forms.ValidationError("Every criterion needs the same number of levels, so that a mean makes sense.")
        if len({one["name"].casefold() for one in kept}) < len(kept):
            raise forms.ValidationError("Two criteria have the same name. Give each its own.")

    def draft(self, name: str, known: set[str]) -> RubricDraft:
        """`known`: the keys of the version that was edited; a criterion without one of them is new."""
        free, criteria = set(known), []
        for one in self.kept():
            key = one["key"] if one["key"] in free else new_criterion_key()
            free.discard(key)
            fields = {field: one[field] for field in ("part", "unit", "name", "explanation", "weight", "levels")}
            criteria.append(CriterionDraft(key=key, **fields))
        return RubricDraft(name, tuple(criteria))


CriteriaForms = cast(
    type[CriteriaFormSet],
    forms.formset_factory(
        CriterionForm,
        formset=CriteriaFormSet,
        extra=1,
        can_order=True,
        can_delete=True,
        max_num=MAX_CRITERIA,
        validate_max=True,
    ),
)


def criteria_initial(rubric: RubricVersion) -> list[dict[str, Any]]:
    """The forms' values for a version as it is."""
    values = []
    for one in draft_of(rubric).criteria:
        fields = {field: getattr(one, field) for field in ("key", "part", "unit", "name", "explanation", "weight")}
        for value, level in enumerate(one.levels, start=1):
            fields |= {f"label_{value}": level.label, f"anchor_{value}": level.anchor}
        values.append(fields)
    return values


class QuestionForm(forms.Form):
    """One teacher question. `right` and `mistaken`: a phrase a line, "7|seven" for two ways to say one thing."""

    question = forms.CharField(max_length=400, label="Question", widget=_lines(2))
    paraphrase = forms.CharField(max_length=400, label="The same in other words", widget=_lines(2))
    follow_up = forms.CharField(max_length=400, required=False, label="Follow-up", widget=_lines(2))
    subject = forms.ChoiceField(choices=Subject.choices, initial=Subject.MATH, label="Subject")
    expectation = forms.ChoiceField(choices=Expectation.choices, initial=Expectation.KNOWN, label="In second grade")
    right = forms.CharField(max_length=1000, required=False, label="Right, a phrase a line", widget=_lines(2))
    mistaken = forms.CharField(max_length=1000, required=False, label="Mistaken, a phrase a line", widget=_lines(2))

    def clean_right(self) -> tuple[str, ...]:
        return _phrases(self.cleaned_data["right"])

    def clean_mistaken(self) -> tuple[str, ...]:
        return _phrases(self.cleaned_data["mistaken"])


def _phrases(text: str) -> tuple[str, ...]:
    """In lower case, as answers are compared; an empty way to say something would be found in every answer."""
    lines = ["|".join(way.strip() for way in line.lower().split("|") if way.strip()) for line in text.splitlines()]
    return tuple(line for line in lines if line)


class QuestionsFormSet(forms.BaseFormSet):  # type: ignore[type-arg]  # a generic in the stubs only
    def draft(self, name: str) -> ScriptDraft:
        fields = ("subject", "expectation", "question", "paraphrase", "follow_up", "right", "mistaken")
        kept = [form.cleaned_data for form in self.ordered_forms]
        return ScriptDraft(name, tuple(QuestionDraft(**{field: one[field] for field in fields}) for one in kept))

    def clean(self) -> None:
        if self.is_valid() and not self.ordered_forms:
            raise forms.ValidationError("A script needs a question at least.")


QuestionForms = cast(
    type[QuestionsFormSet],
    forms.formset_factory(
        QuestionForm,
        formset=QuestionsFormSet,
        extra=1,
        can_order=True,
        can_delete=True,
        max_num=MAX_QUESTIONS,
        validate_max=True,
    ),
)


def questions_initial(script: InterviewScript) -> list[dict[str, Any]]:
    return [_question_initial(question) for question in script.questions.all()]


def _question_initial(question: InterviewQuestion) -> dict[str, Any]:
    plain = ("subject", "expectation", "question", "paraphrase", "follow_up")
    values: dict[str, Any] = {field: getattr(question, field) for field in plain}
    return values | {"right": "\n".join(question.right), "mistaken": "\n".join(question.mistaken)}


class GradingDueForm(forms.Form):
    """The professors' last day; empty for none."""

    due_on = forms.DateField(required=False)


class ShareOutForm(forms.Form):
    """How graders are shared out over the teams."""

    per_team = forms.IntegerField(min_value=1, max_value=5, initial=2)
    by_section = forms.BooleanField(required=False)
