"""Short ways to look at a team's money."""

from teams.models import BudgetAccount, Confidence, Hold, HoldState, LedgerEntry, Method, Team
from teams.services import money
from training.models import TrainingRun


def account(team: Team) -> BudgetAccount:
    return BudgetAccount.objects.get(team=team)


def hold_state(run: TrainingRun) -> str:
    return Hold.objects.get(key=run.hold_key).state


def entry_of(run: TrainingRun) -> LedgerEntry | None:
    return LedgerEntry.objects.filter(key=run.hold_key).first()


def charge(run: TrainingRun, cost: int) -> LedgerEntry:
    """Settle a run's hold by hand."""
    return money.settle(
        key=run.hold_key,
        charge=money.Charge("run", str(run.key), Method(run.method), "test", "test", cost, "test", Confidence.EXACT),
    )


def no_money_is_held(team: Team) -> bool:
    return account(team).held == 0 and not Hold.objects.filter(account__team=team, state=HoldState.OPEN).exists()
