"""From an LMS into the right course, team and role; accounts linked with consent; connections set up in the browser."""

import pytest
from django.test import Client
from django.utils import timezone

from teams.models import AuditEntry, LmsConnection, LmsCourse, LmsIdentity, LmsLaunch, LmsSeat, Membership, Role, User
from teams.services import erasing
from teams.services.lti import connections, launching
from tests import factories
from tests.teams.lms_browser import asked_of, back, begin, launch, press, text
from tests.teams.lms_fixtures import ANA, IRIS, PAT, connection, linked, lms, own_connection
from tests.teams.lms_player import ASSISTANT, CLIENT, DEPLOYMENT, INSTRUCTOR, Person

__all__ = ["connection", "linked", "lms", "own_connection"]


def who(browser):
    return User.objects.filter(pk=browser.session.get("_auth_user_id", 0)).first()


def test_an_instructor_links_account_and_course_and_is_there(client_for, lms, connection, course, instructor):
    browser = client_for(instructor)
    page = launch(browser, lms, connection, IRIS)
    assert "You are signed in here as" in text(page)
    assert not LmsIdentity.objects.exists()
    page = press(browser, "link")
    assert "Which course is this here?" in text(page)
    page = press(browser, "connect", course=course.pk)
    assert page.redirect_chain[-1][0] == f"/courses/{course.pk}/"
    identity = LmsIdentity.objects.get()
    assert (identity.person, identity.subject, identity.consented) == (instructor, "u-iris", True)
    assert LmsCourse.objects.get().course == course
    assert AuditEntry.objects.filter(course=course, action="LMS course linked", person=instructor).exists()


def test_the_next_launch_opens_the_account_without_a_question(lms, connection, linked, instructor, course):
    browser = Client()
    page = launch(browser, lms, connection, IRIS)
    assert who(browser) == instructor
    assert page.redirect_chain[-1][0] == f"/courses/{course.pk}/"


def test_a_new_student_gets_an_account_without_a_password_and_chooses_a_team(lms, connection, linked, course, team):
    browser = Client()
    page = launch(browser, lms, connection, ANA)
    assert "Ana Lee" in text(page)
    assert not User.objects.filter(email=ANA.email).exists()
    page = press(browser, "create")
    ana = who(browser)
    assert (ana.email, ana.name, ana.has_usable_password(), ana.is_proven) == (ANA.email, "Ana Lee", False, False)
    assert Membership.objects.get(person=ana).role == Role.STUDENT
    assert page.redirect_chain[-1][0] == f"/courses/{course.pk}/"
    assert team.name in text(page)  # one to ask to be in
    assert LmsSeat.objects.get(membership__person=ana).subject == "u-ana"


def test_a_student_in_a_team_comes_to_the_page_that_the_link_means(lms, connection, linked, team, member):
    LmsIdentity.objects.create(connection=connection, subject="u-mia", person=member, consented=True)
    mia = Person("u-mia", "Mia", "mia@lms.example")
    pages = {
        "": f"/teams/{team.pk}/",
        "plan": f"/courses/{team.course_id}/plan/",
        "dataset": f"/teams/{team.pk}/datasets/",
        "submission": f"/teams/{team.pk}/submission/",
        "grading": f"/teams/{team.pk}/submission/",
        "https://evil.example/": f"/teams/{team.pk}/",
    }
    for target, path in pages.items():
        lms.claims["https://purl.imsglobal.org/spec/lti/claim/custom"] = {"target": target}
        assert launch(Client(), lms, connection, mia).redirect_chain[-1][0] == path


def test_a_new_instructor_of_the_lms_is_a_professor_who_grades_blind(lms, connection, linked, course, team):
    browser = Client()
    launch(browser, lms, connection, PAT)
    page = press(browser, "create")
    pat = who(browser)
    assert Membership.objects.get(person=pat).role == Role.PROFESSOR
    assert page.redirect_chain[-1][0] == f"/courses/{course.pk}/grading/"
    assert browser.get(f"/teams/{team.pk}/").status_code == 404
    assert browser.get(f"/courses/{course.pk}/people/").status_code == 403
    LmsCourse.objects.update(staff_role=Role.INSTRUCTOR)
    press_new = Client()
    launch(press_new, lms, connection, Person("u-two", "Two", "two@lms.example", (INSTRUCTOR,)))
    press(press_new, "create")
    assert Membership.objects.get(person__email="two@lms.example").role == Role.INSTRUCTOR


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ((ASSISTANT, INSTRUCTOR), "You are a teaching assistant in the LMS"),
        (("http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator",), "neither a student nor"),
        (("http://purl.imsglobal.org/vocab/lis/v2/institution/person#Instructor",), "neither a student nor"),
        ((), "neither a student nor"),
    ],
)
def test_other_roles_become_nobody_and_are_told_why(lms, connection, linked, roles, said):
    browser = Client()
    before = User.objects.count()
    page = launch(browser, lms, connection, Person("u-x", "X", "x@lms.example", roles))
    assert said in text(page)
    assert said in text(press(browser, "create"))
    assert User.objects.count() == before


def test_a_role_that_somebody_has_here_is_changed_by_no_launch(lms, connection, linked, member, course):
    LmsIdentity.objects.create(connection=connection, subject="u-mia", person=member, consented=True)
    launch(Client(), lms, connection, Person("u-mia", "Mia", "mia@lms.example", (INSTRUCTOR,)))
    assert Membership.objects.get(person=member, course=course).role == Role.STUDENT


def test_who_was_taken_out_stays_out(lms, connection, linked, member, course):
    LmsIdentity.objects.create(connection=connection, subject="u-mia", person=member, consented=True)
    course.memberships.filter(person=member).update(active=False)
    browser = Client()
    page = launch(browser, lms, connection, Person("u-mia", "Mia", "mia@lms.example"))
    assert "You were taken out of" in text(page)
    assert who(browser) is None


def test_nobody_new_comes_in_where_the_instructor_closed_the_door(lms, connection, linked):
    LmsCourse.objects.update(takes_in=False)
    browser = Client()
    launch(browser, lms, connection, ANA)
    assert "takes in nobody new" in text(press(browser, "create"))
    assert not User.objects.filter(email=ANA.email).exists()


def test_a_course_that_is_not_linked_makes_no_accounts(lms, connection):
    browser = Client()
    page = launch(browser, lms, connection, ANA)
    assert "No course here is linked" in text(page)
    press(browser, "create")
    assert not User.objects.filter(email=ANA.email).exists()


def test_an_account_is_linked_by_signing_in_once(client, lms, connection, linked, team):
    mia = factories.make_person("Mia Real", ANA.email)
    factories.enrol(team.course, mia, Role.STUDENT, team)
    page = launch(client, lms, connection, ANA)
    assert "There is an account with this address" in text(page)
    signing = client.post("/sign-in/?next=/lti/enter/", {"username": mia.email, "password": factories.PASSWORD})
    assert signing["Location"] == "/lti/enter/"
    assert "That is me" in text(client.get("/lti/enter/"))
    assert press(client, "link").redirect_chain[-1][0] == f"/teams/{team.pk}/"
    assert who(client) == mia
    fresh = Client()
    launch(fresh, lms, connection, ANA)
    assert who(fresh) == mia


def test_inside_a_frame_a_page_offers_a_window_and_nothing_is_begun(client, lms, connection):
    lms.people[ANA.subject] = ANA
    call = lms.call(connection, ANA)
    page = client.get(f"/lti/{connection.key}/login/", call, headers={"Sec-Fetch-Dest": "iframe"})
    assert 'target="_blank"' in text(page)
    assert not LmsLaunch.objects.exists()
    assert "X-Frame-Options" not in page
    assert "frame-ancestors *" in page["Content-Security-Policy"]
    assert page.cookies == {}
    assert client.get("/sign-in/")["X-Frame-Options"] == "DENY"


def test_a_call_by_post_begins_a_launch_too(lms, connection):
    lms.people[ANA.subject] = ANA
    browser = Client(enforce_csrf_checks=True)
    asked = asked_of(browser.post(f"/lti/{connection.key}/login/", lms.call(connection, ANA)))
    assert asked["redirect_uri"] == f"http://testserver/lti/{connection.key}/launch/"
    assert back(browser, connection, lms.message(asked)).status_code == 303


def test_an_instructor_registers_by_hand_and_allows_the_deployment(client_for, lms, course, instructor):
    browser = client_for(instructor)
    page = browser.post(f"/courses/{course.pk}/lms/", {"name": "Canvas"}, follow=True)
    connection = LmsConnection.objects.get()
    at = f"/courses/{course.pk}/lms/{connection.pk}/"
    for address in (f"/lti/{connection.key}/launch/", f"/lti/{connection.key}/login/", "/lti/keys/"):
        assert f"http://testserver{address}" in text(page)
    assert "Enter what the LMS says" in text(browser.post(at, {"do": "on"}, follow=True))
    given = vars(lms.wanted(deployment_id="")) | {"do": "register"}
    assert "Kept." in text(browser.post(at, given, follow=True))
    assert "turned off" in text(Client().get(f"/lti/{connection.key}/login/", lms.call(connection, IRIS)))
    browser.post(at, {"do": "on"})
    page = launch(browser, lms, connection, IRIS)
    assert f"The deployment “{DEPLOYMENT}” of Canvas is not allowed here yet." in text(page)
    assert DEPLOYMENT in text(browser.get(at))
    browser.post(at, {"do": "allow", "deployment": DEPLOYMENT})
    assert "Who are you here?" in text(launch(browser, lms, connection, IRIS))
    browser.post(at, {"do": "forbid", "deployment": DEPLOYMENT})
    assert "is not allowed here" in text(launch(browser, lms, connection, IRIS))
    browser.post(at, {"do": "remove"})
    assert not LmsConnection.objects.exists()
    assert "No LMS is connected" in text(Client().get(f"/lti/{connection.key}/login/", lms.call(connection, IRIS)))


def test_an_lms_is_connected_once(client_for, lms, connection, course, instructor):
    browser = client_for(instructor)
    browser.post(f"/courses/{course.pk}/lms/", {"name": "Again"})
    again = LmsConnection.objects.get(name="Again")
    given = vars(lms.wanted()) | {"do": "register"}
    page = browser.post(f"/courses/{course.pk}/lms/{again.pk}/", given)
    assert (page.status_code, again.registration) == (422, None)
    assert "is connected here already" in text(page)
    assert lms.issuer in text(page)  # what was typed is still there


def test_an_lms_registers_by_itself_and_is_off_until_somebody_looked(client_for, lms, course, instructor):
    browser = client_for(instructor)
    browser.post(f"/courses/{course.pk}/lms/", {"name": "Moodle"})
    connection = LmsConnection.objects.get()
    page = browser.post(f"/courses/{course.pk}/lms/{connection.pk}/", {"do": "token"})
    address = next(one for one in page.content.decode().split('"') if "/lti/register/" in one)
    path = address.removeprefix("http://testserver")
    frame = Client(enforce_csrf_checks=True)
    asked = {"openid_configuration": f"{lms.issuer}/configuration", "registration_token": "their token"}
    assert "X-Frame-Options" not in frame.get(path, asked)
    assert lms.registered == []
    assert "Registered" in text(frame.post(path, asked))
    ours = lms.registered[0]
    assert ours["token"] == "Bearer their token"
    assert ours["redirect_uris"] == [f"http://testserver/lti/{connection.key}/launch/"]
    connection.refresh_from_db()
    assert (connection.registration.client_id, connection.is_on) == (CLIENT, False)
    assert connection.registration.deployments.get().is_active
    assert "used already" in text(frame.post(path, asked))
    assert len(lms.registered) == 1


def test_a_registration_that_failed_can_be_tried_again(client_for, lms, course, instructor):
    from teams.services.lti import dynamic

    connection = connections.add(course=course, person=instructor, name="Moodle")
    token = dynamic.new_token(connection=connection, person=instructor)
    page = Client().post(f"/lti/register/{token}/", {"openid_configuration": f"{lms.issuer}/keys"})
    assert "is no configuration of an LMS: issuer," in text(page)
    page = Client().post(f"/lti/register/{token}/", {"openid_configuration": f"{lms.issuer}/configuration"})
    assert "Registered" in text(page)


def test_an_instructor_chooses_a_page_inside_the_lms_without_any_cookie(lms, connection):
    lms.people[IRIS.subject] = IRIS
    browser = Client(enforce_csrf_checks=True)
    call = lms.call(connection, IRIS, target_link_uri=connections.addresses(connection).deep_link)
    asked = asked_of(browser.get(f"/lti/{connection.key}/login/", call, headers={"Sec-Fetch-Dest": "iframe"}))
    form = lms.message(asked, deep=True)
    browser.cookies.clear()
    page = back(browser, connection, form)
    assert "What should the link open?" in text(page)
    assert "X-Frame-Options" not in page
    ticket = next(one for one in page.content.decode().split('name="ticket" value="')[1:]).split('"')[0]
    assert "Choose at least one page." in text(browser.post("/lti/links/", {"ticket": ticket}))
    page = browser.post("/lti/links/", {"ticket": ticket, "page": "plan"})
    assert f"form-action {lms.issuer};" in page["Content-Security-Policy"] + ";"
    token = page.content.decode().split('name="JWT" value="')[1].split('"')[0]
    links = lms.take_links(token)
    assert [(one["title"], one["custom"]) for one in links] == [("The plan", {"target": "plan"})]
    assert links[0]["url"] == connections.addresses(connection).launch
    assert "is over" in text(browser.post("/lti/links/", {"ticket": ticket, "page": "plan"}))


def test_what_an_lms_said_of_a_person_is_gone_with_the_person_and_within_the_hour(lms, connection, linked, instructor):
    browser = Client()
    launch(browser, lms, connection, ANA)
    assert LmsLaunch.objects.filter(email=ANA.email).exists()
    press(browser, "create")
    assert not LmsLaunch.objects.filter(email=ANA.email).exists()
    ana = User.objects.get(email=ANA.email)
    erasing.erase(membership=ana.memberships.get(), person=instructor)
    assert not LmsIdentity.objects.filter(subject=ANA.subject).exists()
    assert not LmsSeat.objects.filter(subject=ANA.subject).exists()
    begin(Client(), lms, connection, ANA)
    LmsLaunch.objects.update(begun_at=timezone.now() - launching.KEPT * 2)
    assert launching.sweep() > 0
    assert not LmsLaunch.objects.exists()


def test_an_instructor_changes_and_ends_a_link(client_for, lms, linked, course, instructor):
    browser = client_for(instructor)
    at = f"/courses/{course.pk}/lms/courses/{linked.pk}/"
    assert "Teaching science" in text(browser.get(f"/courses/{course.pk}/lms/"))
    browser.post(at, {"staff_role": "instructor", "sends_grades": "on"})
    linked.refresh_from_db()
    assert (linked.staff_role, linked.takes_in, linked.sends_grades) == ("instructor", False, True)
    browser.post(at, {"do": "unlink"})
    assert not LmsCourse.objects.exists()
    assert course.memberships.filter(person=instructor, active=True).exists()


def test_the_lms_is_asked_for_its_keys_once_and_again_for_a_key_that_is_new(lms, connection, linked):
    for name in ("u-1", "u-2"):
        launch(Client(), lms, connection, Person(name, name, f"{name}@lms.example"))
    assert lms.asked.count("GET /keys") == 1
    from tests.teams.lms_player import pem

    private, public = pem("next year")
    lms.registration.set_platform_private_key(private).set_platform_public_key(public)
    assert "Who are you here?" in text(launch(Client(), lms, connection, ANA))
    assert lms.asked.count("GET /keys") == 2
