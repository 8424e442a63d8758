"""Hold, settle, release: every charge exactly once, whatever crashes in between.

Admission is one UPDATE whose WHERE holds the limit, so that parallel requests cannot overspend. Settling and releasing
are keyed: the second call with the same key changes nothing and returns what the first one did.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Q, Sum
from django.utils import timezone

from teams.days import start_of_today
from teams.models import (
    BudgetAccount,
    Confidence,
    Course,
    CourseAccount,
    Hold,
    HoldState,
    LedgerEntry,
    PaidFor,
    Purpose,
    SubjectKind,
    Team,
    User,
)
from teams.services import budget_alerts, ledger_sums

TURN = SubjectKind.TURN
ENDPOINT = SubjectKind.ENDPOINT
CHAT_KINDS = (
    TURN,
    ENDPOINT,
)  # what a person's daily chat cap counts: own questions, and calls with keys of theirs
# A hold for a grader's interview: a team that has spent all its money is graded all the same.
GRADING = SubjectKind.GRADING
HOLD_LIFETIME = timedelta(days=3)
MOST_RECORDED = (
    2**62
)  # micro-dollars; a provider may report any number, and a column holds no larger one


class BudgetRefused(Exception):
    """Spending is not possible now; the text says why and what to do. `shortfall` is in micro-dollars."""

    def __init__(self, needed: int, left: int, message: str = "") -> None:
        self.needed, self.left, self.shortfall = needed, left, max(0, needed - left)
        super().__init__(
            message
            or f"This may cost up to {dollars(needed)}, and the team has {dollars(left)} left: {dollars(self.shortfall)} short. "
            "Make it smaller, wait until running work is settled, or ask your instructor for more."
        )


def dollars(micro: int) -> str:
    """Micro-dollars as a person reads them: $0.03, $12.40, or $0.00042 for less than a cent."""
    sign, size = "−" if micro < 0 else "", abs(micro)
    if 0 < size < 10_000:
        return f"{sign}${size / 1_000_000:.6f}".rstrip("0")
    return f"{sign}${size / 1_000_000:,.2f}"


@dataclass(frozen=True)
class Charge:
    """What was used and what it cost. `cost` and `would_have_cost` in micro-dollars, tokens as the provider counted them."""

    subject_kind: str
    subject_id: str
    method: str
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
    would_have_cost: int | None = None
    person: User | None = field(default=None, compare=False)


def open_account(*, team: Team, limit: int) -> BudgetAccount:
    CourseAccount.objects.get_or_create(course=team.course)
    return BudgetAccount.objects.get_or_create(team=team, defaults={"limit": limit})[0]


def hold(
    *,
    team: Team,
    key: str,
    amount: int,
    person: User | None = None,
    subject_kind: str = SubjectKind.RUN,
    paid_for: PaidFor | None = None,
    lifetime: timedelta = HOLD_LIFETIME,
    expected: int | None = None,
) -> Hold:
    """Keep `amount` micro-dollars aside. Idempotent by `key`. A hold of 0 is always admitted: free local work is never blocked.
    `paid_for`: what it is for; the charge that comes of it is for the same.
    `expected`: the estimate to compare the actual cost with.

    Raises BudgetRefused when spending is frozen, when spent + held + amount would pass the team's or the course's limit, or
    when a chat turn or an endpoint call (`CHAT_KINDS`) would pass the daily cap of `person`: who asks, whoever's talk it is.
    A grader's interview (`GRADING`) is stopped by the course's limit and a freeze only, and is charged to the team like
    everything that its bot costs.
    """
    try:
        with transaction.atomic():
            existing = Hold.objects.filter(key=key).first()
            if existing is not None:
                return existing
            account = BudgetAccount.objects.select_related("team__course").get(team=team)
            if amount:
                _admit(account, amount, person, subject_kind)
            expires = timezone.now() + lifetime
            return Hold.objects.create(
                account=account,
                key=key,
                purpose=None if paid_for is None else _purpose(team, paid_for),
                amount=amount,
                expected=expected,
                person=person,
                subject_kind=subject_kind,
                expires_at=expires,
            )
    except IntegrityError:
        return Hold.objects.get(
            key=key
        )  # the same call, delivered twice at once: the other one held


def _purpose(team: Team, what: PaidFor) -> Purpose:
    return Purpose.objects.get_or_create(kind=what.kind, key=what.key, defaults={"team": team})[
        0
    ]


def _admit(account: BudgetAccount, amount: int, person: User | None, subject_kind: str) -> None:
    """Raise both counters or neither. The course's row comes first: every path locks in that order."""
    course = account.team.course
    if course.spending_frozen:
        raise BudgetRefused(
            amount,
            0,
            "Your instructor has paused all spending in this course. Free local runs still work.",
        )
    CourseAccount.objects.get_or_create(course=course)
    room = Q(limit__isnull=True) | Q(limit__gte=F("spent") + F("held") + amount)
    if not CourseAccount.objects.filter(room, course=course).update(held=F("held") + amount):
        message = "The course's whole budget is used up. Ask your instructor."
        raise BudgetRefused(amount, 0, message)
    if subject_kind in CHAT_KINDS and person is not None and course.daily_chat_cap is not None:
        _check_daily_cap(course, course.daily_chat_cap, person, amount)
    admitted = BudgetAccount.objects.filter(pk=account.pk)
    if subject_kind != GRADING:
        admitted = admitted.filter(limit__gte=F("spent") + F("held") + amount)
    if not admitted.update(held=F("held") + amount):
        account.refresh_from_db()
        raise BudgetRefused(amount, account.left)
    budget_alerts.check(account.pk, by_a_grader=subject_kind == GRADING)


def _check_daily_cap(course: Course, cap: int, person: User, amount: int) -> None:
    """Safe from races because the course's account row is locked by the update before."""
    today = start_of_today(course)
    mine = {"account__team__course": course, "person": person, "subject_kind__in": CHAT_KINDS}
    spent = (
        LedgerEntry.objects.filter(at__gte=today, **mine).aggregate(sum=Sum("delta"))["sum"] or 0
    )
    held = (
        Hold.objects.filter(state=HoldState.OPEN, created_at__gte=today, **mine).aggregate(
            sum=Sum("amount")
        )["sum"]
        or 0
    )
    if spent + held + amount > cap:
        message = (
            f"This could pass today's chat limit of {dollars(cap)} for one person, calls with endpoint keys included. "
            "It starts again at midnight; local bots are free."
        )
        raise BudgetRefused(amount, max(0, cap - spent - held), message)


def settle(*, key: str, charge: Charge) -> LedgerEntry:
    """Turn the hold `key` into the charge that it was for. Idempotent: a second call returns the first entry.

    The charge stops at the hold, which is the most that people were told; what was used above it is recorded beside it
    (`beyond_hold`) as the platform's loss. Raises Hold.DoesNotExist for an unknown key, ValueError when the hold was
    released before.
    What was held for a grader stays marked as such, because its team is told the day only (`team_ledger`).
    """
    with transaction.atomic():
        hold_row = _locked(key)
        cost = min(max(0, charge.cost), hold_row.amount)
        if not _close(hold_row, HoldState.SETTLED, cost):
            if hold_row.state == HoldState.SETTLED:
                return LedgerEntry.objects.get(key=key)
            raise ValueError(
                f"Hold {key} was released before; its cost cannot be settled. Charge it under a key of its own."
            )
        after = BudgetAccount.objects.values_list("spent", flat=True).get(pk=hold_row.account_id)
        used = {
            name: getattr(charge, name)
            for name in (
                "input_tokens",
                "cached_input_tokens",
                "output_tokens",
                "training_tokens",
                "compute_seconds",
            )
        }
        entry = LedgerEntry.objects.create(
            account_id=hold_row.account_id,
            key=key,
            person=charge.person or hold_row.person,
            delta=cost,
            before=after - cost,
            after=after,
            beyond_hold=min(max(0, charge.cost - cost), MOST_RECORDED),
            subject_kind=GRADING if hold_row.subject_kind == GRADING else charge.subject_kind,
            subject_id=charge.subject_id,
            purpose_id=hold_row.purpose_id,
            method=charge.method,
            provider=charge.provider,
            model=charge.model,
            price_note=charge.price_note,
            confidence=charge.confidence,
            would_have_cost=charge.would_have_cost
            and min(max(0, charge.would_have_cost), MOST_RECORDED),
            **used,
        )
        ledger_sums.add(entry)
        budget_alerts.check(hold_row.account_id, by_a_grader=hold_row.subject_kind == GRADING)
    return entry


def carve(*, key: str, into: str, amount: int) -> int:
    """Move up to `amount` micro-dollars of the open hold `key` into a hold `into` of its own, to be settled by itself.

    The account holds as much as before, so whatever is carved out of a hold and what is left of it never cost more than
    the hold was. Returns what was moved; a second call with the same `into` moves nothing more.
    """
    with transaction.atomic():
        hold_row = _locked(key)
        carved = Hold.objects.filter(key=into).first()
        if carved is not None:
            return carved.amount
        moved = min(amount, hold_row.amount) if hold_row.state == HoldState.OPEN else 0
        Hold.objects.filter(pk=hold_row.pk).update(amount=F("amount") - moved)
        Hold.objects.create(
            account=hold_row.account,
            key=into,
            purpose_id=hold_row.purpose_id,
            amount=moved,
            person=hold_row.person,
            subject_kind=hold_row.subject_kind,
            expires_at=hold_row.expires_at,
        )
        return moved


def correct(*, entry: LedgerEntry, delta: int, why: str) -> LedgerEntry | None:
    """Book `delta` micro-dollars on top of `entry`, once, as a row of its own. None where it was corrected before."""
    with transaction.atomic():
        account = BudgetAccount.objects.select_related("team").get(pk=entry.account_id)
        course_accounts = CourseAccount.objects.filter(course_id=account.team.course_id)
        course_accounts.update(held=F("held"))  # takes the lock, in the same order as `_admit`
        if LedgerEntry.objects.filter(corrects=entry).exists():
            return None
        course_accounts.update(spent=F("spent") + delta)
        BudgetAccount.objects.filter(pk=account.pk).update(spent=F("spent") + delta)
        account.refresh_from_db()
        made = LedgerEntry.objects.create(
            account=account,
            key=f"correction-{entry.pk}",
            corrects=entry,
            for_time=entry.for_time,
            person=entry.person,
            delta=delta,
            before=account.spent - delta,
            after=account.spent,
            subject_kind=SubjectKind.CORRECTION,
            subject_id=entry.subject_id,
            purpose_id=entry.purpose_id,
            method=entry.method,
            provider=entry.provider,
            model=entry.model,
            price_note=why[:300],
            confidence=Confidence.EXACT,
        )
        ledger_sums.add(made)
    return made


def release(*, key: str) -> bool:
    """Give the held money back. True when this call did it, False when the hold was closed or never opened."""
    with transaction.atomic():
        try:
            hold_row = _locked(key)
        except Hold.DoesNotExist:
            return False
        return _close(hold_row, HoldState.RELEASED, 0)


def _locked(key: str) -> Hold:
    """The hold as it is now, while nobody else can move money of its course: call in a transaction.

    The lock is the course's row, first, as in `_admit`. Raises Hold.DoesNotExist.
    """
    hold_row = Hold.objects.select_related("account__team").get(key=key)
    CourseAccount.objects.filter(course_id=hold_row.account.team.course_id).update(
        held=F("held")
    )
    hold_row.refresh_from_db(fields=["amount", "state"])
    return hold_row


def _close(hold_row: Hold, state: HoldState, cost: int) -> bool:
    """Close a hold that is `_locked` and move its money, course first. False when another call had closed it before."""
    if not Hold.objects.filter(pk=hold_row.pk, state=HoldState.OPEN).update(
        state=state, closed_at=timezone.now()
    ):
        return False
    moved = {"held": F("held") - hold_row.amount, "spent": F("spent") + cost}
    CourseAccount.objects.filter(course_id=hold_row.account.team.course_id).update(**moved)
    BudgetAccount.objects.filter(pk=hold_row.account_id).update(**moved)
    return True
