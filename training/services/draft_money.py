"""The money of a drafting: one hold for all its calls, settled by what its rows used, once."""

from functools import partial

from teams.models import Confidence, Hold
from teams.services import money
from teams.services.money import Charge
from teams.services.prices import PriceUnknown
from training.models import Drafting
from training.services import charges, writers
from training.services.calls.purse import Unanswered
from training.services.calls.settle import book_unanswered
from training.services.calls.usage import TokenUsage
from training.services.draft_offer import calls_for, examples_in
from training.services.endpoints import NotReady
from training.services.writers import NoWriter


def settle(drafting: Drafting) -> None:
    used = _used(drafting)
    held = Hold.objects.values_list("amount", flat=True).get(key=drafting.hold_key)
    if held and drafting.rows.exists():
        money.settle(key=drafting.hold_key, charge=charge_of(drafting, used))
    else:
        money.release(key=drafting.hold_key)


def _used(drafting: Drafting) -> TokenUsage:
    rows = list(drafting.rows.all())
    asked = sum(row.input_tokens for row in rows)
    cached = sum(row.cached_input_tokens for row in rows)
    answered = sum(row.output_tokens for row in rows)
    return TokenUsage(asked, cached, answered, exact=True)


def left(drafting: Drafting) -> int:
    """Of the hold, what the rows so far have not cost. Raises PriceUnknown."""
    prices = writers.prices_of(drafting)
    spent = 0 if prices is None else prices.cost(**_used(drafting).counted)
    held = Hold.objects.values_list("amount", flat=True).get(key=drafting.hold_key)
    return max(0, held - spent)


def book_interrupted(drafting: Drafting) -> None:
    """The worker before was killed: one call may have been made, and be charged for."""
    version = drafting.version
    try:
        one = writers.writer(drafting.team, drafting.writer)
        prices = writers.prices_of(drafting)
        if version is None or prices is None:
            return
        examples = examples_in(version, drafting.examples)
        calls = calls_for(
            one,
            examples,
            prices,
            topic=drafting.topic,
            seed=version.content_hash,
            wanted=drafting.wanted,
        )
    except (NoWriter, NotReady, PriceUnknown):
        return  # nothing more is asked then, and the whole is settled in a moment
    dearest = max(calls, key=lambda call: call.most)
    lost = [Unanswered(dearest, None)]
    book_unanswered(key=drafting.hold_key, calls=lost, charge=partial(charge_of, drafting))


def charge_of(drafting: Drafting, usage: TokenUsage) -> Charge:
    method, provider, model = writers.named_in_ledger(drafting)
    confidence = Confidence.EXACT if usage.exact else Confidence.ESTIMATED
    try:
        prices = writers.prices_of(drafting)
        cost, note = (
            (0, "written on this platform")
            if prices is None
            else (prices.cost(**usage.counted), prices.note)
        )
    except PriceUnknown:
        cost = Hold.objects.values_list("amount", flat=True).get(key=drafting.hold_key)
        note, confidence = charges.NO_PRICE, Confidence.UNKNOWN
    return Charge(
        subject_kind=drafting.paid_for.kind,
        subject_id=str(drafting.key),
        method=method,
        provider=provider,
        model=model,
        cost=cost,
        price_note=note,
        confidence=confidence,
        person=drafting.created_by,
        **usage.counted,
    )
