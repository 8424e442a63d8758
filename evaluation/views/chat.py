"""A team talks with its bots."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation.models import Conversation, Turn
from evaluation.services import chat, chat_export
from evaluation.views.talk import REFUSALS, Talk, question_put, turn_shown, turn_streamed
from teams.access import Access, SignedInRequest, team_view
from teams.models import Team
from training.models import TrainingRun


def find_talk(team: Team, key: UUID) -> Talk:
    talks = Conversation.objects.for_team(team).select_related(
        "run__team__course", "run__base_model", "submission"
    )
    here = reverse("conversation_detail", kwargs={"team_id": team.pk, "key": key})
    return Talk(get_object_or_404(talks, key=key), base=here, page=here)


def find_turn(talk: Talk, turn_key: UUID) -> Turn:
    turn = get_object_or_404(talk.conversation.turns, key=turn_key)
    turn.conversation = talk.conversation
    return turn


@team_view(Access.MEMBER)
@require_GET
def conversation_list(request: SignedInRequest, team: Team) -> HttpResponse:
    shown = Conversation.objects.for_team(team).select_related("run", "person")
    shown = shown.annotate(questions=Count("turns", filter=Q(turns__replaced_at=None)))[:100]
    finished = TrainingRun.objects.for_team(team).finished().shown()
    runs = finished.select_related("base_model", "dataset_version__dataset")
    deleted = (
        Conversation.objects.filter(
            key=request.GET["deleted"], run__team=team, submission=None, hearing=None
        )
        if "deleted" in request.GET
        else None
    )
    context = {
        "conversations": shown,
        "runs": runs,
        "deleted": deleted and deleted.first(),
        "section": "chat",
    }
    return render(request, "evaluation/conversation_list.html", context)


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def conversation_new(request: SignedInRequest, team: Team) -> HttpResponse:
    """The first question opens the conversation, so that an empty one never stands in the list."""
    number = request.GET.get("run", "")
    run = get_object_or_404(
        TrainingRun.objects.for_team(team).finished(),
        number=int(number) if number.isdecimal() else 0,
    )
    refusal = ""
    if request.method == "POST":
        conversation = None
        try:
            conversation = chat.open_conversation(run=run, person=request.user)
            chat.ask(
                conversation=conversation,
                question=request.POST.get("question", ""),
                person=request.user,
            )
        except REFUSALS as error:
            if conversation is not None:
                conversation.delete()
            refusal = str(error)
        else:
            return redirect("conversation_detail", team_id=team.pk, key=conversation.key)
    context = {
        "run": run,
        "refusal": refusal,
        "draft": request.POST.get("question", ""),
        "section": "chat",
    }
    return render(
        request, "evaluation/conversation_new.html", context, status=422 if refusal else 200
    )


@team_view(Access.MEMBER)
@require_http_methods(["GET", "POST"])
def conversation_detail(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    talk = find_talk(team, key)
    if request.method == "POST":
        question = request.POST.get("question", "")
        return question_put(
            request,
            talk,
            lambda: chat.ask(
                conversation=talk.conversation, question=question, person=request.user
            ),
        )
    return render(
        request,
        "evaluation/conversation_detail.html",
        talk.context(run=talk.conversation.run, section="chat"),
    )


@team_view(Access.MEMBER)
@require_GET
def turn_detail(request: SignedInRequest, team: Team, key: UUID, turn_key: UUID) -> HttpResponse:
    talk = find_talk(team, key)
    return turn_shown(request, talk, find_turn(talk, turn_key))


@team_view(Access.MEMBER)
@require_GET
def turn_events(
    request: SignedInRequest, team: Team, key: UUID, turn_key: UUID
) -> StreamingHttpResponse:
    return turn_streamed(request, find_turn(find_talk(team, key), turn_key))


@team_view(Access.MEMBER)
@require_POST
def turn_stop(request: SignedInRequest, team: Team, key: UUID, turn_key: UUID) -> HttpResponse:
    talk = find_talk(team, key)
    turn = find_turn(talk, turn_key)
    return question_put(request, talk, lambda: chat.stop(turn=turn))


@team_view(Access.MEMBER)
@require_POST
def turn_retry(request: SignedInRequest, team: Team, key: UUID, turn_key: UUID) -> HttpResponse:
    """Ask the last question again, as it was or as it is written now."""
    talk = find_talk(team, key)
    turn, question = find_turn(talk, turn_key), request.POST.get("question")
    return question_put(
        request, talk, lambda: chat.retry(turn=turn, question=question, person=request.user)
    )


@team_view(Access.MEMBER_DELETES)
@require_POST
def conversation_delete(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    chat.delete(conversation=find_talk(team, key).conversation)
    return redirect(f"{reverse('conversation_list', kwargs={'team_id': team.pk})}?deleted={key}")


@team_view(Access.MEMBER)
@require_POST
def conversation_restore(request: SignedInRequest, team: Team, key: UUID) -> HttpResponse:
    own = Conversation.objects.filter(
        run__team=team, submission=None, hearing=None, contender=None
    )
    conversation = get_object_or_404(own, key=key)
    chat.restore(conversation=conversation)
    messages.success(request, "The conversation is back.")
    return redirect("conversation_detail", team_id=team.pk, key=key)


@team_view(Access.MEMBER)
@require_GET
def conversation_export(
    request: SignedInRequest, team: Team, key: UUID, form: str
) -> HttpResponse:
    conversation = find_talk(team, key).conversation
    if form == "jsonl":
        response = HttpResponse(
            chat_export.as_jsonl(conversation), content_type="application/jsonl; charset=utf-8"
        )
    else:
        response = HttpResponse(
            chat_export.as_text(conversation), content_type="text/plain; charset=utf-8"
        )
    response["Content-Disposition"] = (
        f'attachment; filename="conversation-run-{conversation.run.number}.{form}"'
    )
    return response
