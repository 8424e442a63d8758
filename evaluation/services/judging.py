"""The optional judge: a language model's opinion of an interview, beside the counted metrics and never part of a grade.

Each call is priced and held before it is made and settled once, under the opinion's own key. There is no rehearsal of it:
a stand-in has no judgement, so without a key the judge is refused, in words. Whatever happens to the judge, the interview goes on.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import httpx
import openai
from django.conf import settings
from django.db import transaction
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
from evaluation.services.clean import clean
from evaluation.services.reasons import in_plain_words, maybe_billed
from teams.models import Confidence, Course, Hold, Method, Price, PriceKind, User
from teams.services import audit, money
from teams.services.money import BudgetRefused, Charge
from teams.services.prices import PriceUnknown
from training.services import charges
from training.services.calls.usage import TokenUsage, usage_of
from training.services.charges import PRICE_BOOK_PROVIDER, TokenPrices
from training.services.endpoints import provider_address
from training.services.tokens import count_messages, count_text

KIND = "judge"
NO_JUDGE = r"^(ft:|gpt-5|o[1-9])"
TRIES, WAIT_SECONDS = 2, 2.0
REPLY_SECONDS = 60.0  # two tries stay below the silence after which another worker takes the interview over
TOKENS_PER_ANSWER = 80  # for the figure before an interview: about 60 words, a long answer for a child
NO_REPLY = (AttributeError, TypeError, LookupError, ValueError)  # a page of HTML where a completion should be
NO_KEY = (
    "A judge needs a real model, and no OpenAI key is set here. A rehearsal would answer without any judgement, so nothing "
    "stands in for it. Whoever runs this platform can set OPENAI_API_KEY."
)
PRIVATE = "Not sent: an answer seems to hold a child's personal data, which may not leave this machine."
BROKE_OFF = "The worker that asked was stopped, and the judge could not be asked again."
UNREADABLE = "The judge's reply could not be read, so it counts for nothing. It was paid for all the same."


class JudgeRefused(Exception):
    """The judge was not switched on, or not asked; the message says why and what to do."""


def models_for(course: Course) -> list[str]:
    """What can judge in this course: models whose input and output prices are known.

    Fine-tuned ones speak like children; those that reason first spend tokens that no limit on the reply holds down.
    """
    priced = Price.objects.for_course(course).filter(provider=PRICE_BOOK_PROVIDER).exclude(model__regex=NO_JUDGE)
    known = [
        set(priced.filter(kind=kind).values_list("model", flat=True)) for kind in (PriceKind.INPUT, PriceKind.OUTPUT)
    ]
    return sorted(known[0] & known[1])


def why_not(course: Course) -> str:
    """Why no judge can read here now, with what to do; empty where one can."""
    try:
        _key()
    except JudgeRefused as error:
        return str(error)
    return "" if models_for(course) else "No model has a price for what it reads and says. Add one on the price page."


def switch(*, course: Course, use: JudgeUse, model: str, person: User) -> JudgeSetting:
    """Say when a judge reads interviews, and which model it is. Raises JudgeRefused without a key or a price."""
    if use != JudgeUse.OFF:
        _key()
        _prices(course, model)
    before = JudgeSetting.objects.filter(course=course).first()
    made, _ = JudgeSetting.objects.update_or_create(course=course, defaults={"use": use, "model": model})
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
    if setting is None or setting.use == JudgeUse.OFF or (setting.use == JudgeUse.ASKED and not asked):
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
    return Offer(model, about_cost(course, script, model), asks=not model_for(course, asked=False)) if model else None


def about_cost(course: Course, script: InterviewScript, model: str) -> int | None:
    """Micro-dollars that judging one interview costs where the answers are long for a child; None without a price."""
    try:
        prices = _prices(course, model)
    except JudgeRefused:
        return None
    questions, total = list(script.questions.all()), 0
    for subject in {question.subject for question in questions}:
        asked = [(text, "") for one in questions if one.subject == subject for text in _texts(one)]
        tokens = count_messages(judge_prompt.messages_for(asked)) + TOKENS_PER_ANSWER * len(asked)
        total += _cost(prices, tokens, judge_prompt.REPLY_TOKENS)
    return total


def _texts(question: Any) -> list[str]:
    return [text for text in (question.question, question.paraphrase, question.follow_up) if text]


def hear(interview: Interview) -> None:
    """Ask for the opinions that are missing. What stands in the way is noted on the interview; nothing is raised."""
    if not interview.judge_model:
        return
    note = ""
    try:
        _key()
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


def give_up(interview: Interview) -> None:
    """The interview ends: no opinion may stay open, nor the money for it.

    One is open where a worker died while it asked and the judge could not be asked again. Nobody knows what that cost.
    """
    for opinion in interview.opinions.filter(status=OpinionStatus.ASKING):
        _book_the_most(opinion)


def _book_the_most(opinion: JudgeOpinion) -> None:
    with transaction.atomic():
        _close(opinion, OpinionStatus.FAILED, BROKE_OFF)
        held = Hold.objects.get(key=opinion.hold_key)
        money.settle(key=opinion.hold_key, charge=_unknown(opinion, held.amount))


def _unknown(opinion: JudgeOpinion, most: int) -> Charge:
    person, method = opinion.interview.started_by, Method(opinion.interview.run.method)
    return Charge(
        KIND,
        str(opinion.key),
        method,
        PRICE_BOOK_PROVIDER,
        opinion.model,
        most,
        charges.NO_ANSWER,
        Confidence.UNKNOWN,
        person=person,
    )


def sections(interview: Interview) -> Iterator[tuple[Subject, list[tuple[str, str]]]]:
    """The first round of answers, (teacher, student), subject by subject in the script's order."""
    answers = interview.answers.filter(repeat=1).exclude(answer="").select_related("question")
    by_subject: dict[str, list[tuple[str, str]]] = {}
    for answer in answers:
        by_subject.setdefault(answer.question.subject, []).append((_asked(answer), answer.answer))
    for subject, exchanges in by_subject.items():
        yield Subject(subject), exchanges


def _asked(answer: InterviewAnswer) -> str:
    question = answer.question
    texts = {Wording.QUESTION: question.question, Wording.PARAPHRASE: question.paraphrase}
    return texts.get(Wording(answer.wording), question.follow_up)


def _hear_one(interview: Interview, subject: Subject, exchanges: list[tuple[str, str]], prices: TokenPrices) -> None:
    messages = judge_prompt.messages_for(exchanges)
    opinion = _open(interview, subject, private=_holds_personal_data(exchanges), most=_most(prices, messages))
    if opinion.status != OpinionStatus.ASKING:
        return
    try:
        text, usage = _said(_create(opinion.model, messages), messages)
    except (openai.OpenAIError, httpx.HTTPError, *NO_REPLY) as error:
        _lost(opinion, error, messages, prices)
        return
    _keep(opinion, text, _charge(opinion, usage, prices))


def _lost(opinion: JudgeOpinion, error: Exception, messages: list[dict[str, str]], prices: TokenPrices) -> None:
    """No reply came. Where the provider may charge for it all the same, the most it can have cost is booked as unknown."""
    with transaction.atomic():
        _close(opinion, OpinionStatus.FAILED, in_plain_words(error).split(". ")[0].rstrip(".") + ".")
        if not maybe_billed(error):
            money.release(key=opinion.hold_key)
            return
        held = Hold.objects.get(key=opinion.hold_key).amount
        usage = TokenUsage(count_messages(messages), 0, judge_prompt.REPLY_TOKENS, exact=False)
        money.settle(key=opinion.hold_key, charge=charges.at_most(_charge(opinion, usage, prices), held))


def _open(interview: Interview, subject: Subject, *, private: bool, most: int) -> JudgeOpinion:
    """The row and its hold, both or neither. Raises BudgetRefused.

    After a worker that broke off the row is there, and its question may have been asked and billed: that is booked, at the
    most that was held for it, and held for once more.
    """
    wanted = {"model": interview.judge_model, "prompt_version": judge_prompt.PROMPT_VERSION}
    with transaction.atomic():
        opinion, made = JudgeOpinion.objects.get_or_create(interview=interview, subject=subject, defaults=wanted)
        if made and private:
            _close(opinion, OpinionStatus.FAILED, PRIVATE)
        elif made:
            team, person = interview.run.team, interview.started_by
            kind = money.GRADING if interview.for_grading else KIND
            money.hold(team=team, key=opinion.hold_key, amount=most, person=person, subject_kind=kind)
        elif opinion.status == OpinionStatus.ASKING:
            _book_interrupted(opinion, most)
    return opinion


def _book_interrupted(opinion: JudgeOpinion, most: int) -> None:
    """A hold of its own for what was asked before, so that the opinion's hold pays for what is asked now."""
    key = f"{opinion.hold_key}-lost-{uuid4().hex[:12]}"
    team, person = opinion.interview.run.team, opinion.interview.started_by
    money.hold(team=team, key=key, amount=most, person=person, subject_kind=KIND)
    money.settle(key=key, charge=_unknown(opinion, most))


def _holds_personal_data(exchanges: list[tuple[str, str]]) -> bool:
    return any(severity == "high" for _, answer in exchanges for _, _, _, severity, _ in find_in(answer))


def _most(prices: TokenPrices, messages: list[dict[str, str]]) -> int:
    asked = charges.with_margin(count_messages(messages))
    return prices.most(input_tokens=asked, output_tokens=judge_prompt.REPLY_TOKENS)


def _create(model: str, messages: list[dict[str, str]]) -> Any:
    """One reply. The client itself tries once only: it would ask, and pay, again without telling us."""
    base_url, key = provider_address(rehearsal=False)
    with openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=REPLY_SECONDS) as client:
        for attempt in range(1, TRIES + 1):
            try:
                return client.chat.completions.create(
                    model=model,
                    messages=cast(Any, messages),
                    temperature=0,
                    max_tokens=judge_prompt.REPLY_TOKENS,
                    seed=1,
                )
            except (openai.RateLimitError, openai.InternalServerError):
                if attempt == TRIES:
                    raise
                time.sleep(WAIT_SECONDS * attempt)
    raise AssertionError("unreachable: the last try returns or raises")


def _said(completion: Any, messages: list[dict[str, str]]) -> tuple[str, TokenUsage]:
    """The reply and its tokens, counted by us where the provider did not say. Raises one of NO_REPLY for no completion at all."""
    text = clean((completion.choices[0].message.content or "") if completion.choices else "")
    counted_here = TokenUsage(count_messages(messages), 0, count_text(text), exact=False)
    return text, usage_of(completion.usage) or counted_here


def _keep(opinion: JudgeOpinion, text: str, charge: Charge) -> None:
    """The opinion and its price, together."""
    verdict = judge_prompt.read(text)
    with transaction.atomic():
        if verdict is None:
            _close(opinion, OpinionStatus.FAILED, UNREADABLE)
        else:
            _close(opinion, OpinionStatus.GIVEN, verdict.reason, verdict.score)
        money.settle(key=opinion.hold_key, charge=charge)


def _close(opinion: JudgeOpinion, status: OpinionStatus, reason: str, score: int | None = None) -> None:
    open_row = JudgeOpinion.objects.filter(pk=opinion.pk, status=OpinionStatus.ASKING)
    open_row.update(status=status, reason=reason, score=score)
    opinion.refresh_from_db(fields=["status", "reason", "score"])


def _charge(opinion: JudgeOpinion, usage: TokenUsage, prices: TokenPrices) -> Charge:
    return Charge(
        subject_kind=KIND,
        subject_id=str(opinion.key),
        method=Method(opinion.interview.run.method),
        provider=PRICE_BOOK_PROVIDER,
        model=opinion.model,
        cost=prices.cost(**usage.counted),
        price_note=prices.note,
        confidence=Confidence.EXACT if usage.exact else Confidence.ESTIMATED,
        person=opinion.interview.started_by,
        **usage.counted,
    )


def _cost(prices: TokenPrices, asked: int, answered: int) -> int:
    return prices.cost(input_tokens=asked, cached_input_tokens=0, output_tokens=answered)


def _key() -> None:
    """Raises JudgeRefused where there is no real provider to ask."""
    if not settings.OPENAI_API_KEY:
        raise JudgeRefused(NO_KEY)


def _prices(course: Course, model: str) -> TokenPrices:
    """Raises JudgeRefused for a model without a price."""
    try:
        return charges.token_prices(course=course, model=model)
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
    opinions = list(interview.opinions.exclude(status=OpinionStatus.ASKING))
    scores = [one.score for one in opinions if one.score is not None]
    mean = sum(scores) / len(scores) if scores else None
    version = opinions[0].prompt_version if opinions else judge_prompt.PROMPT_VERSION
    return Judged(interview.judge_model, version, mean, opinions, interview.judge_note)
