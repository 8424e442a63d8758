"""Children's words are used only where it is on record where they are from and who allowed it."""

import pytest

from datasets.models import SourceRecord
from datasets.services import measure, sources, versions
from datasets.services.privacy import cloud_refusal
from teams.models import AuditEntry, Method
from tests import factories
from training.models import BaseModel
from training.services import launch


@pytest.fixture
def classroom(team, member):
    """Two of its rows say that they are from a real classroom."""
    rows = factories.child_rows()
    rows[0]["labels"]["source"] = "Real classroom, transcribed"
    rows[1]["labels"]["source"] = "real_classroom"
    rows[2]["labels"]["source"] = "classroom play, written by us"
    version = factories.make_dataset_version(team, rows, person=member)
    measure.measure(version)
    version.refresh_from_db()
    return version


COMPLETE = {
    "kind": "classroom",
    "place": "Lincoln County",
    "people": "41 second-graders",
    "period": "spring 2026",
    "consent": "IRB 2026-117",
}


def why_not(version) -> str:
    team = version.dataset.team
    base = BaseModel.objects.offered(team.course, Method.LORA)[0]
    return launch.why_not(team=team, method=Method.LORA, base_model=base, version=version, settings={}) or ""


def test_rows_marked_real_classroom_wait_for_a_record_for_a_run_here_and_for_a_provider(classroom, member) -> None:
    assert classroom.report[sources.COUNTED] == 2
    for said in (why_not(classroom), cloud_refusal(classroom) or ""):
        assert "2 rows of Sums v1 say that they are from a real classroom" in said
    sources.record(dataset=classroom.dataset, person=member, **COMPLETE)
    assert "classroom" not in why_not(classroom) and "classroom" not in (cloud_refusal(classroom) or "")


@pytest.mark.parametrize("missing", ["place", "people", "period", "consent"])
def test_a_record_of_a_real_classroom_must_be_complete(missing, team, member) -> None:
    version = factories.make_dataset_version(team, person=member)
    assert sources.refusal(version) is None
    sources.record(dataset=version.dataset, person=member, **{**COMPLETE, missing: " "})
    assert "does not say" in (sources.refusal(version) or "")


def test_another_word_for_the_dataset_does_not_unmark_its_rows(classroom, member) -> None:
    sources.record(dataset=classroom.dataset, person=member, **{**COMPLETE, "kind": "written"})
    assert sources.refusal(classroom) is not None


def test_a_version_that_was_measured_before_is_counted_all_the_same(classroom) -> None:
    del classroom.report[sources.COUNTED]
    classroom.save()
    assert sources.refusal(classroom) is not None


def test_another_shape_takes_the_record_along(team, member) -> None:
    version = factories.make_dataset_version(team, person=member)
    sources.record(dataset=version.dataset, person=member, **{**COMPLETE, "consent": ""})
    forked = versions.fork(version=version, shape="instruction", name="As instructions", person=member)
    assert sources.refusal(forked) is not None
    assert SourceRecord.objects.count() == 2


def test_a_team_records_it_on_a_page_and_who_did_is_kept(classroom, team, member, client_for) -> None:
    client, path = client_for(member), f"/teams/{team.pk}/datasets/{classroom.dataset_id}/source/"
    assert "say that they are from a real classroom" in client.get(path).content.decode()
    partial = client.post(path, {**COMPLETE, "consent": ""}, follow=True).content.decode()
    assert "Still missing" in partial and "consent or IRB reference" in partial
    client.post(path, COMPLETE)
    entry = AuditEntry.objects.filter(action="source recorded").order_by("-pk")[0]
    assert entry.before and entry.after
    assert (entry.before["consent"], entry.after["consent"], entry.person) == ("", "IRB 2026-117", member)
    assert client.post(path, {"kind": "invented"}).status_code == 422
