"""Tell a team and its instructors once when 80 % and when all of a budget is used or held; of a whole course's, the instructors."""

from django.db import transaction
from django.db.models import Q

from teams.models import BudgetAccount, BudgetAlert, CourseAccount, Membership, NoticeKind, Role
from teams.services import notices

THRESHOLDS = (80, 100)


def check(account_id: int, *, by_a_grader: bool = False) -> None:
    """Compare the account with the thresholds; call inside the transaction that changed it.

    What a grader spends tells the team nothing: a notice would say when she grades. The team's own next charge tells it.
    """
    account = BudgetAccount.objects.select_related("team__course").get(pk=account_id)
    for shared in CourseAccount.objects.select_related("course").filter(
        course=account.team.course
    ):
        check_course(shared)
    if by_a_grader or not account.limit:
        return
    used = 100 * (account.spent + account.held) // account.limit
    for percent in THRESHOLDS:
        if used >= percent:
            _alert(account, percent)


def check_course(shared: CourseAccount) -> None:
    """The same for the whole course's limit."""
    reached = max((percent for percent in THRESHOLDS if _share(shared) >= percent), default=0)
    # One conditional UPDATE, so that of two at once only one tells.
    if not CourseAccount.objects.filter(pk=shared.pk, told_percent__lt=reached).update(
        told_percent=reached
    ):
        return
    course = shared.course
    told = Membership.objects.filter(
        course=course, active=True, role=Role.INSTRUCTOR
    ).select_related("person")
    said = (
        f"The course has used or held {reached} % of its whole budget."
        if reached < 100
        else "The course's whole budget is used up: no team can spend more."
    )
    notices.tell(
        people=[membership.person for membership in told],
        course=course,
        kind=NoticeKind.BUDGET,
        text=said,
        path=f"/courses/{course.pk}/costs/",
    )


def _share(shared: CourseAccount) -> int:
    """Percent of the limit; 0 where there is none."""
    if shared.limit is None:
        return 0
    return 100 * (shared.spent + shared.held) // shared.limit if shared.limit else 100


def reset_course(shared: CourseAccount) -> None:
    """After the limit changed: thresholds that are no longer reached may be told again."""
    still = max((percent for percent in THRESHOLDS if _share(shared) >= percent), default=0)
    CourseAccount.objects.filter(pk=shared.pk, told_percent__gt=still).update(told_percent=still)


def _alert(account: BudgetAccount, percent: int) -> None:
    with transaction.atomic():
        if not BudgetAlert.objects.get_or_create(account=account, percent=percent)[1]:
            return
    team = account.team
    told = Membership.objects.filter(course=team.course, active=True).filter(
        Q(role=Role.INSTRUCTOR) | Q(team=team)
    )
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
