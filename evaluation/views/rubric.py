"""An instructor copies, edits and looks at the rubric; every save is a new version."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation.forms import CriteriaForms, CriteriaFormSet, RubricForm, criteria_initial
from evaluation.models import RubricVersion
from evaluation.services import rubrics
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


@course_view(Access.ASSISTANT)
@require_GET
def rubric_detail(request: SignedInRequest, course: Course) -> HttpResponse:
    return _shown(request, course, rubrics.rubric_for(course))


@course_view(Access.ASSISTANT)
@require_GET
def rubric_version(request: SignedInRequest, course: Course, rubric_id: int) -> HttpResponse:
    return _shown(request, course, get_object_or_404(rubrics.available(course), pk=rubric_id))


def _shown(request: SignedInRequest, course: Course, shown: RubricVersion) -> HttpResponse:
    context = {
        "shown": shown,
        "draft": rubrics.draft_of(shown),
        "in_use": rubrics.rubric_for(course),
        "built_in": RubricVersion.objects.filter(course=None).order_by("-number")[0],
        "history": rubrics.history(course),
        "section": "grades",
    }
    return render(request, "evaluation/rubric_detail.html", context)


@course_view(Access.INSTRUCTOR)
@require_POST
def rubric_use(request: SignedInRequest, course: Course, rubric_id: int) -> HttpResponse:
    """Make an older version, or the built-in one, the newest."""
    version = get_object_or_404(rubrics.available(course), pk=rubric_id)
    try:
        made = rubrics.use_again(course=course, version=version, person=request.user)
    except rubrics.RubricRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"New submissions are graded with {made}.")
    return redirect("rubric_detail", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def rubric_edit(request: SignedInRequest, course: Course) -> HttpResponse:
    """`preview` shows what was written as a professor sees it, and saves nothing."""
    base = rubrics.rubric_for(course)
    if request.method == "GET":
        form = RubricForm(initial={"name": base.name, "based_on": base.pk})
        return _editor(request, base, form, CriteriaForms(initial=criteria_initial(base)))
    form = RubricForm(request.POST)
    criteria = CriteriaForms(request.POST)
    if not (form.is_valid() and criteria.is_valid()):
        return _editor(request, base, form, criteria, status=422)
    known = {
        one.key for version in (base, *course.rubrics.all()) for one in version.criteria.all()
    }
    draft = criteria.draft(form.cleaned_data["name"], known)
    if "preview" in request.POST:
        before = rubrics.draft_of(base)
        draft = rubrics.with_meanings(draft, before, same=form.same_meaning)
        return _editor(
            request, base, form, criteria, draft=draft, edit=rubrics.compare(before, draft)
        )
    return _save(request, course, draft, form, criteria)


def _save(
    request: SignedInRequest,
    course: Course,
    draft: rubrics.RubricDraft,
    form: RubricForm,
    criteria: CriteriaFormSet,
) -> HttpResponse:
    based_on = get_object_or_404(rubrics.available(course), pk=form.cleaned_data["based_on"])
    try:
        made = rubrics.save_version(
            course=course,
            draft=draft,
            based_on=based_on,
            person=request.user,
            same_meaning=form.same_meaning,
        )
    except rubrics.RubricRefused as error:
        newest = rubrics.rubric_for(course)
        again = RubricForm(initial=form.cleaned_data | {"based_on": newest.pk})
        return _editor(request, newest, again, criteria, refusal=str(error), status=409)
    if made.pk == based_on.pk:
        messages.info(request, "Nothing was changed, so there is no new version.")
    else:
        messages.success(
            request,
            f"Saved as version {made.number}. New submissions use it; earlier ones keep theirs.",
        )
    return redirect("rubric_detail", course_id=course.pk)


def _editor(
    request: SignedInRequest,
    base: RubricVersion,
    form: RubricForm,
    criteria: CriteriaFormSet,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    context = {"base": base, "form": form, "criteria": criteria, "section": "grades", **more}
    return render(request, "evaluation/rubric_edit.html", context, status=status)
