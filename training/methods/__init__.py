"""What a method of training is, told once: each folder here registers one `TrainingMethod`.

Whoever must know something about a run's method asks `get(run.method)`, or `run.trained_with`, and compares no names.
Free of Django, below models and services: what a method does with rows of the database stays in services so far.
"""

import importlib
import pkgutil

from training.methods.method import TrainingMethod

__all__ = ["TrainingMethod", "UnknownMethod", "get", "load", "names", "register"]

_registered: dict[str, TrainingMethod] = {}


class UnknownMethod(LookupError):
    """No folder registered a method of this name."""


def register(method: TrainingMethod) -> TrainingMethod:
    """Make a method known under its name. Raises ValueError where another one has the name."""
    there = _registered.setdefault(method.name, method)
    if there is not method:
        raise ValueError(
            f"Two methods are called {method.name!r}. Give one of them another name."
        )
    return method


def get(name: str) -> TrainingMethod:
    """The method of this name. Raises UnknownMethod."""
    try:
        return _registered[str(name)]
    except KeyError:
        known = ", ".join(names())
        raise UnknownMethod(
            f"No method is called {str(name)!r}; there are {known}. A folder of training/methods registers one."
        ) from None


def names() -> list[str]:
    """Of all registered methods, in the order of the alphabet."""
    return sorted(_registered)


def load() -> None:
    """Import each folder here, so that it registers its method. Called once, when Django has its apps."""
    for found in pkgutil.iter_modules(__path__):
        if found.ispkg:
            importlib.import_module(f"{__name__}.{found.name}")
