"""Input shapes and messages of the pages about people: one person, a class list, sections, teams for everyone."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from teams.forms import LARGEST_TEAM, DollarsField
from teams.models import Course, HandOver, Membership, Role, Section, Team, User
from teams.services.bulk import TeamChange

MOST_ROSTER_BYTES = 1024 * 1024


class MembershipForm(forms.Form):
    """What an instructor decides about one person."""

    role = forms.ChoiceField(choices=Role.choices)
    team = forms.ModelChoiceField(
        queryset=Team.objects.none(), required=False, empty_label="No team"
    )
    section = forms.ModelChoiceField(
        queryset=Section.objects.none(), required=False, empty_label="No section"
    )
    student_id = forms.CharField(
        max_length=40,
        required=False,
        label="Student ID",
        help_text="The university's number, for the grade book.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    rights = forms.MultipleChoiceField(
        label="As a teaching assistant, may also",
        choices=[
            ("may_price", "set budgets and prices"),
            ("may_release", "decide and release grades"),
            ("may_delete", "delete what teams made"),
        ],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, course: Course, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, rows in (
            ("team", course.teams.filter(practice=False)),
            ("section", course.sections.all()),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = rows


class InviteForm(MembershipForm):
    """One person by e-mail."""

    email = forms.EmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    name = forms.CharField(
        max_length=120,
        required=False,
        help_text="Needed only for somebody who has no account here yet.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    field_order = ["email", "name", "role", "team", "section", "student_id"]
    rights = None  # type: ignore[assignment]  # ticked on the person's own page

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        email, known = (
            cleaned.get("email", ""),
            User.objects.filter(email__iexact=cleaned.get("email", "")).exists(),
        )
        if email and not known and not cleaned.get("name"):
            self.add_error(
                "name", "Nobody here has this address yet: say what the person is called."
            )
        if cleaned.get("team") and cleaned.get("role") != Role.STUDENT:
            self.add_error("team", "Only students are in teams.")
        return cleaned


class SectionForm(forms.Form):
    name = forms.CharField(label="Section name", max_length=60)


class RosterForm(forms.Form):
    """A class list: a file or pasted lines. After the preview only the text comes back."""

    role = forms.ChoiceField(
        label="Enrol them as",
        choices=[choice for choice in Role.choices if choice[0] != Role.INSTRUCTOR],
    )
    file = forms.FileField(
        label="CSV file",
        required=False,
        help_text="Headings: name, email, section, team, student ID, in any order; only email is needed.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.tsv,.txt"}),
    )
    text = forms.CharField(
        label="or paste the list",
        required=False,
        strip=False,
        max_length=MOST_ROSTER_BYTES,
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        upload, text = cleaned.get("file"), str(cleaned.get("text", "")).strip()
        if not upload and not text and not self.errors:
            raise ValidationError("Choose a file or paste a list.")
        if upload and upload.size > MOST_ROSTER_BYTES:
            raise ValidationError(
                "This file is larger than 1 MB. A class list is smaller: is it the right file?"
            )
        return cleaned


class FormTeamsForm(forms.Form):
    size = forms.IntegerField(
        label="Most people in one team", min_value=1, max_value=LARGEST_TEAM
    )
    by_section = forms.BooleanField(label="Keep sections apart", required=False)
    seed = forms.IntegerField(
        label="Draw number",
        min_value=0,
        max_value=999_999,
        help_text="The same number draws the same teams; another number draws anew.",
    )


class HandOverForm(forms.Form):
    taker = forms.ModelChoiceField(
        label="To whom", queryset=Membership.objects.none(), empty_label="Choose"
    )
    becomes = forms.ChoiceField(
        label="You yourself then", choices=HandOver.Becomes.choices, widget=forms.RadioSelect
    )

    def __init__(self, *args: Any, people: list[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["taker"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Membership.objects.filter(
            pk__in=[one.pk for one in people]
        ).select_related("person")


class BulkTeamsForm(forms.Form):
    """One row a team: its budget and its professors. Sends back what it showed, so that only what differs is changed."""

    def __init__(self, *args: Any, course: Course, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = course.teams.filter(practice=False).select_related("account", "course")
        self.teams = list(rows.prefetch_related("professor_assignments"))
        graders = Membership.objects.filter(course=course, role=Role.PROFESSOR, active=True)
        self.professors = {str(one.pk): one for one in graders.select_related("person")}
        choices = [(number, str(one.person)) for number, one in self.professors.items()]
        for team in self.teams:
            assigned = [str(one.professor_id) for one in team.professor_assignments.all()]
            self.fields[f"limit-{team.pk}"] = DollarsField(
                label=f"Budget of {team.name}, in dollars",
                initial=team.account.limit,
                show_hidden_initial=True,
            )
            self.fields[f"professors-{team.pk}"] = forms.MultipleChoiceField(
                label=f"Professors of {team.name}",
                choices=choices,
                required=False,
                initial=[number for number in assigned if number in self.professors],
                show_hidden_initial=True,
                widget=forms.CheckboxSelectMultiple,
            )

    def rows(self) -> list[tuple[Team, forms.BoundField, forms.BoundField]]:
        return [
            (team, self[f"limit-{team.pk}"], self[f"professors-{team.pk}"])
            for team in self.teams
        ]

    def changes(self) -> list[TeamChange]:
        """Of a valid form: what its sender changed."""
        found = []
        for team in self.teams:
            limit, professors = f"limit-{team.pk}", f"professors-{team.pk}"
            if limit in self.changed_data or professors in self.changed_data:
                chosen = [self.professors[number] for number in self.cleaned_data[professors]]
                found.append(
                    TeamChange(
                        team=team,
                        limit=self.cleaned_data[limit] if limit in self.changed_data else None,
                        professors=chosen if professors in self.changed_data else None,
                    )
                )
        return found


class BulkPeopleForm(forms.Form):
    """One row a person: the section."""

    def __init__(self, *args: Any, course: Course, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        here = course.memberships.filter(active=True).select_related(
            "person", "team", "section", "course"
        )
        self.people = list(here.exclude(role=Role.OBSERVER))
        self.sections = {str(one.pk): one for one in course.sections.all()}
        choices = [
            ("", "No section"),
            *((number, one.name) for number, one in self.sections.items()),
        ]
        for one in self.people if self.sections else []:
            self.fields[f"section-{one.pk}"] = forms.ChoiceField(
                label=f"Section of {one.person.name}",
                choices=choices,
                required=False,
                initial=str(one.section_id or ""),
                show_hidden_initial=True,
            )

    def rows(self) -> list[tuple[Membership, forms.BoundField]]:
        return [(one, self[f"section-{one.pk}"]) for one in self.people if self.sections]

    def changes(self) -> list[tuple[Membership, Section | None]]:
        """Of a valid form: who moves where."""
        found = []
        for one in self.people:
            name = f"section-{one.pk}"
            if name in self.changed_data:
                found.append((one, self.sections.get(self.cleaned_data[name])))
        return found
