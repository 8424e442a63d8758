"""A run that was exported as a zip."""

from django import forms

MOST_UPLOAD_MB = 500


class BundleForm(forms.Form):
    file = forms.FileField(
        label="Run archive (.zip)",
        help_text=f"What “Download all” gave on the page of a finished run. At most {MOST_UPLOAD_MB} MB.",
        error_messages={"required": "Choose the zip file of a run."},
    )

    def clean_file(self) -> object:
        file = self.cleaned_data["file"]
        if file.size > MOST_UPLOAD_MB * 1_000_000:
            raise forms.ValidationError(
                f"This file has more than {MOST_UPLOAD_MB} MB. A run of this platform is far smaller."
            )
        return file
