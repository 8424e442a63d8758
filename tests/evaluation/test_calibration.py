"""A professor sets her scale on anchor transcripts; the instructor sees who has."""

import pytest
from django.urls import reverse

from evaluation.anchors import CRITERIA, TRANSCRIPTS
from evaluation.models import Calibration
from evaluation.services import calibration


@pytest.fixture
def address(course):
    return reverse("calibration_detail", kwargs={"course_id": course.pk, "number": 1})


def agreed_levels(anchor):
    return {key: anchor.agreed[key].level for key in CRITERIA}


def test_the_transcripts_span_the_scale_and_give_a_reason_for_each_level(db):
    rows = calibration.criteria()
    assert tuple(rows) == CRITERIA and len(TRANSCRIPTS) == 4
    for key in CRITERIA:
        assert {anchor.agreed[key].level for anchor in TRANSCRIPTS} >= {1, 2, 4}
    assert all(set(anchor.agreed) == set(CRITERIA) for anchor in TRANSCRIPTS)
    assert all(anchor.agreed[key].reason.endswith(".") for anchor in TRANSCRIPTS for key in CRITERIA)


def test_the_intended_levels_are_hidden_until_the_professor_has_committed(client_for, professor, address):
    client = client_for(professor)
    reason = TRANSCRIPTS[0].agreed["reasoning"].reason
    assert reason not in client.get(address).content.decode()
    client.post(address, dict.fromkeys(CRITERIA, "1"))
    page = client.get(address).content.decode()
    assert reason in page and "two or more apart" in page and "You: level 1 · intended: level 3" in page


def test_a_second_commit_changes_nothing(client_for, professor, address):
    client = client_for(professor)
    client.post(address, dict.fromkeys(CRITERIA, "1"))
    client.post(address, dict.fromkeys(CRITERIA, "4"))
    assert set(Calibration.objects.get().levels.values_list("level", flat=True)) == {1}


@pytest.mark.parametrize("wrong", [{}, {"flow": "9"}, {"flow": ""}, {"flow": "x"}])
def test_a_transcript_without_a_level_for_each_criterion_is_not_committed(client_for, professor, address, wrong):
    sent = dict.fromkeys(CRITERIA, "2") | wrong if wrong else {}
    response = client_for(professor).post(address, sent)
    assert response.status_code == 422 and not Calibration.objects.exists()
    assert response.content.decode().count(" checked") == (3 if wrong else 0)


def test_an_unknown_transcript_is_not_found(client_for, professor, course):
    url = reverse("calibration_detail", kwargs={"course_id": course.pk, "number": 99})
    assert client_for(professor).get(url).status_code == 404


def test_the_instructor_sees_who_is_calibrated_and_how_they_differ(client_for, professor, instructor, course):
    grader = membership_of_course(course, professor)
    url = reverse("course_calibration", kwargs={"course_id": course.pk})
    assert "0 of 4" in client_for(instructor).get(url).content.decode()
    for anchor in TRANSCRIPTS:
        levels = agreed_levels(anchor)
        if anchor.key == "cloud":
            levels = {key: level + 1 for key, level in levels.items()}
        calibration.commit(grader=grader, anchor=anchor, levels=levels)
    row = calibration.progress_in(course)[0]
    assert (row.done, row.judged, row.same, row.near, row.offset) == (4, 16, 12, 16, 0.25)
    page = client_for(instructor).get(url).content.decode()
    assert "calibrated</span>" in page and "12 of 16" in page and "0.25" in page


def test_the_queue_asks_to_calibrate_until_all_four_are_done(client_for, professor, course):
    queue = reverse("grading_queue", kwargs={"course_id": course.pk})
    client, grader = client_for(professor), membership_of_course(course, professor)
    assert "0 of 4 done" in client.get(queue).content.decode()
    for anchor in TRANSCRIPTS:
        calibration.commit(grader=grader, anchor=anchor, levels=agreed_levels(anchor))
    assert "set your scale" not in client.get(queue).content.decode()


def membership_of_course(course, person):
    return course.memberships.get(person=person)
