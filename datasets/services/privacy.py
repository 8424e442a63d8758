"""May these rows leave this machine, and what to do where they may not."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.crypto import salted_hmac

from datasets import checks
from datasets.formats import Row
from datasets.models import Dataset, DatasetVersion, FindingJustification
from datasets.services import measure, name_model, sources, versions
from datasets.services.blocks import StoredRow
from datasets.services.reading import plain, row_at, stored_rows
from teams.models import User
from teams.services import audit

SHORTEST_JUSTIFICATION = 20
SHORTEST_REASON = 8


ATTEMPTS = 3


class TryAgain(Exception):
    """Somebody else changed the same at the same time; nothing was done."""


class FindingGone(Exception):
    """The report was made anew since the page was shown, and this finding is no longer at its place."""


def cloud_refusal(version: DatasetVersion) -> str | None:
    """Why these rows may not go to a cloud provider, as a sentence with what to do; None where they may."""
    if unknown := sources.refusal(version):
        return unknown
    if version.may_leave_this_machine:
        return None
    if version.measured_at is None:
        return f"{version} has not been checked for children's personal data yet. Wait until its page shows figures."
    if version.waits_for_model:
        return (
            f"{version} is still being looked through by the name model, after the rules. That takes some seconds; "
            "its privacy page says when it is done."
        )
    found = version.open_privacy_findings
    return (
        f"{version} has {found} open privacy finding{'' if found == 1 else 's'}, and rows with a child's personal data "
        "may not leave this machine. Open the version's privacy page and replace them by pseudonyms, or say why they are harmless. "
        "LoRA stays possible, because it trains here."
    )


def justify(*, version: DatasetVersion, person: User, reason: str) -> None:
    """Record why the findings are harmless. Raises ValueError for a reason too short to be one, or given too early."""
    reason = reason.strip()
    if version.waits_for_model:
        raise ValueError(
            "The name model is still looking. Give the reason when all findings are on the page."
        )
    if len(reason) < SHORTEST_JUSTIFICATION:
        raise ValueError(
            f"Say in at least {SHORTEST_JUSTIFICATION} characters why nobody real can be recognised."
        )
    version.privacy_justification, version.privacy_justified_by = reason[:500], person
    version.save(update_fields=["privacy_justification", "privacy_justified_by"])
    _record(version, person, "privacy findings justified", reason[:500])


@dataclass(frozen=True)
class Shown:
    """A finding as its page shows it. `place` is its place in the version's report."""

    place: int
    finding: dict[str, Any]
    justification: FindingJustification | None


def shown(version: DatasetVersion, start: int, stop: int) -> list[Shown]:
    """Findings `start` up to `stop` of the report, with what was said of each."""
    found = list(enumerate(version.report.get("privacy", [])))[start:stop]
    keys = {place: _key(version, finding) for place, finding in found}
    said = _said(version)
    return [Shown(place, finding, said.get(keys[place])) for place, finding in found]


def _key(version: DatasetVersion, finding: dict[str, Any]) -> measure.FindingKey:
    row_id = finding.get("row_id")
    if row_id is None:  # measured before findings named their row
        row = row_at(version, finding["index"])
        assert row is not None
        row_id = row.id
    return measure.finding_key(row_id, finding["field"], finding["text"])


def _said(version: DatasetVersion) -> dict[measure.FindingKey, FindingJustification]:
    found = FindingJustification.objects.filter(dataset=version.dataset).select_related("person")
    return {(one.row_id, one.field, one.text): one for one in found}


def justify_finding(
    *, version: DatasetVersion, place: int, text: str, person: User, reason: str
) -> None:
    """Record why one finding is harmless; it counts as open no longer, here and in later versions.

    Raises ValueError for a reason too short to be one, and FindingGone.
    """
    reason = reason.strip()[:300]
    if len(reason) < SHORTEST_REASON:
        raise ValueError(
            f"Say in at least {SHORTEST_REASON} characters why nobody real can be recognised by it."
        )
    with transaction.atomic():
        locked, key = _locked(version, place, text)
        row_id, field, words = key
        _, made = FindingJustification.objects.get_or_create(
            dataset=locked.dataset,
            row_id=row_id,
            field=field,
            text=words,
            defaults={"reason": reason, "person": person},
        )
        if made:
            _count(locked, key, -1)
            _record(locked, person, "privacy finding justified", f"row {row_id}: {reason}")


def reopen_finding(*, version: DatasetVersion, place: int, text: str, person: User) -> None:
    """Take the reason back: the finding is open again. Raises FindingGone."""
    with transaction.atomic():
        locked, key = _locked(version, place, text)
        row_id, field, words = key
        said = FindingJustification.objects.filter(
            dataset=locked.dataset, row_id=row_id, field=field, text=words
        )
        if said.delete()[0]:
            _count(locked, key, +1)
            _record(locked, person, "privacy finding opened again", f"row {row_id}")


def _locked(
    version: DatasetVersion, place: int, text: str
) -> tuple[DatasetVersion, measure.FindingKey]:
    """The version, locked, with what the finding at `place` is about. Raises FindingGone."""
    rows = DatasetVersion.objects.select_for_update(
        of=("self",), no_key=True
    )  # a next version may name it as parent
    locked = rows.select_related("dataset__team").get(pk=version.pk)
    findings = locked.report.get("privacy", [])
    if not 0 <= place < len(findings) or findings[place]["text"] != text:
        raise FindingGone(
            "The findings were looked for again in the meantime. Look at the list once more."
        )
    return locked, _key(locked, findings[place])


def _count(version: DatasetVersion, key: measure.FindingKey, step: int) -> None:
    """Every finding of this version that the key is about, counted as open or no longer."""
    concerned = sum(_key(version, finding) == key for finding in version.report["privacy"])
    version.open_privacy_findings = max(0, version.open_privacy_findings + step * concerned)
    version.save(update_fields=["open_privacy_findings"])


def _record(version: DatasetVersion, person: User, action: str, after: str) -> None:
    team = version.dataset.team
    audit.record(
        course=team.course,
        team=team,
        person=person,
        action=action,
        what=str(version),
        after=after,
    )


def use_pseudonyms(*, version: DatasetVersion, person: User) -> DatasetVersion:
    """The next version, in which every open finding is replaced, the same person by the same name in all versions.

    What has no stand-in (health, family) stays, and stays open. Raises versions.NothingChanged where nothing was replaced, and
    TryAgain where others replaced names of this dataset at the same time.
    """
    stored = list(stored_rows(version))
    bare = [plain(row) for row in stored]
    said = _said(version)
    found = checks.find_private(bare, most_of_a_text=None, more=_found_by_model(version))
    open_ones = [
        one
        for one in found
        if measure.finding_key(stored[one.index].id, one.field, one.text) not in said
    ]
    replaced = _replaced(version.dataset_id, bare, open_ones)
    return versions.create_version(
        dataset=version.dataset,
        rows=[
            StoredRow.of(row, before.id) for row, before in zip(replaced, stored, strict=True)
        ],
        shape=version.shape,
        person=person,
        note=f"Personal data of version {version.number} replaced by pseudonyms.",
        source_name=version.source_name,
        parent=version,
    )


def _found_by_model(version: DatasetVersion) -> name_model.Findings:
    """The findings of the name model that the version's report lists."""
    found: name_model.Findings = {}
    for one in version.report.get("privacy", []):
        if one["reason"] == name_model.REASON:
            place = found.setdefault((one["index"], one["field"]), [])
            place.append((one["kind"], one["start"], one["end"], one["severity"], one["reason"]))
    return found


def _replaced(dataset_id: int, rows: list[Row], findings: list[checks.Finding]) -> list[Row]:
    """The rows with stand-ins. Which ones were chosen is kept with the dataset before any row is."""
    # The key is the platform's own: whoever has the database alone can't try names until one fits.
    salt = salted_hmac("datasets.pseudonyms", str(dataset_id), algorithm="sha256").hexdigest()
    for _ in range(ATTEMPTS):
        before = Dataset.objects.values_list("pseudonyms", flat=True).get(pk=dataset_id)
        kept = dict(before)
        replaced = checks.pseudonyms(rows, findings, salt=salt, kept=kept)
        with transaction.atomic():
            locked = Dataset.objects.select_for_update(no_key=True).get(pk=dataset_id)
            if locked.pseudonyms != before:
                continue
            locked.pseudonyms = kept
            locked.save(update_fields=["pseudonyms"])
        return replaced
    raise TryAgain("Others replace names in this dataset at the moment. Try again in a minute.")
