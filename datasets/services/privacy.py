"""May these rows leave this machine, and what to do where they may not."""

from datasets import checks
from datasets.models import DatasetVersion
from datasets.services import versions
from datasets.services.blocks import StoredRow
from datasets.services.reading import plain, stored_rows
from teams.models import User
from teams.services import audit

SHORTEST_JUSTIFICATION = 20


def cloud_refusal(version: DatasetVersion) -> str | None:
    """Why these rows may not go to a cloud provider, as a sentence with what to do; None where they may."""
    if version.may_leave_this_machine:
        return None
    if version.measured_at is None:
        return f"{version} has not been checked for children's personal data yet. Wait until its page shows figures."
    found = version.open_privacy_findings
    return (
        f"{version} has {found} open privacy finding{'' if found == 1 else 's'}, and rows with a child's personal data "
        "may not leave this machine. Open the version's privacy page and replace them by pseudonyms, or say why they are harmless. "
        "LoRA stays possible, because it trains here."
    )


def justify(*, version: DatasetVersion, person: User, reason: str) -> None:
    """Record why the findings are harmless. Raises ValueError for a reason too short to be one."""
    reason = reason.strip()
    if len(reason) < SHORTEST_JUSTIFICATION:
        raise ValueError(f"Say in at least {SHORTEST_JUSTIFICATION} characters why nobody real can be recognised.")
    version.privacy_justification, version.privacy_justified_by = reason[:500], person
    version.save(update_fields=["privacy_justification", "privacy_justified_by"])
    team = version.dataset.team
    audit.record(
        course=team.course,
        team=team,
        person=person,
        action="privacy findings justified",
        what=str(version),
        after=reason[:500],
    )


def use_pseudonyms(*, version: DatasetVersion, person: User) -> DatasetVersion:
    """The next version, in which every finding is replaced, the same person by the same name everywhere.

    Raises versions.NothingChanged where there was nothing to replace.
    """
    stored = list(stored_rows(version))
    bare = [plain(row) for row in stored]
    replaced = checks.pseudonyms(bare, checks.find_private(bare))
    return versions.create_version(
        dataset=version.dataset,
        rows=[StoredRow.of(row, before.id) for row, before in zip(replaced, stored, strict=True)],
        shape=version.shape,
        person=person,
        note=f"Personal data of version {version.number} replaced by pseudonyms.",
        source_name=version.source_name,
        parent=version,
    )
