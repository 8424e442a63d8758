from teams.models import Method
from training.forms.bundle import BundleForm
from training.forms.course import BaseModelForm, PolicyForm
from training.forms.dpo import DpoForm
from training.forms.dspy import DspyForm
from training.forms.labels import RunLabelForm
from training.forms.lora import LoraForm
from training.forms.openai import OpenaiForm
from training.forms.run import RunForm
from training.forms.sweep import SweepForm

__all__ = [
    "FORMS",
    "BaseModelForm",
    "BundleForm",
    "PolicyForm",
    "RunForm",
    "RunLabelForm",
    "SweepForm",
]

FORMS: dict[str, type[RunForm]] = {
    Method.LORA: LoraForm,
    DpoForm.kind: DpoForm,
    Method.DSPY: DspyForm,
    Method.OPENAI: OpenaiForm,
}
"""By the last part of their address."""
