"""Courses, teams and who teaches whom."""

from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.utils import timezone

from teams.models import (
    BudgetAccount,
    Course,
    CourseAccount,
    Membership,
    ProfessorAssignment,
    Role,
    Team,
    TeamRequest,
    User,
)
from teams.models.course import new_code
from teams.services import audit, budget_alerts, identity, money, plan
from teams.services.refused import CourseRefused as CourseRefused

WHOLE_BUDGET = "limit of the whole course"


def create_course(
    *, person: User, name: str, term: str, course_limit: int | None = None, **fields: object
) -> Course:
    """A new course whose only member is its instructor, with the guide's weeks as its plan."""
    with transaction.atomic():
        course = Course.objects.create(name=name, term=term, **fields)
        CourseAccount.objects.create(course=course, limit=course_limit)
        plan.start_plan(course)
        Membership.objects.create(course=course, person=person, role=Role.INSTRUCTOR)
        audit.record(course=course, person=person, action="course created", what=str(course))
    return course


MONEY = frozenset({"team_budget", "compute_rate", "daily_chat_cap", WHOLE_BUDGET})


def _said(name: str, value: object) -> str | None:
    """A setting as a person reads it in the log."""
    if value is None:
        return None
    return money.dollars(value) if name in MONEY and isinstance(value, int) else str(value)


def change_course(
    *, course: Course, person: User, limit: int | None, changed: dict[str, object]
) -> None:
    """Save those settings that are in `changed` (name -> before), and the whole budget (micro-dollars; None for no limit)."""
    wanted = {name: getattr(course, name) for name in changed if hasattr(course, name)}
    after = {name: value for name, value in wanted.items() if value != changed[name]}
    with transaction.atomic():
        course.save(update_fields=list(after))
        account = CourseAccount.objects.get_or_create(course=course)[0]
        before = {name: changed[name] for name in after}
        if account.limit != limit:
            before[WHOLE_BUDGET], after[WHOLE_BUDGET] = account.limit, limit
            CourseAccount.objects.filter(pk=account.pk).update(limit=limit)
            account.refresh_from_db()
            budget_alerts.reset_course(account)
            budget_alerts.check_course(account)
        if after:
            audit.record(
                course=course,
                person=person,
                action="settings changed",
                what=", ".join(after),
                before={name: _said(name, value) for name, value in before.items()},
                after={name: _said(name, value) for name, value in after.items()},
            )


CODES: dict[Role, str] = {Role.STUDENT: "student_code", Role.PROFESSOR: "professor_code"}


def course_of_code(code: str) -> tuple[Course, Role]:
    """The course that this code is of, and the role that it gives, open or closed. Raises CourseRefused where there is none."""
    wanted = code.strip().upper().replace(" ", "").replace("-", "")
    for role, field in CODES.items():
        course = Course.objects.filter(**{field: wanted}).first()
        if course is not None:
            return course, role
    raise CourseRefused(
        f"No course has the code “{code.strip()[:20]}”. Check it with your instructor: codes have 8 letters and digits."
    )


def check_code(code: str) -> tuple[Course, Role]:
    """The same, for somebody new. Raises CourseRefused also where the code is closed."""
    course, role = course_of_code(code)
    if not getattr(course, f"{CODES[role]}_open"):
        raise CourseRefused(
            f"{course} takes in nobody new by this code at the moment. Ask your instructor to open it or to invite you."
        )
    return course, role


def join_course(*, person: User, code: str) -> Membership:
    """Enter the course whose student or professor code this is. Joining again changes nothing. Raises CourseRefused."""
    course, role = course_of_code(code)
    here = Membership.objects.filter(course=course, person=person).first()
    if here is None:
        check_code(code)
        if role != Role.STUDENT:
            need_proof(person)
    with transaction.atomic():
        membership, new = Membership.objects.get_or_create(
            course=course, person=person, defaults={"role": role}
        )
        if new:
            audit.record(course=course, person=person, action="joined", what=role.label)
    if not membership.active:
        raise CourseRefused(
            f"You were taken out of {course}. Ask your instructor to let you in again."
        )
    return membership


def need_proof(person: User) -> None:
    """Raises CourseRefused for an account that anybody could have made with this address."""
    if not person.is_proven:
        raise CourseRefused(
            "Confirm your e-mail address first: the bar on top of the page sends you the link."
        )


def create_team(
    *, course: Course, name: str, person: User, started_by: User | None = None
) -> Team:
    """A team with its budget account. Raises CourseRefused when the name is taken, or the student started one already."""
    try:
        with transaction.atomic():
            team = Team.objects.create(course=course, name=name, started_by=started_by)
            money.open_account(team=team, limit=course.team_budget)
            audit.record(
                course=course, team=team, person=person, action="team created", what=name
            )
    except IntegrityError as error:
        if "started" in str(error):
            raise CourseRefused(STARTED_ONE) from error
        raise CourseRefused(
            f"There is already a team named “{name}” in this course. Choose another name."
        ) from error
    return team


STARTED_ONE = "You started a team in this course already. Ask your instructor to put you in one."
IN_ONE_ALREADY = "You are in a team already. Ask your instructor to move you."


def put_in_team(
    *, membership: Membership, team: Team | None, person: User, only_if_free: bool = False
) -> None:
    """Move a student into `team`, or out of every team. Raises CourseRefused when the team is full or the role is wrong.

    `only_if_free`: the student must be in none at the moment of the change, whatever this process read before.
    """
    if membership.role != Role.STUDENT:
        raise CourseRefused(
            f"{membership.person} is {membership.get_role_display().lower()} here; only students are in teams."
        )
    with transaction.atomic():
        if team is not None:
            _check_place(membership, team)
        before = membership.team.name if membership.team else None
        rows = Membership.objects.filter(pk=membership.pk, role=Role.STUDENT)
        if only_if_free:
            rows = rows.filter(team=None, active=True)
        if not rows.update(team=team):
            raise CourseRefused(
                f"{membership.person} is in another team by now, or in none of this course's."
            )
        membership.team = team
        forget_requests([membership.pk])
        audit.record(
            course=membership.course,
            team=team,
            person=person,
            action="moved to a team",
            what=str(membership.person),
            before=before,
            after=team.name if team else None,
        )


def _check_place(membership: Membership, team: Team) -> None:
    """Locks the team: two who take its last place wait for each other."""
    locked = Team.objects.select_for_update().get(pk=team.pk, course_id=membership.course_id)
    if (
        locked.memberships.filter(active=True).exclude(pk=membership.pk).count()
        >= membership.course.team_size
    ):
        raise CourseRefused(
            f"{team.name} is full ({membership.course.team_size} people). Choose another team or make one."
        )


def forget_requests(memberships: Iterable[int]) -> None:
    """Who was put into a team, or out of one, asks no other any more."""
    waiting = TeamRequest.objects.filter(
        membership__in=list(memberships), state=TeamRequest.State.WAITING
    )
    waiting.update(state=TeamRequest.State.WITHDRAWN, decided_at=timezone.now())


def start_own_team(*, membership: Membership, name: str) -> Team:
    """A student makes a team and is in it, once in a course: each team brings a budget. Raises CourseRefused."""
    person = membership.person
    need_proof(person)
    with transaction.atomic():
        here = (
            Membership.objects.select_for_update().select_related("course").get(pk=membership.pk)
        )
        if here.team_id:
            raise CourseRefused(IN_ONE_ALREADY)
        if Team.objects.filter(course=here.course, started_by=person).exists():
            raise CourseRefused(STARTED_ONE)
        team = create_team(course=here.course, name=name, person=person, started_by=person)
        put_in_team(membership=here, team=team, person=person, only_if_free=True)
    return team


def set_role(*, membership: Membership, role: Role, person: User) -> None:
    """A student grades no team any more. Who becomes more than a student, and has not confirmed the address, gets the link.

    Raises CourseRefused for the only instructor of the course.
    """
    instructors = Membership.objects.filter(
        course=membership.course, role=Role.INSTRUCTOR, active=True
    )
    if (
        membership.role == Role.INSTRUCTOR
        and role != Role.INSTRUCTOR
        and instructors.count() == 1
    ):
        raise CourseRefused("A course needs an instructor: make somebody else instructor first.")
    before = membership.role
    with transaction.atomic():
        membership.role = role
        if role != Role.STUDENT:
            membership.team = None
        if role == Role.STUDENT:
            membership.assigned_teams.all().delete()
        if role != Role.ASSISTANT:
            membership.may_price = membership.may_release = membership.may_delete = False
        membership.save(update_fields=["role", "team", "may_price", "may_release", "may_delete"])
        if role not in (before, Role.STUDENT) and not membership.person.is_proven:
            identity.give_by_address(account=membership.person, course=membership.course)
        audit.record(
            course=membership.course,
            person=person,
            action="role changed",
            what=str(membership.person),
            before=before,
            after=role,
        )


def assign_professors(*, team: Team, professors: list[Membership], person: User) -> None:
    """Exactly these professors grade this team. What is graded already stays with the grading itself."""
    with transaction.atomic():
        before = [
            str(one.professor.person)
            for one in team.professor_assignments.select_related("professor__person")
        ]
        ProfessorAssignment.objects.filter(team=team).exclude(professor__in=professors).delete()
        for professor in professors:
            ProfessorAssignment.objects.get_or_create(team=team, professor=professor)
        audit.record(
            course=team.course,
            team=team,
            person=person,
            action="professors assigned",
            what=team.name,
            before=before,
            after=[str(professor.person) for professor in professors],
        )


def set_budget(*, team: Team, limit: int, person: User) -> None:
    """Set the team's limit in micro-dollars. A limit below what is spent stops new holds and takes nothing back."""
    with transaction.atomic():
        account = BudgetAccount.objects.select_for_update().get(team=team)
        before, account.limit = account.limit, limit
        account.save(update_fields=["limit"])
        budget_alerts.reset(account)
        budget_alerts.check(account.pk)
        audit.record(
            course=team.course,
            team=team,
            person=person,
            action="budget changed",
            what=team.name,
            before=money.dollars(before),
            after=money.dollars(limit),
        )


def renew_code(*, course: Course, role: Role, person: User) -> None:
    """A new join code for this role; the old one stops working, and everybody who is in stays in."""
    field = CODES[role]
    setattr(course, field, new_code())
    with transaction.atomic():
        course.save(update_fields=[field])
        audit.record(course=course, person=person, action="join code renewed", what=role.label)


def switch_code(*, course: Course, role: Role, is_open: bool, person: User) -> None:
    """Whether the join code of this role lets anybody new in. Who is in stays in."""
    field = f"{CODES[role]}_open"
    with transaction.atomic():
        if Course.objects.filter(pk=course.pk, **{field: not is_open}).update(
            **{field: is_open}
        ):
            action = "join code opened" if is_open else "join code closed"
            audit.record(course=course, person=person, action=action, what=role.label)
    setattr(course, field, is_open)
