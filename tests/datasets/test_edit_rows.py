"""Editing in the browser: many edits, one version; two people never overwrite each other unseen."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from datasets import formats
from datasets.models import DatasetVersion, Draft, DraftChange, RowBlock
from datasets.services import drafts, versions
from datasets.services.blocks import BLOCK_ROWS
from datasets.services.comparing import compare
from datasets.services.reading import plain, row_at
from teams.models import Role, Team, User
from tests import factories


@pytest.fixture
def dataset_url(version: DatasetVersion) -> str:
    return f"/teams/{version.dataset.team_id}/datasets/{version.dataset_id}/"


def seen(version: DatasetVersion, position: int) -> str:
    row = row_at(version, position)
    assert row is not None
    return formats.fingerprint(plain(row))


def fields(version: DatasetVersion, position: int, answer: str, **more: str) -> dict[str, str]:
    """What the row form sends."""
    row = row_at(version, position)
    assert row is not None
    return {
        "seen": seen(version, position),
        "turn_0": row.messages[0]["content"],
        "turn_1": answer,
        "label_subject": row.labels.get("subject", ""),
        **more,
    }


def waiting_answer() -> str:
    row = DraftChange.objects.get().row
    assert row is not None
    return str(row["messages"][1]["content"])


def test_ten_edits_become_one_version(
    browser: Client, version: DatasetVersion, version_url: str, dataset_url: str
) -> None:
    for position in range(10):
        browser.post(f"{version_url}rows/{position}/edit/", fields(version, position, f"Hm. {position}?"))
    assert DatasetVersion.objects.count() == 1
    browser.post(f"{dataset_url}edits/save/", {"note": "Shorter."})
    made = DatasetVersion.objects.get(number=2)
    assert [row["messages"][1]["content"] for row in versions.rows(made, 0, 10)] == [f"Hm. {n}?" for n in range(10)]
    assert (made.row_count, made.note, made.parent) == (12, "Shorter.", version)
    assert [row["id"] for row in versions.rows(made)] == [row["id"] for row in versions.rows(version)]
    assert not Draft.objects.exists()


def test_an_edit_in_place_answers_with_the_row_and_the_draft_bar(
    browser: Client, version: DatasetVersion, version_url: str
) -> None:
    form = browser.get(f"{version_url}rows/3/edit/", headers={"HX-Request": "true"}).content.decode()
    assert form.strip().startswith("<form")
    assert "<html" not in form
    answer = browser.post(
        f"{version_url}rows/3/edit/", fields(version, 3, "I don't know."), headers={"HX-Request": "true"}
    ).content.decode()
    assert answer.strip().startswith("<article")
    assert 'hx-swap-oob="true"' in answer
    assert "I don&#x27;t know." in answer


def test_an_edit_without_javascript_leads_back_to_the_row(
    browser: Client, version: DatasetVersion, version_url: str
) -> None:
    answer = browser.post(f"{version_url}rows/3/edit/", fields(version, 3, "I forgot."), follow=True)
    assert "I forgot." in answer.content.decode()
    assert "not saved as a version yet" in answer.content.decode()


def test_an_emptied_answer_is_refused_with_the_reason(
    browser: Client, version: DatasetVersion, version_url: str
) -> None:
    answer = browser.post(f"{version_url}rows/3/edit/", fields(version, 3, ""))
    assert answer.status_code == 422
    assert "student" in answer.content.decode().lower()
    assert not DraftChange.objects.exists()


def test_two_people_never_overwrite_each_other_unseen(
    browser: Client,
    client_for: Callable[[User | None], Client],
    team: Team,
    version: DatasetVersion,
    version_url: str,
) -> None:
    ben = factories.make_person("Ben Second")
    factories.enrol(team.course, ben, Role.STUDENT, team)
    both_saw = fields(version, 0, "Mia's words.")
    browser.post(f"{version_url}rows/0/edit/", both_saw)
    answer = client_for(ben).post(f"{version_url}rows/0/edit/", {**both_saw, "turn_1": "Ben's words."})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Mia Member changed this row meanwhile" in page
    assert "Mia&#x27;s words." in page
    assert "Ben&#x27;s words." in page
    assert waiting_answer() == "Mia's words."
    now_seen = re.search(r'name="seen" value="([0-9a-f]+)"', page)
    assert now_seen
    again = {**both_saw, "turn_1": "Ben's words.", "seen": now_seen.group(1)}
    client_for(ben).post(f"{version_url}rows/0/edit/", again)
    assert waiting_answer() == "Ben's words."


def test_rows_are_added_and_removed_with_the_same_save(
    browser: Client, version: DatasetVersion, version_url: str, dataset_url: str
) -> None:
    browser.post(f"{version_url}rows/0/delete/")
    browser.post(f"{dataset_url}rows/new/", {"turn_0": "What is snow?", "turn_1": "It is cold rain!"})
    browser.post(f"{dataset_url}edits/save/")
    made = DatasetVersion.objects.get(number=2)
    prompts = [row["messages"][0]["content"] for row in versions.rows(made)]
    assert prompts[0] == "What is 2 + 3?"
    assert prompts[-1] == "What is snow?"
    assert made.note == "Edited here: 1 added, 1 removed."


def test_an_edit_can_be_taken_back(
    browser: Client, version: DatasetVersion, version_url: str, dataset_url: str
) -> None:
    browser.post(f"{version_url}rows/0/delete/")
    row_id = DraftChange.objects.get().row_id
    browser.post(f"{dataset_url}edits/{row_id}/undo/")
    assert not Draft.objects.exists()


def test_changing_a_row_back_leaves_no_edit(browser: Client, version: DatasetVersion, version_url: str) -> None:
    first = row_at(version, 0)
    assert first is not None
    browser.post(f"{version_url}rows/0/edit/", fields(version, 0, "Other."))
    changed = formats.fingerprint(plain(drafts.shown(version, 0, 1)[0].row))
    back = {**fields(version, 0, first.messages[1]["content"]), "seen": changed}
    browser.post(f"{version_url}rows/0/edit/", back)
    assert not DraftChange.objects.exists()


def test_one_edit_in_many_rows_writes_one_block(team: Team, member: User) -> None:
    dataset = versions.create_dataset(team=team, name="Long", person=member)
    long = versions.create_version(
        dataset=dataset,
        rows=factories.child_rows(4 * BLOCK_ROWS),
        shape="messages",
        person=member,
        note="",
        source_name="",
    )
    row = row_at(long, 600)
    assert row is not None
    edited = plain(row)
    edited.messages = [edited.messages[0], {"role": "assistant", "content": "Too big for me!"}]
    drafts.edit_row(version=long, position=600, row=edited, seen=seen(long, 600), person=member)
    draft = drafts.draft_of(dataset)
    assert draft is not None
    made = drafts.publish(draft=draft, person=member, note="")
    assert RowBlock.objects.count() == 5
    expected = [*versions.rows(long, 0, 600), *versions.rows(made, 600, 601), *versions.rows(long, 601)]
    assert list(versions.rows(made)) == expected
    reimported = versions.create_dataset(team=team, name="Same", person=member)
    same = versions.create_version(
        dataset=reimported, rows=versions.rows(made), shape="messages", person=member, note="", source_name=""
    )
    assert same.content_hash == made.content_hash


def test_edits_on_an_old_version_do_not_mix_with_edits_on_a_new_one(
    browser: Client, version: DatasetVersion, version_url: str, dataset_url: str
) -> None:
    browser.post(f"{version_url}rows/0/delete/")
    newer = versions.create_version(
        dataset=version.dataset, rows=factories.child_rows(5), shape="messages", person=None, note="", source_name=""
    )
    answer = browser.post(f"{dataset_url}versions/{newer.number}/rows/0/delete/", follow=True)
    assert "Edits wait on top of version 1" in answer.content.decode()
    assert DraftChange.objects.count() == 1


def test_a_version_with_open_edits_on_top_is_not_deleted(browser: Client, version_url: str) -> None:
    browser.post(f"{version_url}rows/0/delete/")
    answer = browser.post(f"{version_url}delete/", follow=True)
    assert "while edits wait on top of it" in answer.content.decode()


def test_a_comparison_names_added_removed_and_changed_rows(
    version: DatasetVersion, browser: Client, dataset_url: str
) -> None:
    rows: list[dict[str, Any]] = list(versions.rows(version))
    rows[4]["messages"][1]["content"] = "Um, I count on my toes. I think it is 11!"
    new = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because!"}]}
    newer = versions.create_version(
        dataset=version.dataset,
        rows=[*rows[1:], new],
        shape="messages",
        person=None,
        note="",
        source_name="",
    )
    found = compare(version, newer)
    assert (found.added, found.removed, found.changed, found.same, found.moved) == (1, 1, 1, 10, False)
    page = browser.get(f"{dataset_url}versions/{newer.number}/changes/").content.decode()
    assert "<del>fingers. </del><ins>toes. </ins>" in page


def test_suggested_labels_are_confirmed_as_a_version(
    browser: Client, version: DatasetVersion, version_url: str
) -> None:
    browser.post(f"{version_url}labels/")
    made = DatasetVersion.objects.get(number=2)
    assert all(row["labels"]["subject"] == "math" for row in versions.rows(made))
    assert any("emotion" in row["labels"] for row in versions.rows(made))
    assert not any("emotion" in row["labels"] for row in versions.rows(version))


def test_another_teams_rows_can_not_be_edited(
    client_for: Callable[[User | None], Client],
    other_member: User,
    version: DatasetVersion,
    version_url: str,
    dataset_url: str,
) -> None:
    stranger = client_for(other_member)
    for address in ("rows/0/edit/", "rows/0/delete/", "labels/"):
        assert stranger.post(version_url + address, fields(version, 0, "x")).status_code == 404
    for address in ("edits/save/", "edits/drop/", "rows/new/", "edits/abc/undo/"):
        assert stranger.post(dataset_url + address).status_code == 404
    assert not DraftChange.objects.exists()


def test_a_preference_pair_is_not_edited_by_halves(browser: Client, team: Team, member: User) -> None:
    pair = {
        "messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi!"}],
        "shape": "preference",
        "preferred_output": [{"role": "assistant", "content": "Hi!"}],
        "non_preferred_output": [{"role": "assistant", "content": "Good day."}],
    }
    dataset = versions.create_dataset(team=team, name="Pairs", person=member)
    pairs = versions.create_version(
        dataset=dataset, rows=[pair], shape="preference", person=member, note="", source_name=""
    )
    address = f"/teams/{team.pk}/datasets/{dataset.pk}/versions/1/"
    assert "rows/0/edit/" not in browser.get(address).content.decode()
    answer = browser.post(f"{address}rows/0/edit/", fields(pairs, 0, "Hello!"))
    assert answer.status_code == 422
    assert "two answers" in answer.content.decode()
