"""Input shapes and messages."""

from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from teams.models import Course, Membership, Milestone, NoticeKind, Price, Provider, Role, Team, User

MICRO = 1_000_000
LARGEST_TEAM = 50
HIDDEN = ("Etc/", "SystemV/", "US/", "Canada/", "Brazil/", "Chile/", "Mexico/", "posix/", "right/")
OFF_YEAR = "Look at the year: it is before 2000 or after 2100."


class DollarsField(forms.DecimalField):
    """Dollars in the browser, integer micro-dollars in the code."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", Decimal(0))
        kwargs.setdefault("max_value", Decimal(1_000_000))
        super().__init__(decimal_places=6, **kwargs)

    def clean(self, value: Any) -> Any:
        amount = super().clean(value)
        return None if amount is None else int(amount * MICRO)

    def prepare_value(self, value: Any) -> Any:
        """To the last micro-dollar: a form that is saved as it was opened changes nothing."""
        if not isinstance(value, int):
            return value
        exact = f"{Decimal(value) / MICRO:.6f}"
        return exact[:-4] + exact[-4:].rstrip("0")


class DayField(forms.DateField):
    """A day of a course. A far-off year is a slip, and days are added to days."""

    default_validators = [
        MinValueValidator(date(2000, 1, 1), OFF_YEAR),
        MaxValueValidator(date(2100, 12, 31), OFF_YEAR),
    ]


class SignInForm(AuthenticationForm):
    username = forms.EmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "email"})
    )
    error_messages = {
        "invalid_login": "E-mail and password do not match. Passwords know capital letters; e-mail addresses do not.",
        "inactive": "This account is switched off. Ask your instructor.",
    }


class JoinForm(forms.Form):
    code = forms.CharField(
        label="Course code",
        max_length=20,
        help_text="8 letters and digits, from your instructor.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )


class PersonForm(forms.Form):
    """Who a new person is."""

    name = forms.CharField(max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = forms.EmailField(label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}))

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class SignUpForm(PersonForm, JoinForm):
    """A new person asks to enter with a course code. Whether the address has an account is nobody's business here."""


class FirstAccountForm(PersonForm):
    """The one account that needs no course and no mail."""

    password = forms.CharField(
        strip=False,
        help_text="At least 10 characters, not only digits, not a common password.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    code = forms.CharField(
        label="Set-up code",
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "class": "mono"}
        ),
    )

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        person = User(email=self.cleaned_data.get("email", ""), name=self.cleaned_data.get("name", ""))
        password_validation.validate_password(password, person)
        return password


class _DatesInOrder(forms.ModelForm[Course]):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("starts_on") and cleaned.get("ends_on") and cleaned["ends_on"] < cleaned["starts_on"]:
            raise ValidationError("The last day is before the first day.")
        return cleaned


def zones() -> list[tuple[str, str]]:
    """Cities of the world, without aliases that nobody looks for."""
    found = sorted(name for name in available_timezones() if "/" in name and not name.startswith(HIDDEN))
    return [("", f"the platform's ({settings.TIME_ZONE})"), ("UTC", "UTC")] + [
        (name, name.replace("_", " ")) for name in found
    ]


class CourseForm(_DatesInOrder):
    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=zones,
        required=False,
        help_text="Times on all pages of the course are told in it, and its days end by it.",
    )
    course_limit = DollarsField(
        label="Budget of the whole course, in dollars",
        required=False,
        help_text="Empty: only the teams' own budgets count.",
    )
    daily_chat_cap = DollarsField(
        label="Most one person may spend on chat in a day, in dollars",
        required=False,
        help_text="Counts whoever asks, in anybody's conversation, and calls with endpoint keys for whoever made the key. "
        "Empty: no cap; interviews and grading never count.",
    )
    team_budget = DollarsField(label="Budget of each new team, in dollars", initial=25_000_000)
    compute_rate = DollarsField(
        label="Price of one hour of local training, in dollars",
        initial=0,
        help_text="What LoRA training on this machine costs a team. 0 makes it free.",
    )
    field_order = (
        "name",
        "term",
        "starts_on",
        "ends_on",
        "time_zone",
        "team_size",
        "team_budget",
        "course_limit",
    )
    team_size = forms.IntegerField(min_value=1, max_value=LARGEST_TEAM, initial=5, help_text="Most people in one team.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Of a course that exists, the page sends back what it showed, so that only what was changed on it is saved."""
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = self.instance.pk is not None

    class Meta:
        model = Course
        field_classes = {"starts_on": DayField, "ends_on": DayField}
        fields = ["name", "term", "starts_on", "ends_on", "team_size", "team_budget", "compute_rate"]
        fields += ["daily_chat_cap", "spending_frozen", "second_factor", "keep_days", "time_zone"]
        labels = {
            "spending_frozen": "Pause all spending",
            "second_factor": "Who needs a second factor to sign in",
            "keep_days": "Days after the last day until students' names and addresses are removed",
        }
        help_texts = {
            "keep_days": "Empty: they are kept.",
            "second_factor": "Without one they can read, and are led to set it up before they change anything.",
        }
        widgets = {
            "starts_on": forms.DateInput(attrs={"type": "date"}),
            "ends_on": forms.DateInput(attrs={"type": "date"}),
        }


class CopyCourseForm(_DatesInOrder):
    """What is different about the same course in another term."""

    class Meta:
        model = Course
        field_classes = {"starts_on": DayField, "ends_on": DayField}
        fields = ["name", "term", "starts_on", "ends_on"]
        widgets = {
            "starts_on": forms.DateInput(attrs={"type": "date"}),
            "ends_on": forms.DateInput(attrs={"type": "date"}),
        }
        help_texts = {"starts_on": "The plan's dates move along with it."}


class ArchiveForm(forms.Form):
    file = forms.FileField(
        label="Course archive",
        help_text="The zip file that “Export the course” made, here or on another installation.",
        widget=forms.ClearableFileInput(attrs={"accept": ".zip"}),
    )


class DeleteCourseForm(forms.Form):
    name = forms.CharField(label="To delete it, write its name", widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, course: Course, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.course = course
        self.fields["name"].help_text = f"Exactly: {course.name}"

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name.strip() != self.course.name.strip():
            raise ValidationError("This is not the course's name. Nothing was deleted.")
        return name


class BudgetRequestForm(forms.Form):
    amount = DollarsField(label="How much more, in dollars", min_value=Decimal("0.01"))
    reason = forms.CharField(label="What for", max_length=500, widget=forms.Textarea(attrs={"rows": 2}))


class AnnouncementForm(forms.Form):
    text = forms.CharField(label="Tell everyone", max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


class NoticeChoiceForm(forms.Form):
    in_app = forms.MultipleChoiceField(
        label="Here, in the bar", choices=NoticeKind.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    by_mail = forms.MultipleChoiceField(
        label="By e-mail", choices=NoticeKind.choices, required=False, widget=forms.CheckboxSelectMultiple
    )


class TeamNameForm(forms.Form):
    name = forms.CharField(label="Team name", max_length=60)


class TeamSettingsForm(forms.Form):
    """What an instructor decides about one team."""

    limit = DollarsField(label="Budget, in dollars", show_hidden_initial=True)
    professors = forms.ModelMultipleChoiceField(
        queryset=Membership.objects.none(),
        required=False,
        show_hidden_initial=True,
        widget=forms.CheckboxSelectMultiple,
        help_text="They see the team's bot without its name.",
    )

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["professors"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        graders = Membership.objects.filter(course=team.course, role=Role.PROFESSOR, active=True)
        field.queryset = graders.select_related("person")
        field.label_from_instance = lambda membership: str(membership.person)  # type: ignore[method-assign, assignment]


class PasswordLinkForm(forms.Form):
    email = forms.EmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "email"})
    )


class PriceForm(forms.ModelForm[Price]):
    per_million = DollarsField(label="Dollars for one million tokens")

    class Meta:
        model = Price
        field_classes = {"effective_from": DayField}
        fields = ["provider", "model", "kind", "per_million", "effective_from", "source"]
        widgets = {"effective_from": forms.DateInput(attrs={"type": "date"})}
        help_texts = {
            "provider": "Under this name prices are looked up, also where a compatible service is used.",
            "model": "As the provider writes it. Of a fine-tuned model: ft: and the base model.",
            "source": "Where this price is from, for example a page and its date.",
        }

    def clean_provider(self) -> str:
        given = str(self.cleaned_data["provider"]).lower()
        known = set(Price.objects.filter(course=None).values_list("provider", flat=True))
        if self.instance.course is not None:
            known |= set(Provider.objects.for_course(self.instance.course).values_list("code", flat=True))
        if given not in known:
            raise ValidationError(
                f"Prices are looked up under {' or '.join(sorted(known))}: this one would never be used."
            )
        return given


class MilestoneForm(forms.ModelForm[Milestone]):
    class Meta:
        model = Milestone
        field_classes = {"due_on": DayField}
        fields = ["title", "goal", "due_on"]
        labels = {"title": "Step", "goal": "Done when", "due_on": "By"}
        widgets = {"due_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}


class DiskLimitForm(forms.Form):
    """How much may be kept: in GB, empty for the platform's default. `team`: whose; empty for the whole course."""

    team = forms.IntegerField(required=False)
    gigabytes = forms.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_value=Decimal(100_000),
        decimal_places=6,
        error_messages={
            "invalid": "Write the limit as a number of GB, such as 2 or 0.5.",
            "min_value": "A limit can't be below 0 GB.",
            "max_value": "A limit can be 100,000 GB at most.",
        },
    )

    @property
    def limit(self) -> int | None:
        """Bytes. Valid forms only."""
        given = self.cleaned_data["gigabytes"]
        return None if given is None else int(given * 10**9)

    @property
    def limit_errors(self) -> list[str]:
        return [str(error) for errors in self.errors.values() for error in errors]
