from evaluation.models.better_answer import BetterAnswer
from evaluation.models.calibration import Calibration, CalibrationLevel, CalibrationRule
from evaluation.models.chat import Conversation, Turn, TurnStatus
from evaluation.models.comparing import Comparison, Contender, Vote
from evaluation.models.grading import (
    Adjudication,
    CriterionScore,
    Grade,
    GradeRevision,
    GradeStatus,
    Grading,
    GradingDue,
    RegradeRequest,
    RegradeStatus,
    SecondLook,
    TurnCorrection,
    TurnTag,
    UnappliedSave,
)
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
from evaluation.models.judging import JudgeOpinion, JudgeSetting, JudgeUse, OpinionStatus
from evaluation.models.lms_grade import LmsGrade, SendState
from evaluation.models.presenting import (
    Counting,
    Hearing,
    Presentation,
    PresentationRule,
    PresentationSession,
)
from evaluation.models.release import GradeScale, ResultRelease
from evaluation.models.rubric import Criterion, Level, Part, RubricVersion, Unit
from evaluation.models.submission import Submission

__all__ = [
    "Adjudication",
    "BetterAnswer",
    "Calibration",
    "CalibrationLevel",
    "CalibrationRule",
    "Comparison",
    "Contender",
    "Conversation",
    "Counting",
    "Criterion",
    "CriterionScore",
    "Expectation",
    "Grade",
    "GradeRevision",
    "GradeScale",
    "GradeStatus",
    "Grading",
    "GradingDue",
    "Hearing",
    "Interview",
    "InterviewAnswer",
    "InterviewQuestion",
    "InterviewScript",
    "InterviewStatus",
    "JudgeOpinion",
    "JudgeSetting",
    "JudgeUse",
    "Level",
    "LmsGrade",
    "OpinionStatus",
    "Part",
    "Presentation",
    "PresentationRule",
    "PresentationSession",
    "RegradeRequest",
    "RegradeStatus",
    "ResultRelease",
    "RubricVersion",
    "SecondLook",
    "SendState",
    "Subject",
    "Submission",
    "Turn",
    "TurnCorrection",
    "TurnStatus",
    "TurnTag",
    "UnappliedSave",
    "Unit",
    "Vote",
    "Wording",
]
