"""The grade book by student, in the columns that Canvas and Moodle read."""

import csv
import io

import pytest
from django.urls import reverse

from evaluation.services import releases, scales, student_grades, submissions
from evaluation.services.scales import Scale
from teams.models import Membership, Role, Section
from teams.services import erasing, roster
from tests import factories
from tests.evaluation.conftest import professor_of
from tests.evaluation.test_grading import committed
from tests.evaluation.test_handing_in import due
from tests.evaluation.test_releases import revise


@pytest.fixture
def graded(run, member, team, professor):
    professor_of(team, professor)
    made = submissions.submit(team=team, run=run, person=member)
    committed(made.gradings.select_related("grade", "grader__person").get(), level=3)
    return made


@pytest.fixture
def released(graded, instructor):
    releases.publish(submission=graded, person=instructor)
    return graded


def rows(client, course, layout):
    answer = client.get(reverse("course_gradebook", args=[course.pk, layout]))
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_each_student_has_a_row_with_what_was_released(released, course, member, instructor, client_for):
    section = Section.objects.create(course=course, name="Monday")
    Membership.objects.filter(person=member).update(student_id="004711", section=section)
    factories.enrol(course, factories.make_person("Nora Newcomer", "nora@example.edu"), Role.STUDENT)
    due(course, -1)
    header, *found = rows(client_for(instructor), course, "plain")
    assert header[:5] == ["Name", "E-mail", "Student ID", "Section", "Team"]
    assert header[-5:] == ["Mean level", "Points", "Of", "Late", "State"]
    assert len(header) == 18
    by_name = {row[0]: dict(zip(header, row, strict=True)) for row in found}
    mine = by_name[member.name]
    assert (mine["Student ID"], mine["Section"], mine["Team"]) == ("004711", "Monday", "Maple")
    assert (mine["Engagement level"], mine["Mean level"], mine["Points"], mine["Of"]) == ("3.0", "3.0", "75.0", "100")
    assert (mine["Late"], mine["State"]) == ("yes", "version 1")
    assert by_name["Nora Newcomer"]["State"] == "in no team"


def test_nothing_is_in_it_that_was_not_released(graded, course, instructor, client_for):
    header, row = rows(client_for(instructor), course, "plain")
    assert row[-1] == "not released"
    assert row[header.index("Points")] == ""
    for layout in ("canvas", "moodle"):
        assert rows(client_for(instructor), course, layout)[-1][-1] == ""


def test_a_change_that_waits_is_said_and_not_counted(released, course, instructor, client_for):
    grading = released.gradings.select_related("grade", "grader__person").get()
    revise(grading, level=1)
    header, row = rows(client_for(instructor), course, "plain")
    assert (row[header.index("Points")], row[-1]) == ("75.0", "version 1, changes wait")


def test_canvas_and_moodle_get_their_own_columns(released, course, member, instructor, client_for):
    Membership.objects.filter(person=member).update(student_id="004711")
    scales.set_scale(course=course, scale=Scale(title="Chatbot", points=20), person=instructor)
    canvas = rows(client_for(instructor), course, "canvas")
    assert canvas[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Chatbot"]
    assert canvas[1] == ["    Points Possible", "", "", "", "", "20"]
    assert canvas[2] == ["Member, Mia", "", "004711", member.email, "", "15.0"]
    moodle = rows(client_for(instructor), course, "moodle")
    assert moodle == [
        ["First name", "Last name", "ID number", "Email address", "Chatbot"],
        ["Mia", "Member", "004711", member.email, "15.0"],
    ]


def test_no_cell_runs_as_a_formula(released, course, team, member, instructor, client_for):
    member.name = "=cmd|' /C calc'!A0"
    member.save()
    team.name = "@SUM(A1)"
    team.save()
    Membership.objects.filter(person=member).update(student_id="-1+1")
    scales.set_scale(course=course, scale=Scale(title="+title"), person=instructor)
    for layout in student_grades.LAYOUTS:
        cells = [cell for row in rows(client_for(instructor), course, layout) for cell in row]
        assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []


def test_there_is_no_other_layout(course, instructor, client_for):
    assert client_for(instructor).get(reverse("course_gradebook", args=[course.pk, "excel"])).status_code == 404


def test_a_class_list_brings_student_ids_and_no_log_has_them(course, instructor):
    text = "Name,Email,Student ID\nAna Lee,ana@example.edu,004711\n"
    roster.enrol(course=course, text=text, role=Role.STUDENT, person=instructor)
    found = Membership.objects.get(person__email="ana@example.edu")
    assert (found.person.name, found.student_id) == ("Ana Lee", "004711")
    assert "004711" not in str(list(course.audit_entries.values_list("what", "before", "after")))
    roster.enrol(course=course, text=text.replace("4711", "4712"), role=Role.STUDENT, person=instructor)
    found.refresh_from_db()
    assert found.student_id == "004712"
    long = roster.preview(course=course, text=text.replace("4711", "4" * 50), role=Role.STUDENT)
    assert long.bad[0].problems == ["The student id has more than 40 characters."]


def test_the_instructor_sets_a_student_id_by_hand_and_erasing_removes_it(course, member, instructor, client_for):
    membership = Membership.objects.get(person=member)
    url = reverse("membership_edit", args=[course.pk, membership.pk])
    data = {"role": "student", "team": membership.team_id, "student_id": " 0815 "}
    assert client_for(instructor).post(url, data).status_code == 302
    membership.refresh_from_db()
    assert membership.student_id == "0815"
    client_for(instructor).post(url, {"role": "student", "team": membership.team_id})
    membership.refresh_from_db()
    assert membership.student_id == "0815", "an older page takes nothing back"
    erasing.erase(membership=membership, person=instructor)
    membership.refresh_from_db()
    assert membership.student_id == ""
