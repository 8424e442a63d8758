"""One opinion of the judge: its row and its money, which move together or not at all."""

from functools import partial
from uuid import uuid4

from django.db import transaction

from evaluation import judge_prompt
from evaluation.models import Interview, JudgeOpinion, OpinionStatus, Subject
from teams.models import Confidence, Hold, SubjectKind
from teams.services import money
from teams.services.money import Charge
from training.services import charges
from training.services.asked_models import split
from training.services.calls.outcome import Outcome
from training.services.calls.prepare import PreparedCall
from training.services.calls.settle import settle
from training.services.calls.usage import TokenUsage

KIND = SubjectKind.JUDGE
NOTHING_COUNTED = TokenUsage(0, 0, 0, exact=False)
BROKE_OFF = "The worker that asked was stopped, and the judge could not be asked again."
UNREADABLE = "The judge's reply could not be read, so it counts for nothing. It was paid for all the same."


def refuse(interview: Interview, subject: Subject, reason: str) -> None:
    """The judge is not asked about this; nothing is held."""
    with transaction.atomic():
        opinion, made = _row(interview, subject)
        if made:
            _close(opinion, OpinionStatus.FAILED, reason)


def begin(interview: Interview, subject: Subject, *, most: int) -> JudgeOpinion:
    """The row and its hold, both or neither. Ask only where it is ASKING. Raises BudgetRefused.

    After a worker that broke off the row is there, and its question may have been asked and billed: that is booked, at the
    most that was held for it, and held for once more.
    """
    with transaction.atomic():
        opinion, made = _row(interview, subject)
        if made:
            _hold(opinion, opinion.hold_key, most)
        elif opinion.status == OpinionStatus.ASKING:
            _book_interrupted(opinion, most)
    return opinion


def _row(interview: Interview, subject: Subject) -> tuple[JudgeOpinion, bool]:
    wanted = {"model": interview.judge_model, "prompt_version": judge_prompt.PROMPT_VERSION}
    return JudgeOpinion.objects.get_or_create(
        interview=interview, subject=subject, defaults=wanted
    )


def _book_interrupted(opinion: JudgeOpinion, most: int) -> None:
    """A hold of its own for what was asked before, so that the opinion's hold pays for what is asked now."""
    key = f"{opinion.hold_key}-lost-{uuid4().hex[:12]}"
    _hold(opinion, key, most)
    money.settle(key=key, charge=_unknown(opinion, most))


def _hold(opinion: JudgeOpinion, key: str, most: int) -> None:
    interview = opinion.interview
    kind = money.GRADING if interview.for_grading else KIND
    money.hold(
        team=interview.run.team,
        key=key,
        paid_for=opinion.paid_for,
        amount=most,
        person=interview.started_by,
        subject_kind=kind,
    )


def keep(
    opinion: JudgeOpinion,
    verdict: judge_prompt.Verdict | None,
    *,
    call: PreparedCall,
    usage: TokenUsage,
) -> None:
    """The judge replied. `verdict`: None where the reply can't be read, which is paid for all the same."""
    with transaction.atomic():
        if verdict is None:
            _close(opinion, OpinionStatus.FAILED, UNREADABLE)
        else:
            _close(opinion, OpinionStatus.GIVEN, verdict.reason, verdict.score)
        _settle(opinion, call, Outcome.ANSWERED, usage)


def fail(
    opinion: JudgeOpinion,
    reason: str,
    *,
    call: PreparedCall,
    outcome: Outcome,
    usage: TokenUsage | None,
) -> None:
    """No reply. `reason` is for people; the money goes by the rest."""
    with transaction.atomic():
        _close(opinion, OpinionStatus.FAILED, reason)
        _settle(opinion, call, outcome, usage)


def give_up(interview: Interview) -> None:
    """The interview ends: no opinion may stay open, nor the money for it.

    One is open where a worker died while it asked and the judge could not be asked again. Nobody knows what that cost.
    """
    for opinion in interview.opinions.filter(status=OpinionStatus.ASKING):
        with transaction.atomic():
            _close(opinion, OpinionStatus.FAILED, BROKE_OFF)
            held = Hold.objects.get(key=opinion.hold_key)
            money.settle(key=opinion.hold_key, charge=_unknown(opinion, held.amount))


def _settle(
    opinion: JudgeOpinion, call: PreparedCall, outcome: Outcome, usage: TokenUsage | None
) -> None:
    charge = partial(_charge, opinion, call)
    settle(
        key=opinion.hold_key, outcome=outcome, usage=usage, at_most=call.at_most, charge=charge
    )


def _close(
    opinion: JudgeOpinion, status: OpinionStatus, reason: str, score: int | None = None
) -> None:
    open_row = JudgeOpinion.objects.filter(pk=opinion.pk, status=OpinionStatus.ASKING)
    open_row.update(status=status, reason=reason, score=score)
    opinion.refresh_from_db(fields=["status", "reason", "score"])


def _charge(opinion: JudgeOpinion, call: PreparedCall, usage: TokenUsage) -> Charge:
    assert call.prices is not None, "a judge is asked at a price"
    confidence = Confidence.EXACT if usage.exact else Confidence.ESTIMATED
    return _booked(opinion, call.cost(usage), call.prices.note, confidence, usage)


def _unknown(opinion: JudgeOpinion, most: int) -> Charge:
    """For a question of which nothing is known but what was held for it."""
    return _booked(opinion, most, charges.NO_ANSWER, Confidence.UNKNOWN, NOTHING_COUNTED)


def _booked(
    opinion: JudgeOpinion, cost: int, note: str, confidence: Confidence, usage: TokenUsage
) -> Charge:
    code, model = split(opinion.model)
    return Charge(
        subject_kind=KIND,
        subject_id=str(opinion.key),
        method=opinion.interview.run.method,
        provider=code,
        model=model,
        cost=cost,
        price_note=note,
        confidence=confidence,
        person=opinion.interview.started_by,
        **usage.counted,
    )
