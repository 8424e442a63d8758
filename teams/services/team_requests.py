"""A student asks to be in a team; somebody of the team, or the instructor, lets them in or not."""

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from teams.models import Course, Membership, NoticeKind, Role, Team, TeamRequest, User
from teams.services import audit, courses, notices
from teams.services.courses import CourseRefused

WAITING = TeamRequest.State.WAITING
ANSWERED = "This request was answered or withdrawn already."


def ask(*, membership: Membership, team: Team) -> TeamRequest:
    """Raises CourseRefused for who is no student, in a team, asks another one already, or was declined by this one."""
    person = membership.person
    if membership.role != Role.STUDENT:
        raise CourseRefused("Only students are in teams.")
    if membership.team_id:
        raise CourseRefused(courses.IN_ONE_ALREADY)
    courses.need_proof(person)
    if team.memberships.filter(active=True).count() >= team.course.team_size:
        raise CourseRefused(
            f"{team.name} is full ({team.course.team_size} people). Choose another team or make one."
        )
    if membership.team_requests.filter(team=team, state=TeamRequest.State.DECLINED).exists():
        raise CourseRefused(
            f"{team.name} declined before. Talk to them, or ask your instructor to put you in a team."
        )
    try:
        with transaction.atomic():
            request = TeamRequest.objects.create(team=team, membership=membership)
            _tell_team(request)
            audit.record(
                course=team.course,
                team=team,
                person=person,
                action="asked to be in a team",
                what=str(person),
            )
    except IntegrityError as error:
        raise CourseRefused(
            "You asked a team already. Withdraw that first, then ask this one."
        ) from error
    return request


def _tell_team(request: TeamRequest) -> None:
    """Its members; the instructors where it has none yet."""
    team = request.team
    people = [
        one.person for one in team.memberships.filter(active=True).select_related("person")
    ]
    path = f"/teams/{team.pk}/"
    if not people:
        instructors = team.course.memberships.filter(
            role=Role.INSTRUCTOR, active=True
        ).select_related("person")
        people, path = [one.person for one in instructors], f"/courses/{team.course_id}/"
    text = f"{request.membership.person} asks to be in {team}."
    notices.tell(people=people, course=team.course, kind=NoticeKind.TEAM, text=text, path=path)


def approve(*, request: TeamRequest, person: User) -> None:
    """The student is in the team from now on. Raises CourseRefused where that is not possible any more."""
    with transaction.atomic():
        _decide(request, TeamRequest.State.APPROVED, person)
        courses.put_in_team(
            membership=request.membership, team=request.team, person=person, only_if_free=True
        )
        text = f"You are in {request.team} now."
        _tell_student(request, text, f"/teams/{request.team_id}/")


def decline(*, request: TeamRequest, person: User) -> None:
    """Raises CourseRefused where it was answered already."""
    with transaction.atomic():
        _decide(request, TeamRequest.State.DECLINED, person)
        course, student = request.team.course, request.membership.person
        audit.record(
            course=course,
            team=request.team,
            person=person,
            action="declined a team request",
            what=str(student),
        )
        _tell_student(
            request, f"{request.team} declined. Ask another team.", f"/courses/{course.pk}/"
        )


def withdraw(*, membership: Membership) -> None:
    """The student takes back what they asked, if anything."""
    courses.forget_requests([membership.pk])


def _decide(request: TeamRequest, state: TeamRequest.State, person: User) -> None:
    """One conditional UPDATE: of two answers at once one counts. Rows are locked in the order of `courses.put_in_team`: team,
    membership, request. In another order two who let the same student in would each wait for the other."""
    Team.objects.select_for_update().get(pk=request.team_id)
    Membership.objects.select_for_update().get(pk=request.membership_id)
    mine = TeamRequest.objects.filter(pk=request.pk, state=WAITING)
    if not mine.update(state=state, decided_by=person, decided_at=timezone.now()):
        raise CourseRefused(ANSWERED)


def _tell_student(request: TeamRequest, text: str, path: str) -> None:
    person = request.membership.person
    notices.tell(
        people=[person], course=request.team.course, kind=NoticeKind.TEAM, text=text, path=path
    )


# --- For pages ---------------------------------------------------------------------------------------------------------


def waiting(course: Course) -> QuerySet[TeamRequest]:
    """All that can still be answered, oldest first."""
    open_ones = TeamRequest.objects.filter(
        team__course=course, state=WAITING, membership__active=True
    )
    return open_ones.select_related("team__course", "membership__person", "membership__course")


def of_student(membership: Membership) -> TeamRequest | None:
    """The one that waits for an answer."""
    return membership.team_requests.filter(state=WAITING).select_related("team").first()


def declined_by(membership: Membership) -> set[int]:
    """Ids of the teams that said no."""
    said_no = membership.team_requests.filter(state=TeamRequest.State.DECLINED)
    return set(said_no.values_list("team_id", flat=True))
