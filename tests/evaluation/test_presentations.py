"""Presentations: planned by the instructor, heard and marked by professors, counted as the course says."""

import csv
import io
from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from evaluation.models import (
    Conversation,
    Counting,
    CriterionScore,
    Grade,
    GradeStatus,
    Hearing,
    Presentation,
    PresentationSession,
    UnappliedSave,
)
from evaluation.services import (
    calibration,
    frozen,
    grades,
    gradings,
    hearings,
    presenting,
    releases,
    results,
    student_grades,
    submissions,
)
from evaluation.services.grades import Marks
from evaluation.services.presented import blended
from evaluation.services.presenting import CannotPlan, Rule
from teams.models import AuditEntry, Hold, Role
from teams.services import money
from tests import factories
from tests.evaluation.conftest import make_run

HTMX = {"HX-Request": "true"}
NOON = timezone.make_aware(datetime(2030, 12, 4, 12, 0))


@pytest.fixture
def listener(course, professor):
    return course.memberships.get(person=professor)


@pytest.fixture
def session(course, instructor, listener):
    return presenting.save_session(
        course=course,
        session=None,
        starts_at=NOON,
        place="Room 12",
        minutes=15,
        listeners=[listener],
        person=instructor,
    )


@pytest.fixture
def oaks(course):
    return factories.make_team(course, "Oaks", factories.make_person("Olive Oak", "olive@example.edu"))


@pytest.fixture
def pines(course):
    return factories.make_team(course, "Pines", factories.make_person("Pia Pine"))


def planned(session, *teams):
    planner = session.course.memberships.get(role=Role.INSTRUCTOR).person
    for team in teams:
        presenting.add_team(session=session, team=team, person=planner)
    return list(session.presentations.all())


def heard(listener, team):
    hearings.heard_by(listener)
    return Hearing.objects.select_related("grade", "listener__course", "presentation__team").get(
        listener=listener, presentation__team=team
    )


def address(hearing, part=""):
    return reverse("hearing_detail", args=[hearing.listener.course_id, hearing.code]) + part


def mark_all(grade, level, person):
    for score in grade.scores.all():
        grades.save_score(score=score, marks=Marks(level=level, comment="2:10 Says so."), version=score.version)
    grade.refresh_from_db()
    grades.commit(grade=grade, seen_version=grade.version, person=person)


# Planning -------------------------------------------------------------------------------------------------------------


def test_teams_present_one_after_the_other_in_their_order(session, oaks, pines, instructor):
    planned(session, oaks, pines)
    slots = presenting.slots_of(session)
    assert [(slot.team.name, slot.number, slot.of) for slot in slots] == [("Oaks", 1, 2), ("Pines", 2, 2)]
    assert slots[1].starts_at - NOON == timedelta(minutes=15)
    presenting.move(presentation=slots[1].presentation, by=-1)
    presenting.move(presentation=slots[1].presentation, by=-1)  # at the beginning already
    assert [slot.team.name for slot in presenting.slots_of(session)] == ["Pines", "Oaks"]
    presenting.remove_team(presentation=slots[1].presentation, person=instructor)
    assert list(session.presentations.values_list("team__name", "position")) == [("Oaks", 1)]


def test_a_team_has_one_place_and_all_without_one_are_added_at_once(session, oaks, pines, instructor):
    planned(session, oaks)
    with pytest.raises(CannotPlan, match="Oaks has a place already"):
        presenting.add_team(session=session, team=oaks, person=instructor)
    assert presenting.fill(session=session, person=instructor) == 1
    assert presenting.unplanned(session.course) == [] and session.presentations.count() == 2


def test_the_instructor_plans_on_the_page(client_for, instructor, course, listener, oaks, pines):
    client, plan = client_for(instructor), reverse("presentation_plan", args=[course.pk])
    assert "No session is planned yet" in client.get(plan).content.decode()
    sent = {"starts_at": "2030-12-04T12:00", "place": "Room 12", "minutes": "15", "listeners": [str(listener.pk)]}
    made = client.post(plan, sent)
    page = made.headers["Location"]
    client.post(f"{page}teams/", {"act": "add", "team": str(pines.pk)})
    client.post(f"{page}teams/", {"act": "fill"})
    first = Presentation.objects.get(team=pines)
    client.post(f"{page}teams/", {"act": "later", "presentation": str(first.pk)})
    slots = presenting.slots_of(PresentationSession.objects.get())
    assert [slot.team.name for slot in slots] == ["Oaks", "Pines"]
    shown = client.get(plan).content.decode()
    assert "Room 12" in shown and "12:15 UTC Pines" in shown
    assert "Dec 4" in client.get(page).content.decode()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"starts_at": "tomorrow"}, "Give day and time as year-month-day hour:minute"),
        ({"starts_at": ""}, "Say when it starts"),
        ({"place": " "}, "Say where it takes place"),
        ({"minutes": "0"}, "greater than or equal to 1"),
        ({"listeners": []}, "somebody has to listen"),
        ({"listeners": ["999999"]}, "not one of the available choices"),
    ],
)
def test_bad_input_says_what_is_wrong_and_keeps_the_rest(client_for, instructor, course, listener, wrong, said):
    sent = {"starts_at": "2030-12-04T12:00", "place": "Room 77", "minutes": "15", "listeners": [str(listener.pk)]}
    response = client_for(instructor).post(reverse("presentation_plan", args=[course.pk]), sent | wrong)
    page = response.content.decode()
    assert response.status_code == 422 and said in page and not PresentationSession.objects.exists()
    assert "place" in wrong or "Room 77" in page


@pytest.mark.parametrize(
    "sent",
    [
        {"act": "add"},
        {"act": "add", "team": "x"},
        {"act": "remove", "presentation": "x"},
        {"act": "later", "presentation": "9" * 30},
    ],
)
def test_what_names_nothing_changes_nothing_and_says_so(client_for, instructor, session, oaks, sent):
    planned(session, oaks)
    page = reverse("session_edit", args=[session.course_id, session.pk])
    response = client_for(instructor).post(f"{page}teams/", sent, follow=True)
    assert response.status_code == 200 and "notice error" in response.content.decode()
    assert session.presentations.count() == 1


def test_nothing_that_a_professor_wrote_is_planned_away(session, oaks, listener, instructor):
    presentation = planned(session, oaks)[0]
    hearing = heard(listener, oaks)
    grades.save_comment(grade=hearing.grade, comment="0:10 A frog.", version=0)
    other = factories.enrol(session.course, factories.make_person("Olga Other"), Role.PROFESSOR)
    again = {"course": session.course, "session": session, "starts_at": NOON, "place": "Room 13", "minutes": 20}
    with pytest.raises(CannotPlan, match="has written something"):
        presenting.save_session(**again, listeners=[other], person=instructor)
    with pytest.raises(CannotPlan, match="nothing is lost"):
        presenting.remove_team(presentation=presentation, person=instructor)
    with pytest.raises(CannotPlan, match="nothing is lost"):
        presenting.remove_session(session=session, person=instructor)
    assert Grade.objects.get(hearing=hearing).comment == "0:10 A frog."
    presenting.save_session(**again, listeners=[other, listener], person=instructor)
    assert session.listeners.count() == 2


def test_a_student_sees_the_place_of_her_team_and_no_other(client_for, session, oaks, pines):
    planned(session, oaks, pines)
    url = reverse("presentation_list", args=[session.course_id])
    page = client_for(pines.memberships.get().person).get(url).content.decode()
    assert "Room 12" in page and "12:15" in page and "Number 2 of 2" in page
    assert "Oaks" not in page and "Pat Professor" not in page
    newcomer = factories.make_person("Nora New")
    factories.enrol(session.course, newcomer, Role.STUDENT)
    assert "no place yet" in client_for(newcomer).get(url).content.decode()


def test_a_professor_sees_the_sessions_she_listens_to_and_opens_no_other(client_for, session, oaks, listener):
    planned(session, oaks)
    stranger = factories.make_person("Olga Other")
    factories.enrol(session.course, stranger, Role.PROFESSOR)
    url = reverse("presentation_list", args=[session.course_id])
    assert "Oaks" in client_for(listener.person).get(url).content.decode()
    page = client_for(stranger).get(url).content.decode()
    assert "You hear no presentations" in page and "Oaks" not in page
    hearing = heard(listener, oaks)
    assert client_for(stranger).get(address(hearing)).status_code == 404
    session.listeners.clear()
    assert client_for(listener.person).get(address(hearing)).status_code == 404


def test_teams_and_professors_are_told_when_the_instructor_says_so(
    client_for, instructor, session, oaks, pines, listener
):
    planned(session, oaks, pines)
    client_for(instructor).post(reverse("session_tell", args=[session.course_id, session.pk]))
    told = pines.memberships.get().person.notices.get().text
    assert "Room 12" in told and "number 2 of 2" in told and "12:15" in told
    mine = listener.person.notices.get().text
    assert "2 presentations" in mine and "Pines" not in mine


# A professor at a presentation ----------------------------------------------------------------------------------------


def send(client, hearing, **marks):
    sent = {"level": "3", "comment": "0:40 Counts on.", "version": "0"} | marks
    return client.post(address(hearing, "criteria/flow/"), sent, headers=HTMX)


def test_notes_and_levels_are_saved_as_on_the_desk(client_for, session, oaks, listener):
    planned(session, oaks)
    hearing, client = heard(listener, oaks), client_for(listener.person)
    saved = send(client, hearing)
    assert saved.headers["Saved"] == "criterion-flow" and "1 of 8 criteria" in saved.content.decode()
    assert client.post(address(hearing, "comment/"), {"comment": "All.", "version": "0"}, headers=HTMX).headers["Saved"]
    page = client.get(address(hearing)).content.decode()
    assert "0:40 Counts on." in page and "All." in page and "Not blind." in page and "Room 12" in page
    score = CriterionScore.objects.get(grade=hearing.grade, criterion__key="flow")
    assert (score.level, score.comment, score.version) == (3, "0:40 Counts on.", 1)


def test_of_two_windows_both_are_kept_and_she_chooses(client_for, session, oaks, listener):
    planned(session, oaks)
    hearing, client = heard(listener, oaks), client_for(listener.person)
    send(client, hearing)
    other = send(client, hearing, comment="1:00 Another window.")
    assert "Both are kept; choose one." in other.content.decode()
    kept = UnappliedSave.objects.get()
    client.post(address(hearing, f"kept/{kept.code}/"), {"use": "kept"})
    assert CriterionScore.objects.get(grade=hearing.grade, criterion__key="flow").comment == "1:00 Another window."


def test_a_level_that_there_is_not_is_not_saved(client_for, session, oaks, listener):
    planned(session, oaks)
    hearing, client = heard(listener, oaks), client_for(listener.person)
    for sent in ({"level": "9"}, {"version": "x"}):
        response = send(client, hearing, **sent)
        assert response.status_code == 422 and "Saved" not in response.headers
    assert client.post(address(hearing, "criteria/beauty/"), {"level": "2", "version": "0"}).status_code == 404


def test_what_is_submitted_can_be_taken_back_for_half_a_minute_then_changed_with_a_reason(
    client_for, session, oaks, listener
):
    planned(session, oaks)
    hearing, client = heard(listener, oaks), client_for(listener.person)
    send(client, hearing)
    hearing.grade.refresh_from_db()
    commit = {"version": str(hearing.grade.version)}
    client.post(address(hearing, "commit/"), commit)
    client.post(address(hearing, "commit/"), {"undo": "yes"})
    hearing.grade.refresh_from_db()
    assert hearing.grade.status == GradeStatus.DRAFT and not hearing.grade.revisions.exists()
    client.post(address(hearing, "commit/"), commit)
    Grade.objects.update(committed_at=timezone.now() - timedelta(minutes=1))
    client.post(address(hearing, "commit/"), {"undo": "yes"})
    hearing.grade.refresh_from_db()
    assert hearing.grade.status == GradeStatus.COMMITTED
    assert client.get(address(hearing, "revise/")).status_code == 200
    keys = hearing.grade.scores.values_list("criterion__key", flat=True)
    sent = {f"{key}-level": "2" for key in keys} | {f"{key}-version": "1" for key in keys}
    assert client.post(address(hearing, "revise/"), sent).status_code == 422, "a reason is missing"
    assert client.post(address(hearing, "revise/"), sent | {"reason": "Thought again."}).status_code == 302
    assert [one.number for one in hearing.grade.revisions.all()] == [1, 2]
    assert AuditEntry.objects.get(action="grade revised").what == "Oaks, presentation"


def test_where_calibration_is_required_notes_are_taken_and_submitted_afterwards(
    client_for, session, oaks, listener, instructor
):
    planned(session, oaks)
    calibration.require(course=session.course, required=True, person=instructor)
    hearing, client = heard(listener, oaks), client_for(listener.person)
    assert send(client, hearing).headers["Saved"]
    assert "asks you to <a" in client.get(address(hearing)).content.decode()
    client.post(address(hearing, "commit/"), {"version": "1"})
    hearing.grade.refresh_from_db()
    assert hearing.grade.status == GradeStatus.DRAFT


# How it counts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blind", "on_stage", "level"),
    [(3.0, 2.0, 2.8), (None, 2.0, 2.0), (3.0, None, 3.0), (None, None, None), (4.0, 4.0, 4.0)],
)
def test_the_presentation_makes_its_percent_of_a_level_and_what_is_missing_counts_for_nothing(blind, on_stage, level):
    assert blended(blind, on_stage, 20) == level


@pytest.fixture
def graded(course, session, oaks, listener, professor):
    """Oaks have handed in a bot, blind level 4 throughout; at the presentation they got 2."""
    factories.assign(oaks, professor)
    submissions.submit(team=oaks, run=make_run(oaks), person=oaks.memberships.get().person)
    gradings.ensure_gradings(course=course)
    submission = oaks.submissions.get()
    mark_all(submission.gradings.get().grade, 4, professor)
    planned(session, oaks)
    mark_all(heard(listener, oaks).grade, 2, professor)
    return submission


def set_rule(course, counting, instructor, **fields):
    presenting.set_rule(course=course, rule=Rule(counting, **fields), person=instructor)


def test_where_it_does_not_count_nothing_of_it_is_in_the_result(graded):
    result = results.results_of([graded])[0]
    assert result.presentation is None and result.points == 100
    assert "presentation" not in releases.draft_of(graded).content


def test_within_the_rubric_each_level_is_made_of_both(graded, instructor, course, client_for):
    set_rule(course, Counting.WITHIN, instructor, weight=25)
    releases.publish(submission=graded, person=instructor)
    result = results.results_of([graded])[0]
    assert {row.final for row in result.criteria} == {3.5} and result.points == 87.5
    student = graded.team.memberships.get().person
    page = client_for(student).get(reverse("submission_detail", args=[graded.team_id])).content.decode()
    assert "blind 4.0, presentation 2.0" in page and "2:10 Says so." in page and "87.50 of 100 points" in page
    assert "Pat Professor" not in page


def test_apart_it_has_points_and_columns_of_its_own(graded, instructor, course, client_for):
    set_rule(course, Counting.APART, instructor, points=40)
    releases.publish(submission=graded, person=instructor)
    result = results.results_of([graded])[0]
    assert result.presentation is not None
    assert result.points == 100 and result.presentation.points == 20
    page = client_for(instructor).get(reverse("submission_grades", args=[course.pk, graded.pk])).content.decode()
    assert "presentation 20 of 40 points" in page
    rows = {layout: written(course, layout) for layout in student_grades.LAYOUTS}
    plain = dict(zip(rows["plain"][0], next(row for row in rows["plain"] if "olive@example.edu" in row), strict=True))
    assert (plain["Points"], plain["Presentation points"], plain["Presentation of"]) == ("100.0", "20.0", "40")
    assert rows["canvas"][0][-1] == "Second-grade chatbot: presentation" and rows["canvas"][1][-1] == "40"
    for layout in ("canvas", "moodle"):
        assert next(row for row in rows[layout] if "olive@example.edu" in row)[-2:] == ["100.0", "20.0"]


def written(course, layout):
    out = io.StringIO()
    student_grades.write_csv(course, layout, out)
    return list(csv.reader(io.StringIO(out.getvalue())))


def test_a_released_result_stays_when_the_presentation_comes_or_counts_otherwise(graded, instructor, course):
    made = releases.publish(submission=graded, person=instructor)
    set_rule(course, Counting.WITHIN, instructor, weight=50)
    graded.refresh_from_db()
    draft = releases.draft_of(graded)
    assert draft.waits and any("Presentation" in said for said in draft.changes)
    assert "presentation" not in made.content
    again = releases.publish(submission=graded, person=instructor, reason="With the presentation.")
    set_rule(course, Counting.APART, instructor)
    graded.refresh_from_db()
    shown = frozen.thaw([again])[0]
    assert shown.presentation is not None
    assert {row.final for row in shown.criteria} == {3.0} and shown.presentation.rule.weight == 50


def test_a_presentation_that_is_not_marked_by_all_is_named_before_the_release(graded, instructor, course, session):
    set_rule(course, Counting.APART, instructor)
    assert releases.unresolved(results.results_of([graded])[0]) == []
    olga = factories.enrol(course, factories.make_person("Olga Other"), Role.PROFESSOR)
    session.listeners.add(olga)
    assert "not marked by all who listen: Olga Other" in str(releases.draft_of(graded).unresolved)
    Presentation.objects.all().delete()
    assert "no place in a presentation" in str(releases.draft_of(graded).unresolved)


def test_marks_after_the_release_wait_and_the_instructor_is_told(graded, instructor, course, listener):
    set_rule(course, Counting.WITHIN, instructor)
    releases.publish(submission=graded, person=instructor)
    before = instructor.notices.count()
    grade = heard(listener, graded.team).grade
    marks = {score.criterion_id: Marks(level=1) for score in grade.scores.all()}
    grades.revise(grade=grade, marks=marks, comment="", reason="Heard it again.", person=listener.person)
    assert instructor.notices.count() == before + 1
    graded.refresh_from_db()
    assert releases.draft_of(graded).waits


def test_a_change_of_how_it_counts_is_on_record_told_to_students_and_read_beside_the_rubric(
    client_for, instructor, course, oaks
):
    student = oaks.memberships.get().person
    url = reverse("presentation_rule", args=[course.pk])
    sent = {"counting": "within", "weight": "30", "points": "20"}
    for _ in range(2):
        assert client_for(instructor).post(url, sent).status_code == 302
    assert "makes 30 %" in student.notices.get().text
    assert AuditEntry.objects.filter(action="presentations").count() == 1
    page = client_for(student).get(reverse("rubric_read", args=[course.pk])).content.decode()
    assert "The presentation makes 30 %" in page
    for wrong in ({"weight": "0"}, {"weight": "100"}, {"points": "0"}, {"counting": "twice"}):
        assert client_for(instructor).post(url, sent | wrong).status_code == 422
    assert presenting.rule_of(course).weight == 30


# The team's bot -------------------------------------------------------------------------------------------------------


def test_she_talks_with_the_bot_that_the_team_handed_in_and_it_is_no_talk_of_the_team(
    client_for, graded, listener, course, model_server, answers_at_once
):
    Grade.objects.update(committed_at=timezone.now() - timedelta(minutes=1))
    model_server.pieces = ["It is ", "cold!"]
    hearing, client = heard(listener, graded.team), client_for(listener.person)
    asked = client.post(address(hearing, "talk/"), {"question": "What is ice?"}, headers=HTMX)
    assert asked.headers["Saved"] == "question"
    page = client.get(address(hearing)).content.decode()
    assert "What is ice?" in page and "training row" not in page.lower()
    talk = Conversation.objects.get(hearing=hearing)
    assert talk.run_id == graded.run_id and not Conversation.objects.for_team(graded.team).exists()
    assert set(Hold.objects.values_list("subject_kind", flat=True)) == {money.GRADING}
    member = graded.team.memberships.get().person
    url = reverse("conversation_detail", args=[graded.team_id, talk.key])
    assert client_for(member).get(url).status_code == 404
    assert client_for(member).post(url.replace(str(talk.key), f"{talk.key}") + "restore/").status_code == 404
