"""Who is told what, in the bar and by mail."""

import pytest

from evaluation.models import GradeStatus
from evaluation.services import gradings, releases, submissions
from teams.models import MailChoice, Notice, NoticeKind, Role
from teams.services import enrolment, notices
from tests import factories
from tests.evaluation.conftest import make_run


@pytest.fixture
def graded(course, team, member, professor):
    factories.assign(team, professor)
    submission = submissions.submit(team=team, run=make_run(team), person=member)
    gradings.ensure_gradings(course=course)
    grade = submission.gradings.get().grade
    grade.status = GradeStatus.COMMITTED
    grade.save()
    return submission


def test_releasing_a_grade_tells_every_active_member_once_and_nobody_else(course, team, member, graded, instructor):
    left = factories.make_person("Left")
    factories.enrol(course, left, Role.STUDENT, team)
    enrolment.deactivate(membership=left.memberships.get(), person=instructor)
    releases.publish(submission=graded, person=instructor)
    with pytest.raises(releases.CannotRelease, match="reason"):
        releases.publish(submission=graded, person=instructor)
    with pytest.raises(releases.CannotRelease, match="Nothing has changed"):
        releases.publish(submission=graded, person=instructor, reason="Pressed twice.")
    told = Notice.objects.filter(kind=NoticeKind.GRADE)
    assert [notice.person for notice in told] == [member]
    assert told[0].path == f"/teams/{team.pk}/submission/"


def test_a_notice_stands_in_the_bar_until_it_was_looked_at(client_for, course, team, member, graded, instructor):
    releases.publish(submission=graded, person=instructor)
    client = client_for(member)
    assert '<span class="tag warn">1</span>' in client.get(f"/teams/{team.pk}/").content.decode()
    page = client.get("/notices/").content.decode()
    assert f'href="/teams/{team.pk}/submission/"' in page
    assert '<span class="tag warn">1</span>' not in client.get(f"/teams/{team.pk}/").content.decode()


def test_mail_goes_to_those_who_want_it(course, member, other_member, mailoutbox, django_capture_on_commit_callbacks):
    MailChoice.objects.create(person=other_member, kind=NoticeKind.RUN, wanted=False)
    with django_capture_on_commit_callbacks(execute=True):
        notices.tell(
            people=[member, other_member, member], course=course, kind=NoticeKind.RUN, text="Done.", path="/x/"
        )
    assert [mail.to for mail in mailoutbox] == [[member.email]]
    assert Notice.objects.count() == 2


def test_a_mail_server_that_is_down_does_not_undo_the_notice(
    course, member, settings, django_capture_on_commit_callbacks
):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        9,
    )
    with django_capture_on_commit_callbacks(execute=True):
        notices.tell(people=[member], course=course, kind=NoticeKind.RUN, text="Done.", path="/x/")
    assert Notice.objects.get().person == member
