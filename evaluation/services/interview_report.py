"""An interview as a page shows it: figures with what they mean, and the answers behind them."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Sum

from evaluation.models import (
    Interview,
    InterviewAnswer,
    InterviewQuestion,
    InterviewStatus,
    Subject,
    Wording,
)
from evaluation.services import judging
from evaluation.services.interviews import asked_of
from evaluation.services.learning_report import Corrected, before_after, corrected, mistake_at
from evaluation.services.wordings import ANSWERED, wordings_of
from second_grade.interview import Asked, most_common_mistakes, what_it_claims
from second_grade.questions import Stance
from second_grade.reading_level import ADULT_FROM, CHILD_AT_MOST
from teams.models import LedgerEntry, SubjectKind, Team
from training.models import TrainingRun

GOOD = "good"
FAIR = "warn"
POOR = "bad"
ADULT_LIKE = (
    6.2  # the Spache grade of adult-like reference answers: no point left for the vocabulary
)


FEWEST_FOR_PROGRESS = 2
TOP_GRADE = 8.0  # the Spache grade at a progress picture's upper edge
PROGRESS = (
    ("Vocabulary grade level", "grade", TOP_GRADE),
    ("Response consistency", "consistency", 1.0),
    ("Knowledge accuracy", "right_known", 1.0),
    ("Too correct", "over_correctness", 1.0),
    ("Personality alignment", "personality", 1.0),
)


@dataclass(frozen=True)
class Figure:
    """One metric: `value` as text, `verdict` good, warn, bad or empty, `meaning` in plain words."""

    name: str
    value: str
    verdict: str
    meaning: str


@dataclass(frozen=True)
class Heard:
    """One question with its answers; `stance` of each is right, mistaken, unsure or other.

    `mistake`: the child's mistake that was put into the bot's mouth; `corrected`: its answers after feedback on that.
    """

    question: InterviewQuestion
    answers: list[tuple[InterviewAnswer, str]]
    mistake: str = ""
    corrected: list[Corrected] = field(default_factory=list)


@dataclass(frozen=True)
class Point:
    """One run on the cost and quality picture; `quality` 0 to 1.

    `cost`: micro-dollars of its training. `would_have_cost`: of a rehearsal, which stands at that place on the picture.
    """

    run: TrainingRun
    cost: int
    would_have_cost: int
    quality: float
    x: float
    y: float


@dataclass(frozen=True)
class Dot:
    """One run on a progress picture; `x` and `y` in percent of it."""

    run: TrainingRun
    value: float
    x: float
    y: float


@dataclass(frozen=True)
class Progress:
    """One metric over the runs. `grade`: a reading grade, not a share."""

    name: str
    dots: list[Dot]
    grade: bool

    @property
    def line(self) -> str:
        return " ".join(f"{dot.x},{dot.y}" for dot in self.dots)


def report(interview: Interview) -> dict[str, Any]:
    """The context of the interview's page."""
    questions = list(interview.script.questions.all())
    answers = list(interview.answers.select_related("question"))
    expected = interview.repeats * sum(len(wordings_of(question)) for question in questions)
    return {
        "interview": interview,
        "answered": len(answers),
        "expected": expected,
        "figures": figures(interview.metrics)
        if interview.status == InterviewStatus.DONE
        else [],
        "mistakes": most_common_mistakes(asked_of(interview))
        if interview.status == InterviewStatus.DONE
        else [],
        "judged": judging.judged(interview)
        if interview.status == InterviewStatus.DONE
        else None,
        "learning": before_after(interview),
        "subjects": [
            (subject.label, _heard(questions, answers, subject)) for subject in Subject
        ],
    }


def of_run(run: TrainingRun) -> dict[str, Any]:
    """What the newest finished interview of a run counted, for a result; empty where there is none."""
    done = (
        Interview.objects.for_team(run.team).filter(run=run, status=InterviewStatus.DONE).first()
    )
    return (
        {"interview": done, "figures": figures(done.metrics), "learning": before_after(done)}
        if done
        else {}
    )


def _heard(
    questions: list[InterviewQuestion], answers: list[InterviewAnswer], subject: Subject
) -> list[Heard]:
    return [
        _heard_at(question, [one for one in answers if one.question_id == question.pk])
        for question in questions
        if question.subject == subject
    ]


def _heard_at(question: InterviewQuestion, answers: list[InterviewAnswer]) -> Heard:
    told = [
        (one, _stance(one)) for one in answers if one.wording in (*ANSWERED, Wording.FOLLOW_UP)
    ]
    return Heard(
        question, told, mistake_at(question), corrected(question, asked_for(question), answers)
    )


def _stance(answer: InterviewAnswer) -> str:
    if answer.wording not in ANSWERED or answer.question.subject == Subject.PERSONA:
        return Stance.OTHER
    return what_it_claims(asked_for(answer.question), answer.answer).stance


def asked_for(question: InterviewQuestion) -> Asked:
    """A question as the measures read it, without answers."""
    wordings = (question.question, question.paraphrase)
    return Asked(
        question.subject,
        question.expectation,
        question.right,
        question.mistaken,
        (),
        (),
        wordings,
    )


def figures(metrics: dict[str, Any]) -> list[Figure]:
    """The guide's four metrics in the words of the course, each with what a second-grader's figure would be."""
    return [
        *_language(metrics),
        _vocabulary(metrics),
        *_knowledge(metrics),
        _personality(metrics),
    ]


def _language(metrics: dict[str, Any]) -> list[Figure]:
    """Child-likeness; nothing for an interview that was measured before there was such a figure."""
    score = metrics.get("childlike")
    if score is None:
        return []
    meaning = (
        f"{metrics['language_sentence']} 100 % reads like a real child, below 50 % like an adult or a made-up child. Fitted on "
        "real children's chat with tutors and tested on talk that it was not fitted on."
    )
    return [Figure("Child-like talk", _percent(score), _verdict(score, 0.5, 0.3), meaning)]


def _vocabulary(metrics: dict[str, Any]) -> Figure:
    grade = metrics["grade"]
    verdict = (
        ""
        if grade is None
        else GOOD
        if grade <= CHILD_AT_MOST
        else FAIR
        if grade < ADULT_FROM
        else POOR
    )
    meaning = f"{metrics['grade_sentence']} Spache grade over {metrics['grade_words']:,} words; a second-grader reads 1.5 to 3.3."
    return Figure(
        "Vocabulary grade level", "–" if grade is None else f"{grade:.1f}", verdict, meaning
    )


def _knowledge(metrics: dict[str, Any]) -> list[Figure]:
    over, known, consistency = (
        metrics["over_correctness"],
        metrics["right_known"],
        metrics["consistency"],
    )
    too_correct = (
        "Right answers to what many second-graders get wrong or have not learned. A child's is low: "
        f"{_percent(metrics['right_shaky'])} of the first, {_percent(metrics['right_beyond'])} of the second. "
        f"{_percent(metrics['mistaken'])} of the answers hold a misconception that teachers know."
    )
    return [
        Figure(
            "Response consistency",
            _percent(consistency),
            _verdict(consistency, 0.7, 0.5),
            "Of the answers that claim something, how often it claims the same when the question is put in other words or "
            "again. “I don't know” twice does not count. Tested on 32 made bots.",
        ),
        Figure(
            "Knowledge accuracy",
            _percent(known),
            _verdict(known, 0.7, 0.4),
            "Right answers to what a second-grader knows. A child is right about most of it, not about all. Answers are read "
            "by what they claim; on 367 labelled answers that the rules had not seen this agrees with the labels at kappa 0.83.",
        ),
        Figure(
            "Too correct",
            _percent(over),
            "" if over is None else _verdict(1 - over, 0.6, 0.3),
            too_correct,
        ),
    ]


def _personality(metrics: dict[str, Any]) -> Figure:
    return Figure(
        "Personality alignment",
        _percent(metrics["personality"]),
        _verdict(metrics["personality"], 0.9, 0.7),
        f"{metrics['out_of_part']} of {metrics['answers']} answers speak like a program, an assistant or a teacher; "
        f"{metrics['persona_changed']} facts about itself changed when asked again. It also has to say what a child of seven "
        "or eight in second grade would say of itself.",
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _verdict(share: float | None, good: float, fair: float) -> str:
    return "" if share is None else GOOD if share >= good else FAIR if share >= fair else POOR


def quality_of(metrics: dict[str, Any]) -> float | None:
    """One figure for the picture, 0 to 1 with 1 the most like a child: `Metrics.quality`.

    An interview that was measured before that figure existed shows the mean of its parts, as it did then.
    """
    if metrics.get("version"):
        quality: float | None = metrics["quality"]
        return quality
    grade, over = metrics["grade"], metrics["over_correctness"]
    parts = [
        None
        if grade is None
        else max(0.0, min(1.0, (ADULT_LIKE - grade) / (ADULT_LIKE - CHILD_AT_MOST))),
        metrics["consistency"],
        metrics["right_known"],
        None if over is None else 1 - over,
        metrics["personality"],
    ]
    there = [part for part in parts if part is not None]
    return sum(there) / len(there) if there else None


def quality_points(team: Team) -> list[Point]:
    """The newest finished interview of each run, by what the run cost to train. x and y are percent of the picture."""
    entries = LedgerEntry.objects.filter(
        account__team=team, purpose__kind=SubjectKind.RUN
    ).order_by()
    sums = entries.values("purpose__key").annotate(
        paid=Sum("delta"), would=Sum("would_have_cost")
    )
    costs = {row["purpose__key"]: (row["paid"], row["would"] or 0) for row in sums}
    found = [
        (interview.run, *costs.get(interview.run.key, (0, 0)), quality)
        for interview in _newest(team)
        if (quality := quality_of(interview.metrics)) is not None
    ]
    most = max((paid + would for _, paid, would, _ in found), default=0) or 1
    return [
        Point(run, paid, would, quality, 8 + 84 * (paid + would) / most, 92 - 84 * quality)
        for run, paid, would, quality in found
    ]


def _newest(team: Team) -> list[Interview]:
    """The newest finished interview of each run, runs in their order."""
    newest: dict[int, Interview] = {}
    done = (
        Interview.objects.for_team(team)
        .filter(status=InterviewStatus.DONE)
        .select_related("run")
    )
    for interview in done.order_by("id"):
        newest[interview.run_id] = interview
    return sorted(newest.values(), key=lambda one: one.run.number)


def progress(team: Team) -> list[Progress]:
    """The guide's four metrics and over-correctness from run to run; empty with fewer than two interviewed runs."""
    interviews = _newest(team)
    if len(interviews) < FEWEST_FOR_PROGRESS:
        return []
    return [_progress(name, key, top, interviews) for name, key, top in PROGRESS]


def _progress(name: str, key: str, top: float, interviews: list[Interview]) -> Progress:
    step = 88 / (len(interviews) - 1)
    dots = [
        Dot(
            one.run, value, round(6 + step * place, 2), round(94 - 88 * min(value / top, 1.0), 2)
        )
        for place, one in enumerate(interviews)
        if (value := one.metrics[key]) is not None
    ]
    return Progress(name, dots, grade=key == "grade")
