"""The money for one call, by how the call ended. Belongs into the transaction of the row's own last move."""

from collections.abc import Callable

from teams.models import Hold
from teams.services import money
from teams.services.money import Charge
from training.services import charges
from training.services.calls.outcome import Outcome
from training.services.calls.usage import TokenUsage


def settle(
    *,
    key: str,
    outcome: Outcome,
    usage: TokenUsage | None,
    at_most: Callable[[], TokenUsage],
    charge: Callable[[TokenUsage], Charge],
) -> None:
    """Close the hold `key`: by `usage` where something was used, else by the outcome. A second call changes nothing.

    A call that was LOST is booked at all that is held for it, as unknown; `at_most` says what stands beside that charge.
    Nothing is charged where nothing was held: a bot on this machine. Raises Hold.DoesNotExist.
    """
    if usage is not None:
        money.settle(key=key, charge=charge(usage))
        return
    most = (
        Hold.objects.values_list("amount", flat=True).get(key=key)
        if outcome is Outcome.LOST
        else 0
    )
    if most:
        money.settle(key=key, charge=charges.at_most(charge(at_most()), most))
    else:
        money.release(key=key)
