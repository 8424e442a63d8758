"""How a judge is named: one text for the model and for the provider at which it is asked."""

from teams.models import FIRST_PROVIDER

AT = " @ "


def reference(code: str, model: str) -> str:
    """How a judge is named: the model, and where it is asked unless that is at the provider of the environment."""
    return model if code == FIRST_PROVIDER else f"{model}{AT}{code}"


def split(judge: str) -> tuple[str, str]:
    """(code of the provider, model) of a reference."""
    model, _, code = judge.rpartition(AT)
    return (code, model) if model else (FIRST_PROVIDER, judge)
