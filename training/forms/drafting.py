"""What a team says when it has rows drafted."""

from typing import Any

from django import forms

from training.services import draft_offer
from training.services.writers import Writer

USUAL_ROWS = 10


class DraftingForm(forms.Form):
    """`found`: who can write. `rows`: (row id, question, answer) that are offered as examples."""

    writer = forms.ChoiceField(label="Who writes")
    wanted = forms.IntegerField(
        min_value=1,
        max_value=draft_offer.MOST_ROWS,
        initial=USUAL_ROWS,
        label="How many rows",
        help_text=f"At most {draft_offer.MOST_ROWS} at a time: somebody has to read each of them.",
    )
    topic = forms.CharField(
        required=False,
        max_length=120,
        label="About what",
        help_text="For example: taking away across ten. Empty: a bit of everything.",
    )
    examples = forms.MultipleChoiceField(
        label="Examples",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least three rows as examples."},
    )

    def __init__(
        self,
        found: list[Writer],
        rows: list[tuple[str, str, str]],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.found = found
        offered, chosen = self.fields["writer"], self.fields["examples"]
        assert isinstance(offered, forms.ChoiceField)
        assert isinstance(chosen, forms.MultipleChoiceField)
        offered.choices = [(one.reference, one.name) for one in found]
        chosen.choices = [(row_id, asked) for row_id, asked, _ in rows]

    def asked(self) -> dict[str, Any]:
        """What `draft_offer.offer` and `drafting.start` want. Valid forms only."""
        chosen = self.cleaned_data
        return {
            "row_ids": chosen["examples"],
            "writer": chosen["writer"],
            "wanted": chosen["wanted"],
            "topic": chosen["topic"],
        }
