"""What a team's chat and a professor's interview share: the cards of a talk, and what becomes of a question."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render

from evaluation.models import Conversation, Criterion, Grading, Hearing, Turn
from evaluation.services import tags
from evaluation.services.answer_stream import answer_events
from evaluation.services.chat import ChatRefused
from evaluation.services.reading import Piece, pieces, reading_of
from evaluation.services.reasons import for_a_grader
from teams.access import SignedInRequest
from teams.services.money import BudgetRefused
from teams.services.prices import PriceUnknown
from training.services.endpoints import NotReady

REFUSALS = (ChatRefused, BudgetRefused, PriceUnknown, NotReady)
BLIND_REFUSAL = "This bot cannot be asked at the moment. Please tell the instructor. What you have written so far is saved."


@dataclass(frozen=True)
class TurnCard:
    """One question and its answer on the page. `marks`: what this grader left on it. `trouble`: why no answer came."""

    turn: Turn
    is_last: bool
    marks: tags.TurnMarks
    pieces: list[Piece]
    trouble: str


@dataclass(frozen=True)
class Talk:
    """A conversation at its place: `base` is the URL that its turns' URLs begin with, `page` the page that shows it."""

    conversation: Conversation
    base: str
    page: str
    grading: Grading | None = None
    hearing: Hearing | None = None

    @property
    def for_a_professor(self) -> bool:
        """She reads no more of a bot that fails than whether to ask again: the rest would tell how it was made."""
        return self.grading is not None or self.hearing is not None

    def cards(self) -> list[TurnCard]:
        turns = list(self.conversation.turns.current())
        marked = tags.marks_by_turn(self.grading) if self.grading else {}
        return [
            TurnCard(
                turn,
                turn is turns[-1],
                marked.get(turn.pk, tags.TurnMarks()),
                pieces(turn.answer),
                for_a_grader(turn.error_message) if self.for_a_professor else turn.error_message,
            )
            for turn in turns
        ]

    def context(self, **more: Any) -> dict[str, Any]:
        cards, criteria = self.cards(), self.criteria()
        return {
            "conversation": self.conversation,
            "base": self.base,
            "cards": cards,
            "reading": reading_of(card.turn for card in cards),
            "grading": self.grading,
            "hearing": self.hearing,
            "tag_labels": tags.offered(criteria) if self.grading else (),
            "tag_criteria": criteria,
            "ask_key": uuid4(),
            "again_key": uuid4(),
            **more,
        }

    def criteria(self) -> list[Criterion]:
        """What a grader's tags can speak to."""
        return list(self.grading.submission.rubric.criteria.all()) if self.grading else []

    def evidence(self) -> list[tuple[str, tags.Evidence]]:
        """For a grader: the criterion's key and what the interview says beside it now."""
        if self.grading is None:
            return []
        criteria = self.criteria()
        found = tags.evidence(grading=self.grading, criteria=criteria)
        return [(criterion.key, found[criterion.pk]) for criterion in criteria]


def stored(response: HttpResponse, name: str) -> HttpResponse:
    """Says which form's content is in the database now: nothing else counts as saved for the page (`drafts.js`)."""
    response["Saved"] = name
    return response


def stored_and_on(request: SignedInRequest, name: str, to: str) -> HttpResponse:
    """After a form that is sent by hand was stored: on to the next page. The page may forget what it kept."""
    if not request.htmx:
        return redirect(to)
    response = HttpResponse()
    response["HX-Redirect"] = to
    return stored(response, name)


def key_in(request: SignedInRequest) -> UUID | None:
    """By which a question is known that is sent again because its answer was lost."""
    try:
        return UUID(request.POST.get("key", ""))
    except ValueError:
        return None


def question_put(
    request: SignedInRequest, talk: Talk, act: Callable[[], object], *, name: str = "question"
) -> HttpResponse:
    """Do `act` (ask, ask again, stop) and show the talk as it is then, or why it was refused with the question kept.

    `name`: of the form that it came from.
    """
    try:
        act()
    except REFUSALS as error:
        reason = (
            BLIND_REFUSAL
            if talk.for_a_professor and not isinstance(error, ChatRefused)
            else str(error)
        )
        context = talk.context(refusal=reason, draft=request.POST.get("question", ""))
        template = (
            "evaluation/talk.html#talk" if request.htmx else "evaluation/talk_refused.html"
        )
        return render(request, template, {**context, "page": talk.page}, status=422)
    if request.htmx:
        context = talk.context(evidence=talk.evidence(), oob=True)
        return stored(render(request, "evaluation/talk.html#talk_and_evidence", context), name)
    return redirect(talk.page + "#ask")


def turn_shown(request: SignedInRequest, talk: Talk, turn: Turn) -> HttpResponse:
    """One turn as it is now."""
    context = talk.context(evidence=talk.evidence(), oob=True)
    card = next((card for card in context["cards"] if card.turn.pk == turn.pk), None)
    if card is None or not request.htmx:
        return redirect(f"{talk.page}#turn-{turn.key}")
    return render(request, "evaluation/talk.html#turn_and_evidence", {**context, "card": card})


def turn_streamed(request: SignedInRequest, turn: Turn) -> StreamingHttpResponse:
    """The answer as server-sent events."""
    frames = answer_events(turn, request.headers.get("Last-Event-ID", ""))
    response = StreamingHttpResponse(frames, content_type="text/event-stream", charset="utf-8")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response
