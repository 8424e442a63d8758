"""The wake-up call for the worker that sends grades. A lost one is made up for by `lms_sending.sweep_all`."""

import logging
from functools import partial

import django_rq
import redis
from django.db import transaction

from teams import queues
from teams.models import Course

log = logging.getLogger(__name__)

JOB = "evaluation.jobs.send_grades"
JOB_SECONDS = 600


def wake_for(course: Course) -> None:
    """Once this transaction is committed; only where a course of an LMS is linked."""
    if course.lms_courses.exists():
        transaction.on_commit(partial(wake, course.pk))


def wake(course_id: int) -> None:
    try:
        django_rq.get_queue(queues.QUICK).enqueue(JOB, course_id, job_timeout=JOB_SECONDS)
    except redis.exceptions.RedisError as error:
        log.warning("grades wait for the next sweep, Redis can't be reached: %s", error)
