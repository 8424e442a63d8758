"""The optional judge: a language model's opinion of an interview, beside the counted metrics and never part of a grade.

Each call is priced and held before it is made and settled once, under the opinion's own key. Without a provider's key the judge
is refused, in words: a small model has no judgement. Whatever happens to the judge, the interview goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.utils import timezone

from datasets.checks.privacy import find_in
from evaluation import judge_prompt
from evaluation.models import (
    Interview,
    InterviewAnswer,
    InterviewScript,
    InterviewStatus,
    JudgeOpinion,
    JudgeSetting,
    JudgeUse,
    OpinionStatus,
    Subject,
    Wording,
)
from evaluation.services import opinions
from evaluation.services.clean import clean
from evaluation.services.reasons import in_plain_words
from evaluation.services.wordings import FEEDBACK, text_of
from teams.models import Course, Provider, User
from teams.services import audit
from teams.services.money import BudgetRefused
from teams.services.prices import PriceUnknown
from training.services import asked_models, charges
from training.services.asked_models import split
from training.services.calls import client
from training.services.calls.client import Answer
from training.services.calls.outcome import CallFailed
from training.services.calls.prepare import PreparedCall, prepare_for_model
from training.services.calls.purse import Purse
from training.services.charges import TokenPrices
from training.services.endpoints import ChatEndpoint, NotReady, provider_model
from training.services.tokens import count_messages

TRIES = 2
REPLY_SECONDS = (
    60.0  # two tries stay below the silence after which another worker takes the interview over
)
TOKENS_PER_ANSWER = (
    80  # for the figure before an interview: about 60 words, a long answer for a child
)
NO_KEY = (
    "A judge needs a real model, and no provider may be asked to judge here. A small model would answer without any "
    "judgement, so nothing stands in for it. Add a provider on the page “Providers”, or whoever runs this platform can set "
    "OPENAI_API_KEY."
)
PRIVATE = "Not sent: an answer seems to hold a child's personal data, which may not leave this machine."


class JudgeRefused(Exception):
    """The judge was not switched on, or not asked; the message says why and what to do."""


def models_for(course: Course) -> list[str]:
    """What can judge in this course: models whose input and output prices are known, at providers that may be asked for it.

    Each as `asked_models.reference` names it.
    """
    return [model.reference for model in asked_models.judging_models(course)]


def _provider(course: Course, judge: str) -> Provider:
    """Raises JudgeRefused where it may not be asked for an opinion."""
    able = asked_models.judging_providers(course)
    if not able:
        raise JudgeRefused(NO_KEY)
    code, model = split(judge)
    found = next((one for one in able if one.code == code), None)
    if found is None:
        raise JudgeRefused(
            f"The provider of {model} may not be asked to judge any more. Choose another model."
        )
    return found


def why_not(course: Course) -> str:
    """Why no judge can read here now, with what to do; empty where one can."""
    if not asked_models.judging_providers(course):
        return NO_KEY
    return (
        ""
        if models_for(course)
        else "No model has a price for what it reads and says. Add one on the price page."
    )


def switch(*, course: Course, use: JudgeUse, model: str, person: User) -> JudgeSetting:
    """Say when a judge reads interviews, and which model it is. Raises JudgeRefused without a key or a price."""
    if use != JudgeUse.OFF:
        _provider(course, model)
        _prices(course, model)
    before = JudgeSetting.objects.filter(course=course).first()
    made, _ = JudgeSetting.objects.update_or_create(
        course=course, defaults={"use": use, "model": model}
    )
    audit.record(
        course=course,
        person=person,
        action="judge switched",
        what=made.get_use_display(),
        before=before and {"use": before.use, "model": before.model},
        after={"use": use, "model": model},
    )
    return made


def model_for(course: Course, *, asked: bool) -> str:
    """Who judges an interview that starts now; empty for nobody. `asked`: the instructor wants it for this one."""
    setting = JudgeSetting.objects.filter(course=course).first()
    if (
        setting is None
        or setting.use == JudgeUse.OFF
        or (setting.use == JudgeUse.ASKED and not asked)
    ):
        return ""
    return setting.model


@dataclass(frozen=True)
class Offer:
    """What the page says before an interview. `asks`: it is for the instructor to ask for the judge this time."""

    model: str
    about: int | None
    asks: bool


def offer(course: Course, script: InterviewScript, *, is_instructor: bool) -> Offer | None:
    """None where no judge would read an interview that starts now."""
    model = model_for(course, asked=is_instructor)
    return (
        Offer(model, about_cost(course, script, model), asks=not model_for(course, asked=False))
        if model
        else None
    )


def about_cost(course: Course, script: InterviewScript, model: str) -> int | None:
    """Micro-dollars that judging one interview costs where the answers are long for a child; None without a price."""
    try:
        prices = _prices(course, model)
    except JudgeRefused:
        return None
    questions, total = list(script.questions.all()), 0
    for subject in {question.subject for question in questions}:
        asked = [
            (text, "") for one in questions if one.subject == subject for text in _texts(one)
        ]
        tokens = count_messages(judge_prompt.messages_for(asked)) + TOKENS_PER_ANSWER * len(
            asked
        )
        total += _cost(prices, tokens, judge_prompt.REPLY_TOKENS)
    return total


def _texts(question: Any) -> list[str]:
    return [
        text for text in (question.question, question.paraphrase, question.follow_up) if text
    ]


def hear(interview: Interview) -> None:
    """Ask for the opinions that are missing. What stands in the way is noted on the interview; nothing is raised."""
    if not interview.judge_model:
        return
    note = ""
    try:
        _provider(interview.run.team.course, interview.judge_model)
        prices = _prices(interview.run.team.course, interview.judge_model)
        for subject, exchanges in sections(interview):
            _hear_one(interview, subject, exchanges, prices)
            Interview.objects.filter(pk=interview.pk, status=InterviewStatus.RUNNING).update(
                heartbeat_at=timezone.now()
            )
    except (JudgeRefused, BudgetRefused) as error:
        note = f"The judge was not asked about everything. {error}"
    Interview.objects.filter(pk=interview.pk).update(judge_note=note)
    interview.judge_note = note


def sections(interview: Interview) -> Iterator[tuple[Subject, list[tuple[str, str]]]]:
    """The first round of answers, (teacher, student), subject by subject in the script's order."""
    answers = (
        interview.answers.filter(repeat=1)
        .exclude(answer="")
        .exclude(wording__in=FEEDBACK)
        .select_related("question")
    )
    by_subject: dict[str, list[tuple[str, str]]] = {}
    for answer in answers:
        by_subject.setdefault(answer.question.subject, []).append(
            (_wording(answer), answer.answer)
        )
    for subject, exchanges in by_subject.items():
        yield Subject(subject), exchanges


def _wording(answer: InterviewAnswer) -> str:
    return text_of(answer.question, Wording(answer.wording))


def _hear_one(
    interview: Interview, subject: Subject, exchanges: list[tuple[str, str]], prices: TokenPrices
) -> None:
    """The call stands before the row, so that what is held is what is asked."""
    judge = _asked(interview)
    call = prepare_for_model(judge, judge_prompt.messages_for(exchanges), prices)
    call = replace(call, decoding={"seed": 1})
    if _holds_personal_data(exchanges):
        opinions.refuse(interview, subject, PRIVATE)
        return
    opinion = opinions.begin(interview, subject, most=call.most)
    if opinion.status != OpinionStatus.ASKING:
        return
    try:
        answer = _ask(call)
    except CallFailed as failed:
        said = in_plain_words(failed).split(". ")[0].rstrip(".") + "."
        opinions.fail(opinion, said, call=call, outcome=failed.outcome, usage=failed.usage)
        return
    opinions.keep(opinion, judge_prompt.read(clean(answer.text)), call=call, usage=answer.usage)


def _ask(call: PreparedCall) -> Answer:
    """Tried again only where the first try cost nothing: the hold pays for one reply."""
    with client.connected() as web:
        return client.ask(web, call, purse=Purse(call.most), tries=TRIES, seconds=REPLY_SECONDS)


def _holds_personal_data(exchanges: list[tuple[str, str]]) -> bool:
    return any(
        severity == "high" for _, answer in exchanges for _, _, _, severity, _ in find_in(answer)
    )


def _cost(prices: TokenPrices, asked: int, answered: int) -> int:
    return prices.cost(input_tokens=asked, cached_input_tokens=0, output_tokens=answered)


def _asked(interview: Interview) -> ChatEndpoint:
    """Raises JudgeRefused."""
    provider = _provider(interview.run.team.course, interview.judge_model)
    try:
        return provider_model(
            provider, split(interview.judge_model)[1], max_tokens=judge_prompt.REPLY_TOKENS
        )
    except NotReady as error:
        raise JudgeRefused(str(error)) from error


def _prices(course: Course, model: str) -> TokenPrices:
    """Raises JudgeRefused for a model without a price."""
    try:
        code, name = split(model)
        return charges.token_prices(course=course, model=name, provider=code)
    except PriceUnknown as error:
        raise JudgeRefused(str(error)) from error


@dataclass(frozen=True)
class Judged:
    """What the page shows. `mean` over the opinions that were given, None where there is none."""

    model: str
    prompt_version: int
    mean: float | None
    opinions: list[JudgeOpinion]
    note: str


def judged(interview: Interview) -> Judged | None:
    """None where no judge was wanted."""
    if not interview.judge_model:
        return None
    given = list(interview.opinions.exclude(status=OpinionStatus.ASKING))
    scores = [one.score for one in given if one.score is not None]
    mean = sum(scores) / len(scores) if scores else None
    version = given[0].prompt_version if given else judge_prompt.PROMPT_VERSION
    return Judged(interview.judge_model, version, mean, given, interview.judge_note)
