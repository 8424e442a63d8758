"""Talking with a bot: ask, stop, ask again, delete. The answer itself comes in `answering`, off the request.

The most a turn may cost is held before anyone is asked; `closing` settles or releases it with the turn's last move.
"""

from datetime import timedelta
from uuid import UUID, uuid5

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from evaluation.models import Conversation, Submission, Turn, TurnStatus
from evaluation.services import bots, closing
from evaluation.services.answering import desk
from evaluation.services.clean import clean
from evaluation.services.reasons import LEFT_BEHIND
from teams import live
from teams.models import User
from teams.services import money
from teams.services.sweeping import each_alone
from training.models import TrainingRun
from training.services import deleted
from training.services.calls.outcome import Outcome

HOLD_LIFETIME = timedelta(hours=1)
SILENT_FOR = timedelta(seconds=60)
STOP_WAITS_SECONDS = 3.0


class ChatRefused(Exception):
    """The question was not asked; the message says why and what to do, and fits a blind page."""


def open_conversation(
    *, run: TrainingRun, person: User, submission: Submission | None = None
) -> Conversation:
    """Raises ChatRefused for a run that was deleted meanwhile."""
    with transaction.atomic():
        _hold_still(run)
        return Conversation.objects.create(run=run, person=person, submission=submission)


def ask(
    *, conversation: Conversation, question: str, person: User, key: UUID | None = None
) -> Turn:
    """Put one more question. The answer starts at once and arrives on `turn.topic`.

    `key`: what the turn is to be known by; a question that comes again with the same key was asked already.
    Raises ChatRefused, BudgetRefused, PriceUnknown, or what `endpoint_for` raises; then nothing was asked or held.
    """
    if asked := _asked_already(conversation, key, question):
        return asked
    turn = _new_turn(conversation, _checked(question), person, replaces=None, key=key)
    desk.start(turn.pk)
    return turn


def _asked_already(
    conversation: Conversation, key: UUID | None, question: str | None
) -> Turn | None:
    """What came before with this key. Another question is another one: `_new_turn` gives it a key of its own."""
    asked = conversation.turns.filter(key=key).first() if key else None
    return (
        asked
        if asked and (question is None or clean(question).strip() == asked.question)
        else None
    )


def put_to_each(
    *, conversations: list[Conversation], question: str, person: User, key: UUID | None = None
) -> list[Turn]:
    """The same question to several bots, each answer with its own hold: all of them or none. `key`, raises: as `ask` does.

    Nobody is asked before `begin`, which the caller calls when its transaction is over.
    """
    asked = _checked(question)
    with transaction.atomic():
        return [
            _put(conversation, asked, person, key and uuid5(key, conversation.key.hex))
            for conversation in conversations
        ]


def _put(conversation: Conversation, asked: str, person: User, key: UUID | None) -> Turn:
    already = _asked_already(conversation, key, asked)
    return already or _new_turn(conversation, asked, person, replaces=None, key=key)


def begin(turns: list[Turn]) -> None:
    for turn in turns:
        desk.start(turn.pk)


def retry(
    *, turn: Turn, person: User, question: str | None = None, key: UUID | None = None
) -> Turn:
    """Ask the last question again, or `question` in its place. The old turn stays on record, out of the talk.

    `key` and what is raised as with `ask`.
    """
    if asked := _asked_already(turn.conversation, key, question):
        return asked
    last = turn.conversation.turns.current().aggregate(last=Max("position"))["last"]
    if turn.replaced_at is not None or turn.position != last:
        raise ChatRefused(
            "Only the last question can be asked again. Ask this one anew at the end of the conversation."
        )
    asked_for = turn.question if question is None else _checked(question)
    new = _new_turn(turn.conversation, asked_for, person, replaces=turn, key=key)
    desk.start(new.pk)
    return new


def _checked(question: str) -> str:
    text = clean(question).strip()
    if not text:
        raise ChatRefused("Write a question first.")
    limit = settings.CHAT_MAX_MESSAGE_CHARACTERS
    if len(text) > limit:
        raise ChatRefused(
            f"A question can have up to {limit:,} characters; this one has {len(text):,}. Make it shorter."
        )
    return text


def _new_turn(
    conversation: Conversation,
    question: str,
    person: User,
    *,
    replaces: Turn | None,
    key: UUID | None = None,
) -> Turn:
    """The row and its hold, both or neither."""
    current = conversation.turns.current()
    if replaces is not None:
        current = current.exclude(pk=replaces.pk)
    try:
        call, left_out = bots.prepared(conversation, list(current.remembered()), question)
    except bots.QuestionTooLong as error:
        raise ChatRefused(str(error)) from error
    try:
        with transaction.atomic():
            _hold_still(conversation.run)
            turn = Turn(
                conversation=conversation, question=question, asked_by=person, left_out=left_out
            )
            if key and not Turn.objects.filter(key=key).exists():
                turn.key = key
            return _save_turn(turn, replaces, call.most)
    except IntegrityError as error:
        raise ChatRefused(
            "The student is still answering. Wait for the answer, or press Stop."
        ) from error


def _hold_still(run: TrainingRun) -> None:
    try:
        deleted.hold_still(run)
    except deleted.RunDeleted as gone:
        raise ChatRefused(str(gone)) from gone


def _save_turn(turn: Turn, replaces: Turn | None, most: int) -> Turn:
    conversation = turn.conversation
    if replaces is not None:
        Turn.objects.filter(pk=replaces.pk).update(replaced_at=timezone.now())
    last = conversation.turns.current().aggregate(last=Max("position"))["last"] or 0
    turn.position = last + 1
    turn.save()
    money.hold(
        team=conversation.run.team,
        key=turn.hold_key,
        paid_for=turn.paid_for,
        amount=most,
        person=turn.asked_by,
        subject_kind=money.GRADING if conversation.of_a_professor else money.TURN,
        lifetime=HOLD_LIFETIME,
    )
    if not conversation.title:
        conversation.title = turn.question[:80]
        conversation.save(update_fields=["title"])
    return turn


def stop(*, turn: Turn) -> None:
    """End the answer now and keep what came.

    Where it is made in this process its own task ends the turn, with all that came. Another process notices by the row within
    a second; where that process is gone, the sweeper settles the turn.
    """
    if not desk.cancel(turn.pk, wait=STOP_WAITS_SECONDS):
        turn.finish(TurnStatus.STOPPED)
    turn.refresh_from_db()


def delete(*, conversation: Conversation) -> None:
    """Out of the list; `restore` brings it back. An answer on its way is stopped first."""
    for turn in conversation.turns.filter(status=TurnStatus.STREAMING):
        stop(turn=turn)
    Conversation.objects.filter(pk=conversation.pk, deleted_at=None).update(
        deleted_at=timezone.now()
    )


def restore(*, conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(deleted_at=None)


def sweep() -> int:
    """Fail the turns whose web process is gone, and close holds that a stopped turn left open. Returns how many."""
    silent = Turn.objects.filter(heartbeat_at__lt=timezone.now() - SILENT_FOR)
    left_behind = silent.filter(status=TurnStatus.STREAMING).select_related("conversation__run")
    failed = each_alone(left_behind, _fail_left_behind)
    return failed + closing.settle_forgotten(silent.filter(status=TurnStatus.STOPPED))


def _fail_left_behind(turn: Turn) -> bool:
    failed = closing.fail(
        turn=turn, message=LEFT_BEHIND, outcome=Outcome.LOST, answer=turn.answer
    )
    if failed:
        live.wake(turn.topic)
    return failed
