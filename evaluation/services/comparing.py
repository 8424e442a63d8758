"""One prompt to several bots side by side: asked with the same answering service, judged blind, ranked over all votes."""

import secrets
from collections import Counter
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Prefetch

from evaluation.models import Comparison, Contender, Conversation, Turn, Vote
from evaluation.models.comparing import SIDES
from evaluation.ranking import Ballot, Ranking, rank
from evaluation.services import chat
from evaluation.services.clean import clean
from teams.models import Team, User
from training.models import TrainingRun
from training.services import deleted

FEWEST = 2
MOST = len(SIDES)
SAME = "same"


class CompareRefused(Exception):
    """Not asked, or not voted; the message says why and what to do."""


@dataclass(frozen=True)
class Bot:
    """Who can stand in a comparison: a finished run, or the base model of one, before any training.

    `value` names it in forms and is the same wherever the same bot is meant.
    """

    value: str
    name: str
    run: TrainingRun
    untrained: bool


def bot_of(run: TrainingRun, *, untrained: bool) -> Bot:
    if untrained:
        return Bot(
            f"base-{run.base_model_id}",
            f"{run.base_model.label}, not trained",
            run,
            untrained=True,
        )
    return Bot(f"run-{run.number}", str(run), run, untrained=False)


def bots_of(team: Team) -> list[Bot]:
    """Finished runs, newest first, then the base models that they began from."""
    runs = list(
        TrainingRun.objects.for_team(team)
        .finished()
        .shown()
        .select_related("base_model", "team__course")
    )
    bases = {run.base_model_id: bot_of(run, untrained=True) for run in runs}
    return [*(bot_of(run, untrained=False) for run in runs), *bases.values()]


def compare(*, team: Team, question: str, values: list[str], person: User) -> Comparison:
    """Draw the sides, hold the most that each answer may cost, and ask.

    Raises CompareRefused, and what `chat.ask` raises; then nothing was asked or held.
    """
    known = {bot.value: bot for bot in bots_of(team)}
    picked = [known[value] for value in dict.fromkeys(values) if value in known]
    if not FEWEST <= len(picked) <= MOST:
        raise CompareRefused(
            f"Choose two or three bots; {len(picked) or 'none'} of yours {_is(picked)} chosen."
        )
    secrets.SystemRandom().shuffle(picked)
    with transaction.atomic():
        for bot in picked:
            _hold_still(bot.run)
        comparison = Comparison.objects.create(
            team=team, question=clean(question).strip(), asked_by=person
        )
        talks = [_contend(comparison, side, bot, person) for side, bot in enumerate(picked)]
        turns = chat.put_to_each(conversations=talks, question=question, person=person)
    chat.begin(turns)
    return comparison


def _is(picked: list[Bot]) -> str:
    return "is" if len(picked) <= 1 else "are"


def _hold_still(run: TrainingRun) -> None:
    try:
        deleted.hold_still(run)
    except deleted.RunDeleted as gone:
        raise CompareRefused(str(gone)) from gone


def _contend(comparison: Comparison, side: int, bot: Bot, person: User) -> Conversation:
    talk = Conversation.objects.create(run=bot.run, untrained=bot.untrained, person=person)
    Contender.objects.create(comparison=comparison, position=side, conversation=talk)
    return talk


def contenders_of(comparison: Comparison) -> list[Contender]:
    """In the order of their sides, each with its bot and its answer: three queries."""
    return list(
        comparison.contenders.select_related(
            "conversation__run__base_model",
            "conversation__run__team__course",
            "conversation__submission",
        ).prefetch_related(Prefetch("conversation__turns", Turn.objects.current()))
    )


def waits_for(contenders: list[Contender]) -> str:
    """Why nobody can vote yet; empty when one can."""
    if any(one.turn.is_streaming for one in contenders):
        return "Wait until all of them have answered."
    if not all(one.turn.answer for one in contenders):
        return "Not every bot answered, so there is nothing to judge. Ask once more."
    return ""


def vote(*, comparison: Comparison, person: User, side: str) -> Vote:
    """`side`: A, B or C is better, or "same". A second vote of the same person changes nothing. Raises CompareRefused."""
    contenders = contenders_of(comparison)
    sides: dict[str, Contender | None] = {one.side: one for one in contenders}
    sides[SAME] = None
    if side not in sides:
        raise CompareRefused("Choose the better answer, or say that they are equally good.")
    if reason := waits_for(contenders):
        raise CompareRefused(reason)
    made, _ = Vote.objects.get_or_create(
        comparison=comparison, person=person, defaults={"better": sides[side]}
    )
    return made


def votes_by_side(comparison: Comparison) -> dict[int | None, int]:
    """How many found each contender (by id) better; None counts those who found them equally good."""
    return Counter(comparison.votes.values_list("better_id", flat=True))


def ranking_of(team: Team) -> Ranking[str]:
    """Over all votes of the team; each bot by its `Bot.value`."""
    votes = Vote.objects.filter(comparison__team=team).select_related("better").order_by("pk")
    sides = Prefetch(
        "comparison__contenders", Contender.objects.select_related("conversation__run")
    )
    return rank(
        [_ballot(one) for one in votes.select_related("comparison").prefetch_related(sides)]
    )


def _ballot(one: Vote) -> Ballot[str]:
    values = {side.pk: _value(side.conversation) for side in one.comparison.contenders.all()}
    return Ballot(tuple(values.values()), values[one.better_id] if one.better_id else None)


def _value(talk: Conversation) -> str:
    return f"base-{talk.run.base_model_id}" if talk.untrained else f"run-{talk.run.number}"
