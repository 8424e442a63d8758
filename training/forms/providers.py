"""What somebody says of a provider, and of a model there."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from teams.forms import DayField, DollarsField
from teams.models import Dialect, PriceKind, Provider
from teams.services.providers import SECRETS, TOLD, Wanted
from training.services.provider_models import PriceKey, WantedModel, is_asked

KEPT = "A key is kept. Leave this empty to keep it; it is never shown."
AZURE = "Azure only."
PRICES: dict[str, tuple[str, PriceKey]] = {
    "training": ("Training tokens", (False, PriceKind.TRAINING)),
    "input": ("Asking the model itself: input", (False, PriceKind.INPUT)),
    "cached": ("Asking the model itself: cached input", (False, PriceKind.CACHED_INPUT)),
    "output": ("Asking the model itself: output", (False, PriceKind.OUTPUT)),
    "trained_input": ("Asking what was trained from it: input", (True, PriceKind.INPUT)),
    "trained_output": ("Asking what was trained from it: output", (True, PriceKind.OUTPUT)),
}


def _secret(label: str, help_text: str) -> forms.CharField:
    """Never sent back to the browser."""
    widget = forms.PasswordInput(
        render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"}
    )
    return forms.CharField(
        max_length=600, required=False, label=label, help_text=help_text, widget=widget
    )


class ProviderForm(forms.Form):
    name = forms.CharField(
        max_length=60, label="Name", help_text="As teams and the ledger will read it."
    )
    dialect = forms.ChoiceField(choices=Dialect.choices, label="Kind of service")
    base_url = forms.URLField(
        max_length=300,
        label="Address",
        assume_scheme="https",
        help_text="As its documentation says base_url, for example https://api.tokenfactory.nebius.com/v1.",
    )
    key = _secret("Key", "Kept encrypted, and never shown again.")
    admin_key = _secret(
        "Key for the bill",
        "Optional. Reads the account's costs, so that they are compared each night.",
    )
    for_training = forms.BooleanField(
        required=False, initial=True, label="Teams may fine-tune there"
    )
    for_dspy = forms.BooleanField(required=False, label="DSPy may ask its models")
    for_judge = forms.BooleanField(required=False, label="Its models may judge interviews")
    for_drafting = forms.BooleanField(
        required=False, label="Its models may draft rows for teams"
    )
    resource = forms.CharField(
        max_length=400,
        required=False,
        label="Azure: resource id",
        help_text=f"{AZURE} Copy it from the resource's page, “Resource ID”. Empty: somebody deploys each model by hand.",
    )
    tenant = forms.CharField(
        max_length=80, required=False, label="Azure: tenant", help_text=AZURE
    )
    client = forms.CharField(
        max_length=80, required=False, label="Azure: application (client) id", help_text=AZURE
    )
    secret = _secret(
        "Azure: client secret",
        f"{AZURE} Of an application that may write deployments of this resource.",
    )
    sku = forms.ChoiceField(
        required=False,
        label="Azure: deployment type",
        choices=[
            ("developertier", "Developer: no hosting fee, deleted after 24 hours"),
            ("globalstandard", "Global standard: an hourly fee, which is not counted here"),
            ("standard", "Standard: an hourly fee, which is not counted here"),
        ],
    )
    training = forms.ChoiceField(
        required=False,
        label="Azure: where it trains",
        choices=[
            ("", "As Azure decides"),
            ("globalstandard", "Global: anywhere, and cheaper"),
            ("standard", "Standard: in the region of the resource"),
            ("developertier", "Developer: on spare capacity, without a promise"),
        ],
        help_text="If Azure says that a model cannot be fine-tuned though its list names it, choose Global.",
    )
    environments: bool = False

    def __init__(self, *args: Any, provider: Provider | None = None, **kwargs: Any) -> None:
        if provider is not None:
            kwargs["initial"] = self.initial_of(provider)
        super().__init__(*args, **kwargs)
        self.provider = provider
        if provider is not None and provider.from_environment:
            self.environments = True
            for name in ("name", "dialect", "base_url", "key", "admin_key", *AZURE_FIELDS):
                del self.fields[name]
            return
        for name, field in SECRETS.items():
            if provider is not None and getattr(provider, field):
                self.fields[name].help_text = KEPT
        self.fields["key"].required = provider is None

    @classmethod
    def initial_of(cls, provider: Provider) -> dict[str, Any]:
        return {name: getattr(provider, name) for name in TOLD} | dict(provider.options)

    def azure_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in AZURE_FIELDS if name in self.fields]

    def plain_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in AZURE_FIELDS]

    @property
    def azure_open(self) -> bool:
        chosen = self.data.get("dialect") if self.is_bound else self.initial.get("dialect")
        return chosen == Dialect.AZURE or any(name in self.errors for name in AZURE_FIELDS)

    def clean_key(self) -> str:
        return self._one_line("key")

    def clean_admin_key(self) -> str:
        return self._one_line("admin_key")

    def clean_secret(self) -> str:
        return self._one_line("secret")

    def _one_line(self, name: str) -> str:
        text = str(self.cleaned_data[name]).strip()
        if not text.isascii() or any(
            not character.isprintable() or character == " " for character in text
        ):
            raise forms.ValidationError(
                "A key is one word of letters, digits and signs. Copy it again."
            )
        return text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.environments or cleaned.get("dialect") != Dialect.AZURE:
            return cleaned
        resource = cleaned.get("resource", "").strip().strip("/")
        if resource and not is_resource(resource):
            self.add_error(
                "resource",
                "This is no id of an Azure AI resource. Copy it from its page, “Resource ID”.",
            )
        kept = self.provider is not None and bool(self.provider.sealed_secret)
        if resource and not (
            cleaned.get("tenant") and cleaned.get("client") and (cleaned.get("secret") or kept)
        ):
            self.add_error(
                "tenant", "To deploy, Azure wants tenant, application id and secret as well."
            )
        return cleaned

    def wanted(self) -> Wanted:
        """Only for a valid form."""
        said = dict(self.cleaned_data)
        options = {}
        if said.get("dialect") == Dialect.AZURE:
            given = {
                name: str(said.get(name) or "").strip()
                for name in ("resource", "tenant", "client", "sku", "training")
            }
            options = {name: text for name, text in given.items() if text}
        return Wanted(
            name=said.get("name", "").strip(),
            dialect=said.get("dialect", Dialect.OPENAI),
            base_url=said.get("base_url", ""),
            key=said.get("key", ""),
            admin_key=said.get("admin_key", ""),
            secret=said.get("secret", ""),
            options=options,
            for_training=said["for_training"],
            for_dspy=said["for_dspy"],
            for_judge=said["for_judge"],
            for_drafting=said["for_drafting"],
        )


AZURE_FIELDS = ("resource", "tenant", "client", "secret", "sku", "training")


def is_resource(text: str) -> bool:
    """subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.CognitiveServices/accounts/<name>"""
    parts = text.strip("/").split("/")
    fixed = {
        0: "subscriptions",
        2: "resourcegroups",
        4: "providers",
        5: "microsoft.cognitiveservices",
        6: "accounts",
    }
    if len(parts) != 8 or any(parts[place].lower() != word for place, word in fixed.items()):
        return False
    return all(
        part and part.replace("-", "").replace("_", "").replace(".", "").isalnum()
        for part in parts
    )


class ProviderModelForm(forms.Form):
    name = forms.CharField(
        max_length=160, label="Model", help_text="The provider's own name for it."
    )
    label = forms.CharField(
        max_length=100,
        required=False,
        label="How teams see it",
        help_text="Empty: the name, with the provider's.",
    )
    for_training = forms.BooleanField(
        required=False, initial=True, label="Teams may fine-tune it"
    )
    for_dspy = forms.BooleanField(required=False, label="DSPy may ask it")
    source = forms.CharField(
        max_length=200,
        label="Where prices and dates are from",
        help_text="A page and the day on which you read it.",
    )
    effective_from = DayField(
        label="Prices count from",
        widget=forms.DateInput(attrs={"type": "date"}),
        initial=timezone.localdate,
    )
    shutdown_on = DayField(
        required=False,
        label="Switched off on",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Empty where the provider names no day.",
    )

    def __init__(self, *args: Any, provider: Provider, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._provider = provider
        for name, (label, _) in PRICES.items():
            self.fields[name] = DollarsField(
                required=False,
                max_value=Decimal(100_000),
                label=label,
            )
        if not provider.for_training:
            self.fields["for_training"].initial = False

    def plain_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in PRICES]

    def price_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in PRICES]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("for_training") or cleaned.get("for_dspy"):
            return cleaned
        if not is_asked(self._provider):
            self.add_error("for_training", "Say what teams may use it for.")
        elif cleaned.get("input") is None or cleaned.get("output") is None:
            missing = "input" if cleaned.get("input") is None else "output"
            self.add_error(missing, "A model that only judges or drafts needs this price.")
        return cleaned

    def wanted(self) -> WantedModel:
        """Only for a valid form."""
        said = self.cleaned_data
        chosen = {"openai": said["for_training"], "dspy": said["for_dspy"]}
        known = {name: said[name] for name in PRICES if said[name] is not None}
        return WantedModel(
            name=said["name"].strip(),
            label=said["label"].strip() or f"{said['name'].strip()} ({self._provider})"[:120],
            methods=tuple(method for method, on in chosen.items() if on),
            shutdown_on=said["shutdown_on"],
            shutdown_source=said["source"] if said["shutdown_on"] else "",
            source=said["source"],
            effective_from=said["effective_from"],
            per_million={PRICES[name][1]: value for name, value in known.items()},
        )
