from teams.models import Method
from training.forms.bundle import BundleForm
from training.forms.course import BaseModelForm, PolicyForm
from training.forms.dspy import DspyForm
from training.forms.labels import RunLabelForm
from training.forms.lora import LoraForm
from training.forms.openai import OpenaiForm
from training.forms.run import RunForm

__all__ = ["FORMS", "BaseModelForm", "BundleForm", "PolicyForm", "RunForm", "RunLabelForm"]

FORMS: dict[Method, type[RunForm]] = {Method.LORA: LoraForm, Method.DSPY: DspyForm, Method.OPENAI: OpenaiForm}
