from typing import Any

from teams.models import AuditEntry, Course, Team, User

IMPORTED = "course imported"


def record(
    *,
    course: Course | None,
    person: User | None,
    action: str,
    what: str,
    team: Team | None = None,
    before: Any = None,
    after: Any = None,
) -> AuditEntry:
    """Append one line to the course's audit log. `before` and `after` are JSON values without secrets."""
    return AuditEntry.objects.create(
        course=course,
        team=team,
        person=person,
        action=action,
        what=what[:200],
        before=before,
        after=after,
    )
