"""Versions: immutable, stored in shared blocks, paged by place, deleted only while nothing depends on them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from datasets import formats
from datasets.models import Dataset, DatasetVersion, RowBlock, VersionBlock
from datasets.services import comparing, versions
from datasets.services.blocks import BLOCK_ROWS
from teams.models import Method, Team, User
from tests import factories
from tests.datasets.conftest import downloaded, jsonl, question
from training.models import BaseModel, Hosting, TrainingRun


def make(dataset: Dataset, rows: Any, **fields: Any) -> DatasetVersion:
    given = {"shape": "messages", "person": None, "note": "", "source_name": "", **fields}
    return versions.create_version(dataset=dataset, rows=rows, **given)


@pytest.fixture
def dataset(team: Team, member: User) -> Dataset:
    return versions.create_dataset(team=team, name="Long", person=member)


def test_rows_come_back_in_order_from_any_place(dataset: Dataset) -> None:
    version = make(dataset, factories.child_rows(2 * BLOCK_ROWS + 10))
    everything = list(versions.rows(version))
    assert [row["messages"][0]["content"] for row in everything[:2]] == ["What is 1 + 2?", "What is 2 + 3?"]
    assert len({row["id"] for row in everything}) == version.row_count == 522
    for start, stop in ((0, 3), (250, 260), (255, 257), (511, 522), (520, None), (600, None)):
        assert list(versions.rows(version, start, stop)) == everything[start:stop]


def test_changing_one_row_writes_one_block(dataset: Dataset) -> None:
    rows = factories.child_rows(4 * BLOCK_ROWS)
    make(dataset, rows)
    assert RowBlock.objects.count() == 4
    rows[300]["messages"][1]["content"] = "I forgot."
    second = make(dataset, rows)
    assert RowBlock.objects.count() == 5
    assert VersionBlock.objects.filter(version=second).count() == 4


def test_equal_content_is_never_a_new_version(version: DatasetVersion) -> None:
    with pytest.raises(versions.NothingChanged) as same:
        make(version.dataset, factories.child_rows(12))
    assert same.value.version == version


def test_the_content_hash_depends_on_rows_and_their_order_only(dataset: Dataset, team: Team) -> None:
    rows = factories.child_rows(3)
    first = make(dataset, rows)
    elsewhere = make(versions.create_dataset(team=team, name="Elsewhere", person=None), rows, note="other", person=None)
    turned = make(versions.create_dataset(team=team, name="Turned", person=None), rows[::-1])
    assert first.content_hash == elsewhere.content_hash != turned.content_hash


def test_a_version_without_rows_is_refused(dataset: Dataset) -> None:
    with pytest.raises(versions.NoRows):
        make(dataset, [])
    assert not DatasetVersion.objects.exists()


def test_equal_rows_have_different_ids(dataset: Dataset) -> None:
    version = make(dataset, factories.child_rows(1) * 3)
    ids = [row["id"] for row in versions.rows(version)]
    assert len(set(ids)) == 3
    again = make(dataset, [*factories.child_rows(1) * 3, *factories.child_rows(2)[1:]])
    assert [row["id"] for row in versions.rows(again)][:3] == ids


def test_write_jsonl_writes_the_engine_contract(version: DatasetVersion, tmp_path: Path) -> None:
    wanted = [row["id"] for row in versions.rows(version, 2, 5)]
    assert versions.write_jsonl(version, tmp_path / "train.jsonl", rows=wanted) == 3
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == wanted
    assert set(lines[0]) == {"id", "messages"}
    assert set(lines[0]["messages"][0]) == {"role", "content"}
    assert [path.name for path in tmp_path.glob("*.part")] == []


@pytest.mark.parametrize("shape", ["dialogue", "messages", "instruction"])
def test_an_export_uploaded_again_gives_the_same_rows(
    browser: Client, version_url: str, team: Team, shape: str
) -> None:
    answer = browser.get(f"{version_url}export/{shape}.jsonl")
    content = downloaded(answer)
    file = SimpleUploadedFile("again.jsonl", content)
    browser.post(f"/teams/{team.pk}/datasets/new/", {"file": file})
    first, again = DatasetVersion.objects.order_by("id")
    assert [row["messages"] for row in versions.rows(first)] == [row["messages"] for row in versions.rows(again)]
    assert [row["labels"] for row in versions.rows(first)] == [row["labels"] for row in versions.rows(again)]


def test_what_an_export_loses_is_said(browser: Client, dataset: Dataset, team: Team) -> None:
    system = {"role": "system", "content": "You are in second grade."}
    rows = [{"messages": [system, *row["messages"]]} for row in factories.child_rows(3)]
    version = make(dataset, rows)
    page = browser.get(f"/teams/{team.pk}/datasets/{dataset.pk}/versions/{version.number}/export/").content.decode()
    assert "description of the bot" in page


def test_a_fork_has_the_rows_in_the_other_shape(browser: Client, version_url: str, team: Team) -> None:
    browser.post(f"{version_url}fork/", {"shape": "instruction"})
    fork = DatasetVersion.objects.get(shape="instruction")
    assert (fork.row_count, fork.number) == (12, 1)
    assert {row["shape"] for row in versions.rows(fork)} == {"instruction"}


def test_an_older_version_comes_back_as_the_newest(browser: Client, version: DatasetVersion, version_url: str) -> None:
    make(version.dataset, factories.child_rows(5))
    browser.post(f"{version_url}restore/")
    third = DatasetVersion.objects.get(number=3)
    assert third.content_hash == version.content_hash
    assert list(versions.rows(third)) == list(versions.rows(version))
    answer = browser.post(f"{version_url}restore/", follow=True)
    assert "Nothing changed" in answer.content.decode()


def make_run(version: DatasetVersion) -> TrainingRun:
    base = BaseModel.objects.create(method=Method.LORA, name="tiny", label="Tiny", hosting=Hosting.BUNDLED)
    team = version.dataset.team
    return TrainingRun.objects.create(
        team=team, number=1, method=Method.LORA, base_model=base, dataset_version=version, settings={}
    )


def test_a_version_that_a_run_used_can_not_be_deleted(
    browser: Client, version: DatasetVersion, version_url: str
) -> None:
    make_run(version)
    for address in (f"{version_url}delete/", version_url.split("versions")[0] + "delete/"):
        page = browser.post(address, follow=True).content.decode()
        assert "Run 1 was made from it" in page
    assert list(versions.rows(version, 0, 1))


def test_an_unused_version_is_deleted_with_its_rows(browser: Client, version: DatasetVersion, version_url: str) -> None:
    second = make(version.dataset, factories.child_rows(13))
    browser.post(f"{version_url}delete/")
    assert list(DatasetVersion.objects.all()) == [second]
    assert RowBlock.objects.count() == 1
    assert len(list(versions.rows(second))) == 13


def test_a_team_and_all_its_data_can_be_deleted(version: DatasetVersion) -> None:
    version.dataset.team.course.delete()
    assert not RowBlock.objects.exists()


def test_every_page_of_a_version_costs_the_same_few_queries(
    browser: Client, dataset: Dataset, team: Team, django_assert_max_num_queries: Any
) -> None:
    version = make(dataset, factories.child_rows(3 * BLOCK_ROWS))
    for start in (0, 250, 740):
        with django_assert_max_num_queries(11):
            page = browser.get(f"/teams/{team.pk}/datasets/{dataset.pk}/versions/{version.number}/?from={start}")
        assert page.context["items"][0].position == start


@pytest.mark.parametrize("count", [1, 50])
def test_the_list_costs_the_same_queries_for_1_and_50_datasets(
    browser: Client, team: Team, count: int, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        made = versions.create_dataset(team=team, name=f"Set {number}", person=None)
        make(made, factories.child_rows(1))
    with django_assert_max_num_queries(10):
        page = browser.get(f"/teams/{team.pk}/datasets/").content.decode()
    assert page.count("version 1</a>") == count


def test_two_datasets_of_one_name_get_a_number(team: Team) -> None:
    names = [versions.create_dataset(team=team, name="Week 1", person=None).name for _ in range(3)]
    assert names == ["Week 1", "Week 1 2", "Week 1 3"]


def test_another_teams_ids_are_not_found(
    client_for: Callable[[User | None], Client], version: DatasetVersion, other_member: User, other_team: Team
) -> None:
    own = f"/teams/{other_team.pk}/datasets/{version.dataset_id}/"
    foreign = f"/teams/{version.dataset.team_id}/datasets/{version.dataset_id}/"
    browser = client_for(other_member)
    for base in (own, foreign):
        for page in ("", "upload/", "versions/1/", "versions/1/quality/", "versions/1/privacy/", "versions/1/export/"):
            assert browser.get(base + page).status_code == 404, base + page
        for act in ("delete/", "versions/1/delete/", "versions/1/restore/", "versions/1/fork/", "versions/1/measure/"):
            assert browser.post(base + act).status_code == 404, base + act
    assert DatasetVersion.objects.count() == 1


def test_the_course_samples_are_caught_training_the_teacher(browser: Client, team: Team, shared_data: Path) -> None:
    for name in ("openai_teacher_dialogue_training.jsonl", "openai_teacher_dialogue_validation.jsonl"):
        file = SimpleUploadedFile(name, (shared_data / "course" / name).read_bytes())
        browser.post(f"/teams/{team.pk}/datasets/new/", {"file": file})
        version = DatasetVersion.objects.latest("id")
        address = f"/teams/{team.pk}/datasets/{version.dataset_id}/versions/1/"
        assert "train the teacher, not the second-grader" in browser.get(address).content.decode()
        assert "These rows train the teacher" in browser.get(address + "quality/").content.decode()


def test_a_childs_dataset_is_not_accused(browser: Client, version_url: str) -> None:
    assert "train the teacher" not in browser.get(version_url).content.decode()


def test_a_professor_does_not_see_a_teams_data(
    client_for: Callable[[User | None], Client], professor: User, version_url: str
) -> None:
    assert client_for(professor).get(version_url).status_code == 404


def test_an_upload_states_size_advice_for_each_method(browser: Client, upload: Any, team: Team) -> None:
    import_ = upload(jsonl(*map(question, range(1, 13))))
    page = browser.get(f"/teams/{team.pk}/datasets/{import_.version.dataset_id}/versions/1/").content.decode()
    for words in ("10–50", "50–100+", "100+", "38 more would help"):
        assert words in page


def test_a_row_is_stored_with_all_it_carries(dataset: Dataset) -> None:
    full = formats.Row(
        line=7,
        messages=[{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi!", "weight": 1}],
        shape="preference",
        labels={"subject": "social"},
        extra={"metadata": {"grade": 2}},
        input_suffix="Hi?",
        preferred_output=[{"role": "assistant", "content": "Hi!"}],
        non_preferred_output=[{"role": "assistant", "content": "Good day."}],
    )
    assert all(getattr(full, name) for name in formats.Row.__struct_fields__)
    [kept] = versions.rows(make(dataset, [full]))
    assert {name: value for name, value in kept.items() if name != "id"} == full.as_dict()


def test_a_turn_taken_away_leaves_the_words_before_it_alone() -> None:
    before, after = (
        "Teacher: Why?\nStudent: I forgot the formula.\nTeacher: It is long.",
        "Teacher: Why?\nStudent: I forgot the formula.",
    )
    assert comparing.word_changes(before, after) == [("same", after), ("gone", "\nTeacher: It is long.")]


@pytest.mark.parametrize("text", ["", " two  blanks ", "a\n\n b\r\nc", "tab\there\u2028there"])
def test_word_changes_lose_no_sign_of_either_text(text: str) -> None:
    changes = comparing.word_changes(text, f"{text} more")
    assert "".join(words for kind, words in changes if kind != "new") == text
    assert "".join(words for kind, words in changes if kind != "gone") == f"{text} more"
