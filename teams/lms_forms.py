"""What somebody says of an LMS."""

from typing import Any

from django import forms

from teams.models import LmsConnection, LmsCourse
from teams.services.lti.connections import Wanted


class ConnectionForm(forms.Form):
    name = forms.CharField(
        max_length=60,
        label="Name of the LMS",
        help_text="As students and instructors will read it, for example Canvas.",
    )


def _address(label: str, help_text: str) -> forms.URLField:
    return forms.URLField(
        max_length=200, label=label, help_text=help_text, assume_scheme="https"
    )


class RegistrationForm(forms.Form):
    """What the LMS says of itself, typed in by hand."""

    issuer = forms.CharField(
        max_length=255,
        label="Issuer",
        help_text="Exactly as the LMS writes it. Canvas: https://canvas.instructure.com. Moodle: the address of the site.",
    )
    client_id = forms.CharField(max_length=255, label="Client id")
    deployment_id = forms.CharField(
        max_length=255,
        required=False,
        label="Deployment id",
        help_text="May stay empty: a deployment that launches is shown here, to be allowed.",
    )
    auth_url = _address(
        "Address for signing in", "Also called authentication request or OIDC URL."
    )
    token_url = _address("Address for tokens", "Also called access token URL.")
    keyset_url = _address("Address of the keys", "Also called public keyset or JWKS URL.")
    audience = forms.CharField(
        max_length=255,
        required=False,
        label="Audience of tokens",
        help_text="Only where the LMS names one. Empty: the address for tokens.",
    )

    def __init__(self, *args: Any, connection: LmsConnection, **kwargs: Any) -> None:
        kept = connection.registration
        if kept is not None:
            names = ("issuer", "client_id", "auth_url", "token_url", "keyset_url", "audience")
            kwargs.setdefault("initial", {name: getattr(kept, name) for name in names})
        super().__init__(*args, **kwargs)

    def wanted(self) -> Wanted:
        return Wanted(**self.cleaned_data)


class LmsCourseForm(forms.ModelForm[LmsCourse]):
    class Meta:
        model = LmsCourse
        fields = ("staff_role", "takes_in", "sends_grades")
        labels = {
            "staff_role": "Instructors of the LMS course become",
            "takes_in": "People who are new here may enter",
            "sends_grades": "Send published grades to the LMS",
        }
        help_texts = {
            "staff_role": "For who comes for the first time. Nobody's role is changed by a launch.",
            "takes_in": "Off: only who is in the course already.",
            "sends_grades": "By themselves, whenever a result is published.",
        }
