"""A professor grades one criterion across all of her bots, or puts one question to several of them. All blind, as on the desk."""

from typing import Any
from uuid import UUID, uuid4

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation.models import GradeStatus, Grading
from evaluation.services import calibration, chat, gradings
from evaluation.services.adjudication import exchanges_of
from evaluation.views import marking
from evaluation.views.grading import find_grading
from evaluation.views.talk import BLIND_REFUSAL, REFUSALS, key_in, stored
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course

# bots beside each other
FEWEST = 2
MOST = 3


def _waiting(request: SignedInRequest) -> list[Grading]:
    """This professor's drafts, in her own random order."""
    mine = (
        Grading.objects.for_grader(request.membership)
        .current()
        .filter(grade__status=GradeStatus.DRAFT)
    )
    return list(mine.select_related("grade", "grader", "submission__rubric"))


def _card(grading: Grading, key: str) -> dict[str, Any] | None:
    """Of a bot whose rubric has this criterion."""
    score = (
        grading.grade.scores.filter(criterion__key=key)
        .select_related("criterion", "grade")
        .first()
    )
    if score is None:
        return None
    return {
        "grading": grading,
        "score": score,
        "levels": list(score.criterion.levels.all()),
        "exchanges": exchanges_of(grading, score.criterion),
        "aside": list(
            grading.grade.unapplied.filter(resolved_at=None, criterion=score.criterion)
        ),
        "keep": f"{key}-{grading.code}",
    }


@course_view(Access.PROFESSOR)
@require_GET
def grading_across(request: SignedInRequest, course: Course, criterion: str) -> HttpResponse:
    """Every bot that waits, with what it said and the levels of just this criterion."""
    waiting = _waiting(request)
    cards = [card for card in (_card(grading, criterion) for grading in waiting) if card]
    criteria = list(waiting[0].submission.rubric.criteria.all()) if waiting else []
    if waiting and not cards:
        raise Http404("No rubric of your bots has this criterion.")
    here = next((number for number, one in enumerate(criteria) if one.key == criterion), -1)
    context = {
        "course": course,
        "cards": cards,
        "criterion": cards[0]["score"].criterion if cards else None,
        "criteria": criteria,
        "following": criteria[here + 1] if 0 <= here < len(criteria) - 1 else None,
        "scored": marking.scored(cards),
        "waits": calibration.waits_for(request.membership),
        "section": "grading",
    }
    return render(request, "evaluation/grading_across.html", context)


@course_view(Access.PROFESSOR)
@require_POST
def grading_across_score(
    request: SignedInRequest, course: Course, criterion: str, code: UUID
) -> HttpResponse:
    """Autosave of one bot's level and comment, as on the desk: what another window saved meanwhile is never overwritten."""
    grading = find_grading(request, code)
    kept = marking.save_marks(request, grading.grade, criterion)
    if kept is None:
        return marking.not_saved()
    if not request.htmx:
        return redirect(reverse("grading_across", args=[course.pk, criterion]) + f"#bot-{code}")
    cards = [card for card in (_card(one, criterion) for one in _waiting(request)) if card]
    part = "card_conflict" if kept.aside else "card_saved"
    card = _card(
        Grading.objects.select_related("grade", "grader", "submission__rubric").get(
            pk=grading.pk
        ),
        criterion,
    )
    assert card is not None
    context = {
        "course": course,
        "card": card,
        "cards": cards,
        "scored": marking.scored(cards),
        "oob": True,
    }
    response = render(request, f"evaluation/grading_across.html#{part}", context)
    return stored(response, card["keep"])


@course_view(Access.PROFESSOR)
@require_http_methods(["GET", "POST"])
def grading_compare(request: SignedInRequest, course: Course) -> HttpResponse:
    """One question to two or three bots. Each answer stands in that bot's interview too, and is marked there."""
    waiting = _waiting(request)
    asked = request.POST if request.method == "POST" else request.GET
    wanted = set(asked.getlist("bot"))
    chosen = [grading for grading in waiting if str(grading.code) in wanted][:MOST]
    question, refusal = asked.get("question", ""), ""
    if request.method == "POST":
        refusal = _put_to_each(request, chosen, question)
        if not refusal:
            bots = "&".join(f"bot={grading.code}" for grading in chosen)
            return redirect(f"{reverse('grading_compare', args=[course.pk])}?{bots}")
    context = {
        "course": course,
        "waiting": waiting,
        "chosen": chosen,
        "sides": [_side(grading) for grading in chosen],
        "question": question,
        "refusal": refusal,
        "ask_key": uuid4(),
        "section": "grading",
    }
    return render(
        request, "evaluation/grading_compare.html", context, status=422 if refusal else 200
    )


def _side(grading: Grading) -> dict[str, Any]:
    turns = list(gradings.interview_of(grading).turns.current())
    return {
        "grading": grading,
        "turns": turns,
        "answering": any(turn.is_streaming for turn in turns),
    }


def _put_to_each(request: SignedInRequest, chosen: list[Grading], question: str) -> str:
    """Empty, or why nobody was asked."""
    if not FEWEST <= len(chosen) <= MOST:
        return "Choose two or three bots; then each of them is asked."
    try:
        talks = [gradings.interview_of(grading) for grading in chosen]
        turns = chat.put_to_each(
            conversations=talks, question=question, person=request.user, key=key_in(request)
        )
        chat.begin([turn for turn in turns if turn.is_streaming])
    except chat.ChatRefused as error:
        return str(error)
    except REFUSALS:
        return BLIND_REFUSAL
    return ""


@course_view(Access.PROFESSOR)
@require_GET
def grading_compare_side(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    """One bot's column as it is now; asked for until its answer is whole."""
    side = _side(find_grading(request, code))
    return render(
        request, "evaluation/grading_compare.html#side", {"course": course, "side": side}
    )
