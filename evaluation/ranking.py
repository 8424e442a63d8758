"""Who is judged better, from blind votes: Bradley–Terry by the MM algorithm, with bootstrap intervals. Pure Python: no Django.

A ballot names the bots that stood side by side and the one that was judged best; `None` says that they were equally good. Best
of three counts as a win over each of the other two; a tie is half a win for both.

Sources: Bradley & Terry 1952; Hunter 2004 (MM algorithms for generalized Bradley–Terry models); Ford 1957 (when it is defined).
"""

import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Generic, TypeVar

Bot = TypeVar("Bot", bound=Hashable)
Wins = Mapping[Bot, Mapping[Bot, float]]

ROUNDS = 2000
CLOSE_ENOUGH = 1e-10
RESAMPLES = 200
RESAMPLED_CLOSE_ENOUGH = 1e-4
SHARE = 0.95
SMALLEST = 1e-300  # two bots that never win have no strength to divide by
NOTHING = "Nothing has been voted on yet."
APART = "Some of these bots were never compared with the others, not even through a third one. Ask them side by side."
ONE_SIDED = "Some of these bots only ever won, or only ever lost: how far apart they are cannot be told yet. Vote on more answers."


@dataclass(frozen=True)
class Ballot(Generic[Bot]):
    """`bots` stood side by side; `best` is one of them, or None."""

    bots: tuple[Bot, ...]
    best: Bot | None


@dataclass(frozen=True)
class Standing(Generic[Bot]):
    """`rate`: chance to be judged better than another bot of the list, 0 to 1; with its 95 % interval, None if not defined."""

    bot: Bot
    won: int
    tied: int
    lost: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Ranking(Generic[Bot]):
    """Best first. `undefined` says why there are no rates, and is empty where there are."""

    standings: list[Standing[Bot]]
    undefined: str


def rank(ballots: Sequence[Ballot[Bot]], seed: int = 17) -> Ranking[Bot]:
    """The same ballots in the same order give the same ranking."""
    wins = wins_of(ballots)
    undefined = why_undefined(wins)
    strength = {} if undefined else strengths(wins)
    rates, spans = rates_of(strength), _intervals(ballots, strength, seed) if strength else {}
    standings = [_standing(bot, ballots, rates.get(bot), spans.get(bot)) for bot in wins]
    return Ranking(
        sorted(standings, key=lambda one: (one.rate or 0, one.won - one.lost), reverse=True),
        undefined,
    )


def wins_of(ballots: Iterable[Ballot[Bot]]) -> dict[Bot, dict[Bot, float]]:
    """`wins[a][b]`: how often a was judged better than b, ties as halves. Every bot that was voted on is a key."""
    wins: dict[Bot, dict[Bot, float]] = {}
    for ballot, times in Counter(ballots).items():
        for bot in ballot.bots:
            wins.setdefault(bot, {})
        for one, other in combinations(ballot.bots, 2):
            if ballot.best not in (one, other, None):
                continue  # how the two that were not best compare is not known
            for bot, rival in ((one, other), (other, one)):
                won = 0.5 if ballot.best is None else float(ballot.best == bot)
                wins[bot][rival] = wins[bot].get(rival, 0.0) + times * won
    return wins


def why_undefined(wins: Wins[Bot]) -> str:
    """Empty where the strengths are defined: from every bot a chain of wins (or ties) leads to every other one."""
    if not wins:
        return NOTHING
    start = next(iter(wins))
    if _reached(start, wins) != set(wins):
        return APART
    beats = {bot: {rival: won for rival, won in row.items() if won} for bot, row in wins.items()}
    beaten = {bot: {rival: 1.0 for rival in wins if bot in beats[rival]} for bot in wins}
    return "" if _reached(start, beats) == _reached(start, beaten) == set(wins) else ONE_SIDED


def _reached(start: Bot, ways: Wins[Bot]) -> set[Bot]:
    found, waiting = {start}, [start]
    while waiting:
        fresh = set(ways[waiting.pop()]) - found
        found |= fresh
        waiting += fresh
    return found


def strengths(
    wins: Wins[Bot], start: Mapping[Bot, float] | None = None, close_enough: float = CLOSE_ENOUGH
) -> dict[Bot, float]:
    """Bradley–Terry strengths that add up to 1, by the MM algorithm from `start` (equal, unless told)."""
    total = {bot: sum(row.values()) for bot, row in wins.items()}
    met = {
        bot: [(rival, won + wins[rival][bot]) for rival, won in row.items()]
        for bot, row in wins.items()
    }
    now = dict(start or dict.fromkeys(wins, 1 / len(wins)))
    for _ in range(ROUNDS):
        new = {
            bot: total[bot]
            / sum(times / max(now[bot] + now[rival], SMALLEST) for rival, times in row)
            for bot, row in met.items()
        }
        scale = sum(new.values())
        new = {bot: strength / scale for bot, strength in new.items()}
        moved = max(abs(new[bot] - now[bot]) for bot in wins)
        now = new
        if moved < close_enough:
            break
    return now


def rates_of(strength: Mapping[Bot, float]) -> dict[Bot, float]:
    """The chance to be judged better than another bot, averaged over the others."""
    return {
        bot: sum(
            mine / (mine + other) if mine + other else 0.5
            for rival, other in strength.items()
            if rival != bot
        )
        / (len(strength) - 1)
        for bot, mine in strength.items()
    }


def _intervals(
    ballots: Sequence[Ballot[Bot]], start: Mapping[Bot, float], seed: int
) -> dict[Bot, tuple[float, float]]:
    """Percentiles over ballots drawn again among those of the same bots, so that what was compared stays compared.

    A draw in which a bot only won has no finite strengths; its rate there tends to 1, which is what the steps go to.
    """
    strata: dict[frozenset[Bot], list[Ballot[Bot]]] = {}
    for ballot in ballots:
        strata.setdefault(frozenset(ballot.bots), []).append(ballot)
    draw = random.Random(seed)  # noqa: S311  (a repeatable draw, no secret)
    seen: dict[Bot, list[float]] = {}
    for _ in range(RESAMPLES):
        drawn = [one for same in strata.values() for one in draw.choices(same, k=len(same))]
        for bot, rate in rates_of(
            strengths(wins_of(drawn), start, RESAMPLED_CLOSE_ENOUGH)
        ).items():
            seen.setdefault(bot, []).append(rate)
    cut = round(RESAMPLES * (1 - SHARE) / 2)
    return {bot: (sorted(rates)[cut], sorted(rates)[-1 - cut]) for bot, rates in seen.items()}


def _standing(
    bot: Bot,
    ballots: Sequence[Ballot[Bot]],
    rate: float | None,
    span: tuple[float, float] | None,
) -> Standing[Bot]:
    mine = [ballot for ballot in ballots if bot in ballot.bots]
    won, tied = sum(one.best == bot for one in mine), sum(one.best is None for one in mine)
    low, high = span or (None, None)
    return Standing(bot, won, tied, len(mine) - won - tied, rate, low, high)
