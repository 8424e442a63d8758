"""Questions to try in an interview: those of the course's script, one tap away, and a hint for what a child learns from it."""

from django.db.models import Subquery

from evaluation.models import InterviewQuestion, Subject
from evaluation.services.interviews import scripts_of
from teams.models import Course

HINT = "Here is a hint: you may draw it, or use your fingers. Now try again, and tell me how you did it."


def by_subject(course: Course) -> list[tuple[str, list[str]]]:
    """(subject, questions as they are written), in the script's order. Subjects without a question are left out."""
    found: dict[str, list[str]] = {}
    newest = scripts_of(course).values("pk")[:1]
    for question in InterviewQuestion.objects.filter(script=Subquery(newest)).order_by(
        "position"
    ):
        found.setdefault(question.subject, []).append(question.question)
    return [(str(Subject(subject).label), questions) for subject, questions in found.items()]
