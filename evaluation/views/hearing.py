"""A professor at a presentation: notes, levels, the clock, and the team's bot. Blindness is lifted here and nowhere else."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation.models import GradeStatus, Hearing
from evaluation.services import calibration, grades, hearings, presenting, prompts
from evaluation.views import marking
from evaluation.views.talk import Talk, stored, stored_and_on
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


def find_hearing(request: SignedInRequest, code: UUID) -> Hearing:
    """The signed-in professor's own, of a session that she listens to; or 404."""
    mine = Hearing.objects.filter(
        listener=request.membership, presentation__session__listeners=request.membership
    ).select_related(
        "grade",
        "listener__course__calibration_rule",
        "presentation__team",
        "presentation__session",
    )
    return get_object_or_404(mine, code=code)


def page_of(course: Course, hearing: Hearing) -> str:
    return reverse("hearing_detail", kwargs={"course_id": course.pk, "code": hearing.code})


def talk_at(course: Course, hearing: Hearing) -> Talk | None:
    """With the team's bot. None while she may not hear it, and where the team has handed in none."""
    conversation = hearings.talk_of(hearing) if hearings.may_talk(hearing) else None
    if conversation is None:
        return None
    base = reverse("hearing_ask", kwargs={"course_id": course.pk, "code": hearing.code})
    return Talk(conversation, base=base, page=page_of(course, hearing), hearing=hearing)


def _cards(hearing: Hearing) -> list[dict[str, Any]]:
    """Each criterion with its levels and the saves that were kept aside."""
    scores = hearing.grade.scores.select_related("criterion", "grade").prefetch_related(
        "criterion__levels"
    )
    aside = list(hearing.grade.unapplied.filter(resolved_at=None))
    return [
        {
            "score": score,
            "levels": list(score.criterion.levels.all()),
            "aside": [one for one in aside if one.criterion_id == score.criterion_id],
        }
        for score in scores
    ]


def _context(course: Course, hearing: Hearing) -> dict[str, Any]:
    cards = _cards(hearing)
    return {
        "course": course,
        "hearing": hearing,
        "team": hearing.presentation.team,
        "grade": hearing.grade,
        "criteria": cards,
        "scored": marking.scored(cards),
        "comment_aside": hearing.grade.unapplied.filter(resolved_at=None, criterion=None),
        "editable": hearing.grade.status == GradeStatus.DRAFT,
        "calibration_waits": calibration.waits_for(hearing.listener),
        "section": "presentations",
    }


@course_view(Access.PROFESSOR)
@require_GET
def hearing_detail(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    hearing = find_hearing(request, code)
    context = _context(course, hearing)
    slots = presenting.slots_of(hearing.presentation.session)
    context |= {
        "slot": next(slot for slot in slots if slot.presentation.pk == hearing.presentation_id),
        "session": hearing.presentation.session,
        "rule": presenting.rule_of(course),
        "may_undo": hearing.grade.may_undo,
        "revisions": hearing.grade.revisions.all(),
        "prompts": prompts.by_subject(course),
        "hint": prompts.HINT,
    }
    talk = talk_at(course, hearing)
    shown = talk.context() if talk else {"waits": not hearings.may_talk(hearing)}
    return render(request, "evaluation/hearing_detail.html", {**shown, **context})


@course_view(Access.PROFESSOR)
@require_POST
def hearing_score(
    request: SignedInRequest, course: Course, code: UUID, criterion: str
) -> HttpResponse:
    """Autosave of one criterion's level and notes, as on the grading desk."""
    hearing = find_hearing(request, code)
    kept = marking.save_marks(request, hearing.grade, criterion)
    if kept is None:
        return marking.not_saved()
    if not request.htmx:
        return redirect(f"{page_of(course, hearing)}#criterion-{criterion}")
    hearing.grade.refresh_from_db()
    context = _context(course, hearing)
    part = "criterion_conflict" if kept.aside else "criterion_saved"
    card = marking.card_of(context["criteria"], kept.score)
    response = render(
        request, f"evaluation/hearing_detail.html#{part}", {**context, "card": card, "oob": True}
    )
    return stored(response, f"criterion-{criterion}")


@course_view(Access.PROFESSOR)
@require_POST
def hearing_comment(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    """Autosave of the notes on the whole."""
    hearing = find_hearing(request, code)
    aside = marking.save_comment(request, hearing.grade)
    if aside is None:
        return marking.not_saved()
    if not request.htmx:
        return redirect(f"{page_of(course, hearing)}#overall")
    hearing.grade.refresh_from_db()
    part = "overall_conflict" if aside else "overall_saved"
    context = {**_context(course, hearing), "oob": True}
    return stored(render(request, f"evaluation/hearing_detail.html#{part}", context), "overall")


@course_view(Access.PROFESSOR)
@require_POST
def hearing_choose(
    request: SignedInRequest, course: Course, code: UUID, kept: UUID
) -> HttpResponse:
    """End a conflict between two windows."""
    hearing = find_hearing(request, code)
    marking.choose(request, hearing.grade, kept)
    return redirect(page_of(course, hearing))


@course_view(Access.PROFESSOR)
@require_POST
def hearing_commit(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    """Submit levels and notes, or take them back within half a minute."""
    hearing = find_hearing(request, code)
    try:
        if "undo" in request.POST:
            grades.undo(grade=hearing.grade)
            messages.success(request, "Taken back. It is a draft again, as it was.")
        else:
            grades.commit(
                grade=hearing.grade,
                seen_version=marking.seen_version(request),
                person=request.user,
            )
            messages.success(request, "Submitted. You can take it back for half a minute.")
    except grades.CannotCommit as error:
        messages.error(request, str(error))
    return redirect(page_of(course, hearing))


@course_view(Access.PROFESSOR)
@require_http_methods(["GET", "POST"])
def hearing_revise(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    """Change what was submitted: a new revision with a reason; the first one stays."""
    hearing = find_hearing(request, code)
    if hearing.grade.status != GradeStatus.COMMITTED:
        return redirect(page_of(course, hearing))
    context = _context(course, hearing)
    form = marking.revise(request, hearing.grade, context["criteria"])
    if form is None:
        return stored_and_on(request, "revise", page_of(course, hearing))
    context |= {
        "form": form,
        "back": page_of(course, hearing),
        "here": request.path,
        "title": hearing.presentation.team,
    }
    if request.method == "POST":
        context["overall"] = request.POST.get("comment", "")
    part = "#revise_form" if request.htmx else ""
    return render(
        request,
        f"evaluation/grading_revise.html{part}",
        context,
        status=422 if form.errors else 200,
    )
