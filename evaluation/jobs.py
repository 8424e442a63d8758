"""RQ entry points: an id in, one service call."""

from evaluation.services import interviews, lms_sending


def hold_interview(interview_id: int) -> str:
    return interviews.carry_out(interview_id)


def send_grades(course_id: int) -> int:
    return lms_sending.send(course_id)
