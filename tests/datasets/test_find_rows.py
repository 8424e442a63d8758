"""Rows are found by words, labels and edits; all that were found get a label with one press, and editing ends with saving."""

import pytest
from django.test import Client

from datasets.models import DatasetVersion, Draft
from datasets.services import drafts, finding, versions
from datasets.services.finding import Search
from teams.models import Team, User
from tests.datasets.conftest import question


@pytest.fixture
def sums(team: Team, member: User) -> DatasetVersion:
    """Thirty sums, the first ten of them with a subject."""
    dataset = versions.create_dataset(team=team, name="Sums", person=member)
    from datasets import formats

    rows = []
    for number in range(1, 31):
        row, _ = formats.from_object({**question(number), **({"subject": "math"} if number <= 10 else {})}, line=number)
        assert row is not None
        rows.append(row)
    return versions.create_version(
        dataset=dataset, rows=rows, shape="instruction", person=member, note="", source_name="sums.jsonl"
    )


@pytest.fixture
def address(sums: DatasetVersion) -> str:
    return f"/teams/{sums.dataset.team_id}/datasets/{sums.dataset_id}/versions/{sums.number}/"


@pytest.mark.parametrize(
    ("search", "count"),
    [
        (Search(words="WHAT 7"), 3),  # 7, 17, 27
        (Search(label="subject"), 10),
        (Search(label="subject", value="Math"), 10),
        (Search(label="subject", value="-"), 20),
        (Search(words="7", label="subject", value="-"), 2),
        (Search(edited=True), 0),
        (Search(words="elephant"), 0),
    ],
)
def test_rows_are_found(sums: DatasetVersion, search: Search, count: int) -> None:
    rows, fitting = finding.page(sums, search, 0, 50)
    assert fitting == count == len(rows)


def test_the_page_shows_what_was_found_and_goes_on_with_the_search(address: str, browser: Client) -> None:
    page = browser.get(address, {"label": "subject", "value": "-"})
    assert page.context["count"] == 20 and [item.position for item in page.context["items"]][:2] == [10, 11]
    further = browser.get(address, {"words": "What", "from": "20"})
    assert "words=What&amp;from=0" in further.content.decode()
    assert "No row fits" in browser.get(address, {"words": "elephant"}).content.decode()
    assert browser.get(address, {"label": "nonsense", "from": "zebra"}).context["count"] == 30


def test_all_rows_found_get_a_label_and_saving_stands_beside_it(
    sums: DatasetVersion, address: str, browser: Client
) -> None:
    search = {"label": "subject", "value": "-"}
    given = {"set_label": "subject", "set_value": "arithmetic"}
    page = browser.post(f"{address}rows/label/?label=subject&value=-", given, follow=True).content.decode()
    assert "20 rows have the subject “arithmetic” now" in page
    assert "20 edits" in " ".join(page.split()).replace("<strong>", "") and "Save as the next version" in page
    assert browser.get(address, search).context["count"] == 0
    assert browser.get(address, {"edited": "on"}).context["count"] == 20
    browser.post(f"/teams/{sums.dataset.team_id}/datasets/{sums.dataset_id}/edits/save/")
    saved = DatasetVersion.objects.get(number=2)
    labels = [row["labels"].get("subject") for row in versions.rows(saved)]
    assert labels == ["math"] * 10 + ["arithmetic"] * 20
    assert not Draft.objects.exists()


def test_a_label_is_taken_away_from_all_rows_found(sums: DatasetVersion, address: str, browser: Client) -> None:
    browser.post(f"{address}rows/label/?label=subject", {"set_label": "subject", "set_value": ""})
    assert finding.page(sums, Search(label="subject"), 0, 50)[1] == 0


def test_a_label_for_all_keeps_edits_of_the_words(sums: DatasetVersion, member: User) -> None:
    shown = drafts.shown(sums, 0, 1)[0]
    from datasets.services.reading import plain

    row = plain(shown.row)
    row.messages = [row.messages[0], {"role": "assistant", "content": "Two, I think!"}]
    drafts.edit_row(version=sums, position=0, row=row, seen=shown.fingerprint, person=member)
    finding.label_found(version=sums, search=Search(), label="emotion", value="unsure", person=member)
    now = drafts.shown(sums, 0, 1)[0].row
    assert (now.messages[-1]["content"], now.labels["emotion"]) == ("Two, I think!", "unsure")


def test_too_many_rows_are_refused_and_nothing_changes(
    sums: DatasetVersion, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MOST_AT_ONCE", 5)
    with pytest.raises(drafts.EditRefused, match="More than 5 rows"):
        finding.label_found(version=sums, search=Search(), label="emotion", value="sad", person=member)
    assert not Draft.objects.exists()


def test_an_unknown_label_changes_nothing(address: str, browser: Client) -> None:
    browser.post(f"{address}rows/label/", {"set_label": "id", "set_value": "x"})
    assert not Draft.objects.exists()
