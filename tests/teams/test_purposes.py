"""What a hold and its charge are for: a typed reference, of rows from before there was one too, and of old archives."""

import importlib
import io
import json
import zipfile
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from evaluation.services import chat
from teams.models import Hold, LedgerEntry, Method, Purpose, SubjectKind
from teams.services import money
from tests.evaluation.conftest import answers_at_once, make_prices, make_run, model_server
from tests.teams.test_archive import exported, full, read
from training.models import TrainingRun
from training.services import reconcile

__all__ = ["answers_at_once", "full", "model_server"]
MIGRATION = importlib.import_module("teams.migrations.0028_purposes_of_old_money")


def purpose_of(row: Hold | LedgerEntry) -> Purpose:
    assert row.purpose is not None
    return row.purpose


def migrate() -> None:
    MIGRATION.tie_corrections(apps, None)
    MIGRATION.name_purposes(apps, None)


def as_before(entry: LedgerEntry) -> None:
    """As it stood in the tables before there were purposes."""
    LedgerEntry.objects.filter(corrects=entry).update(corrects=None, purpose=None, subject_id=str(entry.pk))
    LedgerEntry.objects.update(purpose=None)
    Hold.objects.update(purpose=None)
    Purpose.objects.all().delete()


@pytest.fixture
def spent(team: Any, member: Any, model_server: Any, answers_at_once: None) -> dict[str, Any]:
    """An answer that was charged, a part of it on its own, and a correction; and a run whose money is held."""
    make_prices(team)
    run = make_run(team, Method.OPENAI)
    talk = chat.open_conversation(run=run, person=member)
    turn = chat.ask(conversation=talk, question="What is ice?", person=member)
    entry = LedgerEntry.objects.get()
    money.hold(team=team, key=run.hold_key, paid_for=run.paid_for, amount=9)
    money.carve(key=run.hold_key, into=f"{run.hold_key}-lost-0123456789ab", amount=4)
    money.correct(entry=entry, delta=-1, why="not on the bill")
    return {"run": run, "turn": turn, "entry": entry}


def test_whatever_is_charged_says_what_for(spent: dict[str, Any]) -> None:
    run, turn, entry = spent["run"], spent["turn"], spent["entry"]
    assert (entry.purpose.kind, entry.purpose.key) == (SubjectKind.TURN, turn.key)
    assert entry.correction.purpose == entry.purpose
    assert sorted(Hold.objects.filter(run.paid_for.rows()).values_list("amount", flat=True)) == [4, 5]
    assert Purpose.objects.count() == 2


def test_rows_from_before_get_their_purposes_and_corrections(spent: dict[str, Any]) -> None:
    run, turn, entry = spent["run"], spent["turn"], spent["entry"]
    as_before(entry)
    migrate()
    entry.refresh_from_db()
    assert (entry.purpose.kind, entry.purpose.key) == (SubjectKind.TURN, turn.key)
    assert entry.correction.purpose == entry.purpose
    assert Hold.objects.get(key=turn.hold_key).purpose == entry.purpose
    assert purpose_of(Hold.objects.get(key=run.hold_key)).key == run.key
    made = Purpose.objects.count()
    migrate()
    assert Purpose.objects.count() == made, "a second time changes nothing"


BEFORE = ("teams", "0026_providers_are_rows")


def moved_to(where: tuple[str, str]) -> Any:
    """The tables as they were at that migration: their models then."""
    MigrationExecutor(connection).migrate([where])
    return MigrationExecutor(connection).loader.project_state([where]).apps


@pytest.mark.django_db(transaction=True)
def test_a_database_with_charges_from_before_is_migrated(spent: dict[str, Any]) -> None:
    """The tables go back to how they were, and forward again."""
    run, turn, entry = spent["run"], spent["turn"], spent["entry"]
    correction = LedgerEntry.objects.get(corrects=entry)
    money_before = list(LedgerEntry.objects.order_by("pk").values_list("key", "delta", "before", "after"))
    old: Any = None
    try:
        old = moved_to(BEFORE).get_model("teams", "LedgerEntry")
        assert old.objects.get(pk=correction.pk).subject_id == str(entry.pk), "as the code of that time wrote it"
        with connection.cursor() as cursor:
            assert "teams_purpose" not in connection.introspection.table_names(cursor)
    finally:
        call_command("migrate", verbosity=0)  # all: what other apps built on these tables went back with them
    assert old is not None
    entry.refresh_from_db()
    assert list(LedgerEntry.objects.order_by("pk").values_list("key", "delta", "before", "after")) == money_before
    assert (purpose_of(entry).kind, purpose_of(entry).key) == (SubjectKind.TURN, turn.key)
    assert (entry.correction.pk, entry.correction.purpose) == (correction.pk, entry.purpose)
    held = Hold.objects.filter(run.paid_for.rows()).values_list("amount", flat=True)
    assert sorted(held) == [4, 5]


@pytest.mark.parametrize("key", ["large-3-17", "run-999999", "run-", "turn-x", "", "a talk", "correction-5"])
def test_a_key_that_says_nothing_has_no_purpose(team: Any, key: str) -> None:
    money.hold(team=team, key=key, amount=1)
    migrate()
    assert Hold.objects.get().purpose is None


def test_a_hold_of_a_deleted_run_is_known_by_its_charge(full: Any) -> None:
    entry, run = LedgerEntry.objects.get(), TrainingRun.objects.get()
    as_before(entry)
    Hold.objects.update(key="run-999999")
    LedgerEntry.objects.update(key="run-999999")
    migrate()
    assert LedgerEntry.objects.get().purpose == Hold.objects.get().purpose
    assert Purpose.objects.get().key == run.key


def test_a_forgotten_hold_of_a_run_is_settled_whatever_its_key_says(full: Any) -> None:
    run = TrainingRun.objects.get()
    money.hold(team=run.team, key="any name at all", paid_for=run.paid_for, amount=5)
    assert [one.pk for one in reconcile._with_open_holds()] == [run.pk]


def rewritten(file: io.BytesIO, **tables: Any) -> io.BytesIO:
    """The archive with each row of a table changed by a function."""
    out = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            change = tables.get(name.removesuffix(".jsonl").replace(".", "_"))
            if change is not None:
                rows = [change(json.loads(line)) for line in content.splitlines()]
                content = "".join(f"{json.dumps(row)}\n" for row in rows if row).encode()
            new.writestr(name, content)
    return out


def test_an_archive_from_before_there_were_purposes_still_leads_to_its_runs(full: Any, instructor: Any) -> None:
    entry = LedgerEntry.objects.get()
    money.correct(entry=entry, delta=-15, why="not on the bill")

    def before(row: dict[str, Any]) -> dict[str, Any]:
        if row.get("corrects_id"):
            row["subject_id"] = str(row["corrects_id"])
        return {name: value for name, value in row.items() if name not in ("purpose_id", "corrects_id")}

    file = rewritten(exported(full), teams_ledgerentry=before, teams_hold=before, teams_purpose=lambda row: None)
    made = read(file, person=instructor)
    run = TrainingRun.objects.get(team__course=made)
    charge, correction = LedgerEntry.objects.filter(account__team__course=made).order_by("id")
    assert (purpose_of(charge).key, correction.corrects) == (run.key, charge)
    charged: Any = TrainingRun.objects.with_charge().get(pk=run.pk)
    assert charged.charged == 40


def test_the_order_of_tables_and_rows_of_money_does_not_matter(full: Any, instructor: Any) -> None:
    """Nothing in an archive is found by its key: what comes first, a purpose or its run, makes no difference."""
    made = read(exported(full), person=instructor)
    run = TrainingRun.objects.get(team__course=made)
    entry = LedgerEntry.objects.get(account__team__course=made)
    assert purpose_of(entry).key == run.key != TrainingRun.objects.get(team__course=full).key
    assert not Purpose.objects.filter(team__course=made, key__in=full.teams.values("runs__key")).exists()
