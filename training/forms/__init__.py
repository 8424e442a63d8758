from training.forms.bundle import BundleForm
from training.forms.course import PolicyForm
from training.forms.run import FORMS, RunForm

__all__ = ["FORMS", "BundleForm", "PolicyForm", "RunForm"]
