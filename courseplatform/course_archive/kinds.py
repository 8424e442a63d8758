"""What each kind of row must be besides well formed: finished, of this course, and nothing that decides elsewhere."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.utils import timezone

from courseplatform.course_archive import shared
from courseplatform.course_archive.rows import (
    ArchiveRefused,
    Line,
    fresh_name,
    insert,
    model_of,
    refused,
    values_of,
)
from courseplatform.course_archive.tables import BY_LABEL, COURSE, RUN, VERSION, Table
from datasets.services.blocks import read_frames
from evaluation.models import OpinionStatus, TurnStatus
from evaluation.models.interview import ACTIVE_INTERVIEW
from teams.forms import LARGEST_TEAM
from teams.models import (
    ArchiveImport,
    BudgetAccount,
    Course,
    CourseAccount,
    Hold,
    HoldState,
    LedgerEntry,
    Purpose,
    SubjectKind,
)
from training import methods
from training.models import ENDED, Artifact, BaseModel, TrainingRun
from training.services import kept_files
from training.services.bundle import proves_model
from training.services.charges import provider_name

if TYPE_CHECKING:
    from courseplatform.course_archive.bringing import Arrival

ENTRY = "teams.ledgerentry"
Values = dict[str, Any]
Check = Callable[["Arrival", Table, Line, Values], None]


def keep(arrival: "Arrival", table: Table, lines: list[Line]) -> None:
    """Insert the table's rows. Raises ArchiveRefused."""
    special = TABLES_OF_THEIR_OWN.get(table.label)
    if special is not None:
        special(arrival, table, lines)
        return
    made = [_made(arrival, table, line) for line in lines]
    insert(table, made, arrival.known)
    _keep_lists(arrival, table, lines)


def _made(arrival: "Arrival", table: Table, line: Line) -> tuple[int, models.Model]:
    values = values_of(table, line, arrival.known)
    check = CHECKS.get(table.label)
    if check is not None:
        check(arrival, table, line, values)
    return line[1]["id"], model_of(table)(**values)


def _keep_lists(arrival: "Arrival", table: Table, lines: list[Line]) -> None:
    for name, label in table.lists.items():
        column: Any = model_of(table)._meta.get_field(name)
        through, known = column.remote_field.through, arrival.known.of(label)
        mine, theirs = column.m2m_column_name(), column.m2m_reverse_name()
        pairs = []
        for number, row in lines:
            for one in dict.fromkeys(row.get(name, [])):
                if one not in known:
                    raise refused(
                        table, number, name, "It names a row that is not in this archive."
                    )
                pairs.append(
                    through(
                        **{mine: arrival.known.of(table.label)[row["id"]], theirs: known[one]}
                    )
                )
        through._default_manager.bulk_create(pairs, batch_size=500)


# --- Tables that are kept in a way of their own -------------------------------------------------------------------------


def _keep_course(arrival: "Arrival", table: Table, lines: list[Line]) -> None:
    if len(lines) != 1:
        raise ArchiveRefused(
            f"{table.member}: There must be one course in it, and there are {len(lines)}."
        )
    number, row = lines[0]
    values = values_of(table, lines[0], arrival.known)
    if not 1 <= values.get("team_size", 5) <= LARGEST_TEAM:
        raise refused(table, number, "team_size", f"A team has 1 to {LARGEST_TEAM} people.")
    first, last = values.get("starts_on"), values.get("ends_on")
    if first and last and last < first:
        raise refused(table, number, "ends_on", "The last day lies before the first.")
    made = Course(**values)
    with transaction.atomic():
        insert(table, [(row["id"], made)], arrival.known)
        ArchiveImport.objects.filter(pk=arrival.import_.pk).update(
            course=made
        )  # so that it can be undone
    arrival.course = made


def _keep_blocks(arrival: "Arrival", table: Table, lines: list[Line]) -> None:
    """The bytes are those that the child packed anew, in the order of the rows."""
    path = arrival.import_.folder / "blocks"
    arrival.box.take("blocks", to=path, most_bytes=4_000_000_000)
    by_hash: dict[tuple[int, str], int] = {}
    made: list[tuple[int, models.Model]] = []
    for line, frame in zip(lines, read_frames(path), strict=True):
        values = values_of(table, line, arrival.known)
        place = (values["team_id"], frame.content_hash)
        if place in by_hash:  # equal once both are packed in the same way
            raise refused(
                table, line[0], "content_hash", "Another block of this team holds the same rows."
            )
        by_hash[place] = line[1]["id"]
        made.append((line[1]["id"], model_of(table)(**values | {"rows": frame.data})))
    insert(table, made, arrival.known)


def _keep_versions(arrival: "Arrival", table: Table, lines: list[Line]) -> None:
    """Unmeasured: what the checks say of the rows, this platform's own checks say. Parents come after all are there."""
    made, parents = [], {}
    for number, row in lines:
        parents[row["id"]] = row.get("parent_id")
        values = values_of(table, (number, {**row, "parent_id": None}), arrival.known)
        made.append((row["id"], model_of(table)(**values)))
    insert(table, made, arrival.known)
    here = arrival.known.of(VERSION)
    for number, row in lines:
        parent = parents[row["id"]]
        if parent is not None and parent not in here:
            raise refused(
                table, number, "parent_id", "It names a row that is not in this archive."
            )
        if parent is not None:
            model_of(table)._default_manager.filter(pk=here[row["id"]]).update(
                parent_id=here[parent]
            )


def _keep_artifacts(arrival: "Arrival", table: Table, lines: list[Line]) -> None:
    """Those whose files came are there already, with the hash they have here. Of the others only the record is left."""
    runs = arrival.known.of(RUN)
    there = set(Artifact.objects.filter(run__in=runs.values()).values_list("run_id", "path"))
    method_of = dict(
        TrainingRun.objects.filter(pk__in=runs.values()).values_list("pk", "method")
    )
    allowed = kept_files.in_a_course()
    made: list[tuple[int, models.Model]] = []
    for line in lines:
        values = values_of(table, line, arrival.known)
        if values["path"] not in allowed[method_of[values["run_id"]]].files:
            raise refused(table, line[0], "path", "A run of this method leaves no such file.")
        if (values["run_id"], values["path"]) not in there:
            made.append((line[1]["id"], Artifact(**values)))
    insert(table, made, arrival.known)


def _keep_entries(arrival: "Arrival", table: Table, lines: list[Line]) -> None:
    """Corrections learn which entry they correct when all are there, in whatever order they came."""
    running: dict[int, int] = {}
    made: list[tuple[int, models.Model]] = []
    for number, row in lines:
        values = values_of(table, (number, {**row, "corrects_id": None}), arrival.known)
        values.setdefault(
            "for_time", values.get("at")
        )  # files from before there were corrections
        account, before = values["account_id"], running.get(values["account_id"], 0)
        if values["before"] != before or values["after"] != before + values["delta"]:
            raise refused(
                table,
                number,
                "before",
                "The ledger does not add up: it goes on from another sum.",
            )
        running[account] = values["after"]
        _name_money(arrival, values)
        values["subject_id"] = fresh_name(values["subject_id"], arrival.known)
        made.append((row["id"], LedgerEntry(**values)))
    insert(table, made, arrival.known)
    _tie_corrections(arrival, table, lines)
    _tie_old(arrival, lines)


def _tie_corrections(arrival: "Arrival", table: Table, lines: list[Line]) -> None:
    """Each to one entry of its own account, which it alone corrects. Raises ArchiveRefused."""
    here = arrival.known.of(ENTRY)
    rows = {row["id"]: row for _, row in lines}
    by_text = {
        str(number): number for number in rows
    }  # files from before `corrects_id` name it in `subject_id`
    tied: set[int] = set()
    for number, row in lines:
        wanted = row.get("corrects_id") or by_text.get(row["subject_id"])
        if row["subject_kind"] != SubjectKind.CORRECTION or wanted is None:
            continue
        corrected = rows.get(wanted)
        if (
            corrected is None
            or wanted in tied
            or corrected["subject_kind"] == SubjectKind.CORRECTION
        ):
            why = "A correction names one charge of its ledger, which it alone corrects."
            raise refused(table, number, "corrects_id", why)
        if corrected["account_id"] != row["account_id"]:
            raise refused(table, number, "corrects_id", "It corrects a charge of another team.")
        tied.add(corrected["id"])
        name = fresh_name(corrected["subject_id"], arrival.known)
        LedgerEntry.objects.filter(pk=here[row["id"]]).update(
            corrects_id=here[corrected["id"]], subject_id=name
        )


def _tie_old(arrival: "Arrival", lines: list[Line]) -> None:
    """Files from before there were purposes name what a charge was for in `subject_id`; its hold has the same key."""
    here, known = arrival.known.of(ENTRY), set(arrival.known.keys.values())
    old = [here[row["id"]] for _, row in lines if "purpose_id" not in row]
    for entry in LedgerEntry.objects.filter(pk__in=old, subject_id__in=known).select_related(
        "account"
    ):
        what = {"kind": entry.subject_kind, "key": entry.subject_id}
        purpose, _ = Purpose.objects.get_or_create(
            **what, defaults={"team_id": entry.account.team_id}
        )
        LedgerEntry.objects.filter(pk=entry.pk).update(purpose=purpose)
        Hold.objects.filter(key=entry.key).update(purpose=purpose)


def check_money(arrival: "Arrival", course: Course) -> None:
    """Nothing is held, and the accounts say what their ledgers add up to. Raises ArchiveRefused."""
    spent = 0
    for account in BudgetAccount.objects.filter(team__course=course):
        booked = sum(account.entries.values_list("delta", flat=True))
        spent += booked
        if account.held or account.spent != booked:
            raise ArchiveRefused(
                f"teams.budgetaccount.jsonl: An account says that {account.spent} was spent and {account.held} is held, and its "
                f"ledger adds up to {booked}, with nothing held."
            )
    whole, _ = CourseAccount.objects.get_or_create(course=course, defaults={"spent": spent})
    if whole.held or whole.spent != spent:
        raise ArchiveRefused(
            f"teams.courseaccount.jsonl: The course's account says that {whole.spent} was spent and {whole.held} is held, and "
            f"the ledgers add up to {spent}, with nothing held."
        )


# --- Checks of single rows --------------------------------------------------------------------------------------------


def _check_membership(arrival: "Arrival", table: Table, line: Line, values: Values) -> None:
    """Nobody may enter because a file names them. The address is kept for the instructor's invitation."""
    address = arrival.emails.get(line[1].get("person_id", 0), "")
    values["imported_email"] = address if values.get("active", True) else ""
    values["active"] = False


def _check_audit(arrival: "Arrival", table: Table, line: Line, values: Values) -> None:
    values["imported"] = True


def _check_run(arrival: "Arrival", table: Table, line: Line, values: Values) -> None:
    number, row = line
    base = BaseModel.objects.get(pk=values["base_model_id"])
    if values.get("status") not in ENDED:
        raise refused(table, number, "status", "Only runs that have ended come with a course.")
    ours = methods.get(base.method).leaves_adapter  # a base of ours serves every method
    if base.method != values["method"] and not ours:
        raise refused(table, number, "base_model_id", "It is a base model of another method.")
    key = str(row["key"])
    values["imported"], values["rehearsal"], values["provider"] = (
        True,
        base.rehearsal,
        provider_name(base),
    )
    values["result"] = {**values.get("result", {}), "imported": True}
    values["result_model"] = f"run-{values['key']}"
    if methods.get(values["method"]).kept_by_provider and not ours:
        said = arrival.proofs.get(key)
        known = said is not None and proves_model(
            said.proof, key=key, model=said.model, rehearsal=base.rehearsal
        )
        values["result_model"] = said.model if said is not None and known else ""
    if values["status"] != "succeeded":
        values["result_model"] = ""


def _check_deployment(arrival: "Arrival", table: Table, line: Line, values: Values) -> None:
    """Its keys stay behind, so it answers nobody: it is over, and can be started again."""
    values["stopped_at"] = values.get("stopped_at") or timezone.now()


def _check_origin(arrival: "Arrival", table: Table, line: Line, values: Values) -> None:
    values["signed"] = False  # who signed it there cannot be checked here


def _check_submission(arrival: "Arrival", table: Table, line: Line, values: Values) -> None:
    values["bundle"] = shared.snapshot(values)


def _check_scores(arrival: "Arrival", table: Table, line: Line, values: Values) -> None:
    known = arrival.known.of("evaluation.criterion")
    values["scores"] = [
        {**one, "criterion": known.get(one["criterion"], 0)} for one in values["scores"]
    ]


def _check_release(arrival: "Arrival", table: Table, line: Line, values: Values) -> None:
    """Its answers have new names here."""
    content = values["content"]
    marked = [
        {**one, "turn": fresh_name(one["turn"], arrival.known)} for one in content["marked"]
    ]
    values["content"] = {**content, "marked": marked}


def _is_none_of(*states: str) -> Check:
    def check(arrival: "Arrival", table: Table, line: Line, values: Values) -> None:
        if values.get("status", values.get("state")) in states:
            raise refused(
                table,
                line[0],
                "status",
                "It has not ended. Only what has ended comes with a course.",
            )

    return check


def _check_hold(arrival: "Arrival", table: Table, line: Line, values: Values) -> None:
    _is_none_of(HoldState.OPEN)(arrival, table, line, values)
    _name_money(arrival, values)


def _name_money(arrival: "Arrival", values: Values) -> None:
    """With the course's number, so that no key of an archive ever is the key of what happens here."""
    course = arrival.course.pk if arrival.course else 0
    values["key"] = f"{values['key'][:90]}-c{course}"


CHECKS: dict[str, Check] = {
    "teams.membership": _check_membership,
    "teams.auditentry": _check_audit,
    RUN: _check_run,
    "training.deployment": _check_deployment,
    "training.origin": _check_origin,
    "evaluation.submission": _check_submission,
    "evaluation.graderevision": _check_scores,
    "evaluation.resultrelease": _check_release,
    "evaluation.interview": _is_none_of(*ACTIVE_INTERVIEW),
    "evaluation.turn": _is_none_of(TurnStatus.STREAMING),
    "evaluation.judgeopinion": _is_none_of(OpinionStatus.ASKING),
    "teams.hold": _check_hold,
}
TABLES_OF_THEIR_OWN: dict[str, Callable[["Arrival", Table, list[Line]], None]] = {
    COURSE: _keep_course,
    "datasets.rowblock": _keep_blocks,
    VERSION: _keep_versions,
    "training.artifact": _keep_artifacts,
    ENTRY: _keep_entries,
    "training.basemodel": shared.keep_base_models,
    **dict.fromkeys((*shared.RUBRIC, *shared.SCRIPT), shared.keep_with_its_parts),
}
assert TABLES_OF_THEIR_OWN.keys() <= BY_LABEL.keys()
