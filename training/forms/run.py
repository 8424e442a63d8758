"""What a person may choose for a run of each method, with one line that says what it does and the guide's defaults."""

from typing import Any, TypeVar
from uuid import uuid4

from django import forms
from django.db.models import Model, QuerySet

from datasets.models import DatasetVersion
from datasets.services.split import USUAL_FRACTION, USUAL_SEED
from teams.models import Team
from training.models import BaseModel, TrainingRun

FRACTIONS = {
    "0.2": "A fifth (20 %)",
    "0.1": "A tenth (10 %)",
    "0": "None: nobody can see overfitting",
}
SHARES = {
    "1": "All of them",
    "0.5": "Half, to see what the other half brings",
    "0.25": "A quarter",
}
Offered = TypeVar("Offered", bound=Model)


class RunForm(forms.Form):
    """What every method asks. `essential`, `own` and `advanced` name the fields in the order in which the page shows them."""

    method: str
    kind = ""
    """Which form of its method this is, where there are several; part of its address."""
    label = ""
    """What the choice of methods calls it; empty: as the method is called."""
    can_sweep = False
    """Whether several of its runs can be started at once (`training.forms.sweep`)."""
    essential: tuple[str, ...] = ("name", "dataset_version", "base_model")
    own: tuple[str, ...] = ()
    advanced: tuple[str, ...] = ("validation_fraction", "rows_share", "seed")
    program_fields: tuple[str, ...] = ()
    presets: dict[str, tuple[str, dict[str, Any]]] = {}

    name = forms.CharField(
        max_length=80,
        required=False,
        label="Name",
        help_text="What is new in this run, for example: gentler learning rate.",
    )
    dataset_version = forms.ModelChoiceField(
        DatasetVersion.objects.none(),
        label="Dataset",
        help_text="A version never changes, so the run can be repeated.",
    )
    base_model = forms.ModelChoiceField(
        BaseModel.objects.none(), label="Base model", help_text="The model to start from."
    )
    validation_fraction = forms.TypedChoiceField(
        choices=list(FRACTIONS.items()),
        coerce=float,
        initial=str(USUAL_FRACTION),
        label="Rows kept back to measure with",
        help_text="The model never sees them; they show whether it learned or only memorised.",
    )
    rows_share = forms.TypedChoiceField(
        choices=list(SHARES.items()),
        coerce=float,
        empty_value="1",
        required=False,
        initial="1",
        label="Rows to learn from",
        help_text="A part, drawn by the seed, shows whether more rows would help.",
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        initial=USUAL_SEED,
        label="Seed",
        help_text="The same seed and settings repeat a run.",
    )
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(
        self, team: Team, *args: Any, beside: "RunForm | None" = None, **kwargs: Any
    ) -> None:
        """`beside`: another form of this page, whose rows are offered here too and not read again."""
        super().__init__(*args, **kwargs)
        self.offered: dict[str, list[Any]] = dict(beside.offered) if beside else {}
        versions = self.versions(team)
        bases = BaseModel.objects.offered(team.course, self.method).first_choice_first()
        self.has_dataset = self._choose("dataset_version", versions) is not None
        self.fields["key"].initial = uuid4
        self.has_base = self._choose("base_model", bases) is not None
        for name in (*self.essential, *self.own, *self.program_fields, *self.advanced):
            self.fields[name].widget.attrs.setdefault("aria-describedby", f"id_{name}_helptext")

    def versions(self, team: Team) -> "QuerySet[DatasetVersion]":
        """What a run of this form can train on, newest first."""
        return (
            DatasetVersion.objects.for_team(team)
            .select_related("dataset")
            .order_by("-created_at", "-id")
        )

    def _choose(self, name: str, rows: QuerySet[Offered]) -> Offered | None:
        """Offer these rows, read once; the first stands chosen and is given back. The field by itself would read them again
        for every time that it is drawn."""
        field, offered = self.fields[name], self.offered.get(name)
        if offered is None:
            offered = self.offered[name] = list(rows)
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset, field.empty_label = rows, None
        field.choices = [(row.pk, str(row)) for row in offered]
        first = offered[0] if offered else None
        field.initial = first
        return first

    def untouched(self) -> dict[str, Any]:
        """The data that the form would send if nobody changed it."""
        values = {
            name: self.get_initial_for_field(field, name) for name, field in self.fields.items()
        }
        return {
            name: getattr(value, "pk", value)
            for name, value in values.items()
            if value is not None
        }

    def essential_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.essential]

    def own_fields(self) -> list[forms.BoundField]:
        """Settings that are asked only of a person who takes none of the presets."""
        return [self[name] for name in self.own]

    def shown_program_fields(self) -> list[forms.BoundField]:
        """What a team may declare of its own, where a method lets it."""
        return [self[name] for name in self.program_fields]

    @property
    def declared_has_errors(self) -> bool:
        return any(name in self.errors for name in self.program_fields)

    def settings_sentence(self) -> str:
        """What will be trained with, in one line; empty where the fields say it themselves."""
        return ""

    def advanced_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.advanced]

    @property
    def advanced_has_errors(self) -> bool:
        return any(name in self.errors for name in self.advanced)

    def settings(self) -> dict[str, Any]:
        """The run's settings, as the engine reads them. Only for a valid form."""
        ours = {"name", "dataset_version", "base_model", "seed", "key"}
        chosen = {name: value for name, value in self.cleaned_data.items() if name not in ours}
        return (
            chosen
            if float(chosen["rows_share"]) < 1
            else {k: v for k, v in chosen.items() if k != "rows_share"}
        )

    @classmethod
    def initial_from(cls, run: TrainingRun) -> dict[str, Any]:
        """The form as it was for an earlier run, to change and run again."""
        return {
            **run.settings,
            "dataset_version": run.dataset_version_id,
            "base_model": run.base_model_id,
            "validation_fraction": f"{run.settings.get('validation_fraction', 0):g}",
            "rows_share": f"{run.settings.get('rows_share', 1):g}",
            "seed": run.seed,
        }
