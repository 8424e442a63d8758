"""The ways in which an interview puts one question: as written, in other words, asked on, and after feedback on a
mistake.
"""

from evaluation.models import InterviewQuestion, Turn, Wording
from second_grade import learning

ANSWERED = (Wording.QUESTION, Wording.PARAPHRASE)
"""Those whose answers claim something about the question; of the others nothing is read but language and flips."""
FEEDBACK = (Wording.TARGETED, Wording.MISALIGNED, Wording.GENERIC)


def wordings_of(question: InterviewQuestion) -> list[Wording]:
    """The follow-up comes after the question, whose answer it follows. Feedback: where a mistake is known."""
    follow_up = [Wording.FOLLOW_UP] if question.follow_up else []
    return [*ANSWERED, *follow_up, *(FEEDBACK if learning.item_for(question.question) else ())]


def text_of(question: InterviewQuestion, wording: Wording) -> str:
    """What the teacher says; empty where the question has no such wording."""
    if wording in FEEDBACK:
        item = learning.item_for(question.question)
        return learning.feedback(item, wording.value) if item else ""
    return str(getattr(question, wording.value))


def spoken_before(
    question: InterviewQuestion, wording: Wording, first_answer: str
) -> list[Turn]:
    """The talk that a wording follows. `first_answer`: to the question; empty where there is none."""
    if wording in FEEDBACK:
        item = learning.item_for(question.question)
        return [Turn(question=question.question, answer=item.mistake)] if item else []
    follows = wording == Wording.FOLLOW_UP and first_answer
    return [Turn(question=question.question, answer=first_answer)] if follows else []
