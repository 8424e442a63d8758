"""What a method of training is, told once: each folder here registers one `TrainingMethod`.

Whoever must know something about a run's method asks `get(run.method)`, or `run.trained_with`, and compares no names.
Free of Django, below models and services. A folder's `work.py` says what it does with rows of the database
(`training.services.method_work`); nobody imports it by name.
"""

import importlib
import pkgutil
from collections.abc import Callable

from teams import methods as known_methods
from training.methods.method import TrainingMethod

__all__ = [
    "TrainingMethod",
    "UnknownMethod",
    "every",
    "get",
    "load",
    "names",
    "register",
    "where",
]

_registered: dict[str, TrainingMethod] = {}


class UnknownMethod(LookupError):
    """No folder registered a method of this name."""


def register(method: TrainingMethod) -> TrainingMethod:
    """Make a method known under its name. Raises ValueError where another one has the name."""
    known_methods.make_known(method)
    _registered[method.name] = method
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


def every() -> list[TrainingMethod]:
    """All of them, in the order in which pages show them."""
    return [_registered[method.name] for method in known_methods.known()]


def where(fits: Callable[[TrainingMethod], bool]) -> list[str]:
    """Names of the methods that fit, to look for in the database."""
    return [name for name in names() if fits(_registered[name])]


def load() -> None:
    """Import each folder here, so that it registers its method. Called once, when Django has its apps."""
    for found in pkgutil.iter_modules(__path__):
        if found.ispkg:
            importlib.import_module(f"{__name__}.{found.name}")
