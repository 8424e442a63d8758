"""A professor talks with the bot of a team whose presentation she hears."""

from collections.abc import Callable
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST

from evaluation.models import Turn
from evaluation.services import chat, hearings
from evaluation.views.hearing import find_hearing, page_of, talk_at
from evaluation.views.talk import Talk, question_put, turn_shown, turn_streamed
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course

NO_BOT = "This team has handed in no bot yet."
WAITS = "You can talk with this bot when all your blind grades are submitted: whoever has heard a bot may recognise its answers."


def _with_talk(
    request: SignedInRequest,
    course: Course,
    code: UUID,
    act: Callable[[Talk], HttpResponseBase],
    *,
    turn_key: UUID | None = None,
) -> HttpResponseBase:
    """What `act` makes of the talk, or why there is none to be had now; 404 for a turn that is not of this hearing."""
    hearing = find_hearing(request, code)
    if turn_key is not None:
        get_object_or_404(Turn, key=turn_key, conversation__hearing=hearing)
    talk = talk_at(course, hearing)
    if talk is not None:
        return act(talk)
    why = NO_BOT if hearings.may_talk(hearing) else WAITS
    context = {
        "refusal": why,
        "page": page_of(course, hearing),
        "draft": request.POST.get("question", ""),
    }
    return render(request, "evaluation/talk_refused.html", context, status=409)


def _find_turn(talk: Talk, turn_key: UUID) -> Turn:
    turn = get_object_or_404(talk.conversation.turns, key=turn_key)
    turn.conversation = talk.conversation
    return turn


@course_view(Access.PROFESSOR)
@require_POST
def hearing_ask(request: SignedInRequest, course: Course, code: UUID) -> HttpResponseBase:
    question = request.POST.get("question", "")

    def put(talk: Talk) -> HttpResponse:
        def ask() -> None:
            chat.ask(conversation=talk.conversation, question=question, person=request.user)

        return question_put(request, talk, ask)

    return _with_talk(request, course, code, put)


@course_view(Access.PROFESSOR)
@require_GET
def hearing_turn(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> HttpResponseBase:
    def shown(talk: Talk) -> HttpResponse:
        return turn_shown(request, talk, _find_turn(talk, turn_key))

    return _with_talk(request, course, code, shown, turn_key=turn_key)


@course_view(Access.PROFESSOR)
@require_GET
def hearing_events(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> HttpResponseBase:
    def streamed(talk: Talk) -> HttpResponseBase:
        return turn_streamed(request, _find_turn(talk, turn_key))

    return _with_talk(request, course, code, streamed, turn_key=turn_key)


@course_view(Access.PROFESSOR)
@require_POST
def hearing_stop(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> HttpResponseBase:
    def stop(talk: Talk) -> HttpResponse:
        turn = _find_turn(talk, turn_key)
        return question_put(request, talk, lambda: chat.stop(turn=turn))

    return _with_talk(request, course, code, stop, turn_key=turn_key)


@course_view(Access.PROFESSOR)
@require_POST
def hearing_retry(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> HttpResponseBase:
    question = request.POST.get("question")

    def again(talk: Talk) -> HttpResponse:
        turn = _find_turn(talk, turn_key)
        return question_put(
            request, talk, lambda: chat.retry(turn=turn, question=question, person=request.user)
        )

    return _with_talk(request, course, code, again, turn_key=turn_key)
