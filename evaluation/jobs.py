"""RQ entry points: an id in, one service call."""

from evaluation.services import interviews


def hold_interview(interview_id: int) -> str:
    return interviews.carry_out(interview_id)
