"""A professor sets her scale on anchor interviews; the instructor sees who has, and may require it before grading."""

import pytest
from django.urls import reverse

from evaluation.anchor_interviews import TRANSCRIPTS
from evaluation.anchors import CRITERIA
from evaluation.models import Calibration, CalibrationLevel, CriterionScore, GradeStatus
from evaluation.services import calibration, grades, submissions
from evaluation.services.gradings import queue_for
from teams.models import AuditEntry, Role
from tests import factories
from tests.evaluation.conftest import make_run

EARLIER_KEYS = {"maple", "river", "stone", "cloud"}  # of four interviews that were judged on four criteria
HTMX = {"HX-Request": "true"}


@pytest.fixture
def address(course):
    return reverse("calibration_detail", kwargs={"course_id": course.pk, "number": 1})


@pytest.fixture
def grader(course, professor):
    return course.memberships.get(person=professor)


def calibrate(grader, by=0):
    """All eight as intended, or `by` levels away from it."""
    for anchor in TRANSCRIPTS:
        for key in CRITERIA:
            calibration.choose(grader=grader, anchor=anchor, key=key, level=anchor.agreed[key].level + by)


def test_every_criterion_of_the_rubric_has_each_level_and_each_level_its_reason(db):
    assert tuple(calibration.criteria()) == CRITERIA and len(CRITERIA) == 8
    for key in CRITERIA:
        assert {anchor.agreed[key].level for anchor in TRANSCRIPTS} == {1, 2, 3, 4}, key
    reasons = [anchor.agreed[key].reason for anchor in TRANSCRIPTS for key in CRITERIA]
    assert len(set(reasons)) == 64 and all(reason.endswith(".") for reason in reasons)


def test_there_are_eight_interviews_of_six_to_ten_questions_and_no_two_are_equally_good():
    assert len(TRANSCRIPTS) == 8 and len({anchor.key for anchor in TRANSCRIPTS} - EARLIER_KEYS) == 8
    assert all(6 <= len(anchor.turns) <= 10 for anchor in TRANSCRIPTS)
    profiles = {tuple(anchor.agreed[key].level for key in CRITERIA) for anchor in TRANSCRIPTS}
    assert len(profiles) == 8
    uneven = [profile for profile in profiles if max(profile) - min(profile) >= 2]
    assert len(uneven) >= 4, "who is good at one criterion must not be good at all of them"


def test_the_intended_level_is_hidden_until_the_professor_has_chosen_this_one(client_for, professor, address):
    client = client_for(professor)
    reasoning, flow = (TRANSCRIPTS[0].agreed[key].reason for key in ("reasoning", "flow"))
    page = client.get(address).content.decode()
    assert reasoning not in page and flow not in page
    shown = client.post(f"{address}reasoning/", {"level": "1"}, headers=HTMX)
    text = shown.content.decode()
    assert shown.headers["Saved"] == "calibration-1-reasoning"
    assert reasoning in text and "You: level 1 · intended: level 3" in text and "two or more apart" in text
    assert flow not in text and flow not in client.get(address).content.decode()


def test_without_scripts_the_page_comes_back_at_the_criterion(client_for, professor, address):
    response = client_for(professor).post(f"{address}flow/", {"level": "2"})
    assert response.headers["Location"] == f"{address}#criterion-flow"
    assert "You: level 2 · intended: level 3" in client_for(professor).get(address).content.decode()


def test_a_second_choice_changes_nothing(client_for, professor, address):
    client = client_for(professor)
    for level in ("1", "4"):
        client.post(f"{address}flow/", {"level": level})
    assert CalibrationLevel.objects.get().level == 1


@pytest.mark.parametrize("wrong", ["", "9", "x", "0"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_what_is_no_level_is_not_kept_and_said_so(client_for, professor, address, wrong, headers):
    response = client_for(professor).post(f"{address}flow/", {"level": wrong}, headers=headers)
    assert response.status_code == 422 and not CalibrationLevel.objects.exists()
    assert "Choose one of the four levels" in response.content.decode() and "Saved" not in response.headers


@pytest.mark.parametrize("part", ["99/", "99/flow/", "1/beauty/"])
def test_an_unknown_interview_or_criterion_is_not_found(client_for, professor, course, part):
    url = reverse("calibration_list", kwargs={"course_id": course.pk}) + part
    client = client_for(professor)
    assert client.get(url).status_code in (404, 405) and client.post(url, {"level": "1"}).status_code in (404, 405)
    assert not Calibration.objects.exists()


def test_the_instructor_sees_who_is_calibrated_and_how_they_differ(client_for, instructor, grader, course):
    url = reverse("course_calibration", kwargs={"course_id": course.pk})
    assert "0 of 8" in client_for(instructor).get(url).content.decode()
    calibration.choose(grader=grader, anchor=TRANSCRIPTS[2], key="flow", level=2)
    calibrate(grader)
    row = calibration.progress_in(course)[0]
    assert (row.done, row.judged, row.same, row.near, row.offset) == (8, 64, 63, 64, 1 / 64)
    page = client_for(instructor).get(url).content.decode()
    assert "calibrated</span>" in page and "64 of 64" in page and "0.02" in page


def test_what_was_chosen_on_earlier_interviews_counts_for_none_of_these(grader):
    for key in EARLIER_KEYS:
        old = Calibration.objects.create(grader=grader, transcript=key)
        CalibrationLevel.objects.create(calibration=old, criterion_key="flow", level=2)
    progress = calibration.progress_of(grader)
    assert (progress.done, progress.judged, progress.calibrated) == (0, 0, False)


def test_the_queue_asks_to_calibrate_until_all_are_done(client_for, professor, grader, course):
    queue = reverse("grading_queue", kwargs={"course_id": course.pk})
    client = client_for(professor)
    assert "0 of 8 done" in client.get(queue).content.decode()
    calibrate(grader)
    assert "set your scale" not in client.get(queue).content.decode()


# Required before grading ----------------------------------------------------------------------------------------------


@pytest.fixture
def grading(course, professor, instructor):
    student = factories.make_person("Sam Student")
    team = factories.make_team(course, "Oaks", student)
    factories.assign(team, professor)
    submissions.submit(team=team, run=make_run(team), person=student)
    queue_for(course.memberships.get(person=professor))
    return team.submissions.get().gradings.select_related("grade", "grader").get()


@pytest.fixture
def required(course, instructor, client_for):
    client_for(instructor).post(reverse("course_calibration", args=[course.pk]), {"required": "yes"})


def desk(grading, part=""):
    course_id = grading.grader.course_id
    return reverse("grading_detail", kwargs={"course_id": course_id, "code": grading.code}) + part


def send_marks(client, grading, **marks):
    sent = {"level": "3", "comment": "Counts on.", "version": "0"} | marks
    return client.post(desk(grading, "criteria/flow/"), sent, headers=HTMX)


def commit(client, grading):
    grading.grade.refresh_from_db()
    sent = {"confirmed": "", "version": str(grading.grade.version), "reason": "I know this bot."}
    return client.post(desk(grading, "commit/"), sent)


def test_where_it_is_required_the_desk_says_so_and_takes_no_grade(client_for, professor, grading, required):
    client = client_for(professor)
    page = client.get(desk(grading)).content.decode()
    assert "asks you to calibrate before you grade" in page and "/calibration/" in page
    assert 'class="scale" disabled' in page and 'id="commit"' not in page
    refused = commit(client, grading)
    assert refused.status_code == 409 and "calibrate first" in refused.content.decode()
    grading.grade.refresh_from_db()
    assert grading.grade.status == GradeStatus.DRAFT


def test_what_a_page_sends_that_was_opened_before_is_kept_and_can_be_submitted_afterwards(
    client_for, professor, grading, grader, required
):
    client = client_for(professor)
    saved = send_marks(client, grading)
    assert saved.headers["Saved"] == "criterion-flow"
    assert "kept until you have calibrated" in saved.content.decode()
    score = CriterionScore.objects.get(grade=grading.grade, criterion__key="flow")
    assert (score.level, score.comment) == (3, "Counts on.")
    calibrate(grader)
    page = client.get(desk(grading)).content.decode()
    assert 'id="commit"' in page and "Counts on." in page and 'class="scale" disabled' not in page
    assert commit(client, grading).status_code == 302
    grading.grade.refresh_from_db()
    assert grading.grade.status == GradeStatus.COMMITTED


def test_half_a_calibration_is_none(grading, grader, required):
    calibrate(grader)
    CalibrationLevel.objects.filter(criterion_key="flow", calibration__transcript="harbor").delete()
    with pytest.raises(grades.CannotCommit, match="calibrate first"):
        grades.commit(grade=grading.grade, seen_version=0, person=grader.person)


def test_a_grade_that_was_submitted_before_can_still_be_read_and_revised(client_for, professor, instructor, grading):
    client = client_for(professor)
    assert commit(client, grading).status_code == 302
    calibration.require(course=grading.grader.course, required=True, person=instructor)
    page = client.get(desk(grading)).content.decode()
    assert "asks you to calibrate" not in page
    assert client.get(desk(grading, "revise/")).status_code == 200


def test_requiring_it_is_on_record_and_told_once_to_those_who_have_not(course, grader, instructor):
    other = factories.enrol(course, factories.make_person("Olga Other"), Role.PROFESSOR)
    calibrate(other)
    for _ in range(2):
        calibration.require(course=course, required=True, person=instructor)
    told = grader.person.notices.get()
    assert "calibrate before you grade" in told.text and "/calibration/" in told.path
    assert not other.person.notices.exists()
    assert AuditEntry.objects.filter(action="calibration").count() == 1
    assert calibration.require(course=course, required=False, person=instructor)
    assert not calibration.is_required(course) and grader.person.notices.count() == 1


def test_only_the_two_buttons_change_the_rule(client_for, instructor, professor, course):
    url = reverse("course_calibration", args=[course.pk])
    client_for(instructor).post(url, {"required": "perhaps"})
    assert client_for(professor).post(url, {"required": "yes"}).status_code == 403
    assert not calibration.is_required(course)
