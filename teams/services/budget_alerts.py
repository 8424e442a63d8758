"""Tell a team and its instructors once when 80 % and when all of a budget is used or held."""

from django.db import transaction
from django.db.models import Q

from teams.models import BudgetAccount, BudgetAlert, Membership, NoticeKind, Role
from teams.services import notices

THRESHOLDS = (80, 100)


def check(account_id: int) -> None:
    """Compare the account with the thresholds; call inside the transaction that changed it."""
    account = BudgetAccount.objects.select_related("team__course").get(pk=account_id)
    if not account.limit:
        return
    used = 100 * (account.spent + account.held) // account.limit
    for percent in THRESHOLDS:
        if used >= percent:
            _alert(account, percent)


def _alert(account: BudgetAccount, percent: int) -> None:
    with transaction.atomic():
        if not BudgetAlert.objects.get_or_create(account=account, percent=percent)[1]:
            return
    team = account.team
    told = Membership.objects.filter(course=team.course, active=True).filter(Q(role=Role.INSTRUCTOR) | Q(team=team))
    said = (
        f"{team.name} has used or held {percent} % of its budget."
        if percent < 100
        else f"{team.name}'s budget is used up."
    )
    notices.tell(
        people=[membership.person for membership in told.select_related("person")],
        course=team.course,
        kind=NoticeKind.BUDGET,
        text=said,
        path=f"/teams/{team.pk}/costs/",
    )


def reset(account: BudgetAccount) -> None:
    """After a limit changed: thresholds that are no longer reached may be told again."""
    used = 100 * (account.spent + account.held) // account.limit if account.limit else 100
    account.alerts.filter(percent__gt=used).delete()
