"""Disk quotas: every byte that a team keeps is reserved first, by one UPDATE whose WHERE holds the limit.

reserve -> (the bytes are written) -> settle with what they came to -> release when they are deleted. All are keyed: a second call
with the same key changes what the first one did and never counts twice.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum

from teams.models import Course, DiskAccount, DiskKind, DiskUse, Team, User
from teams.services import audit

KB = 10**3
MB = 10**6
GB = 10**9


class DiskFull(Exception):
    """The bytes do not fit; the text says how much is used, how much there is, and what to do."""


def told(size: int) -> str:
    """Bytes as a person reads them: 850 KB, 12 MB, 1.5 GB."""
    for unit, name in ((GB, "GB"), (MB, "MB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{-(-size // KB)} KB"


def reserve(*, team: Team, key: str, kind: DiskKind, size: int) -> None:
    """Count `size` bytes under `key`, before they are written. Raises DiskFull, and counts nothing then."""
    with transaction.atomic():
        _change(team, key, kind, size, refuse=True)


def free_here() -> int:
    """Bytes of the machine's disk that an archive may take: the database has to go on writing beside it. Never below 0."""
    left: int = shutil.disk_usage(settings.VAR_DIR).free - settings.DISK_LEFT_FREE_BYTES
    return max(0, left)


def reserve_for_course(
    *, course: Course, key: str, kind: DiskKind, size: int, refuse: bool = True
) -> None:
    """Count `size` bytes against the course alone: they are no team's, or it is not known yet whose.

    Raises DiskFull, unless they are there already and not to be refused.
    """
    with transaction.atomic():
        DiskAccount.objects.get_or_create(course=course)
        account = DiskAccount.objects.select_for_update().get(course=course)
        _count_against(account, settings.COURSE_DISK_BYTES, size, refuse=refuse)
        DiskUse.objects.create(account=account, key=key, kind=kind, size=size)


def settle(*, team: Team, key: str, kind: DiskKind, size: int) -> None:
    """What lies there now, whatever the limit says: it is on the disk already."""
    with transaction.atomic():
        _change(team, key, kind, size, refuse=False)


def grow(*, team: Team, key: str, kind: DiskKind, by: int) -> None:
    """Count `by` bytes more (or fewer) under `key`. Raises DiskFull where more do not fit."""
    with transaction.atomic():
        _account(team)  # locks, so that the size read next is still true when it is written
        before = DiskUse.objects.filter(key=key).values_list("size", flat=True).first() or 0
        _change(team, key, kind, max(0, before + by), refuse=True)


def release(key: str) -> None:
    """The bytes are gone. Nothing happens for a key that counts nothing."""
    with transaction.atomic():
        use = DiskUse.objects.select_related("account__team__course").filter(key=key).first()
        if use is None:
            return
        if use.account.team is not None:
            _change(use.account.team, key, DiskKind(use.kind), 0, refuse=False)
            DiskUse.objects.filter(key=key).delete()
            return
        whole = DiskAccount.objects.select_for_update().get(pk=use.account_id)
        gone, _ = DiskUse.objects.filter(key=key).delete()
        if gone:
            _count_against(whole, settings.COURSE_DISK_BYTES, -use.size, refuse=False)


def _change(team: Team, key: str, kind: DiskKind, size: int, *, refuse: bool) -> None:
    account = _account(team)
    use = DiskUse.objects.filter(key=key).first()
    step = size - (use.size if use else 0)
    _count(account, team.course, step, refuse=refuse)
    if use is None:
        DiskUse.objects.create(account=account, key=key, kind=kind, size=size)
    else:
        DiskUse.objects.filter(pk=use.pk).update(size=size)


def _account(team: Team) -> DiskAccount:
    """The team's counter, locked. The course's row comes first: every path locks in that order."""
    DiskAccount.objects.get_or_create(course=team.course)
    DiskAccount.objects.get_or_create(team=team)
    DiskAccount.objects.select_for_update().get(course=team.course)
    return DiskAccount.objects.select_for_update().get(team=team)


def _count(account: DiskAccount, course: Course, step: int, *, refuse: bool) -> None:
    whole = DiskAccount.objects.get(course=course)
    for one, default in (
        (whole, settings.COURSE_DISK_BYTES),
        (account, settings.TEAM_DISK_BYTES),
    ):
        _count_against(one, default, step, refuse=refuse)


def _count_against(account: DiskAccount, default: int, step: int, *, refuse: bool) -> None:
    """`step` bytes more (or fewer). Raises DiskFull where they are to be refused and do not fit."""
    rows = DiskAccount.objects.filter(pk=account.pk)
    if step > 0 and refuse:
        fits = Q(limit=None, used__lte=default - step) | Q(used__lte=F("limit") - step)
        rows = rows.filter(fits)
    if not rows.update(used=F("used") + step):
        raise DiskFull(_refusal(account, step))


def _refusal(account: DiskAccount, more: int) -> str:
    used, limit = told(account.used), told(limit_of(account))
    if account.team is None:
        return (
            f"All teams of this course together use {used} of the {limit} that it may keep on this machine, and this needs "
            f"{told(more)} more. Nothing was kept. Ask your instructor: they see who uses how much, and can allow more."
        )
    return (
        f"Your team uses {used} of the {limit} that it may keep on this machine, and this needs {told(more)} more. "
        "Nothing was kept. Delete datasets or discard imports that you no longer need, or ask your instructor for more."
    )


def limit_of(account: DiskAccount) -> int:
    """Bytes: its own limit, or the platform's default."""
    default: int = (
        settings.COURSE_DISK_BYTES if account.team_id is None else settings.TEAM_DISK_BYTES
    )
    return default if account.limit is None else account.limit


@dataclass(frozen=True)
class Shown:
    """What one team (or, without a team, the whole course) uses, for a page."""

    team: Team | None
    used: int
    limit: int
    own_limit: int | None
    kinds: list[tuple[str, int]]

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.used / self.limit)) if self.limit else 100

    @property
    def verdict(self) -> str:
        """good, warn from 80 percent on, or bad where it is full."""
        return "bad" if self.used >= self.limit else "warn" if self.percent >= 80 else "good"


def of_team(team: Team) -> Shown:
    account = DiskAccount.objects.filter(team=team).first() or DiskAccount(team=team)
    sums = account.uses.values_list("kind").annotate(Sum("size")) if account.pk else []
    labels = [(DiskKind(kind).label, size) for kind, size in sums if size]
    return Shown(
        team,
        account.used,
        limit_of(account),
        account.limit,
        sorted(labels, key=lambda one: -one[1]),
    )


def of_course(course: Course) -> tuple[Shown, list[Shown]]:
    """(the whole course, its teams, the fullest first)."""
    whole = DiskAccount.objects.filter(course=course).first() or DiskAccount(course=course)
    teams = [of_team(team) for team in course.teams.select_related("course", "disk")]
    teams.sort(key=lambda one: (-one.used, one.team.name if one.team else ""))
    return Shown(None, whole.used, limit_of(whole), whole.limit, []), teams


def set_limit(*, course: Course, team: Team | None, limit: int | None, person: User) -> None:
    """What a team (or the whole course) may keep, in bytes; None is the platform's default. What is kept already stays."""
    owner = {"team": team} if team is not None else {"course": course}
    with transaction.atomic():
        account, _ = DiskAccount.objects.select_for_update().get_or_create(**owner)
        before = {"limit": account.limit}
        account.limit = limit
        account.save(update_fields=["limit"])
        audit.record(
            course=course,
            team=team,
            person=person,
            action="disk limit changed",
            what=team.name if team else str(course),
            before=before,
            after={"limit": limit},
        )


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; 0 where there is none. A file that goes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_symlink() or not path.is_file() else path.stat().st_size
        except OSError:
            continue
    return total
