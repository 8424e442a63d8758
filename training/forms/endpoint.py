"""A key for programs."""

from django import forms

from teams.forms import DollarsField


class EndpointKeyForm(forms.Form):
    """A key for programs that ask the team's bots."""

    name = forms.CharField(
        max_length=60, label="What for", help_text="For example: our web page."
    )
    per_minute = forms.IntegerField(
        min_value=1,
        max_value=600,
        initial=30,
        label="Questions a minute",
        help_text="More than that are told to wait.",
    )
    daily_cap = DollarsField(
        initial=1_000_000,
        label="Dollars a day",
        help_text="What its calls may cost a day, out of your team's budget. Free bots answer whatever the cap.",
    )
    trains = forms.BooleanField(
        initial=True,
        required=False,
        label="May fine-tune",
        help_text="With it programs also bring rows, start training and read both. Leave it off for a key that stands in a "
        "web page.",
    )
