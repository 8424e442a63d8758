from training.forms.bundle import BundleForm
from training.forms.course import BaseModelForm, PolicyForm
from training.forms.run import FORMS, RunForm

__all__ = ["FORMS", "BaseModelForm", "BundleForm", "PolicyForm", "RunForm"]
