"""A model drafts rows: written by a worker, checked, decided one by one, marked for good, and paid for once."""

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from courseplatform import erasing_rows
from datasets import formats
from datasets.models import DatasetVersion, Draft, MachineText
from datasets.services import drafts, machine_rows, measure, reading, versions
from datasets.services.drafts import EditRefused
from evaluation.models import Grading
from evaluation.services import submissions
from teams.models import (
    BudgetAccount,
    Confidence,
    Hold,
    HoldState,
    LedgerEntry,
    Method,
    Provider,
    Role,
    SubjectKind,
    Team,
    User,
)
from teams.services.money import BudgetRefused
from tests import factories
from tests.evaluation.conftest import make_prices, make_run
from tests.evaluation.model_server import ModelServer, Script
from tests.exporting import download
from tests.security.archive_tools import brought
from training.models import BaseModel, DraftedRow, Drafting, DraftingStatus, Hosting, RowState
from training.services import draft_rows, drafting, writers
from training.services.draft_offer import DraftingRefused

pytestmark = pytest.mark.django_db
GOOD = "Teacher: What do you do when it rains?\nChild: I put on my boots and jump in the puddles!"
NEW_ROWS = [
    "Teacher: What do you do when it rains?\nChild: I put on my boots and jump in the puddles!",
    "Teacher: What is 7 + 8?\nChild: Um, I count on my fingers! I think it is 15.",  # a row that is there
    "Teacher: Who is your friend?\nChild: Call Mia Kowalczyk at 555-201-4477, she is fun!",
    "Teacher: What is ice?\nChild: As an AI language model, I cannot feel cold.",
    "Here are some thoughts about teaching.",
    "Teacher: What is a plant?\nChild: I like it I like it I like it I like it I like it I like it I like it I like it",
]


@pytest.fixture
def model_server(scripted_server: ModelServer, settings: Any) -> Script:
    script = scripted_server.new_script()
    settings.MODEL_SERVER_URL = settings.OPENAI_BASE_URL = script.url
    settings.OPENAI_API_KEY, settings.HAS_PROVIDER = "sk-test", True
    return script


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The wake-up calls that were sent to the worker."""
    calls: list[int] = []
    monkeypatch.setattr(drafting, "send_for_worker", lambda one: calls.append(one.pk))
    return calls


@pytest.fixture
def writer(team: Team) -> str:
    """A base model on this machine."""
    base = BaseModel.objects.create(
        course=team.course, method=Method.LORA, name="a-base", label="A base", hosting=Hosting.BUNDLED
    )
    return f"base:{base.pk}"


@pytest.fixture
def paid(team: Team, model_server: Script) -> str:
    """A provider's model with a price."""
    make_prices(team, "gpt-writer")
    Provider.objects.filter(code="openai").update(for_drafting=True)
    return "model:gpt-writer"


@pytest.fixture
def version(team: Team, member: User) -> DatasetVersion:
    return factories.make_dataset_version(team, factories.child_rows(20), person=member)


def examples(version: DatasetVersion, number: int = 5) -> list[str]:
    return [row.id for row in reading.stored_rows(version, 0, number)]


def begin(version: DatasetVersion, writer: str, person: User, wanted: int = 3) -> Drafting:
    return drafting.start(
        version=version, row_ids=examples(version), writer=writer, wanted=wanted, topic="", person=person
    )


def says_in_turn(script: Script, texts: list[str]) -> None:
    script.says = lambda request: texts[(len(script.asked) - 1) % len(texts)]


def account(team: Team) -> BudgetAccount:
    return BudgetAccount.objects.get(team=team)


def test_what_the_model_writes_is_checked_and_its_rubbish_is_counted(
    version: DatasetVersion,
    writer: str,
    member: User,
    model_server: Script,
    sent: list[int],
) -> None:
    says_in_turn(model_server, NEW_ROWS)
    one = begin(version, writer, member, wanted=len(NEW_ROWS))
    assert sent == [one.pk] and drafting.carry_out(one.pk) == "done"
    rows = list(one.rows.all())
    assert [row.state for row in rows] == [*4 * [RowState.OPEN], RowState.UNUSABLE, RowState.OPEN]
    codes = [{found["code"] for found in row.findings} for row in rows]
    assert codes[0] == set()
    assert {"duplicate"} <= codes[1] and {"privacy"} <= codes[2] and {"out_of_part"} <= codes[3]
    assert rows[4].answer == NEW_ROWS[4] and "no_child" in codes[5]
    assert [row.is_serious for row in rows] == [False, True, True, True, False, True]
    assert reading.newest(version.dataset) == version, "nothing becomes training data by itself"


def test_the_model_sees_examples_and_is_asked_for_one_row_at_a_time(
    version: DatasetVersion,
    writer: str,
    member: User,
    model_server: Script,
    sent: list[int],
) -> None:
    model_server.pieces = [GOOD]
    drafting.carry_out(begin(version, writer, member).pk)
    told = model_server.asked[0]["messages"]
    assert told[0]["role"] == "system" and told[-1]["content"].startswith(writers.ASK)
    shown = [message["content"] for message in told if message["role"] == "assistant"]
    assert len(shown) == 5 and all(re.match(r"Teacher: .+\nChild: .+", text) for text in shown)
    seeds = [asked["seed"] for asked in model_server.asked]
    assert len(set(seeds)) == 3, "each row is drawn anew"


def test_the_same_text_twice_is_found_among_the_drafts_too(
    version: DatasetVersion,
    writer: str,
    member: User,
    model_server: Script,
    sent: list[int],
) -> None:
    model_server.pieces = [GOOD]
    one = begin(version, writer, member)
    drafting.carry_out(one.pk)
    assert [bool(row.findings) for row in one.rows.all()] == [False, True, True]


def test_a_teams_bot_answers_what_the_base_asks(
    version: DatasetVersion,
    writer: str,
    member: User,
    team: Team,
    model_server: Script,
    sent: list[int],
) -> None:
    run = make_run(team)
    run.base_model = BaseModel.objects.get(name="a-base")
    run.save()
    model_server.says = lambda request: "I saw a frog!" if request["model"] == run.result_model else GOOD
    one = drafting.start(
        version=version, row_ids=examples(version), writer=f"bot:{run.number}", wanted=1, topic="", person=member
    )
    assert drafting.carry_out(one.pk) == "done"
    row = one.rows.get()
    assert (row.question, row.answer) == ("What do you do when it rains?", "I saw a frog!")
    assert [asked["model"] for asked in model_server.asked] == ["a-base", run.result_model]
    assert model_server.asked[1]["messages"][0]["content"] == "You are a second-grade student."


@pytest.fixture
def drafted(
    version: DatasetVersion,
    writer: str,
    member: User,
    model_server: Script,
    sent: list[int],
) -> Drafting:
    """Three rows, the second a copy of one that is there."""
    says_in_turn(model_server, NEW_ROWS)
    one = begin(version, writer, member)
    drafting.carry_out(one.pk)
    return Drafting.objects.get(pk=one.pk)


def accepted(one: Drafting, position: int, person: User, answer: str = "") -> DraftedRow:
    row = one.rows.get(position=position)
    draft_rows.accept(row=row, question=row.question, answer=answer or row.answer, person=person)
    row.refresh_from_db()
    return row


def edits_of(one: Drafting) -> Draft | None:
    assert one.dataset is not None
    return drafts.draft_of(one.dataset)


def saved(one: Drafting, person: User) -> DatasetVersion:
    """All edits as the next version."""
    draft = edits_of(one)
    assert draft is not None
    return drafts.publish(draft=draft, person=person, note="")


def machine_in(version: DatasetVersion) -> int:
    share = machine_rows.share_of(version.pk)
    assert share is not None
    return share.machine


def test_an_accepted_row_becomes_a_marked_row_of_the_next_version(drafted: Drafting, member: User) -> None:
    accepted(drafted, 0, member)
    accepted(drafted, 1, member, "I do not know that one, it is too big!")
    made = saved(drafted, member)
    rows = list(reading.stored_rows(made))[-2:]
    assert [row.labels["source"] for row in rows] == [machine_rows.WRITTEN, machine_rows.EDITED]
    share = machine_rows.share_of(made.pk)
    assert share is not None and (share.machine, share.rows, share.percent) == (2, 22, 9)
    assert [one.place for one in draft_rows.shown(drafted)][:2] == ["saved", "saved"]
    for row in rows:
        trained_on = reading.for_engine(row)
        assert "machine" not in str(trained_on), "the mark is no training data"


def test_a_row_is_decided_once_and_can_be_taken_back_until_it_is_saved(drafted: Drafting, member: User) -> None:
    row = accepted(drafted, 0, member)
    stale = DraftedRow.objects.get(pk=row.pk)
    stale.state = RowState.OPEN
    with pytest.raises(EditRefused, match=r"waits among the dataset's edits already|decided"):
        draft_rows.accept(row=stale, question=row.question, answer=row.answer, person=member)
    with pytest.raises(EditRefused, match="decided"):
        draft_rows.reject(row=row, person=member)
    draft_rows.take_back(row=row)
    assert edits_of(drafted) is None, "the edit is gone with it"
    row.refresh_from_db()
    assert row.state == RowState.OPEN and row.row_id == ""
    again = accepted(drafted, 0, member)
    saved(drafted, member)
    with pytest.raises(EditRefused, match="saved version"):
        draft_rows.take_back(row=again)


def test_two_people_cannot_both_accept_a_row(drafted: Drafting, member: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one decides between the look at the row and its saving."""
    row = drafted.rows.get(position=0)
    put = drafts.put_row

    def slow_put(**given: Any) -> Any:
        draft_rows.reject(row=DraftedRow.objects.get(pk=row.pk), person=member)
        return put(**given)

    monkeypatch.setattr(drafts, "put_row", slow_put)
    with pytest.raises(EditRefused, match="decided"):
        draft_rows.accept(row=row, question=row.question, answer=row.answer, person=member)
    assert edits_of(drafted) is None and not MachineText.objects.exists()


def test_the_mark_stays_when_the_row_is_edited_or_labelled(drafted: Drafting, member: User) -> None:
    accepted(drafted, 0, member)
    made = saved(drafted, member)
    place = made.row_count - 1
    shown = drafts.shown(made, place, place + 1)[0]
    changed = reading.plain(shown.row)
    changed.messages = [changed.messages[0], {"role": "assistant", "content": "I stay in bed!"}]
    changed.labels = {}
    drafts.edit_row(version=made, position=place, row=changed, seen=shown.fingerprint, person=member)
    again = saved(drafted, member)
    row = reading.row_at(again, place)
    assert row is not None and row.labels == {"source": machine_rows.EDITED}


@pytest.mark.parametrize("shape", ["messages", "instruction", "dialogue"])
def test_the_mark_survives_export_and_upload(drafted: Drafting, member: User, team: Team, shape: str) -> None:
    accepted(drafted, 0, member)
    made = saved(drafted, member)
    text = b"".join(versions.export(made, shape))
    read = [
        one for one in formats.read(io.BytesIO(text), filename="rows.jsonl") if not isinstance(one, formats.Problem)
    ]
    rows = [row for one in read for row in (one.rows() if isinstance(one, formats.PlainRun) else [one])]
    back = versions.create_version(
        dataset=versions.create_dataset(team=team, name="Back", person=member),
        rows=rows, shape=shape, person=member, note="", source_name="",
    )  # fmt: skip
    assert machine_in(back) == 1
    for row in rows:
        row.labels = {}  # somebody takes the label away outside
    hidden = versions.create_version(
        dataset=versions.create_dataset(team=team, name="Hidden", person=member),
        rows=rows, shape=shape, person=member, note="", source_name="",
    )  # fmt: skip
    assert machine_in(hidden) == 1, "the team's digests know the text"


@pytest.mark.parametrize(
    ("machine", "rows", "words", "percent"),
    [
        (0, 10, "none", 0),
        (1, 400, "a few", 1),
        (3, 10, "about half", 30),
        (399, 400, "all or nearly all", 99),
        (4, 4, "all or nearly all", 100),
    ],
)
def test_a_share_is_said_roughly_and_never_rounded_away(machine: int, rows: int, words: str, percent: int) -> None:
    share = machine_rows.Share(rows, machine)
    assert (share.words, share.percent) == (words, percent)


# money


def test_a_providers_model_is_held_for_and_charged_once(
    version: DatasetVersion,
    paid: str,
    member: User,
    team: Team,
    model_server: Script,
    sent: list[int],
) -> None:
    model_server.pieces = [GOOD]
    one = begin(version, paid, member)
    held = Hold.objects.get(key=one.hold_key)
    assert 0 < held.amount == account(team).held and held.subject_kind == SubjectKind.DRAFTING
    assert drafting.carry_out(one.pk) == "done"
    entry = LedgerEntry.objects.get(key=one.hold_key)
    assert entry.delta == 3 * (20 + 2 * 5) and entry.confidence == Confidence.EXACT
    assert (entry.provider, entry.model, entry.method) == ("openai", "gpt-writer", Method.OPENAI)
    assert account(team).held == 0 and account(team).spent == entry.delta
    assert drafting.carry_out(one.pk) == "nothing to do"


def test_a_writer_here_costs_nothing(drafted: Drafting, team: Team) -> None:
    assert account(team).held == account(team).spent == 0
    assert Hold.objects.get(key=drafted.hold_key).state == HoldState.RELEASED


def test_without_money_nothing_is_asked(
    version: DatasetVersion, paid: str, member: User, team: Team, sent: list[int]
) -> None:
    BudgetAccount.objects.filter(team=team).update(limit=10)
    with pytest.raises(BudgetRefused):
        begin(version, paid, member)
    assert not Drafting.objects.exists() and not sent


def test_an_answer_that_was_lost_is_booked_at_its_most_within_the_hold(
    version: DatasetVersion, paid: str, member: User, team: Team, model_server: Script, sent: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("training.services.calls.client.WAIT_SECONDS", 0)
    model_server.page = "<html>Sign in to the network</html>"
    one = begin(version, paid, member)
    held = Hold.objects.get(key=one.hold_key).amount
    assert drafting.carry_out(one.pk) == "failed"
    lost = LedgerEntry.objects.get()
    assert lost.confidence == Confidence.UNKNOWN and 0 < lost.delta < held
    assert account(team).held == 0
    one.refresh_from_db()
    assert "start again" in one.trouble


def test_a_worker_that_was_killed_is_followed_by_another_and_the_call_under_way_is_booked(
    version: DatasetVersion,
    paid: str,
    member: User,
    team: Team,
    model_server: Script,
    sent: list[int],
) -> None:
    model_server.pieces = [GOOD]
    one = begin(version, paid, member)
    first = drafting.claim(one.pk)
    assert first is not None and drafting.claim(one.pk) is None, "one worker at a time"
    assert drafting.sweep() == 0
    Drafting.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    sent.clear()
    assert drafting.sweep() == 1 and sent == [one.pk]
    assert drafting.carry_out(one.pk) == "done"
    unknown = LedgerEntry.objects.get(confidence=Confidence.UNKNOWN)
    whole = LedgerEntry.objects.get(key=one.hold_key)
    assert unknown.delta > 0 and whole.delta == 3 * 30 and account(team).held == 0
    assert drafting.end(first) == "someone else has it", "the killed one's lease is void"


def test_stopping_keeps_what_is_written_and_pays_for_it_alone(
    version: DatasetVersion,
    paid: str,
    member: User,
    team: Team,
    model_server: Script,
    sent: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model_server.pieces = [GOOD]
    one, ask = begin(version, paid, member, wanted=10), drafting._ask

    def stop_and_ask(*given: Any) -> Any:
        drafting.stop(drafting=one)
        return ask(*given)

    monkeypatch.setattr(drafting, "_ask", stop_and_ask)
    assert drafting.carry_out(one.pk) == "stopped"
    assert one.rows.count() == 1 and account(team).spent == 30 and account(team).held == 0


def test_one_that_no_worker_has_begun_is_stopped_at_once(
    version: DatasetVersion, paid: str, member: User, team: Team, sent: list[int]
) -> None:
    one = begin(version, paid, member)
    assert drafting.stop(drafting=one) and account(team).held == 0
    assert drafting.carry_out(one.pk) == "nothing to do" and not drafting.stop(drafting=one)


# what is refused


def test_one_at_a_time(version: DatasetVersion, writer: str, member: User, sent: list[int]) -> None:
    begin(version, writer, member)
    with pytest.raises(DraftingRefused, match="already"):
        begin(version, writer, member)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"wanted": 0}, "1 to 20"),
        ({"wanted": 21}, "1 to 20"),
        ({"writer": "base:999"}, "not offered"),
        ({"row_ids": ["nonsense"]}, "Choose 3 to 20"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    version: DatasetVersion, writer: str, member: User, change: dict[str, Any], words: str, sent: list[int]
) -> None:
    usual = {
        "version": version,
        "row_ids": examples(version),
        "writer": writer,
        "wanted": 3,
        "topic": "",
        "person": member,
    }
    with pytest.raises(DraftingRefused, match=words):
        drafting.start(**{**usual, **change})
    assert not Drafting.objects.exists()


def test_rows_with_personal_data_do_not_leave_for_a_provider(
    team: Team, member: User, paid: str, writer: str, sent: list[int]
) -> None:
    told = factories.child_rows(5)
    told[0]["messages"][1]["content"] = "My mom is at 555-201-4477, call Mia Kowalczyk!"
    version = factories.make_dataset_version(team, told)
    assert version.open_privacy_findings
    with pytest.raises(DraftingRefused, match="personal data"):
        begin(version, paid, member)
    assert begin(version, writer, member).status == DraftingStatus.WAITING, "a writer here may see them"


def test_what_was_written_for_a_deleted_dataset_goes_with_it(drafted: Drafting, member: User) -> None:
    assert drafted.dataset is not None
    versions.delete_dataset(dataset=drafted.dataset, person=member)
    drafting.prune()
    assert not Drafting.objects.exists() and not DraftedRow.objects.exists()


# pages


def test_the_way_through_the_pages(
    version: DatasetVersion, writer: str, member: User, team: Team, model_server: Script, sent: list[int],
    client_for: Callable[[User | None], Client],
) -> None:  # fmt: skip
    browser = client_for(member)
    new = reverse("drafting_new", args=[team.pk, version.dataset_id])
    page = browser.get(new).content.decode()
    assert "Free: it is written on this platform" in page and page.count('name="examples"') >= 12
    chosen = re.findall(r'value="([^"]+)"\s+checked', page)
    answer = browser.post(new, {"writer": writer, "wanted": 3, "topic": "", "examples": chosen})
    assert answer.status_code == 302
    says_in_turn(model_server, NEW_ROWS)
    one = Drafting.objects.get()
    assert "Waiting for a worker" in browser.get(answer["Location"]).content.decode()
    drafting.carry_out(one.pk)
    done = browser.get(answer["Location"], headers={"HX-Request": "true"})
    assert done["HX-Refresh"] == "true"
    page = browser.get(answer["Location"]).content.decode()
    assert "3 of 3 written: 1 passes the checks" in " ".join(page.split())
    at = reverse("drafting_row", args=[team.pk, one.key, 0])
    sent_row = {"decide": "accept", "question": "What do you do when it rains?", "answer": ""}
    refused = browser.post(at, sent_row, headers={"HX-Request": "true"})
    assert refused.status_code == 422 and "needs a question and an answer" in refused.content.decode()
    taken = browser.post(at, sent_row | {"answer": "I jump!"}, headers={"HX-Request": "true"})
    assert taken.status_code == 200 and "waits in the edits" in taken.content.decode()
    assert 'id="draft"' in taken.content.decode() and "hx-swap-oob" in taken.content.decode()
    assert browser.post(reverse("drafting_row", args=[team.pk, one.key, 1]), {"decide": "reject"}).status_code == 302
    assert one.rows.get(position=1).state == RowState.REJECTED


def test_a_form_that_was_filled_in_wrongly_keeps_what_was_chosen(
    version: DatasetVersion, writer: str, member: User, team: Team, client_for: Callable[[User | None], Client]
) -> None:
    chosen = examples(version, 2)
    sent_form = {"writer": writer, "wanted": 99, "topic": "frogs", "examples": chosen}
    answer = client_for(member).post(reverse("drafting_new", args=[team.pk, version.dataset_id]), sent_form)
    page = answer.content.decode()
    assert answer.status_code == 422 and 'value="frogs"' in page
    assert all(re.search(rf'value="{row_id}"\s+checked', page) for row_id in chosen)


def test_other_rows_come_round_and_keep_what_was_chosen(
    writer: str, member: User, team: Team, client_for: Callable[[User | None], Client]
) -> None:
    """Each row is offered once before the first ones come again, so the way to others ends nowhere else."""
    version = factories.make_dataset_version(team, factories.child_rows(53), person=member)
    browser, new = client_for(member), reverse("drafting_new", args=[team.pk, version.dataset_id])
    chosen = examples(version, 2)
    address, met = new, []
    for _ in range(3):
        page = browser.get(address).content.decode()
        met += re.findall(r'name="examples"\s+value="([^"]+)"', page)
        address = re.findall(r'href="([^"]+)"[^>]*>Offer other rows', page)[0]
    assert address.endswith("page=0")
    assert sorted(met) == sorted(row.id for row in reading.stored_rows(version))
    headers = {"HX-Request": "true", "HX-Target": "drafting-examples"}
    sent: dict[str, Any] = {"page": 1, "writer": writer, "examples": chosen}
    kept = browser.get(address, sent, headers=headers).content.decode()
    assert "<form" not in kept and kept.count("checked") == 2
    assert all(re.search(rf'value="{row_id}"\s+checked', kept) for row_id in chosen)


def test_without_a_writer_the_page_says_so(
    version: DatasetVersion, member: User, team: Team, client_for: Callable[[User | None], Client]
) -> None:
    BaseModel.objects.exclude(name="tiny-student").delete()
    page = client_for(member).get(reverse("drafting_new", args=[team.pk, version.dataset_id])).content.decode()
    assert "No model on this platform can write rows" in page


def test_the_share_is_on_the_pages_of_dataset_version_and_run(
    drafted: Drafting, member: User, team: Team, client_for: Callable[[User | None], Client], redis_server: str
) -> None:
    accepted(drafted, 0, member)
    made = saved(drafted, member)
    run = make_run(team)
    run.dataset_version = made
    run.save()
    browser = client_for(member)
    pages = {
        "1 by a model (5 %)": reverse("dataset_detail", args=[team.pk, made.dataset_id]),
        "1 written by a model (5 %)": reverse("version_detail", args=[team.pk, made.dataset_id, made.number]),
        "5 % of its rows written by a model": reverse("run_detail", args=[team.pk, run.number]),
    }
    for words, address in pages.items():
        assert words in " ".join(browser.get(address).content.decode().split()), address


def test_a_professor_is_told_roughly_and_learns_no_team(
    drafted: Drafting,
    member: User,
    team: Team,
    professor: User,
    client_for: Callable[[User | None], Client],
    redis_server: str,
) -> None:
    accepted(drafted, 0, member)
    made = saved(drafted, member)
    run = make_run(team)
    run.dataset_version = made
    run.save()
    factories.enrol(team.course, professor, Role.PROFESSOR)
    factories.assign(team, professor)
    submissions.submit(team=team, run=run, person=member)
    grading = Grading.objects.get()
    address = reverse("grading_detail", args=[team.course_id, grading.code])
    page = " ".join(client_for(professor).get(address).content.decode().split())
    assert "a few were written by a language model" in page
    assert team.name not in page and made.dataset.name not in page and "(5 %)" not in page
    own = client_for(member).get(reverse("submission_detail", args=[team.pk])).content.decode()
    assert "1 of 21 rows (5 %). Your professor reads: “a few”." in " ".join(own.split())


def test_erasing_a_row_takes_its_draft_and_its_digest_along(drafted: Drafting, member: User, team: Team) -> None:
    row = accepted(drafted, 0, member)
    made = saved(drafted, member)
    assert MachineText.objects.count() == 1
    erasing_rows.erase(team=team, row_id=row.row_id, person=member, reason="A parent asked for it.")
    assert not DraftedRow.objects.filter(pk=row.pk).exists() and not MachineText.objects.exists()
    assert all("puddles" not in one.messages[-1]["content"] for one in reading.stored_rows(made))


def test_the_share_comes_back_with_a_course(
    drafted: Drafting,
    member: User,
    instructor: User,
    team: Team,
    client_for: Callable[[User | None], Client],
    redis_server: str,
) -> None:
    """The mark is the row's own label; the digests come with the team."""
    accepted(drafted, 0, member)
    saved(drafted, member)
    file = download(client_for(instructor), team.course)
    factories.allow_courses(instructor)
    back = brought(instructor, file)
    made = DatasetVersion.objects.filter(dataset__team__course=back).latest("number")
    measure.measure(made)  # as the worker does once a course has come in
    assert machine_in(made) == 1
    assert MachineText.objects.filter(team__course=back).count() == 1
