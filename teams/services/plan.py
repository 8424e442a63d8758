"""The course's plan: the guide's weeks as milestones with dates, edited by the instructor."""

from datetime import date, timedelta

from django.db import transaction
from django.db.models import F, Max

from teams.models import Course, Milestone, User
from teams.services import audit

# Weeks as the guide gives them; the instructor edits them afterwards.
GUIDE_PLAN = (
    ("First dataset", Milestone.Goal.DATASET, 1),
    ("DSPy: better prompting", Milestone.Goal.DSPY, 2),
    ("OpenAI: new knowledge", Milestone.Goal.OPENAI, 4),
    ("LoRA: deep personality", Milestone.Goal.LORA, 6),
    ("Submit one bot", Milestone.Goal.SUBMISSION, 7),
)
OUT_OF_THE_WAY = (
    10_000  # positions are unique, so a new order is first written beyond the old one
)


def start_plan(course: Course) -> list[Milestone]:
    """The guide's plan, dated from the course's first day where that is known."""
    return Milestone.objects.bulk_create(
        [
            Milestone(
                course=course,
                position=position,
                title=title,
                goal=goal,
                due_on=course.starts_on + timedelta(weeks=week) if course.starts_on else None,
            )
            for position, (title, goal, week) in enumerate(GUIDE_PLAN, start=1)
        ]
    )


def add(
    *, course: Course, title: str, goal: str, due_on: date | None, person: User
) -> Milestone:
    """One more step at the end of the plan."""
    with transaction.atomic():
        last = course.milestones.aggregate(last=Max("position"))["last"] or 0
        made = Milestone.objects.create(
            course=course, position=last + 1, title=title, goal=goal, due_on=due_on
        )
        audit.record(
            course=course,
            person=person,
            action="plan changed",
            what=f"added: {title}",
            after=_shown(made),
        )
    return made


def change(
    *, milestone: Milestone, title: str, goal: str, due_on: date | None, person: User
) -> None:
    """Another title, goal or date for one step."""
    before = _shown(milestone)
    milestone.title, milestone.goal, milestone.due_on = title, goal, due_on
    with transaction.atomic():
        milestone.save(update_fields=["title", "goal", "due_on"])
        audit.record(
            course=milestone.course,
            person=person,
            action="plan changed",
            what=title,
            before=before,
            after=_shown(milestone),
        )


def move(*, milestone: Milestone, later: bool, person: User) -> None:
    """Change places with the next (or the one before). At the end of the plan nothing changes."""
    with transaction.atomic():
        order = list(milestone.course.milestones.select_for_update())
        place = order.index(milestone)
        target = place + (1 if later else -1)
        if not 0 <= target < len(order):
            return
        order[place], order[target] = order[target], order[place]
        _renumber(milestone.course, order)
        audit.record(
            course=milestone.course,
            person=person,
            action="plan changed",
            what=f"moved: {milestone.title}",
            before={"step": place + 1},
            after={"step": target + 1},
        )


def remove(*, milestone: Milestone, person: User) -> None:
    with transaction.atomic():
        course, before = milestone.course, _shown(milestone)
        milestone.delete()
        _renumber(course, list(course.milestones.all()))
        audit.record(
            course=course,
            person=person,
            action="plan changed",
            what=f"removed: {milestone.title}",
            before=before,
        )


def _renumber(course: Course, order: list[Milestone]) -> None:
    course.milestones.update(position=F("position") + OUT_OF_THE_WAY)
    for position, milestone in enumerate(order, start=1):
        Milestone.objects.filter(pk=milestone.pk).update(position=position)


def _shown(milestone: Milestone) -> dict[str, str | None]:
    due = milestone.due_on.isoformat() if milestone.due_on else None
    return {"title": milestone.title, "goal": milestone.goal, "due": due}
