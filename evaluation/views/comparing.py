"""A team puts one prompt to several of its bots and says, before it knows whose it is, which answer is better."""

from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Exists, OuterRef
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation.models import Comparison, Contender, Vote
from evaluation.services import chat, comparing
from evaluation.services.comparing import CompareRefused
from evaluation.services.reading import pieces
from evaluation.views.talk import REFUSALS, turn_streamed
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team


def _find(
    team: Team, key: UUID, position: int | None = None
) -> tuple[Comparison, list[Contender]]:
    comparison = get_object_or_404(Comparison.objects.for_team(team), key=key)
    contenders = comparing.contenders_of(comparison)
    if position is not None and position >= len(contenders):
        raise Http404("There is no such side.")
    return comparison, contenders


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def comparison_list(request: SignedInRequest, team: Team) -> HttpResponse:
    refusal, question, chosen = "", request.POST.get("question", ""), request.POST.getlist("bot")
    if request.method == "POST":
        try:
            made = comparing.compare(
                team=team, question=question, values=chosen, person=request.user
            )
        except (CompareRefused, *REFUSALS) as error:
            refusal = str(error)
        else:
            return redirect("comparison_detail", team_id=team.pk, key=made.key)
    bots, ranking = comparing.bots_of(team), comparing.ranking_of(team)
    names = {bot.value: bot for bot in bots}
    mine = Vote.objects.filter(comparison=OuterRef("pk"), person=request.user)
    context = {
        "bots": bots,
        "chosen": chosen or request.GET.getlist("bot"),
        "draft": question or request.GET.get("question", ""),
        "refusal": refusal,
        "looks_on": request.membership.looks_on,
        "ranking": ranking,
        "standings": [(names[one.bot], one) for one in ranking.standings if one.bot in names],
        "comparisons": Comparison.objects.for_team(team).annotate(
            voted=Exists(mine), votes_in=Count("votes")
        )[:100],
        "section": "chat",
    }
    return render(
        request, "evaluation/comparison_list.html", context, status=422 if refusal else 200
    )


def _context(
    request: SignedInRequest, comparison: Comparison, contenders: list[Contender]
) -> dict[str, Any]:
    """Whose answer is whose, and how others voted, is in it only after this person's vote; an instructor looks on."""
    vote = comparison.votes.filter(person=request.user).select_related("better").first()
    looks_on = request.membership.looks_on
    shown = vote is not None or looks_on
    votes = comparing.votes_by_side(comparison) if shown else {}
    bots = [
        comparing.bot_of(one.conversation.run, untrained=one.conversation.untrained)
        for one in contenders
    ]
    cards = [
        {
            "contender": one,
            "turn": one.turn,
            "pieces": pieces(one.turn.answer),
            "bot": bot if shown else None,
            "votes": votes.get(one.pk, 0),
        }
        for one, bot in zip(contenders, bots, strict=True)
    ]
    return {
        "comparison": comparison,
        "cards": cards,
        "vote": vote,
        "looks_on": looks_on,
        "same_votes": votes.get(None, 0),
        "waits": comparing.waits_for(contenders),
        "streaming": any(one.turn.is_streaming for one in contenders),
        "bots": sorted(bots, key=lambda bot: bot.value),
        "once_more": _once_more(comparison, bots),
        "section": "chat",
    }


def _once_more(comparison: Comparison, bots: list[comparing.Bot]) -> str:
    """What follows the ? in the address of a form that asks the same bots the same question."""
    values = sorted(bot.value for bot in bots)
    return urlencode(
        [*(("bot", value) for value in values), ("question", comparison.question)],
        quote_via=quote,
    )


@team_view(Access.MEMBER)
@require_GET
def comparison_detail(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    return render(
        request, "evaluation/comparison_detail.html", _context(request, *_find(team, key))
    )


@team_view(Access.MEMBER)
@require_GET
def comparison_answer(
    request: SignedInRequest, team: Team, key: UUID, position: int
) -> HttpResponse:
    """One side as it is now, and with it whether one can vote."""
    comparison, contenders = _find(team, key, position)
    if not request.htmx:
        return redirect("comparison_detail", team_id=team.pk, key=key)
    context = _context(request, comparison, contenders)
    context |= {"card": context["cards"][position], "oob": True}
    return render(request, "evaluation/comparison_detail.html#answer_and_vote", context)


@team_view(Access.MEMBER)
@require_GET
def comparison_events(
    request: SignedInRequest, team: Team, key: UUID, position: int
) -> StreamingHttpResponse:
    _, contenders = _find(team, key, position)
    return turn_streamed(request, contenders[position].turn)


@team_view(Access.MEMBER)
@require_POST
def comparison_stop(
    request: SignedInRequest, team: Team, key: UUID, position: int
) -> HttpResponse:
    _, contenders = _find(team, key, position)
    chat.stop(turn=contenders[position].turn)
    return redirect("comparison_detail", team_id=team.pk, key=key)


@team_view(Access.MEMBER)
@require_POST
def comparison_vote(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    comparison, _ = _find(team, key)
    if request.membership.looks_on:
        messages.error(
            request, "You see whose answers they are, so a vote of yours would not be blind."
        )
        return redirect("comparison_detail", team_id=team.pk, key=key)
    try:
        comparing.vote(
            comparison=comparison, person=request.user, side=request.POST.get("better", "")
        )
    except CompareRefused as error:
        messages.error(request, str(error))
    return redirect("comparison_detail", team_id=team.pk, key=key)
