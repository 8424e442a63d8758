"""How much a page takes in one request. Declared next to the view; held by `courseplatform.bodies` before anything is read.

Whoever is not let in by the view's access rule may send 64 kB to any address: that stays in memory. Who is let in may
send 1 MB of text, and more only where the view says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

KB = 1024
MB = 1024 * 1024
STRANGER = 64 * KB
MEMBER = 1 * MB
FORM_AROUND = 1 * MB  # the other fields of the form that a file comes in

View = Callable[..., Any]
Admits = Callable[[HttpRequest], bool]


@dataclass(frozen=True)
class BodyLimit:
    """`at_most`: bytes. `setting`: where an operator sets them, instead of `at_most`.

    `admits`: for a public view, who may send more than a stranger: it looks at the headers alone.
    """

    at_most: int = 0
    setting: str = ""
    admits: Admits | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole request."""
        return (
            int(getattr(settings, self.setting)) + FORM_AROUND if self.setting else self.at_most
        )


def takes_file(
    setting: str = "", *, at_most: int = 0, admits: Admits | None = None
) -> Callable[[View], View]:
    """The view takes a file, from those alone whom its access rule lets in. Its size: a setting's name, or bytes.

    `admits`: for a public view that knows its callers by a key in the headers.
    """
    return _declare(BodyLimit(at_most=at_most + FORM_AROUND, setting=setting, admits=admits))


def takes_up_to(at_most: int) -> Callable[[View], View]:
    """The view takes so many bytes from everybody whom its access rule lets in."""
    return _declare(BodyLimit(at_most=at_most))


def _declare(limit: BodyLimit) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        view.body_limit = limit  # type: ignore[attr-defined]
        return view

    return decorate


def limit_for(view: View, *, admitted: bool, public: bool) -> int:
    """Bytes that this view takes from somebody who is `admitted`; a `public` view admits everybody."""
    declared: BodyLimit | None = getattr(view, "body_limit", None)
    if not admitted:
        return STRANGER
    if declared is not None:
        return declared.size
    return STRANGER if public else MEMBER
