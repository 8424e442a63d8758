"""The money for one call, by how the call ended. Belongs into the transaction of the row's own last move."""

from collections.abc import Callable, Iterable
from uuid import uuid4

from django.db import transaction

from teams.models import Hold
from teams.services import money
from teams.services.money import Charge
from training.services import charges
from training.services.calls.outcome import Outcome
from training.services.calls.purse import Unanswered
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


def book_unanswered(
    *, key: str, calls: Iterable[Unanswered], charge: Callable[[TokenUsage], Charge]
) -> None:
    """An entry of its own for each call that got no answer, out of the hold `key`, which pays for many: what the provider said
    that it used, or the most that it can have cost, as unknown.
    """
    for one in calls:
        if not one.call.most:
            continue  # free: on this machine
        told = charge(one.usage or one.call.at_most())
        booked = told if one.usage is not None else charges.at_most(told, one.call.most)
        lost = f"{key}-lost-{uuid4().hex[:12]}"
        with transaction.atomic():
            money.carve(key=key, into=lost, amount=booked.cost)
            money.settle(key=lost, charge=booked)
