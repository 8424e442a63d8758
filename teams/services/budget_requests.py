"""A team asks for more money; an instructor answers once."""

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from teams.models import BudgetAccount, BudgetRequest, Membership, NoticeKind, Role, Team, User
from teams.services import audit, budget_alerts, notices
from teams.services.money import dollars


class RequestRefused(Exception):
    """The request cannot be made or answered; the text says why."""


def ask(*, team: Team, person: User, amount: int, reason: str) -> BudgetRequest:
    """Ask for `amount` micro-dollars on top. Raises RequestRefused while another request is open."""
    try:
        with transaction.atomic():
            asked = BudgetRequest.objects.create(
                account=team.account, person=person, amount=amount, reason=reason
            )
    except IntegrityError as error:
        raise RequestRefused(
            "Your team has asked already. Wait for your instructor's answer."
        ) from error
    instructors = Membership.objects.filter(
        course=team.course, role=Role.INSTRUCTOR, active=True
    ).select_related("person")
    notices.tell(
        people=[membership.person for membership in instructors],
        course=team.course,
        kind=NoticeKind.BUDGET,
        text=f"{team.name} asks for {dollars(amount)} more: {reason}",
        path=f"/courses/{team.course_id}/costs/",
    )
    return asked


def answer(*, asked: BudgetRequest, approve: bool, person: User) -> None:
    """Raise the limit, or don't, and tell the team. Raises RequestRefused when somebody answered before."""
    state = BudgetRequest.State.APPROVED if approve else BudgetRequest.State.DECLINED
    with transaction.atomic():
        open_one = BudgetRequest.objects.filter(pk=asked.pk, state=BudgetRequest.State.OPEN)
        if not open_one.update(state=state, decided_by=person, decided_at=timezone.now()):
            raise RequestRefused("This request has been answered already.")
        account = asked.account
        if approve:
            BudgetAccount.objects.filter(pk=account.pk).update(limit=F("limit") + asked.amount)
        account.refresh_from_db()
        before = account.limit - asked.amount if approve else account.limit
        if approve:
            budget_alerts.reset(account)
        team = account.team
        audit.record(
            course=team.course,
            team=team,
            person=person,
            action=f"budget request {state}",
            what=asked.reason,
            before=dollars(before),
            after=dollars(account.limit),
        )
        said = "approved" if approve else "declined"
        notices.tell(
            people=[
                membership.person
                for membership in team.memberships.filter(active=True).select_related("person")
            ],
            course=team.course,
            kind=NoticeKind.BUDGET,
            text=f"Your request for {dollars(asked.amount)} more was {said}.",
            path=f"/teams/{team.pk}/costs/",
        )
