"""What whoever runs the platform says of a model server."""

from django import forms

from teams.models import Method
from training.models import BaseModel


class ModelServerForm(forms.Form):
    address = forms.URLField(
        max_length=300,
        label="Address",
        assume_scheme="https",
        help_text="Up to /v1, for example https://gpu1.example.edu:8000/v1. A host inside your network has to stand in "
        "PROVIDER_PRIVATE_HOSTS.",
    )
    key = forms.CharField(
        max_length=300,
        required=False,
        label="Its key",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="What it was started with as --api-key; empty where it asks for none.",
    )
    base = forms.ModelChoiceField(
        queryset=BaseModel.objects.none(),
        label="Base model that it serves",
        help_text="It is recognised by the hash of its weights, so its name and folder there may be others.",
    )
    served_name = forms.CharField(
        max_length=200,
        label="Its name there",
        help_text="What the server's /v1/models calls the base.",
    )
    runs_folder = forms.RegexField(
        r"^/[^\x00-\x1f]*$",
        max_length=300,
        label="Folder of runs, as the server sees it",
        help_text="Where it finds <key>/adapter of each run: a folder that it shares with this platform.",
        error_messages={
            "invalid": "Write a full path that begins with /, for example /srv/course/var/runs."
        },
    )

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        field = self.fields["base"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = (
            BaseModel.objects.filter(method=Method.LORA)
            .exclude(weights_sha256="")
            .order_by("label")
        )
