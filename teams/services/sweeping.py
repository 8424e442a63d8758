"""Setting right what crashes left behind, one row after the other, so that a bad one does not keep the rest waiting."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import InterfaceError, OperationalError

log = logging.getLogger(__name__)

Row = TypeVar("Row")


def each_alone(rows: Iterable[Row], set_right: Callable[[Row], object]) -> int:
    """How many rows `set_right` changed, by its own word (true). A row that it fails for is logged and left for the next round.

    Raises OperationalError or InterfaceError where the database itself is away: no other row would fare better.
    """
    changed = 0
    for row in list(rows):
        try:
            changed += bool(set_right(row))
        except (OperationalError, InterfaceError):
            raise
        except (
            Exception
        ):  # whatever is wrong with this row, money of the others may not stay held for it
            log.exception("%r could not be set right; it is tried again", row)
    return changed
