from evaluation.models.chat import Conversation, Turn, TurnStatus
from evaluation.models.grading import CriterionScore, Grade, GradeRevision, GradeStatus, Grading, TurnTag, UnappliedSave
from evaluation.models.rubric import Criterion, Level, Part, RubricVersion, Unit
from evaluation.models.submission import Submission

__all__ = [
    "Conversation",
    "Criterion",
    "CriterionScore",
    "Grade",
    "GradeRevision",
    "GradeStatus",
    "Grading",
    "Level",
    "Part",
    "RubricVersion",
    "Submission",
    "Turn",
    "TurnStatus",
    "TurnTag",
    "UnappliedSave",
    "Unit",
]
