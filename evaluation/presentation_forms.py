"""The shape of what an instructor sends about presentations."""

from typing import Any

from django import forms

from evaluation.models import Counting, PresentationSession
from evaluation.services.presenting import (
    MINUTES,
    MOST_MINUTES,
    MOST_POINTS,
    MOST_WEIGHT,
    Rule,
    professors_of,
    unplanned,
)
from teams.models import Course, Membership, Team

DAY = "%Y-%m-%dT%H:%M"


class ProfessorsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # a generic in the stubs only
    def label_from_instance(self, professor: Any) -> str:
        return str(professor.person)


class SessionForm(forms.Form):
    """A session's day, place, time for each team and listeners."""

    starts_at = forms.DateTimeField(
        label="Starts at",
        input_formats=[DAY, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=DAY),
        error_messages={
            "required": "Say when it starts.",
            "invalid": "Give day and time as year-month-day hour:minute, for example 2026-12-04 14:00.",
        },
    )
    place = forms.CharField(
        max_length=200,
        label="Place",
        help_text="A room, or the address of a video call.",
        error_messages={"required": "Say where it takes place."},
    )
    minutes = forms.IntegerField(
        min_value=1,
        max_value=MOST_MINUTES,
        initial=MINUTES,
        label="Minutes for each team, with questions",
    )
    listeners = ProfessorsField(
        Membership.objects.none(),
        label="Who listens",
        widget=forms.CheckboxSelectMultiple,
        help_text="They learn which team presents. Choose more than those who grade it blind, if you can.",
        error_messages={"required": "Choose a professor at least: somebody has to listen."},
    )

    def __init__(
        self, data: Any = None, *, course: Course, session: PresentationSession | None = None
    ) -> None:
        professors = professors_of(course)
        initial: dict[str, Any] = {"listeners": [one.pk for one in professors]}
        if session is not None:
            listeners = [one.pk for one in session.listeners.all()]
            initial = {
                "starts_at": session.starts_at,
                "place": session.place,
                "minutes": session.minutes,
            }
            initial |= {"listeners": listeners}
        super().__init__(data, initial=initial)
        field = self.fields["listeners"]
        assert isinstance(field, ProfessorsField)
        field.queryset = Membership.objects.filter(
            pk__in=[one.pk for one in professors]
        ).select_related("person")


class TeamForm(forms.Form):
    """A team that has no place yet."""

    team = forms.ModelChoiceField(
        Team.objects.none(),
        label="Team",
        error_messages={
            "required": "Choose a team.",
            "invalid_choice": "This team has a place already, or is not in this course. Load the page again.",
        },
    )

    def __init__(self, data: Any = None, *, course: Course) -> None:
        super().__init__(data)
        field = self.fields["team"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Team.objects.filter(
            pk__in=[one.pk for one in unplanned(course)]
        ).order_by("name")


class RuleForm(forms.Form):
    """How presentations count, and when professors may talk with the bots."""

    counting = forms.ChoiceField(
        choices=Counting.choices, widget=forms.RadioSelect, label="How it counts"
    )
    weight = forms.IntegerField(
        min_value=1,
        max_value=MOST_WEIGHT,
        label="Within the rubric: percent of each criterion's level",
        help_text="The blind grade makes the rest.",
    )
    points = forms.IntegerField(
        min_value=1,
        max_value=MOST_POINTS,
        label="As a grade of its own: points for a perfect presentation",
    )
    talk_at_once = forms.BooleanField(
        required=False,
        label="A professor may talk with a team's bot before all her blind grades are submitted",
        help_text="Whoever has heard a bot may recognise its answers. Without this tick she hears it afterwards.",
    )

    def __init__(self, data: Any = None, *, rule: Rule) -> None:
        initial = {"counting": rule.counting, "weight": rule.weight, "points": rule.points}
        super().__init__(data, initial=initial | {"talk_at_once": rule.talk_at_once})

    def rule(self) -> Rule:
        chosen = self.cleaned_data
        return Rule(
            Counting(chosen["counting"]),
            chosen["weight"],
            chosen["points"],
            chosen["talk_at_once"],
        )
