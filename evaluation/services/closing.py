"""A turn's last move and its money, together or not at all."""

from dataclasses import dataclass, replace
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from evaluation.models import Turn, TurnStatus
from evaluation.services import bots
from teams.models import HoldState, Purpose, SubjectKind
from teams.services.money import Charge
from teams.services.sweeping import each_alone
from training.services import charges
from training.services.calls.outcome import Outcome
from training.services.calls.prepare import answer_tokens, unpriced
from training.services.calls.settle import settle
from training.services.calls.usage import TokenUsage


@dataclass(frozen=True)
class Answered:
    """What came of a question."""

    text: str
    usage: TokenUsage
    first_token_ms: int | None


def estimate(turn: Turn, text: str) -> TokenUsage:
    """TokenUsage where the provider could not tell, and who asked is gone: our own count, from the talk as it is now."""
    conversation = turn.conversation
    endpoint = bots.endpoint_of(conversation)
    earlier = conversation.turns.current().filter(position__lt=turn.position)
    messages, _ = bots.messages_for(endpoint, list(earlier.remembered()), turn.question)
    return unpriced(
        conversation.run, endpoint, messages, untrained=conversation.untrained
    ).counted_here(text)


def complete(*, turn: Turn, answered: Answered) -> None:
    """The whole answer came. When someone pressed Stop meanwhile, the turn stays stopped; either way it is paid once."""
    with transaction.atomic():
        turn.finish(TurnStatus.DONE, answer=answered.text)
        _keep(turn, answered)


def stopped(*, turn: Turn, answered: Answered) -> None:
    """Reading ended early. The part that came is kept and paid for; a turn that nobody stopped was cut off by us."""
    with transaction.atomic():
        turn.finish(TurnStatus.STOPPED, answer=answered.text)
        _keep(turn, answered)


def never_asked(*, turn: Turn) -> None:
    """Someone pressed Stop before the question left this machine: it costs nothing."""
    with transaction.atomic():
        if turn.finish(TurnStatus.STOPPED) or turn.status == TurnStatus.STOPPED:
            _settle(turn, Outcome.NEVER_REACHED, None)


def fail(
    *,
    turn: Turn,
    message: str,
    outcome: Outcome,
    answer: str = "",
    usage: TokenUsage | None = None,
) -> bool:
    """No answer that counts. True when this call ended the turn. `message` is for people; the money goes by the rest."""
    with transaction.atomic():
        moved = turn.finish(TurnStatus.FAILED, error_message=message, answer=answer)
        if moved or turn.status == TurnStatus.STOPPED:
            _settle(turn, outcome, usage)
        return moved


def _settle(turn: Turn, outcome: Outcome, usage: TokenUsage | None) -> None:
    def at_most() -> TokenUsage:
        return replace(
            estimate(turn, ""), output_tokens=answer_tokens(bots.endpoint_of(turn.conversation))
        )

    settle(
        key=turn.hold_key,
        outcome=outcome,
        usage=usage,
        at_most=at_most,
        charge=partial(_charge, turn),
    )


def settle_forgotten(turns: QuerySet[Turn]) -> int:
    """Settle stopped turns whose answering process died before it could. Returns how many."""
    held = Purpose.objects.filter(kind=SubjectKind.TURN, holds__state=HoldState.OPEN)
    forgotten = turns.filter(key__in=held.values("key")).select_related("conversation__run")
    return each_alone(forgotten, _settle_forgotten)


def _settle_forgotten(turn: Turn) -> bool:
    with transaction.atomic():
        _keep(turn, Answered(turn.answer, estimate(turn, turn.answer), turn.first_token_ms))
    return True


def _keep(turn: Turn, answered: Answered) -> None:
    if turn.status not in (TurnStatus.DONE, TurnStatus.STOPPED):
        return
    usage = answered.usage
    Turn.objects.filter(pk=turn.pk).update(
        answer=answered.text,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        first_token_ms=answered.first_token_ms,
    )
    _settle(turn, Outcome.ANSWERED, usage)


def _charge(turn: Turn, usage: TokenUsage) -> Charge:
    run = turn.conversation.run
    return charges.answer_charge(
        charges.cost_or_hold(
            lambda: bots.cost(turn.conversation, usage), run=run, hold_key=turn.hold_key
        ),
        usage,
        method=run.method,
        subject_kind=SubjectKind.TURN,
        subject_id=str(turn.key),
        person=turn.asked_by,
    )
