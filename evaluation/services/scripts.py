"""Versions of a course's interview script. A version never changes: interviews refer to the questions they asked."""

from dataclasses import asdict, dataclass

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet

from evaluation.models import InterviewQuestion, InterviewScript
from evaluation.services.interviews import script_for
from teams.models import Course, User
from teams.services import audit

MAX_QUESTIONS = 60


class ScriptRefused(Exception):
    """No version was made; the message says why and what to do."""


@dataclass(frozen=True)
class QuestionDraft:
    """`right` and `mistaken`: phrases in lower case, "7|seven" for two ways to say one."""

    subject: str
    expectation: str
    question: str
    paraphrase: str
    follow_up: str
    right: tuple[str, ...]
    mistaken: tuple[str, ...]


@dataclass(frozen=True)
class ScriptDraft:
    name: str
    questions: tuple[QuestionDraft, ...]


def available(course: Course) -> QuerySet[InterviewScript]:
    """The course's own versions and what comes with the platform."""
    return InterviewScript.objects.filter(Q(course=course) | Q(course=None))


def history(course: Course) -> list[InterviewScript]:
    """The course's own versions, newest first, with `asked` (questions) and `held` (interviews)."""
    counts = {
        "asked": Count("questions", distinct=True),
        "held": Count("interviews", distinct=True),
    }
    return list(course.interview_scripts.annotate(**counts))


def draft_of(script: InterviewScript) -> ScriptDraft:
    questions = tuple(
        QuestionDraft(
            one.subject,
            one.expectation,
            one.question,
            one.paraphrase,
            one.follow_up,
            tuple(one.right),
            tuple(one.mistaken),
        )
        for one in script.questions.all()
    )
    return ScriptDraft(script.name, questions)


def save_version(
    *, course: Course, draft: ScriptDraft, based_on: InterviewScript, person: User
) -> InterviewScript:
    """The course's next version; what is unchanged gives the version it was made from. New interviews use it.

    Raises ScriptRefused when another version came between.
    """
    before = script_for(course)
    if before.pk != based_on.pk:
        raise ScriptRefused(
            f"Version {before.number} was saved while you were editing. What you wrote is below; "
            "compare it with that version, then save again."
        )
    return before if draft == draft_of(before) else _make(course, draft, person)


def use_again(*, course: Course, script: InterviewScript, person: User) -> InterviewScript:
    """An older version, or the one that ships, becomes the newest. Raises ScriptRefused."""
    before, draft = script_for(course), draft_of(script)
    return (
        before
        if draft == draft_of(before) and before.course_id
        else _make(course, draft, person)
    )


def _make(course: Course, draft: ScriptDraft, person: User) -> InterviewScript:
    try:
        with transaction.atomic():
            newest = course.interview_scripts.order_by("-number").first()
            number = newest.number + 1 if newest else 1
            made = InterviewScript.objects.create(course=course, number=number, name=draft.name)
            InterviewQuestion.objects.bulk_create(
                InterviewQuestion(
                    script=made,
                    position=position,
                    **asdict(one) | {"right": list(one.right), "mistaken": list(one.mistaken)},
                )
                for position, one in enumerate(draft.questions, start=1)
            )
            audit.record(
                course=course, person=person, action="interview script saved", what=str(made)
            )
    except IntegrityError as error:
        raise ScriptRefused(
            "Someone saved a version at the same moment. Save again to put yours after it."
        ) from error
    return made
