"""Each kind of notice, where each person wants it; the bar that learns of it without a reload; and blind professors."""

import re

import pytest
from django.utils import timezone

from datasets.services import reviews, rework
from datasets.services.reading import row_at
from evaluation.models import GradeStatus, Submission
from evaluation.services import grades, gradings, regrades, releases, reminders, submissions
from teams import impersonation
from teams.models import Membership, Milestone, Notice, NoticeKind, OutgoingMail, Role
from teams.services import budget_requests, money, notices, team_requests
from tests import factories
from tests.evaluation.conftest import make_run
from training.models import RunStatus, TrainingRun
from training.services import finish

KINDS = list(NoticeKind)


@pytest.fixture
def happen(redis_server, course, team, member, professor, instructor, other_professor):
    """Make the thing happen that a notice of this kind is about, through its own service."""

    def run_ends():
        run = make_run(team)
        TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.RUNNING, created_by=member)
        run.refresh_from_db()
        finish.fail(run, None, finish.LOST)

    def graded():
        factories.assign(team, professor)
        submission = submissions.submit(team=team, run=make_run(team), person=member)
        gradings.ensure_gradings(course=course)
        grade = submission.gradings.get().grade
        grade.status = GradeStatus.COMMITTED
        grade.save()
        return submission

    def grade_released():
        releases.publish(submission=graded(), person=instructor)

    def decision_waits():
        submission = Submission.objects.filter(team=team).first() or graded()
        Submission.objects.filter(pk=submission.pk).update(released_at=timezone.now())
        grade = submission.gradings.get().grade
        marks = {score.criterion_id: grades.Marks(level=2) for score in grade.scores.all()}
        grades.revise(grade=grade, marks=marks, comment="", reason="I read it again.", person=professor)

    def look_waits():
        submission = Submission.objects.filter(team=team).first() or graded()
        Submission.objects.filter(pk=submission.pk).update(released_at=timezone.now())
        submission.refresh_from_db()
        criterion = submission.rubric.criteria.get(key="vocabulary")
        asked = regrades.request_regrade(
            submission=submission, criterion=criterion, turns=[], words="Please.", person=member
        )
        reader = other_professor.memberships.get()
        regrades.send_for_second_look(request=asked, professor=reader, person=instructor)

    def budget_answered():
        asked = budget_requests.ask(team=team, person=member, amount=1, reason="more")
        budget_requests.answer(asked=asked, approve=True, person=instructor)

    def commented(person=professor):
        version = factories.make_dataset_version(team, person=member)
        say(version, person, "A child would not say this.")

    def announced():
        notices.announce(course=course, author=instructor, text="No class on Monday.")

    def asked_to_join():
        newcomer = factories.enrol(course, factories.make_person("Nora"), Role.STUDENT)
        team_requests.ask(membership=newcomer, team=team)

    def version_made():
        version = factories.make_dataset_version(team, person=member)
        rework.make_and_tell(version=version, person=member, work="swap", option="all")

    def replaced():
        """After what else is told of the first bot."""
        rowan = factories.make_team(course, f"Rowan {Submission.objects.count()}", factories.make_person("Rosa Rowan"))
        factories.assign(rowan, professor)
        submissions.submit(team=rowan, run=make_run(rowan), person=member)
        OutgoingMail.objects.filter(person=professor).delete()
        professor.notices.all().delete()
        submissions.submit(team=rowan, run=make_run(rowan), person=member)

    def disputed():
        submission = Submission.objects.filter(team=team).first() or graded()
        Submission.objects.filter(pk=submission.pk).update(released_at=timezone.now())
        submission.refresh_from_db()
        criterion = submission.rubric.criteria.get(key="flow")
        regrades.request_regrade(submission=submission, criterion=criterion, turns=[], words="Please.", person=member)

    def due():
        step = {"title": "Submit", "goal": Milestone.Goal.SUBMISSION, "due_on": timezone.localdate(), "position": 99}
        Milestone.objects.create(course=course, **step)
        reminders.tell_due()

    doing = {
        NoticeKind.REPLACED: replaced,
        NoticeKind.DISPUTED: disputed,
        NoticeKind.DUE: due,
        NoticeKind.DATASET: version_made,
        NoticeKind.TEAM: asked_to_join,
        NoticeKind.RUN: run_ends,
        NoticeKind.GRADE: grade_released,
        NoticeKind.DECISION: decision_waits,
        NoticeKind.WAITING: look_waits,
        NoticeKind.BUDGET: budget_answered,
        NoticeKind.COMMENT: commented,
        NoticeKind.ANNOUNCEMENT: announced,
    }
    return lambda kind: doing[kind]()


@pytest.fixture
def other_professor(course):
    person = factories.make_person("Olga Other")
    factories.enrol(course, person, Role.PROFESSOR)
    return person


@pytest.fixture
def told(member, professor, instructor, other_professor):
    """Who is told of this kind."""
    others = {
        NoticeKind.DECISION: instructor,
        NoticeKind.DISPUTED: instructor,
        NoticeKind.WAITING: other_professor,
        NoticeKind.REPLACED: professor,
    }
    return lambda kind: others.get(kind, member)


def first_row(version):
    row = row_at(version, 0)
    assert row is not None
    return row


def say(version, person, text):
    reviews.comment(version=version, row=first_row(version), person=person, text=text, by_reviewer=True)


def choose(client, *, in_app, by_mail):
    return client.post("/notices/", {"in_app": in_app, "by_mail": by_mail}, follow=True)


def mails_to(mailoutbox, person):
    return [mail for mail in mailoutbox if mail.to == [person.email]]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_in_the_app_and_by_mail(happen, kind, told, mailoutbox, django_capture_on_commit_callbacks):
    person = told(kind)
    with django_capture_on_commit_callbacks(execute=True):
        happen(kind)
    assert [notice.kind for notice in person.notices.all()] == [kind]
    assert len(mails_to(mailoutbox, person)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_without_mail_there_is_the_notice_and_without_the_notice_there_is_the_mail(
    happen, client_for, kind, told, mailoutbox, django_capture_on_commit_callbacks
):
    member = told(kind)
    others = [one for one in KINDS if one != kind]
    choose(client_for(member), in_app=KINDS, by_mail=others)
    with django_capture_on_commit_callbacks(execute=True):
        happen(kind)
    assert member.notices.filter(kind=kind).count() == 1
    assert mails_to(mailoutbox, member) == []
    notices.choose(person=member, in_app=set(others), by_mail=set(KINDS))
    with django_capture_on_commit_callbacks(execute=True):
        notices.tell(people=[member], course=member.memberships.get().course, kind=kind, text="Again.", path="/")
    assert member.notices.filter(kind=kind).count() == 1
    assert len(mails_to(mailoutbox, member)) == 1


def test_the_page_shows_what_was_chosen(client_for, member):
    client = client_for(member)
    assert client.get("/notices/").content.decode().count(" checked") == 2 * len(KINDS)
    page = choose(client, in_app=["run", "grade"], by_mail=["grade"]).content.decode()
    assert re.findall(r'name="(\w+)" value="(\w+)"[^>]* checked', page) == [
        ("in_app", "run"),
        ("in_app", "grade"),
        ("by_mail", "grade"),
    ]
    assert choose(client, in_app=["everything"], by_mail=[]).status_code == 200
    assert notices.chosen(person=member) == (["run", "grade"], ["grade"])


def test_a_teacher_who_remarks_on_many_rows_is_one_notice_until_it_is_read(team, member, professor, redis_server):
    version = factories.make_dataset_version(team, person=member)
    for number in range(3):
        say(version, professor, f"Remark {number}")
    assert member.notices.count() == 1
    notices.read_all(person=member)
    say(version, professor, "Another")
    assert member.notices.count() == 2
    assert member.notices.first().path.endswith("/versions/1/review/")


def test_the_teams_own_words_on_a_row_are_no_notice(team, member, redis_server):
    version = factories.make_dataset_version(team, person=member)
    reviews.comment(version=version, row=first_row(version), person=member, text="Mine", by_reviewer=False)
    assert not Notice.objects.exists()


def test_the_instructors_comment_comes_from_the_review_page(client_for, course, team, member, instructor, redis_server):
    version = factories.make_dataset_version(team, person=member)
    review = reviews.ask(version=version, person=member)
    row = first_row(version)
    page = f"/courses/{course.pk}/review/{review.code_for(instructor)}/{row.id}/comment/"
    client_for(instructor).post(page, {"text": "Shorter, please.", "position": 0})
    assert "Shorter, please." in member.notices.get().text


def test_no_notice_of_a_professor_names_a_team_or_its_people(happen, course, team, member, professor, instructor):
    """The instructor's own words apart, which are the same for everyone."""
    for kind in KINDS:
        happen(kind)
    money.hold(team=team, key="all of it", amount=team.account.limit)
    told = list(professor.notices.all())
    expected = {NoticeKind.ANNOUNCEMENT, NoticeKind.REPLACED, NoticeKind.DISPUTED}
    assert {notice.kind for notice in told} == expected
    for notice in told:
        assert not any(name in notice.text + notice.path for name in (team.name, "Rowan", member.name, "/teams/"))


# --- The bar ---------------------------------------------------------------------------------------------------------


def bell_of(page):
    """(address that the bell asks, number shown or None)."""
    found = re.search(
        r'id="notice-bell"[^>]* hx-get="([^"]+)"[^>]*>Notices(?: <span class="tag warn">(\d+)</span>)?', page
    )
    assert found, page
    return found[1].replace("&amp;", "&"), found[2]


def test_the_bar_learns_of_a_new_notice_without_a_reload(client_for, course, member):
    client = client_for(member)
    address, shown = bell_of(client.get("/notices/").content.decode())
    assert shown is None
    assert client.get(address).status_code == 204
    notices.tell(people=[member], course=course, kind=NoticeKind.RUN, text="Run 1 is done.", path="/")
    answer = client.get(address)
    address, shown = bell_of(answer.content.decode())
    assert (answer.status_code, shown) == (200, "1")
    assert "notices" in answer["HX-Trigger"], "the open list fetches itself anew"
    assert client.get(address).status_code == 204, "nothing is sent while nothing is new"
    notices.read_all(person=member)
    assert bell_of(client.get(address).content.decode())[1] is None


def test_the_open_list_gets_the_new_lines_alone(client_for, course, member):
    client = client_for(member)
    notices.tell(people=[member], course=course, kind=NoticeKind.RUN, text="Run 1 is done.", path="/")
    part = client.get("/notices/", headers={"HX-Request": "true"}).content.decode()
    assert "Run 1 is done." in part
    assert "<html" not in part


def test_one_persons_bell_says_nothing_of_anothers(client_for, course, member, other_member):
    notices.tell(people=[member], course=course, kind=NoticeKind.RUN, text="Run 1 is done.", path="/")
    assert bell_of(client_for(other_member).get("/notices/bell/?seen=x").content.decode())[1] is None


def test_the_bell_costs_three_queries_however_many_notices_there_are(
    client_for, course, member, django_assert_max_num_queries
):
    for number in range(50):
        notices.tell(people=[member], course=course, kind=NoticeKind.RUN, text=f"Run {number}", path="/")
    client = client_for(member)
    with django_assert_max_num_queries(3):
        client.get("/notices/bell/?seen=0-0")


def test_after_signing_out_elsewhere_the_bell_becomes_the_way_to_sign_in_and_asks_no_more(client, client_for, member):
    answer = client.get("/notices/bell/?seen=0-0", follow=True).content.decode()
    bell = re.search(r'<a id="notice-bell"[^>]*>', answer)
    assert bell
    assert "/sign-in/" in bell[0]
    assert "hx-get" not in bell[0]


def test_looking_through_somebodys_eyes_reads_nothing_for_them(client_for, course, member):
    staff = factories.make_person("Stan Staff")
    staff.is_staff = True
    staff.save()
    notices.tell(people=[member], course=course, kind=NoticeKind.RUN, text="Run 1 is done.", path="/")
    client = client_for(staff)
    client.post("/impersonate/", {"person": member.email})
    assert impersonation.SESSION_KEY in client.session
    client.get("/notices/")
    client.get("/notices/bell/?seen=x")
    assert member.notices.filter(read_at=None).count() == 1


def test_somebody_taken_out_of_the_course_is_told_nothing_more(happen, course, team, member, instructor):
    left = factories.make_person("Left")
    factories.enrol(course, left, Role.STUDENT, team)
    Membership.objects.filter(person=left).update(active=False)
    happen(NoticeKind.COMMENT)
    happen(NoticeKind.ANNOUNCEMENT)
    assert not left.notices.exists()
