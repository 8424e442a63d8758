"""Which methods of training there are, as far as every app may know one: its names, and how many rows it wants.

The objects are those of `training.methods`, which know much more; each is made known here when its folder is loaded.
Free of Django.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Guideline:
    """Rows: `least` to start at all, `wanted` at least, `upto` at most; `open_ended`: more than `upto` help too."""

    least: int
    wanted: int
    upto: int | None = None
    open_ended: bool = False

    @property
    def most(self) -> int | None:
        """Beyond so many rows it learns little; None: the more the better."""
        return None if self.open_ended else self.upto

    @property
    def span(self) -> str:
        """As a label says it, for example: 20–60, 20–60+, 20+."""
        upto = f"–{self.upto}" if self.upto else ""
        return f"{self.wanted}{upto}{'+' if self.open_ended else ''}"

    @property
    def words(self) -> str:
        """As a sentence says it, for example: 20 to 60, 20 and more."""
        upto = f" to {self.upto}" if self.upto else ""
        return f"{self.wanted}{upto}{' and more' if self.open_ended else ''}"


class KnownMethod(Protocol):
    """What pages say of a method, and what the advice for a dataset weighs. `training.methods.TrainingMethod` explains."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def rows(self) -> Guideline: ...
    @property
    def is_program(self) -> bool: ...
    @property
    def kept_by_provider(self) -> bool: ...
    @property
    def suits_goal(self) -> tuple[str, str]: ...
    @property
    def suits_time(self) -> tuple[str, str]: ...


_known: dict[str, KnownMethod] = {}


def make_known(method: KnownMethod) -> None:
    """For `training.methods.register`. Raises ValueError where another one has the name."""
    if _known.setdefault(method.name, method) is not method:
        raise ValueError(
            f"Two methods are called {method.name!r}. Give one of them another name."
        )


def known() -> list[KnownMethod]:
    """All of them: the one that wants the fewest rows first."""
    return sorted(_known.values(), key=lambda method: (method.rows.wanted, method.name))


def named(name: str) -> KnownMethod:
    """Raises KeyError where no folder has registered it."""
    return _known[str(name)]


def choices() -> list[tuple[str, str]]:
    """For fields and lists: (name, label)."""
    return [(method.name, method.label) for method in known()]


def label_of(name: str) -> str:
    """What people call it; its bare name where no folder has registered it (an old row)."""
    method = _known.get(str(name))
    return method.label if method is not None else str(name)
