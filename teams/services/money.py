"""Hold, settle, release: every charge exactly once, whatever crashes in between.

Admission is one UPDATE whose WHERE holds the limit, so that parallel requests cannot overspend. Settling and releasing
are keyed: the second call with the same key changes nothing and returns what the first one did.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from teams.models import BudgetAccount, Confidence, Hold, HoldState, LedgerEntry, Method, Team, User

HOLD_LIFETIME = timedelta(days=3)


class BudgetRefused(Exception):
    """The team's budget does not allow this. `shortfall` is in micro-dollars."""

    def __init__(self, needed: int, left: int) -> None:
        self.needed, self.left, self.shortfall = needed, left, needed - left
        super().__init__(
            f"This may cost up to {dollars(needed)}, and the team has {dollars(left)} left: {dollars(self.shortfall)} short. "
            "Make it smaller, wait until running work is settled, or ask your instructor for more."
        )


def dollars(micro: int) -> str:
    """Micro-dollars as a person reads them: $0.03, $12.40, or $0.00042 for less than a cent."""
    if micro and abs(micro) < 10_000:
        return f"${micro / 1_000_000:.6f}".rstrip("0")
    return f"${micro / 1_000_000:,.2f}"


@dataclass(frozen=True)
class Charge:
    """What was used and what it cost. `cost` and `would_have_cost` in micro-dollars, tokens as the provider counted them."""

    subject_kind: str
    subject_id: str
    method: Method
    provider: str
    model: str
    cost: int
    price_note: str
    confidence: Confidence
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    training_tokens: int = 0
    compute_seconds: float = 0.0
    rehearsal: bool = False
    would_have_cost: int | None = None
    person: User | None = field(default=None, compare=False)


def open_account(*, team: Team, limit: int) -> BudgetAccount:
    return BudgetAccount.objects.get_or_create(team=team, defaults={"limit": limit})[0]


def hold(*, team: Team, key: str, amount: int, lifetime: timedelta = HOLD_LIFETIME) -> Hold:
    """Keep `amount` micro-dollars aside. Idempotent by `key`. A hold of 0 is always admitted: free local work is never blocked.

    Raises BudgetRefused when spent + held + amount would pass the limit.
    """
    with transaction.atomic():
        existing = Hold.objects.filter(key=key).first()
        if existing is not None:
            return existing
        account = BudgetAccount.objects.get(team=team)
        admitted = BudgetAccount.objects.filter(pk=account.pk)
        if amount:
            admitted = admitted.filter(limit__gte=F("spent") + F("held") + amount)
        if not admitted.update(held=F("held") + amount):
            account.refresh_from_db()
            raise BudgetRefused(amount, account.left)
        return Hold.objects.create(account=account, key=key, amount=amount, expires_at=timezone.now() + lifetime)


def settle(*, key: str, charge: Charge) -> LedgerEntry:
    """Turn the hold `key` into the charge that it was for. Idempotent: a second call returns the first entry.

    An actual cost above the hold is recorded as it is: the ledger tells the truth, and the limit stops what comes next.
    Raises Hold.DoesNotExist for an unknown key, ValueError when the hold was released before.
    """
    with transaction.atomic():
        hold_row = Hold.objects.select_for_update().get(key=key)
        if hold_row.state == HoldState.SETTLED:
            return LedgerEntry.objects.get(key=key)
        closed = Hold.objects.filter(pk=hold_row.pk, state=HoldState.OPEN).update(
            state=HoldState.SETTLED, closed_at=timezone.now()
        )
        if not closed:
            raise ValueError(
                f"Hold {key} was released before; its cost cannot be settled. Charge it under a key of its own."
            )
        BudgetAccount.objects.filter(pk=hold_row.account_id).update(
            held=F("held") - hold_row.amount, spent=F("spent") + charge.cost
        )
        after = BudgetAccount.objects.values_list("spent", flat=True).get(pk=hold_row.account_id)
        return LedgerEntry.objects.create(
            account_id=hold_row.account_id,
            key=key,
            person=charge.person,
            delta=charge.cost,
            before=after - charge.cost,
            after=after,
            subject_kind=charge.subject_kind,
            subject_id=charge.subject_id,
            method=charge.method,
            provider=charge.provider,
            model=charge.model,
            input_tokens=charge.input_tokens,
            cached_input_tokens=charge.cached_input_tokens,
            output_tokens=charge.output_tokens,
            training_tokens=charge.training_tokens,
            compute_seconds=charge.compute_seconds,
            price_note=charge.price_note,
            confidence=charge.confidence,
            rehearsal=charge.rehearsal,
            would_have_cost=charge.would_have_cost,
        )


def release(*, key: str) -> bool:
    """Give the held money back. True when this call did it, False when the hold was closed or never opened."""
    with transaction.atomic():
        hold_row = Hold.objects.filter(key=key).first()
        if hold_row is None:
            return False
        closed = Hold.objects.filter(pk=hold_row.pk, state=HoldState.OPEN).update(
            state=HoldState.RELEASED, closed_at=timezone.now()
        )
        if closed:
            BudgetAccount.objects.filter(pk=hold_row.account_id).update(held=F("held") - hold_row.amount)
        return bool(closed)
