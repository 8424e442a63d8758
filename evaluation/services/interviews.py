"""The standard interview: held for before, asked by a worker, resumed where it broke off, paid once, measured at the end.

The row decides who asks: a worker claims it by one UPDATE and keeps a heartbeat; RQ jobs are wake-up calls. What was
answered is a row each, so an interview that is taken up again asks only what is missing.
"""

import logging
from dataclasses import asdict
from datetime import timedelta
from functools import partial

import django_rq
import redis.exceptions
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from datasets.services import reading as dataset_rows
from evaluation.models import (
    Interview,
    InterviewAnswer,
    InterviewQuestion,
    InterviewScript,
    InterviewStatus,
    Submission,
    Wording,
)
from evaluation.services import bots, judging, opinions
from evaluation.services.asking import IN_HAND, Bot, CouldNotAsk, Reply, Task, ask_all
from evaluation.services.wordings import ANSWERED, FEEDBACK, spoken_before, text_of, wordings_of
from second_grade.interview import Asked, measure
from teams import queues
from teams.models import Course, Hold, SubjectKind, User
from teams.services import money
from teams.services.money import Charge
from teams.services.prices import PriceUnknown
from teams.services.sweeping import each_alone
from training.models import TrainingRun
from training.services import charges, deleted
from training.services.calls import prepare as prepare_calls
from training.services.calls import settle as settling
from training.services.calls.prepare import PreparedCall
from training.services.calls.purse import Purse, Unanswered
from training.services.calls.usage import TokenUsage
from training.services.charges import ChatCost, TokenPrices
from training.services.endpoints import ChatEndpoint, endpoint_for, endpoint_for_base

log = logging.getLogger(__name__)

JOB = "evaluation.jobs.hold_interview"
QUEUE, JOB_SECONDS = queues.INTERVIEWS, 3 * 3600
MAX_REPEATS = 5
SILENT_FOR = timedelta(minutes=3)
HOLD_LIFETIME = timedelta(days=1)
KNOWN_BY_HEART = (*ANSWERED, *FEEDBACK)  # a follow-up ("Why?") stands in many rows
SPARE_CALLS = IN_HAND  # held for beside those that are wanted
NOT_MEASURED = (
    "The bot answered everything, but the answers could not be measured: something broke on our side. The answers are paid "
    "for. Tell whoever runs this platform, then start the interview again."
)


class InterviewRefused(Exception):
    """It was not started; the message says why."""


class BotWithdrawn(InterviewRefused):
    """The team has replaced the bot. The only refusal whose words fit a blind page."""


def scripts_of(course: Course) -> "QuerySet[InterviewScript]":
    """The course's own, newest first, then those that ship."""
    rows = InterviewScript.objects.filter(Q(course=course) | Q(course=None))
    return rows.order_by(F("course").asc(nulls_last=True), "-number")


def script_for(course: Course) -> InterviewScript:
    """The course's own newest script, or the one that ships."""
    return scripts_of(course)[0]


def start(
    *,
    run: TrainingRun,
    person: User,
    repeats: int = 1,
    for_grading: bool = False,
    judge: bool = False,
    untrained: bool = False,
) -> Interview:
    """Hold the most it can cost and send for a worker. `judge`: the instructor wants a judge's opinion of this one.
    `for_grading`: a grader asks for it, so it runs beside one of the team's own and the team is not told when.
    `untrained`: the run's base model is asked, for the picture before.

    Raises InterviewRefused, BudgetRefused, PriceUnknown, or NotReady for an unfinished run.
    """
    script, repeats = script_for(run.team.course), max(1, min(repeats, MAX_REPEATS))
    try:
        most = _most(run, list(script.questions.all()), repeats, untrained=untrained)
    except bots.QuestionTooLong as error:
        said = "The bot's own prompt leaves no room for the script's questions. Train with a shorter system message."
        raise InterviewRefused(said) from error
    who = judging.model_for(run.team.course, asked=judge)
    try:
        with transaction.atomic():
            deleted.hold_still(run)
            interview = Interview.objects.create(
                run=run,
                script=script,
                repeats=repeats,
                started_by=person,
                judge_model=who,
                for_grading=for_grading,
                untrained=untrained,
            )
            money.hold(
                team=run.team,
                key=interview.hold_key,
                paid_for=interview.paid_for,
                amount=most,
                person=person,
                subject_kind=_kind(interview),
                lifetime=HOLD_LIFETIME,
            )
    except deleted.RunDeleted as gone:
        raise InterviewRefused(str(gone)) from gone
    except IntegrityError as error:
        raise InterviewRefused("This run is being interviewed already. Wait for the result.") from error
    send_for_worker(interview)
    return interview


def newest_of(run: TrainingRun) -> Interview | None:
    """The newest interview of a run that is done or on its way; else the newest that failed."""
    rows = Interview.objects.filter(run=run, untrained=False).select_related("script", "run")
    return rows.exclude(status=InterviewStatus.FAILED).first() or rows.first()


def start_for_grader(*, submission: Submission, person: User) -> Interview:
    """The interview of a handed-in bot: one for all its graders. Raises as `start` does."""
    there = newest_of(submission.run)
    if there is not None and there.status != InterviewStatus.FAILED:
        return there
    if submission.replaced_at is not None:
        raise BotWithdrawn("This bot was withdrawn: a newer one is in your list.")
    return start(run=submission.run, person=person, for_grading=True)


def _kind(interview: Interview) -> SubjectKind:
    """What its holds are for."""
    return SubjectKind.GRADING if interview.for_grading else SubjectKind.INTERVIEW


def _endpoint(run: TrainingRun, *, untrained: bool) -> ChatEndpoint:
    """Where the run, or its base model, answers. Raises NotReady."""
    return endpoint_for_base(run.base_model) if untrained else endpoint_for(run)


def _most(run: TrainingRun, questions: list[InterviewQuestion], repeats: int, *, untrained: bool) -> int:
    """Every wording's call at its most, and a few more: tries that got no answer may be charged for too."""
    prices = charges.chat_prices(run, untrained=untrained)
    bot = Bot(run, _endpoint(run, untrained=untrained), prices, Purse(0), untrained)
    calls = [_call(bot, question, wording) for question in questions for wording in wordings_of(question)]
    spare = SPARE_CALLS * max((call.most for call in calls), default=0)
    return repeats * sum(call.most for call in calls) + spare


def _call(bot: Bot, question: InterviewQuestion, wording: Wording) -> PreparedCall:
    """As it is asked, but that nobody knows yet what the follow-up follows: the longest answer."""
    follows = prepare_calls.answer_tokens(bot.endpoint) if wording == Wording.FOLLOW_UP else 0
    spoken = spoken_before(question, wording, " ")
    return bot.call(spoken, text_of(question, wording), later_input=follows)


def send_for_worker(interview: Interview) -> None:
    """A lost call is sent again by `sweep`; a call too many finds the row claimed."""
    try:
        django_rq.get_queue(QUEUE, commit_mode="auto").enqueue_call(JOB, args=(interview.pk,), timeout=JOB_SECONDS)
    except redis.exceptions.RedisError as error:
        log.warning("interview %s waits for the sweeper: Redis is away (%s)", interview.key, error)


def claim(interview_id: int) -> Interview | None:
    """One worker at a time: a new interview, or one whose worker fell silent, which may have had calls under way."""
    now = timezone.now()
    rows = Interview.objects.filter(pk=interview_id)
    begun = {"status": InterviewStatus.RUNNING, "heartbeat_at": now}
    related = rows.select_related(
        "run__team__course", "run__base_model", "run__dataset_version", "script", "started_by"
    )
    if rows.filter(status=InterviewStatus.QUEUED).update(**begun):
        return related.get()
    silent = rows.filter(status=InterviewStatus.RUNNING, heartbeat_at__lt=now - SILENT_FOR)
    if not silent.update(**begun):
        return None
    interview = related.get()
    _book_interrupted(interview)
    return interview


def carry_out(interview_id: int) -> str:
    """The worker's part: ask what is missing, then measure and settle. Returns what came of it, for the job's record."""
    interview = claim(interview_id)
    if interview is None:
        return "nothing to do"
    try:
        if not _ask_the_rest(interview):
            return "someone else ended it"
    except CouldNotAsk as error:
        settle(interview, InterviewStatus.FAILED, error_message=str(error))
        return "failed"
    except (PriceUnknown, bots.QuestionTooLong) as error:
        settle(interview, InterviewStatus.FAILED, error_message=f"Not asked to the end: {error}")
        return "failed"
    try:
        judging.hear(interview)
        found = {"metrics": asdict(measure(asked_of(interview))), "in_training": contaminated(interview)}
    except (OSError, LookupError, ValueError, TypeError):  # a file that is gone, say: taking it up again would not help
        settle(interview, InterviewStatus.FAILED, error_message=NOT_MEASURED)
        raise
    settle(interview, InterviewStatus.DONE, **found)
    return "done"


def _ask_the_rest(interview: Interview) -> bool:
    """False when somebody else ended the interview. Raises CouldNotAsk, PriceUnknown. What got lost is booked either way."""
    bot = _bot_of(interview)
    try:
        return all(keep(interview, reply) for reply in ask_all(bot, missing(interview)))
    finally:
        book_unanswered(interview, bot.purse.unanswered)


def _bot_of(interview: Interview) -> Bot:
    """With what is left of the hold: all of it but what the answers so far cost."""
    run, untrained = interview.run, interview.untrained
    prices = charges.chat_prices(run, untrained=untrained)
    paid = _cost(interview, _used(interview), prices).cost
    held = Hold.objects.values_list("amount", flat=True).get(key=interview.hold_key)
    return Bot(run, _endpoint(run, untrained=untrained), prices, Purse(max(0, held - paid)), untrained)


def _cost(interview: Interview, usage: TokenUsage, prices: TokenPrices | None = None) -> ChatCost:
    """What its answers cost at the price of whoever answered. Raises PriceUnknown."""
    run = interview.run
    if interview.untrained:
        return charges.base_chat_cost(run.base_model, course=run.team.course, **usage.counted)
    return charges.chat_cost(run, **usage.counted, prices=prices)


def _book_interrupted(interview: Interview) -> None:
    """The worker before was killed: as many calls as it has in hand at once may have been made, and be charged for."""
    try:
        bot = _bot_of(interview)
    except PriceUnknown:
        return  # nothing more is asked then
    waiting = [_call(bot, task.question, wording) for task in missing(interview) for wording in task.wordings]
    calls = sorted(waiting, key=lambda call: -call.most)[:IN_HAND]
    book_unanswered(interview, [Unanswered(call, None) for call in calls])


def missing(interview: Interview) -> list[Task]:
    """What has not been asked yet, each question with its wordings in order."""
    there = {(answer.question_id, answer.wording, answer.repeat): answer.answer for answer in interview.answers.all()}
    return [
        Task(
            question,
            repeat,
            [wording for wording in wordings_of(question) if (question.pk, wording, repeat) not in there],
            there.get((question.pk, Wording.QUESTION, repeat), ""),
        )
        for repeat in range(1, interview.repeats + 1)
        for question in interview.script.questions.all()
    ]


def keep(interview: Interview, reply: Reply) -> bool:
    """One more answer and a heartbeat. False when the interview was ended meanwhile."""
    InterviewAnswer.objects.get_or_create(
        interview=interview,
        question=reply.question,
        wording=reply.wording,
        repeat=reply.repeat,
        defaults={
            "answer": reply.text,
            "input_tokens": reply.input_tokens,
            "cached_input_tokens": reply.cached_input_tokens,
            "output_tokens": reply.output_tokens,
        },
    )
    running = Interview.objects.filter(pk=interview.pk, status=InterviewStatus.RUNNING)
    return bool(running.update(heartbeat_at=timezone.now()))


def settle(interview: Interview, status: InterviewStatus, **fields: object) -> None:
    """The last move and the money for everything that was answered, together. A failed interview costs what was asked."""
    with transaction.atomic():
        if interview.move_to(status, finished_at=timezone.now(), **fields):
            opinions.give_up(interview)
            if interview.answers.exists():
                money.settle(key=interview.hold_key, charge=_charge(interview))
            else:
                money.release(key=interview.hold_key)


def book_unanswered(interview: Interview, calls: list[Unanswered]) -> None:
    """An entry of its own for each call that got no answer, out of the interview's hold."""
    settling.book_unanswered(key=interview.hold_key, calls=calls, charge=partial(_priced, interview))


def _used(interview: Interview) -> TokenUsage:
    answers = list(interview.answers.all())
    asked, cached, answered = (
        sum(getattr(answer, name) for answer in answers)
        for name in ("input_tokens", "cached_input_tokens", "output_tokens")
    )
    return TokenUsage(asked, cached, answered, exact=True)


def _charge(interview: Interview) -> Charge:
    return _priced(interview, _used(interview))


def _priced(interview: Interview, usage: TokenUsage) -> Charge:
    return charges.answer_charge(
        charges.cost_or_hold(lambda: _cost(interview, usage), run=interview.run, hold_key=interview.hold_key),
        usage,
        method=interview.run.method,
        subject_kind=SubjectKind.INTERVIEW,
        subject_id=str(interview.key),
        person=interview.started_by,
    )


def asked_of(interview: Interview) -> list[Asked]:
    """The answers as the metrics read them."""
    by_question: dict[int, list[InterviewAnswer]] = {}
    for answer in interview.answers.all():
        by_question.setdefault(answer.question_id, []).append(answer)
    return [
        Asked(
            question.subject,
            question.expectation,
            question.right,
            question.mistaken,
            _in(by_question[question.pk], *ANSWERED),
            _in(by_question[question.pk], Wording.FOLLOW_UP),
            (question.question, question.paraphrase),
            {kind.value: _in(by_question[question.pk], kind) for kind in FEEDBACK},
        )
        for question in interview.script.questions.all()
        if question.pk in by_question
    ]


def _in(answers: list[InterviewAnswer], *wordings: Wording) -> list[str]:
    return [one.answer for one in answers if one.wording in wordings]


def contaminated(interview: Interview) -> int:
    """How many questions of the script stand in the rows the run was trained on: in either wording, or as a teacher's
    feedback on a mistake, by which a bot could be drilled for the flip score."""
    trained = {
        _plain(str(message["content"]))
        for row in dataset_rows.rows(interview.run.dataset_version)
        for message in row["messages"]
        if message["role"] == "user"
    }
    return sum(
        bool(
            {_plain(text_of(question, wording)) for wording in wordings_of(question) if wording in KNOWN_BY_HEART}
            & trained
        )
        for question in interview.script.questions.all()
    )


def _plain(text: str) -> str:
    return " ".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())


def sweep() -> int:
    """Send again for a worker where the call or the worker was lost. Returns how many."""
    silent = Interview.objects.active().filter(heartbeat_at__lt=timezone.now() - SILENT_FOR)
    return each_alone(silent, _send_again)


def _send_again(interview: Interview) -> bool:
    Interview.objects.filter(pk=interview.pk, status=InterviewStatus.QUEUED).update(heartbeat_at=timezone.now())
    send_for_worker(interview)
    return True
