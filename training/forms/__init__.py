from collections.abc import Iterator, Mapping

from django.utils.module_loading import import_string

from training import methods
from training.forms.bundle import BundleForm
from training.forms.course import BaseModelForm, PolicyForm
from training.forms.drafting import DraftingForm
from training.forms.labels import RunLabelForm
from training.forms.run import RunForm
from training.forms.sweep import SweepForm

__all__ = [
    "FORMS",
    "BaseModelForm",
    "BundleForm",
    "DraftingForm",
    "PolicyForm",
    "RunForm",
    "RunLabelForm",
    "SweepForm",
    "form_names",
]


class _Forms(Mapping[str, type[RunForm]]):
    """The forms that the methods name, looked up when they are asked for: a method may come later than this module."""

    def _found(self) -> dict[str, type[RunForm]]:
        forms = [import_string(path) for method in methods.every() for path in method.forms]
        return {str(form.kind or form.method): form for form in forms}

    def __getitem__(self, name: str) -> type[RunForm]:
        return self._found()[str(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())


FORMS: Mapping[str, type[RunForm]] = _Forms()
"""By the last part of their address."""


def form_names() -> list[tuple[str, str]]:
    """(last part of the address, label), in the order in which pages show the methods."""
    return [(name, form.label or methods.get(form.method).label) for name, form in FORMS.items()]
