"""A professor grades blind: nothing here shows whose bot it is, in pages, fragments, URLs or errors."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import F
from django.db.models.fields.json import KeyTextTransform
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasets.services import machine_rows
from evaluation.models import GradeStatus, Grading, UnappliedSave
from evaluation.services import (
    agreement_report,
    bundle_check,
    calibration,
    comment_library,
    deadlines,
    grades,
    gradings,
    interview_report,
    interviews,
    prompts,
    regrades,
    tags,
)
from evaluation.views import marking
from evaluation.views.talk import Talk, stored, stored_and_on
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


def find_grading(request: SignedInRequest, code: UUID) -> Grading:
    """The signed-in professor's own, or 404."""
    mine = Grading.objects.for_grader(request.membership).select_related(
        "grade",
        "grader__course__calibration_rule",
        "submission__rubric",
        "submission__run__base_model",
    )
    version = "submission__run__dataset_version"
    told = mine.annotate(
        rows_learnt_from=F(f"{version}__row_count"),
        by_a_model=KeyTextTransform(machine_rows.REPORT_KEY, f"{version}__report"),
    )
    return get_object_or_404(told, code=code)


def written_by_a_model(grading: Grading) -> machine_rows.Share:
    """Of one that `find_grading` found: how many of the examples that its bot learnt from."""
    told = vars(grading)
    return machine_rows.Share(told["rows_learnt_from"], int(told["by_a_model"] or 0))


def talk_of(course: Course, grading: Grading) -> Talk:
    urls = {"course_id": course.pk, "code": grading.code}
    return Talk(
        gradings.interview_of(grading),
        base=reverse("interview_ask", kwargs=urls),
        page=reverse("grading_detail", kwargs=urls),
        grading=grading,
    )


def standard_context(course: Course, grading: Grading) -> dict[str, Any]:
    """The newest standard interview of this bot, for a grader."""
    interview = interviews.newest_of(grading.submission.run)
    context = interview_report.report(interview) if interview else {"interview": None}
    return context | {
        "grading": grading,
        "closed": grading.submission.replaced_at is not None,
        "past_undo": grading.grade.past_undo,
        "questions": interviews.script_for(course).questions.count(),
    }


def criterion_cards(grading: Grading, aside: list[UnappliedSave]) -> list[dict[str, Any]]:
    """Each score with its levels, the chosen one, evidence and which of the saves that were kept aside are its own."""
    scores = list(
        grading.grade.scores.select_related("criterion", "grade").prefetch_related(
            "criterion__levels"
        )
    )
    evidence = tags.evidence(grading=grading, criteria=[score.criterion for score in scores])
    undecided = [
        score.pk
        for score in scores
        if any(one.criterion_id == score.criterion_id for one in aside)
    ]
    open_scores = [
        score.pk for score in scores if score.level is None and not score.cannot_judge
    ]
    first = next(iter([*undecided, *open_scores]), None)
    return [
        {
            "score": score,
            "levels": list(score.criterion.levels.all()),
            "chosen": next(
                (one for one in score.criterion.levels.all() if one.value == score.level), None
            ),
            "evidence": evidence[score.criterion_id],
            "aside": [one for one in aside if one.criterion_id == score.criterion_id],
            "open": score.pk == first,
        }
        for score in scores
    ]


def _is_open(grading: Grading) -> bool:
    return grading.grade.status == GradeStatus.DRAFT and grading.submission.replaced_at is None


def _waits(grading: Grading) -> bool:
    """Marks are shown and not asked for: the course wants its professors to calibrate first, and she has not."""
    return _is_open(grading) and calibration.waits_for(grading.grader)


def grade_context(course: Course, grading: Grading) -> dict[str, Any]:
    aside, waits = list(grading.grade.unapplied.filter(resolved_at=None)), _waits(grading)
    cards = criterion_cards(grading, aside)
    return {
        "course": course,
        "grading": grading,
        "grade": grading.grade,
        "criteria": cards,
        "scored": marking.scored(cards),
        "comment_aside": [
            one for one in aside if one.criterion_id is None and one.turn_id is None
        ],
        "editable": _is_open(grading) and not waits,
        "calibration_waits": waits,
        "section": "grading",
    }


@course_view(Access.PROFESSOR)
@require_GET
def grading_queue(request: SignedInRequest, course: Course) -> HttpResponse:
    queue = gradings.queue_for(request.membership)
    to_grade = [entry for entry in queue if entry.grading.grade.status == GradeStatus.DRAFT]
    several = len(to_grade) > 1
    context = {
        "to_grade": to_grade,
        "first_criterion": gradings.first_criterion(to_grade[0].grading) if several else "",
        "graded": [
            entry for entry in queue if entry.grading.grade.status == GradeStatus.COMMITTED
        ],
        "looks": regrades.looks_of(request.membership),
        "withdrawn": gradings.withdrawn_for(request.membership),
        "due_on": deadlines.grading_due_of(course),
        "today": timezone.localdate(),
        "calibration": calibration.progress_of(request.membership),
        "calibration_required": calibration.is_required(course),
        "agreement_open": agreement_report.is_open_to_professors(course),
        "course": course,
        "section": "grading",
    }
    return render(request, "evaluation/grading_queue.html", context)


@course_view(Access.PROFESSOR)
@require_GET
def grading_detail(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    grading = find_grading(request, code)
    context, closed = grade_context(course, grading), grading.submission.replaced_at is not None
    library = comment_library.of_grader(grading)
    for card in context["criteria"]:
        card["library"] = library.get(card["score"].criterion.key, [])
    if request.GET.get("show") == "standard":
        shown = {"standard": True, **standard_context(course, grading)}
    else:
        shown = talk_of(course, grading).context(closed=closed)
        shown |= (
            {"prompts": prompts.by_subject(course), "hint": prompts.HINT}
            if context["editable"]
            else {}
        )
    context |= {
        "overall_open": not any(card["open"] for card in context["criteria"]),
        "revisions": grading.grade.revisions.all(),
        "written_by_a_model": written_by_a_model(grading),
        "bundle_changed": bool(bundle_check.changes_since(grading.submission)),
        "may_undo": grading.grade.may_undo and not context["editable"],
        "next_bot": None if context["editable"] else gradings.next_after(grading),
    }
    return render(request, "evaluation/grading_detail.html", {**shown, **context})


@course_view(Access.PROFESSOR)
@require_GET
def grading_print(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    """Her grade on two sheets of paper: levels, comments, and the answers that she marked."""
    grading = find_grading(request, code)
    cards = talk_of(course, grading).cards()
    marked = [
        card for card in cards if card.marks.labels or card.marks.own or card.marks.correction
    ]
    context = grade_context(course, grading) | {
        "marked": marked,
        "answers": len(cards),
        "revisions": list(grading.grade.revisions.all()),
    }
    return render(request, "evaluation/grading_print.html", context)


@course_view(Access.PROFESSOR)
@require_POST
def grading_score(
    request: SignedInRequest, course: Course, code: UUID, criterion: str
) -> HttpResponse:
    """Autosave of one criterion. A save made from an old state comes back with both states to choose from.

    A criterion is named by its key, which is the same for every bot: a score's number would tell who handed in first.
    """
    grading = find_grading(request, code)
    kept = marking.save_marks(request, grading.grade, criterion)
    if kept is None:
        return marking.not_saved()
    if not request.htmx:
        page = reverse("grading_detail", kwargs={"course_id": course.pk, "code": code})
        return redirect(f"{page}#criterion-{criterion}")
    grading.grade.refresh_from_db()
    context = grade_context(course, grading)
    part = "criterion_conflict" if kept.aside else "criterion_saved"
    card = marking.card_of(context["criteria"], kept.score)
    response = render(
        request, f"evaluation/grading_detail.html#{part}", {**context, "card": card, "oob": True}
    )
    return stored(response, f"criterion-{criterion}")


@course_view(Access.PROFESSOR)
@require_POST
def grading_comment(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    """Autosave of the overall comment."""
    grading = find_grading(request, code)
    aside = marking.save_comment(request, grading.grade)
    if aside is None:
        return marking.not_saved()
    if not request.htmx:
        return redirect(
            reverse("grading_detail", kwargs={"course_id": course.pk, "code": code}) + "#overall"
        )
    grading.grade.refresh_from_db()
    part = "overall_conflict" if aside else "overall_saved"
    context = {**grade_context(course, grading), "oob": True}
    return stored(render(request, f"evaluation/grading_detail.html#{part}", context), "overall")


@course_view(Access.PROFESSOR)
@require_POST
def grading_choose(
    request: SignedInRequest, course: Course, code: UUID, kept: UUID
) -> HttpResponse:
    """End a conflict between two windows."""
    grading = find_grading(request, code)
    marking.choose(request, grading.grade, kept)
    return redirect("grading_detail", course_id=course.pk, code=code)


@course_view(Access.PROFESSOR)
@require_POST
def grading_commit(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    """Read the grade back, with what is missing; then submit it."""
    grading = find_grading(request, code)
    seen, reason = request.POST.get("version", ""), request.POST.get("reason", "").strip()
    asked = gradings.questions_asked(grading)
    confirmed = "confirmed" in request.POST
    context = {
        **grade_context(course, grading),
        "unscored": grades.unscored(grading.grade),
        "seen": seen,
        "asked": asked,
        "reason": reason,
        "reason_missing": confirmed and not asked and not reason,
    }
    if not confirmed or context["reason_missing"]:
        status = 422 if confirmed else 200
        return render(request, "evaluation/grading_commit.html", context, status=status)
    version = marking.seen_version(request)
    try:
        grades.commit(
            grade=grading.grade,
            seen_version=version,
            person=request.user,
            reason="" if asked else reason,
        )
    except grades.CannotCommit as error:
        return render(
            request,
            "evaluation/grading_commit.html",
            {**context, "refusal": str(error)},
            status=409,
        )
    return redirect("grading_detail", course_id=course.pk, code=code)


@course_view(Access.PROFESSOR)
@require_POST
def grading_undo(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    """Take back what was submitted moments ago."""
    grading = find_grading(request, code)
    try:
        grades.undo(grade=grading.grade)
    except grades.CannotCommit as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Taken back. It is a draft again, as it was.")
    return redirect("grading_detail", course_id=course.pk, code=code)


@course_view(Access.PROFESSOR)
@require_http_methods(["GET", "POST"])
def grading_revise(request: SignedInRequest, course: Course, code: UUID) -> HttpResponse:
    """Change a committed grade: a new revision with a reason; the first one stays."""
    grading = find_grading(request, code)
    if grading.grade.status != GradeStatus.COMMITTED:
        return redirect("grading_detail", course_id=course.pk, code=code)
    context = grade_context(course, grading)
    form = marking.revise(request, grading.grade, context["criteria"])
    if form is None:
        return stored_and_on(
            request, "revise", reverse("grading_detail", args=[course.pk, code])
        )
    part = "#revise_form" if request.htmx else ""
    here = reverse("grading_revise", args=[course.pk, code])
    back = reverse("grading_detail", args=[course.pk, code])
    context |= {"form": form, "here": here, "back": back, "title": grading}
    if request.method == "POST":
        context["overall"] = request.POST.get("comment", "")
    return render(
        request,
        f"evaluation/grading_revise.html{part}",
        context,
        status=422 if form.errors else 200,
    )
