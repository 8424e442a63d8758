"""An instructor copies and edits the standard interview's questions; every save is a new version."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from evaluation.forms import QuestionForms, QuestionsFormSet, VersionForm, questions_initial
from evaluation.models import InterviewScript
from evaluation.services import scripts
from evaluation.services.interviews import script_for
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


@course_view(Access.ASSISTANT)
@require_GET
def script_detail(request: SignedInRequest, course: Course) -> HttpResponse:
    return _shown(request, course, script_for(course))


@course_view(Access.ASSISTANT)
@require_GET
def script_version(request: SignedInRequest, course: Course, script_id: int) -> HttpResponse:
    return _shown(request, course, get_object_or_404(scripts.available(course), pk=script_id))


def _shown(request: SignedInRequest, course: Course, shown: InterviewScript) -> HttpResponse:
    context = {
        "shown": shown,
        "questions": shown.questions.all(),
        "in_use": script_for(course),
        "built_in": InterviewScript.objects.filter(course=None).order_by("-number")[0],
        "history": scripts.history(course),
        "section": "grades",
    }
    return render(request, "evaluation/script_detail.html", context)


@course_view(Access.INSTRUCTOR)
@require_POST
def script_use(request: SignedInRequest, course: Course, script_id: int) -> HttpResponse:
    """Make an older version, or the one that ships, the newest."""
    script = get_object_or_404(scripts.available(course), pk=script_id)
    try:
        made = scripts.use_again(course=course, script=script, person=request.user)
    except scripts.ScriptRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"New interviews ask {made}.")
    return redirect("script_detail", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def script_edit(request: SignedInRequest, course: Course) -> HttpResponse:
    base = script_for(course)
    if request.method == "GET":
        form = VersionForm(initial={"name": base.name, "based_on": base.pk})
        return _editor(request, base, form, QuestionForms(initial=questions_initial(base)))
    form, questions = VersionForm(request.POST), QuestionForms(request.POST)
    if not (form.is_valid() and questions.is_valid()):
        return _editor(request, base, form, questions, status=422)
    based_on = get_object_or_404(scripts.available(course), pk=form.cleaned_data["based_on"])
    draft = questions.draft(form.cleaned_data["name"])
    try:
        made = scripts.save_version(
            course=course, draft=draft, based_on=based_on, person=request.user
        )
    except scripts.ScriptRefused as error:
        newest = script_for(course)
        again = VersionForm(initial={"name": draft.name, "based_on": newest.pk})
        return _editor(request, newest, again, questions, refusal=str(error), status=409)
    messages.success(request, f"New interviews ask {made}.")
    return redirect("script_detail", course_id=course.pk)


def _editor(
    request: SignedInRequest,
    base: InterviewScript,
    form: VersionForm,
    questions: QuestionsFormSet,
    *,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "base": base,
        "form": form,
        "questions": questions,
        "refusal": refusal,
        "section": "grades",
    }
    return render(request, "evaluation/script_edit.html", context, status=status)
