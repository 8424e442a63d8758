"""Children's data stays here; what is measured with is never trained on."""

from typing import Any

import pytest
from django.test import Client

from datasets.models import DatasetVersion, FindingJustification
from datasets.services import measure, versions
from datasets.services.privacy import cloud_refusal
from datasets.services.split import split
from teams.models import Team, User
from tests import factories
from tests.datasets.conftest import jsonl, question

PHONE = "You can call my mom at 801-555-0142 and she will come!"


@pytest.fixture
def private(team: Team, member: User) -> DatasetVersion:
    dataset = versions.create_dataset(team=team, name="Recorded", person=member)
    rows: list[dict[str, Any]] = factories.child_rows(6)
    rows[3]["messages"][1]["content"] = PHONE
    return versions.create_version(
        dataset=dataset, rows=rows, shape="messages", person=member, note="", source_name="class.jsonl"
    )


def page(version: DatasetVersion) -> str:
    return f"/teams/{version.dataset.team_id}/datasets/{version.dataset_id}/versions/{version.number}/privacy/"


def test_rows_with_a_telephone_number_may_not_go_to_the_cloud(private: DatasetVersion, browser: Client) -> None:
    refusal = cloud_refusal(private)
    assert refusal is not None
    assert "1 open privacy finding" in refusal
    assert refusal in browser.get(page(private)).content.decode().replace("&#x27;", "'")


def test_rows_without_findings_may_go(version: DatasetVersion) -> None:
    assert cloud_refusal(version) is None


def test_rows_that_were_not_checked_yet_may_not_go(version: DatasetVersion) -> None:
    version.measured_at = None
    assert "has not been checked" in (cloud_refusal(version) or "")


def test_pseudonyms_make_a_version_that_may_go(private: DatasetVersion, browser: Client) -> None:
    browser.post(page(private) + "pseudonyms/")
    clean = DatasetVersion.objects.get(number=2)
    assert cloud_refusal(clean) is None
    assert [row["id"] for row in versions.rows(clean)] == [row["id"] for row in versions.rows(private)]
    assert "801-555-0142" not in str(list(versions.rows(clean)))
    assert "801-555-0142" in str(list(versions.rows(private)))


def test_a_written_reason_lets_rows_go_and_is_kept(private: DatasetVersion, browser: Client, member: User) -> None:
    browser.post(page(private) + "justify/", {"reason": "The number is from a picture book."})
    private.refresh_from_db()
    assert cloud_refusal(private) is None
    assert private.privacy_justified_by == member


def test_a_reason_that_is_none_is_refused(private: DatasetVersion, browser: Client) -> None:
    browser.post(page(private) + "justify/", {"reason": "ok"})
    private.refresh_from_db()
    assert cloud_refusal(private) is not None


def say(
    browser: Client, version: DatasetVersion, place: int = 0, changed: dict[str, str] | None = None, **fields: str
) -> str:
    """One finding judged on the page; gives what the page then says."""
    finding = version.report["privacy"][place]
    data = {"place": str(place), "text": finding["text"], **(changed or {}), **fields}
    return browser.post(page(version) + "finding/", data, follow=True).content.decode().replace("&#x27;", "'")


def test_one_finding_found_harmless_is_open_no_longer_and_says_by_whom_and_why(
    private: DatasetVersion, browser: Client, member: User
) -> None:
    told = say(browser, private, reason="The number is from a picture book.")
    private.refresh_from_db()
    assert (private.open_privacy_findings, cloud_refusal(private)) == (0, None)
    assert "Every finding was looked at" in told
    assert "The number is from a picture book." in told and member.name in told


def test_a_finding_in_a_column_with_a_very_long_name_can_be_judged(team: Team, member: User, browser: Client) -> None:
    rows: list[dict[str, Any]] = factories.child_rows(2)
    rows[0]["extra"] = {"what the family said on the day of the visit " * 8: PHONE}
    dataset = versions.create_dataset(team=team, name="Recorded", person=member)
    version = versions.create_version(
        dataset=dataset, rows=rows, shape="messages", person=member, note="", source_name=""
    )
    say(browser, version, reason="A number from a picture book.")
    judged = FindingJustification.objects.get()
    judged.full_clean()  # SQLite keeps what is too long, PostgreSQL refuses it
    version.refresh_from_db()
    assert cloud_refusal(version) is None
    measure.measure(version)
    assert cloud_refusal(version) is None


def test_the_other_findings_stay_open(team: Team, member: User, browser: Client) -> None:
    rows: list[dict[str, Any]] = factories.child_rows(6)
    rows[1]["messages"][1]["content"] = PHONE
    rows[4]["messages"][1]["content"] = "My mom is ana.p@example.org, um, I think."
    version = versions.create_version(
        dataset=versions.create_dataset(team=team, name="Two", person=member),
        rows=rows,
        shape="messages",
        person=member,
        note="",
        source_name="",
    )
    assert version.open_privacy_findings == 2
    say(browser, version, 0, reason="From a picture book.")
    version.refresh_from_db()
    assert version.open_privacy_findings == 1 and "1 open privacy finding," in (cloud_refusal(version) or "")
    browser.post(page(version) + "pseudonyms/")
    said = str(list(versions.rows(DatasetVersion.objects.get(number=2))))
    assert "801-555-0142" in said and "ana.p@example.org" not in said


def test_a_reason_given_for_a_row_holds_in_later_versions_while_its_words_do(
    private: DatasetVersion, browser: Client, member: User
) -> None:
    say(browser, private, reason="The number is from a picture book.")
    rows = list(versions.rows(private))
    rows[0]["messages"][1]["content"] = "Um, I count. Two!"
    later = versions.create_version(
        dataset=private.dataset, rows=rows, shape="messages", person=member, note="", source_name=""
    )
    assert later.open_privacy_findings == 0
    rows[3]["messages"][1]["content"] = "Call 801-555-0199 and my mom will come!"
    changed = versions.create_version(
        dataset=private.dataset, rows=rows, shape="messages", person=member, note="", source_name=""
    )
    assert changed.open_privacy_findings == 1


def test_a_reason_taken_back_opens_the_finding_again(private: DatasetVersion, browser: Client) -> None:
    say(browser, private, reason="The number is from a picture book.")
    say(browser, private, reopen="1")
    say(browser, private, reopen="1")
    private.refresh_from_db()
    assert private.open_privacy_findings == 1 and not FindingJustification.objects.exists()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"reason": "ok"}, "Say in at least 8 characters"),
        ({"reason": "From a picture book.", "text": "other words"}, "looked for again in the meantime"),
        ({"reason": "From a picture book.", "place": "99"}, "looked for again in the meantime"),
        ({"reason": "From a picture book.", "place": "x", "text": ""}, "looked for again in the meantime"),
    ],
)
def test_a_judgement_that_fits_no_finding_changes_nothing(
    private: DatasetVersion, browser: Client, fields: dict[str, str], told: str
) -> None:
    assert told in say(browser, private, changed=fields)
    private.refresh_from_db()
    assert private.open_privacy_findings == 1 and not FindingJustification.objects.exists()


def test_a_finding_of_a_report_without_row_ids_can_be_judged(private: DatasetVersion, browser: Client) -> None:
    del private.report["privacy"][0]["row_id"]
    private.save()
    assert "From a picture book." in say(browser, private, reason="From a picture book.")


def test_a_split_is_decided_once_and_whole(version: DatasetVersion) -> None:
    train, validation = split(version, 0.25, 17)
    ids = [row["id"] for row in versions.rows(version)]
    assert sorted(train + validation) == sorted(ids)
    assert validation
    assert not set(train) & set(validation)
    assert split(version, 0.25, 17) == (train, validation)


def test_a_row_once_measured_with_is_not_trained_on_later(version: DatasetVersion) -> None:
    _, measured_with = split(version, 0.25, 17)
    grown = versions.create_version(
        dataset=version.dataset,
        rows=factories.child_rows(40)[::-1],
        shape="messages",
        person=None,
        note="",
        source_name="",
    )
    train, validation = split(grown, 0.25, 17)
    assert set(measured_with) <= set(validation)
    assert len(train) + len(validation) == 40


def test_no_share_means_no_validation(version: DatasetVersion) -> None:
    train, validation = split(version, 0)
    assert (len(train), validation) == (12, [])


@pytest.mark.parametrize("fraction", [-0.1, 0.51, 1])
def test_a_senseless_share_is_refused(version: DatasetVersion, fraction: float) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 0\.5"):
        split(version, fraction)


def test_every_page_that_speaks_of_a_split_begins_with_the_same_share() -> None:
    from datasets.forms import SplitForm
    from datasets.services.split import USUAL_FRACTION, USUAL_SEED
    from training.forms.run import FRACTIONS, RunForm

    form = SplitForm()
    assert form.fields["percent"].initial == round(100 * USUAL_FRACTION)
    assert form.fields["seed"].initial == USUAL_SEED == RunForm.base_fields["seed"].initial
    assert RunForm.base_fields["validation_fraction"].initial == str(USUAL_FRACTION)
    assert str(USUAL_FRACTION) in FRACTIONS


def test_an_upload_with_personal_data_is_not_called_without_problem(upload, browser) -> None:
    row = {"instruction": "Where do you live?", "output": "My mom's number is 617-555-0143 and my mail is a.b@c.org."}
    import_ = upload(jsonl(row, question(1)))
    version = import_.version
    assert version is not None and version.open_privacy_findings
    page = browser.get(f"/teams/{import_.team_id}/datasets/{version.dataset_id}/versions/1/").content.decode()
    assert "All 2 rows could be read" in page
    assert "The search for personal data has" in page
