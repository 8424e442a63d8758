"""Removing the demo course: what works for it is stopped, then all of it goes as any deleted course does."""

import time

from courseplatform import removing
from courseplatform.demo import state
from evaluation.models import Interview, InterviewStatus
from evaluation.services import interviews
from teams.models import Course, User
from training.models import TrainingRun
from training.services import cancel
from training.services.cancel import CannotStop

WAIT_SECONDS = 20.0
LOOK_SECONDS = 0.5
ENDED = "The demo course was removed."


def remove(*, course: Course, person: User) -> None:
    """Raises removing.RemovalRefused where something is still at work after some seconds; the course is whole then."""
    progress = state.of_course(course.pk)
    state.forget()  # the story sees it and goes no further
    try:
        _stop_what_works(course, person)
        removing.delete_course(course=course, person=person, demo=True)
    except BaseException:
        if progress is not None:
            state.write(progress)
        raise


def _stop_what_works(course: Course, person: User) -> None:
    for interview in Interview.objects.active().filter(run__team__course=course):
        interviews.settle(interview, InterviewStatus.FAILED, error_message=ENDED)
    active = TrainingRun.objects.active().filter(team__course=course)
    for run in active:
        try:
            cancel.cancel(run=run, person=person)
        except CannotStop:
            continue
    until = time.monotonic() + WAIT_SECONDS
    while active.exists() and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
