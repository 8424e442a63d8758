"""The course's plan: the guide's weeks as milestones with dates."""

from datetime import timedelta

from teams.models import Course, Milestone

# Weeks as the guide gives them; the instructor edits them afterwards.
GUIDE_PLAN = (
    ("First dataset", Milestone.Goal.DATASET, 1),
    ("DSPy: better prompting", Milestone.Goal.DSPY, 2),
    ("OpenAI: new knowledge", Milestone.Goal.OPENAI, 4),
    ("LoRA: deep personality", Milestone.Goal.LORA, 6),
    ("Submit one bot", Milestone.Goal.SUBMISSION, 7),
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
