import re

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile

from teams.models import AuditEntry, Role, Section, Team, User
from teams.services import courses, enrolment, roster
from tests import factories


@pytest.fixture(autouse=True)
def no_mail_was_sent_before():
    cache.clear()


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.DOTALL)
    assert match, text
    return match[1]


def preview(course, text, role=Role.STUDENT) -> roster.Preview:
    return roster.preview(course=course, text=text, role=role)


def problems(course, text, role=Role.STUDENT) -> dict[int, str]:
    return {line.number: " ".join(line.problems) for line in preview(course, text, role).bad}


@pytest.mark.parametrize(
    "text",
    [
        "name,email,section,team\nAna Lee,Ana@Example.edu,Mon,Maple",
        "Team;E-Mail;Full Name;Section\nMaple;ana@example.edu;Ana Lee;Mon",
        "First Name\tLast Name\tEmail Address\tGroup\tClass\nAna\tLee\tmailto:ana@example.edu\tMaple\tMon",
        "Ana Lee,ana@example.edu,Mon,Maple",
        "ana@example.edu,Ana Lee,Mon,Maple",
        '\n"email","NAME","team","section"\n\n ana@example.edu , Ana Lee ,Maple,Mon\n\n',
    ],
)
def test_headings_may_stand_in_any_order_spelling_and_separator(course, text):
    line = preview(course, text).good[0]
    assert (line.name, line.email, line.section, line.team) == ("Ana Lee", "ana@example.edu", "Mon", "Maple")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_file_is_read_in_the_encodings_that_spreadsheets_write(course, encoding):
    assert "José" in roster.decode("name,email\nJosé,j@example.edu\n".encode(encoding))


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"PK\x03\x04rest", "Save it as CSV"), (b"\x00\x01\x02", "not text"), (b"name,team\nA,B", "no e-mail")],
)
def test_what_is_no_list_is_refused_with_a_sentence(course, data, said):
    with pytest.raises(roster.RosterUnreadable, match=said):
        preview(course, roster.decode(data))


def test_each_line_says_what_is_wrong_with_it(course, team, member, professor):
    text = "\n".join(
        [
            "name,email,section,team",
            "No Mail,,,",
            "Bad,not-an-address,,",
            "A,a@example.edu,,",
            "B,a@example.edu,,",
            ",new@example.edu,,",
            f"Pat,{professor.email},,",
            "Long,long@example.edu,," + "x" * 61,
        ]
    )
    assert problems(course, text) == {
        2: "The e-mail address is missing.",
        3: "“not-an-address” is not an e-mail address.",
        5: "The same address stands on line 4.",
        6: "The name is missing, and nobody has an account with this address yet.",
        7: "Is here already, as professor: change that by hand.",
        8: "The team has more than 60 characters.",
    }


def test_a_team_is_full_on_the_line_that_would_be_one_too_many(course, team, member):
    course.team_size = 2
    course.save()
    text = "".join(f"N{number},n{number}@example.edu,Mon,Maple\n" for number in range(3))
    assert problems(course, text) == {2: "Maple is full (2 people).", 3: "Maple is full (2 people)."}


def test_professors_are_enrolled_without_teams(course):
    assert problems(course, "P,p@example.edu,,Maple", Role.PROFESSOR) == {
        1: "Only students are in teams: leave the team empty."
    }


def test_a_preview_writes_nothing(client_for, course, instructor):
    before = (User.objects.count(), Team.objects.count(), Section.objects.count(), AuditEntry.objects.count())
    form = {"role": "student", "text": "Ana,ana@example.edu,Mon,Oak", "do": "preview"}
    page = client_for(instructor).post(f"/courses/{course.pk}/people/list/", form).content.decode()
    assert "new account, invited by e-mail; new section Mon; new team Oak" in page
    assert (User.objects.count(), Team.objects.count(), Section.objects.count(), AuditEntry.objects.count()) == before


def test_enrolling_makes_accounts_sections_and_teams_and_the_mailed_link_sets_the_password(
    client_for, client, course, instructor, mailoutbox, settings, django_capture_on_commit_callbacks
):
    settings.SITE_URL = "http://course.example"
    file = SimpleUploadedFile("list.csv", b"name,email,section,team\nAna,ana@example.edu,Mon,Oak\nBad,bad,,\n")
    mine = client_for(instructor)
    shown = mine.post(f"/courses/{course.pk}/people/list/", {"role": "student", "file": file, "do": "preview"})
    text = found(r"<textarea[^>]*hidden>\n(.*?)</textarea>", shown.content.decode())
    with django_capture_on_commit_callbacks(execute=True):
        page = mine.post(
            f"/courses/{course.pk}/people/list/", {"role": "student", "text": text, "do": "enrol"}, follow=True
        )
    assert "1 person is new in the course, 1 of them invited" in page.content.decode()
    ana = User.objects.get(email="ana@example.edu")
    membership = ana.memberships.get()
    assert membership.section
    assert membership.team
    assert (membership.section.name, membership.team.name, membership.role) == ("Mon", "Oak", "student")
    assert membership.team.account.limit == course.team_budget
    assert not ana.has_usable_password()
    link = found(r"http://course.example(\S+)", mailoutbox[0].body)
    form_page = client.get(link, follow=True)
    address = form_page.redirect_chain[-1][0]
    done = client.post(
        address, {"new_password1": "a long passphrase", "new_password2": "a long passphrase"}, follow=True
    )
    assert done.redirect_chain[-1][0] == f"/teams/{membership.team_id}/"
    again = client.get(link, follow=True).content.decode()
    assert "used already" in again


def test_enrolling_the_same_list_twice_changes_nothing_and_mails_nobody_again(
    course, instructor, mailoutbox, django_capture_on_commit_callbacks
):
    text = "Ana,ana@example.edu,Mon,Oak"
    with django_capture_on_commit_callbacks(execute=True):
        roster.enrol(course=course, text=text, role=Role.STUDENT, person=instructor)
        again = roster.enrol(course=course, text=text, role=Role.STUDENT, person=instructor)
    assert (again.invited, again.added, again.changed) == (0, 0, 0)
    assert len(mailoutbox) == 1


def test_a_list_moves_people_who_are_here_already(course, team, member, instructor):
    roster.enrol(course=course, text=f"{member.email},,Tue,Oak", role=Role.STUDENT, person=instructor)
    membership = member.memberships.get()
    assert (membership.team.name, membership.section.name) == ("Oak", "Tue")


def test_a_forgotten_password_is_mailed_once_and_an_unknown_address_gets_the_same_answer(
    client, member, mailoutbox, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        answers = [
            client.post("/password/forgotten/", {"email": address}, follow=True).content.decode()
            for address in (member.email.upper(), member.email, "nobody@example.edu")
        ]
    assert all("If this address has an account" in answer for answer in answers)
    assert [mail.to for mail in mailoutbox] == [[member.email]]


def test_an_old_or_invented_link_says_so(client, member):
    page = client.get("/password/set/MQ/abc-def/")
    assert "Get a new link" in page.content.decode()


def test_the_sign_in_page_offers_the_forgotten_password(client, db):
    assert "/password/forgotten/" in client.get("/sign-in/").content.decode()


def test_somebody_taken_out_cannot_enter_nor_join_again_and_comes_back_with_everything(
    client_for, course, team, member, instructor
):
    membership = member.memberships.get()
    address = f"/courses/{course.pk}/people/{membership.pk}/switch/"
    client_for(instructor).post(address, {"do": "out"})
    assert client_for(member).get(f"/teams/{team.pk}/").status_code == 404
    assert course.name not in client_for(member).get("/").content.decode()
    with pytest.raises(courses.CourseRefused, match="taken out"):
        courses.join_course(person=member, code=course.student_code)
    client_for(instructor).post(address, {"do": "in"})
    assert client_for(member).get(f"/teams/{team.pk}/").status_code == 200
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == ["taken out", "let in again"]


def test_an_instructor_cannot_take_out_themselves_nor_the_last_one(client_for, course, instructor):
    membership = instructor.memberships.get()
    page = client_for(instructor).post(
        f"/courses/{course.pk}/people/{membership.pk}/switch/", {"do": "out"}, follow=True
    )
    assert "cannot take yourself out" in page.content.decode()
    with pytest.raises(courses.CourseRefused, match="needs an instructor"):
        enrolment.deactivate(membership=membership, person=factories.make_person())


def test_a_place_that_was_given_away_is_not_taken_back(course, team, member, instructor):
    course.team_size = 1
    course.save()
    membership = member.memberships.get()
    enrolment.deactivate(membership=membership, person=instructor)
    late = factories.enrol(course, factories.make_person(), Role.STUDENT)
    courses.put_in_team(membership=late, team=team, person=instructor)
    with pytest.raises(courses.CourseRefused, match="full by now"):
        enrolment.reactivate(membership=membership, person=instructor)


def test_a_person_is_moved_to_another_team_and_section(client_for, course, team, other_team, member, instructor):
    section = enrolment.create_section(course=course, name="Mon", person=instructor)
    membership = member.memberships.get()
    address = f"/courses/{course.pk}/people/{membership.pk}/"
    client_for(instructor).post(address, {"role": "student", "team": other_team.pk, "section": section.pk})
    membership.refresh_from_db()
    assert (membership.team, membership.section) == (other_team, section)


def test_a_full_team_is_said_on_the_persons_page(client_for, course, team, other_team, member, instructor):
    course.team_size = 1
    course.save()
    membership = member.memberships.get()
    form = {"role": "student", "team": other_team.pk, "section": ""}
    page = client_for(instructor).post(f"/courses/{course.pk}/people/{membership.pk}/", form)
    assert page.status_code == 422
    assert "Birch is full" in page.content.decode()


def test_removing_a_section_keeps_its_people(client_for, course, member, instructor):
    section = enrolment.create_section(course=course, name="Mon", person=instructor)
    enrolment.put_in_section(membership=member.memberships.get(), section=section, person=instructor)
    client_for(instructor).post(f"/courses/{course.pk}/sections/{section.pk}/remove/")
    assert member.memberships.get().section is None
    assert not course.sections.exists()


def test_the_same_section_twice_is_refused_and_another_courses_is_not_found(
    client_for, course, other_course, instructor
):
    client = client_for(instructor)
    client.post(f"/courses/{course.pk}/sections/new/", {"name": "Mon"})
    page = client.post(f"/courses/{course.pk}/sections/new/", {"name": "Mon"}, follow=True)
    assert "already a section" in page.content.decode()
    far = Section.objects.create(course=other_course, name="Far")
    assert client.post(f"/courses/{course.pk}/sections/{far.pk}/remove/").status_code == 404


def wait(course, number, section=None):
    for _ in range(number):
        membership = factories.enrol(course, factories.make_person(), Role.STUDENT)
        membership.section = section
        membership.save()


def sizes(groups) -> list[int]:
    return sorted(len(group.members) for group in groups)


def test_teams_are_even_repeatable_and_differ_with_the_draw_number(course):
    wait(course, 11)

    def draw(seed):
        return enrolment.propose_teams(course=course, size=4, by_section=False, seed=seed)

    assert sizes(draw(1)) == [3, 4, 4]
    assert [group.members for group in draw(1)] == [group.members for group in draw(1)]
    assert [group.members for group in draw(1)] != [group.members for group in draw(2)]


def test_sections_are_kept_apart_where_wanted(course):
    monday, tuesday = (Section.objects.create(course=course, name=name) for name in ("Mon", "Tue"))
    wait(course, 3, monday)
    wait(course, 5, tuesday)
    apart = enrolment.propose_teams(course=course, size=4, by_section=True, seed=1)
    assert sizes(apart) == [2, 3, 3]
    assert all(len({member.section_id for member in group.members}) == 1 for group in apart)
    assert sizes(enrolment.propose_teams(course=course, size=4, by_section=False, seed=1)) == [4, 4]


def test_the_draw_that_was_shown_is_the_one_that_is_made(client_for, course, instructor, team):
    Team.objects.filter(pk=team.pk).update(name="Team 2")
    wait(course, 5)
    client, form = client_for(instructor), {"size": 3, "seed": 7}
    page = client.post(f"/courses/{course.pk}/people/teams/", {**form, "do": "show"})
    shown, mark = page.context["groups"], found(r'name="shown" value="(\w+)"', page.content.decode())
    assert not Team.objects.filter(name="Team 1").exists()
    client.post(f"/courses/{course.pk}/people/teams/", {**form, "shown": mark, "do": "make"})
    for group in shown:
        made = Team.objects.get(course=course, name=group.name)
        assert set(made.memberships.all()) == set(group.members)
        assert made.account.limit == course.team_budget
    assert [group.name for group in shown] == ["Team 1", "Team 3"]
    again = client.post(f"/courses/{course.pk}/people/teams/", {**form, "shown": mark, "do": "make"})
    assert "Nothing was made" in again.content.decode()
    assert "Every student is in a team already" in again.content.decode()


def test_a_draw_that_somebody_joined_since_is_shown_again_and_not_made(client_for, course, instructor):
    wait(course, 4)
    client, form = client_for(instructor), {"size": 2, "seed": 7}
    page = client.post(f"/courses/{course.pk}/people/teams/", {**form, "do": "show"}).content.decode()
    mark = found(r'name="shown" value="(\w+)"', page)
    wait(course, 1)
    again = client.post(f"/courses/{course.pk}/people/teams/", {**form, "shown": mark, "do": "make"})
    assert "not the teams that you looked at" in again.content.decode()
    assert not course.teams.exists()
    new = found(r'name="shown" value="(\w+)"', again.content.decode())
    client.post(f"/courses/{course.pk}/people/teams/", {**form, "shown": new, "do": "make"})
    assert course.teams.count() == 3


def test_a_team_size_of_nothing_is_refused(client_for, course, instructor):
    page = client_for(instructor).post(f"/courses/{course.pk}/people/teams/", {"size": 0, "seed": 1, "do": "make"})
    assert page.status_code == 422


def test_an_invite_link_fills_in_the_code_and_survives_signing_in(client, course):
    page = client.get(f"/join/?code={course.student_code}").content.decode()
    assert f'value="{course.student_code}"' in page
    assert f"/sign-in/?next=%2Fjoin%2F%3Fcode%3D{course.student_code}" in page


def test_the_people_page_pages_finds_and_needs_the_same_queries_for_five_and_for_seventy(
    client_for, course, member, instructor, django_assert_max_num_queries
):
    wait(course, 70)
    client = client_for(instructor)
    with django_assert_max_num_queries(10):
        page = client.get(f"/courses/{course.pk}/people/").content.decode()
    assert page.count("<tr>") == 51
    narrowed = client.get(f"/courses/{course.pk}/people/?q={member.name}").content.decode()
    assert narrowed.count("<tr>") == 2
    assert "Nobody here is called" in client.get(f"/courses/{course.pk}/people/?q=zzz").content.decode()


def test_nobody_is_put_into_the_practice_team_by_a_list(course):
    practice = factories.make_team(course, "Practice")
    Team.objects.filter(pk=practice.pk).update(practice=True)
    said = problems(course, "name,email,team\nAna,ana@example.edu,Practice\nBen,ben@example.edu,Maple")
    assert list(said) == [2]
    assert "for everyone to practise in" in said[2]


def test_a_long_list_that_could_be_looked_at_can_be_enrolled(client_for, course, instructor):
    lines = ["name,email," + "x" * 900, *(f"Ana,ana{number}@example.edu,{'y' * 900}" for number in range(500))]
    file = SimpleUploadedFile("list.csv", "\n".join(lines).encode())
    client = client_for(instructor)
    sent = {"role": "student", "file": file, "do": "preview"}
    shown = client.post(f"/courses/{course.pk}/people/list/", sent).content.decode()
    text = found(r"<textarea[^>]*hidden>\n(.*?)</textarea>", shown)
    answer = client.post(f"/courses/{course.pk}/people/list/", {"role": "student", "text": text, "do": "enrol"})
    assert answer.status_code == 302
    assert course.memberships.filter(role=Role.STUDENT).count() == 500


def test_a_full_team_says_so_and_offers_no_button(client_for, course, team):
    course.team_size = 1
    course.save()
    late = factories.make_person("Late")
    factories.enrol(course, late, Role.STUDENT)
    page = client_for(late).get(f"/courses/{course.pk}/").content.decode()
    assert "This team is full" in page
    assert "Join Maple" not in page


def test_a_professor_who_becomes_a_student_or_is_taken_out_is_nobodys_grader(
    client_for, course, team, instructor, professor
):
    grader = professor.memberships.get()
    factories.assign(team, professor)
    home = client_for(instructor).get(f"/courses/{course.pk}/").content.decode()
    assert "Pat Professor" in home
    enrolment.deactivate(membership=grader, person=instructor)
    home = client_for(instructor).get(f"/courses/{course.pk}/").content.decode()
    assert "Assign one" in home
    settings = client_for(instructor).get(f"/courses/{course.pk}/teams/{team.pk}/settings/").content.decode()
    assert "Pat Professor" not in settings
    enrolment.reactivate(membership=grader, person=instructor)
    courses.set_role(membership=grader, role=Role.STUDENT, person=instructor)
    assert not team.professor_assignments.exists()
