"""Published grades go to the LMS courses that are linked: what is due, sent with tries, and what was answered.

What is due is told by the rows: the newest released version of each student, against the newest that was sent. So a lost
wake-up call, a crash or a student who comes in later loses nothing; a sweep finds it. One process at a time sends to an LMS
course, by a lease on its row: the column is looked for and made once.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from evaluation.models import LmsGrade, SendState
from evaluation.services import lms_wake, student_grades
from evaluation.services.lms_column import column_of, forget
from evaluation.services.scales import Scale, scale_of
from evaluation.services.student_grades import StudentGrade
from teams.models import Course, LmsCourse, LmsSeat, Membership, User
from teams.services import audit
from teams.services.lti.asking import Caller, LmsFailed
from teams.services.lti.claims import SCORE_SCOPE

SCORE = "application/vnd.ims.lis.v1.score+json"
AGAIN_AFTER = [timedelta(minutes=m) for m in (1, 5, 30, 120, 480)]
LEASE = timedelta(minutes=10)
MOST_AT_ONCE = 500
GONE = 404


def sweep_due() -> int:
    """For the scheduler: wakes the worker for grades whose next try is due. Returns for how many courses."""
    due = LmsGrade.objects.filter(state=SendState.WAITING, next_try_at__lte=timezone.now())
    return _wake_all(due.values_list("lms_course__course", flat=True))


def sweep_all() -> int:
    """For the scheduler: every linked course, now and then, for wake-up calls that were lost and students who came later."""
    places = LmsCourse.objects.filter(connection__is_on=True, sends_grades=True)
    return _wake_all(places.values_list("course", flat=True))


def _wake_all(ids: Iterable[int]) -> int:
    wanted = sorted(set(ids))
    for course_id in wanted:
        lms_wake.wake(course_id)
    return len(wanted)


def send(course_id: int) -> int:
    """Everything of this course that is due. Returns how many grades the LMS took."""
    course = Course.objects.filter(pk=course_id).first()
    if course is None:
        return 0
    done = 0
    for place in _places(course):
        if place.sends_grades:
            _collect(place)
        if place.grades.filter(
            state=SendState.WAITING, next_try_at__lte=timezone.now()
        ).exists():
            done += _deliver(place)
    return done


def _places(course: Course) -> list[LmsCourse]:
    rows = course.lms_courses.filter(connection__is_on=True)
    return list(rows.select_related("connection__registration", "context", "course"))


def _published(course: Course) -> dict[int, StudentGrade]:
    """By membership: whose newest version can be read now. What an instructor hid is sent nowhere."""
    found = {}
    for grade in student_grades.grades_of(course):
        if grade.draft is None or grade.result is None or grade.result.points is None:
            continue
        if grade.draft.result.submission.released_at is not None:
            found[grade.membership.pk] = grade
    return found


def _collect(place: LmsCourse) -> None:
    """A row for each student of this LMS course whose newest version or points are not what was sent, or tried, last."""
    scale, published = scale_of(place.course), _published(place.course)
    last = _last(place)
    for seat in place.seats.filter(membership__in=published):
        grade = published[seat.membership_id]
        before = last.get(seat.membership_id)
        points = _points(grade, scale)
        told = before and (before.release_id, before.points, before.maximum)
        assert grade.result is not None
        if told != (grade.result.release.pk, points, float(scale.points)):
            _add(place, seat, grade, scale, None)


def _last(place: LmsCourse) -> dict[int, LmsGrade]:
    rows = place.grades.order_by("created_at", "pk")
    return {one.membership_id: one for one in rows}


def _points(grade: StudentGrade, scale: Scale) -> float:
    """Never below nothing and never above the maximum, which an LMS would refuse."""
    said = grade.points(scale)
    return min(max(float(said or 0), 0.0), float(scale.points))


def _add(
    place: LmsCourse, seat: LmsSeat, grade: StudentGrade, scale: Scale, person: User | None
) -> bool:
    """In place of what still waits for this student. False where another process was quicker."""
    assert grade.result is not None
    mine = place.grades.filter(membership=seat.membership_id)
    try:
        with transaction.atomic():
            mine.filter(state=SendState.WAITING).update(
                state=SendState.FAILED, answer="Not sent: a newer grade took its place."
            )
            LmsGrade.objects.create(
                lms_course=place,
                membership_id=seat.membership_id,
                release=grade.result.release,
                points=_points(grade, scale),
                maximum=scale.points,
                asked_by=person,
            )
    except IntegrityError:
        return False
    return True


def ask_again(*, course: Course, person: User, only: Iterable[int] | None = None) -> int:
    """The instructor sends published grades once more, of all students or of the memberships in `only`. Returns how many."""
    scale, published = scale_of(course), _published(course)
    wanted = set(published) if only is None else set(published) & set(only)
    done = 0
    for place in _places(course):
        for seat in place.seats.filter(membership__in=wanted):
            done += _add(place, seat, published[seat.membership_id], scale, person)
    if done:
        audit.record(
            course=course, person=person, action="grades sent to the LMS again", what=str(done)
        )
        lms_wake.wake_for(course)
    return done


def _deliver(place: LmsCourse) -> int:
    """What waits for this LMS course, under its lease."""
    now = timezone.now()
    free = Q(sending_until=None) | Q(sending_until__lt=now)
    mine = LmsCourse.objects.filter(free, pk=place.pk)
    until = now + LEASE
    if not mine.update(sending_until=until):
        return 0
    try:
        return _send_all(place, until)
    finally:
        LmsCourse.objects.filter(pk=place.pk, sending_until=until).update(sending_until=None)


def _send_all(place: LmsCourse, until: datetime) -> int:
    rows = place.grades.filter(state=SendState.WAITING, next_try_at__lte=timezone.now())
    waiting = list(rows.order_by("pk")[:MOST_AT_ONCE])
    scale = scale_of(place.course)
    try:
        caller = Caller(place.connection)
        column = column_of(place, caller, scale)
    except LmsFailed as error:
        for one in waiting:
            _failed(one, error)
        return 0
    subjects = dict(place.seats.values_list("membership", "subject"))
    done = 0
    for number, one in enumerate(waiting):
        held = LmsCourse.objects.filter(pk=place.pk, sending_until=until)
        if number % 20 == 19 and not held.exists():
            break  # it took too long, and another process goes on
        try:
            column = _send_one(
                place, caller, column, scale, one, subjects.get(one.membership_id)
            )
            done += 1
        except LmsFailed as error:
            _failed(one, error)
    return done


def _send_one(
    place: LmsCourse,
    caller: Caller,
    column: str,
    scale: Scale,
    one: LmsGrade,
    subject: str | None,
) -> str:
    """Returns the column, which may be a new one. Raises LmsFailed."""
    if subject is None:
        raise LmsFailed("The LMS does not know this student any more.", may_pass=False)
    try:
        _post(caller, column, one, subject)
    except LmsFailed as error:
        if error.status != GONE:
            raise
        forget(place)  # somebody deleted the column there
        column = column_of(place, caller, scale)
        _post(caller, column, one, subject)
    LmsGrade.objects.filter(pk=one.pk, state=SendState.WAITING).update(
        state=SendState.SENT,
        sent_at=timezone.now(),
        tries=F("tries") + 1,
        answer=f"{place.connection} took it.",
    )
    return column


def _post(caller: Caller, column: str, one: LmsGrade, subject: str) -> None:
    score = {
        "userId": subject,
        "scoreGiven": one.points,
        "scoreMaximum": one.maximum,
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        # An LMS takes no score that is older than the one it has: so the moment of sending, to the microsecond.
        "timestamp": timezone.now().isoformat(timespec="microseconds"),
        "comment": f"Version {one.release.number} of the result.",
    }
    parts = urlsplit(column)
    address = urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/scores"))
    caller.ask("POST", address, scopes=[SCORE_SCOPE], kind=SCORE, data=score)


def _failed(one: LmsGrade, error: LmsFailed) -> None:
    """Tried again later where that may help, so often; else it waits for a person."""
    rows = LmsGrade.objects.filter(pk=one.pk, state=SendState.WAITING)
    said = in_words(error)
    if error.may_pass and one.tries < len(AGAIN_AFTER):
        rows.update(
            tries=F("tries") + 1,
            next_try_at=timezone.now() + AGAIN_AFTER[one.tries],
            answer=f"{said} It is tried again."[:400],
        )
        return
    rows.update(state=SendState.FAILED, tries=F("tries") + 1, answer=said[:400])


def in_words(error: LmsFailed) -> str:
    """What the instructor reads. An LMS that is told of a course which is not open yet refuses every grade."""
    said = str(error)
    if "publish" in said.lower():
        return f"The course is not published in the LMS, which refuses all its grades. Publish it there, then send again. ({said})"
    if error.status in (401, 403):
        return f"The LMS does not allow this tool to write grades. Allow it assignments and grades there, then send again. ({said})"
    return said


def unknown(course: Course) -> list[Membership]:
    """Students with a published grade whom no linked LMS course knows: they never came in from there."""
    published = _published(course)
    seated = LmsSeat.objects.filter(lms_course__course=course).values("membership")
    rows = course.memberships.filter(pk__in=published).exclude(pk__in=seated)
    return list(rows.select_related("person", "team"))
