from evaluation.models.chat import Conversation, Turn, TurnStatus
from evaluation.models.grading import CriterionScore, Grade, GradeRevision, GradeStatus, Grading, TurnTag, UnappliedSave
from evaluation.models.interview import (
    Expectation,
    Interview,
    InterviewAnswer,
    InterviewQuestion,
    InterviewScript,
    InterviewStatus,
    Subject,
    Wording,
)
from evaluation.models.rubric import Criterion, Level, Part, RubricVersion, Unit
from evaluation.models.submission import Submission

__all__ = [
    "Conversation",
    "Criterion",
    "CriterionScore",
    "Expectation",
    "Grade",
    "GradeRevision",
    "GradeStatus",
    "Grading",
    "Interview",
    "InterviewAnswer",
    "InterviewQuestion",
    "InterviewScript",
    "InterviewStatus",
    "Level",
    "Part",
    "RubricVersion",
    "Subject",
    "Submission",
    "Turn",
    "TurnStatus",
    "TurnTag",
    "UnappliedSave",
    "Unit",
    "Wording",
]
