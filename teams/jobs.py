"""RQ entry points: one service call each."""

from teams.services import mail


def deliver_mail() -> int:
    return mail.deliver()
