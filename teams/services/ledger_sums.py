"""The sums that cost pages read: kept with each entry, and made anew from the ledger where a whole ledger arrives."""

from collections import defaultdict
from collections.abc import Iterable

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from teams.models import BudgetAccount, LedgerEntry, LedgerSum, SubjectKind

CHAT = "chat"
BATCH = 2_000
Field = LedgerSum.Field


def groups_of(entry: LedgerEntry) -> dict[str, str]:
    """Which sum of each field an entry is part of."""
    return {
        Field.USE: entry.method if _kind_of(entry) == SubjectKind.RUN else CHAT,
        Field.METHOD: entry.method,
        Field.MODEL: entry.model,
        Field.PERSON: str(entry.person_id or ""),
        Field.DAY: timezone.localdate(entry.at).isoformat(),
    }


def _kind_of(entry: LedgerEntry) -> str:
    """What was paid for; of a correction, what the corrected entry paid for."""
    return entry.subject_kind if entry.corrects is None else entry.corrects.subject_kind


def add(entry: LedgerEntry) -> None:
    """Count one new entry. Call in its transaction, while the course's account is locked: nobody else adds then."""
    for field, group in groups_of(entry).items():
        row = LedgerSum.objects.filter(account_id=entry.account_id, field=field, group=group)
        would = entry.would_have_cost or 0
        grown = {
            "cost": F("cost") + entry.delta,
            "would_have_cost": F("would_have_cost") + would,
        }
        if not row.update(**grown, entries=F("entries") + 1):
            LedgerSum.objects.create(
                account_id=entry.account_id,
                field=field,
                group=group,
                cost=entry.delta,
                would_have_cost=would,
                entries=1,
            )


def rebuild(accounts: Iterable[BudgetAccount]) -> None:
    """Make the sums of these accounts from their ledgers."""
    for account in accounts:
        found: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for entry in account.entries.order_by().select_related("corrects").iterator(BATCH):
            for key in groups_of(entry).items():
                total = found[key]
                total[0] += entry.delta
                total[1] += entry.would_have_cost or 0
                total[2] += 1
        with transaction.atomic():
            LedgerSum.objects.filter(account=account).delete()
            LedgerSum.objects.bulk_create(
                [
                    LedgerSum(
                        account=account,
                        field=field,
                        group=group,
                        cost=cost,
                        would_have_cost=would,
                        entries=number,
                    )
                    for (field, group), (cost, would, number) in found.items()
                ],
                batch_size=500,
            )
