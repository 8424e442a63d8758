"""A professor interviews a bot: the team's chat, blind, against the frozen bundle."""

from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from evaluation.forms import CorrectionForm, sent_before
from evaluation.models import Turn
from evaluation.services import chat, tags
from evaluation.services.grades import Saved
from evaluation.views.grading import find_grading, talk_of
from evaluation.views.talk import Talk, key_in, question_put, stored, turn_shown, turn_streamed
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


def find_talk(request: SignedInRequest, course: Course, code: UUID) -> Talk:
    return talk_of(course, find_grading(request, code))


def find_turn(talk: Talk, turn_key: UUID) -> Turn:
    turn = get_object_or_404(talk.conversation.turns, key=turn_key)
    turn.conversation = talk.conversation
    return turn


def _still_open(talk: Talk) -> None:
    """Raises ChatRefused for a bot that its team has replaced."""
    assert talk.grading is not None
    if talk.grading.submission.replaced_at is not None:
        raise chat.ChatRefused(
            "This bot was withdrawn: a newer one is in your list. What you wrote about it is kept."
        )


@course_view(Access.PROFESSOR)
@require_POST
def interview_ask(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    talk, question = find_talk(request, course, code), request.POST.get("question", "")

    def act() -> None:
        _still_open(talk)
        chat.ask(
            conversation=talk.conversation,
            question=question,
            person=request.user,
            key=key_in(request),
        )

    return question_put(request, talk, act)


@course_view(Access.PROFESSOR)
@require_GET
def interview_turn(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> HttpResponse:
    talk = find_talk(request, course, code)
    return turn_shown(request, talk, find_turn(talk, turn_key))


@course_view(Access.PROFESSOR)
@require_GET
def interview_events(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> StreamingHttpResponse:
    return turn_streamed(request, find_turn(find_talk(request, course, code), turn_key))


@course_view(Access.PROFESSOR)
@require_POST
def interview_stop(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> HttpResponse:
    talk = find_talk(request, course, code)
    turn = find_turn(talk, turn_key)
    return question_put(request, talk, lambda: chat.stop(turn=turn))


@course_view(Access.PROFESSOR)
@require_POST
def interview_retry(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> HttpResponse:
    talk = find_talk(request, course, code)
    turn, question = find_turn(talk, turn_key), request.POST.get("question")

    def act() -> None:
        _still_open(talk)
        chat.retry(turn=turn, question=question, person=request.user, key=key_in(request))

    return question_put(request, talk, act, name=f"again-{turn.key}")


@course_view(Access.PROFESSOR)
@require_POST
def interview_tag(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> HttpResponse:
    """Put a tag on an answer, or take it off."""
    talk = find_talk(request, course, code)
    turn, chosen = find_turn(talk, turn_key), request.POST.get("criterion", "")
    assert talk.grading is not None
    criterion = next((one for one in talk.criteria() if one.key == chosen), None)
    on = {"1": True, "0": False}.get(request.POST.get("on", ""))
    tags.put(
        grading=talk.grading,
        turn=turn,
        label=request.POST.get("label", ""),
        criterion=criterion,
        on=on,
    )
    if request.htmx:
        return stored(turn_shown(request, talk, turn), "tag")
    return redirect(f"{talk.page}#turn-{turn.key}")


@course_view(Access.PROFESSOR)
@require_POST
def interview_correction(
    request: SignedInRequest, course: Course, code: UUID, turn_key: UUID
) -> HttpResponse:
    """Autosave of what the student should have said."""
    talk = find_talk(request, course, code)
    turn, form = find_turn(talk, turn_key), CorrectionForm(request.POST)
    assert talk.grading is not None
    if not form.is_valid():
        part = (
            "evaluation/talk.html#correction_saved"
            if request.htmx
            else "evaluation/talk_refused.html"
        )
        context = {
            "turn": turn,
            "refused": form.said(),
            "refusal": form.said(),
            "page": talk.page,
        }
        return render(request, part, context, status=422)
    before = [one.get("answer", "") for one in sent_before(request.POST)]
    saved = tags.correct(grading=talk.grading, turn=turn, **form.cleaned_data, before=before)
    if not request.htmx:
        return redirect(f"{talk.page}#turn-{turn.key}")
    card = next(one for one in talk.cards() if one.turn.pk == turn.pk)
    part = "better" if saved is Saved.KEPT_ASIDE else "correction_saved"
    context = {**talk.context(), "card": card, "turn": turn, "oob_better": True}
    return stored(render(request, f"evaluation/talk.html#{part}", context), f"better-{turn.key}")
