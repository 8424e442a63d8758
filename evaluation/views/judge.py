"""An instructor says whether a judge reads standard interviews, and which model it is."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from evaluation.judge_forms import JudgeForm
from evaluation.judge_prompt import PROMPT_VERSION, SYSTEM
from evaluation.models import JudgeSetting, JudgeUse
from evaluation.services import judging
from evaluation.services.interviews import script_for
from teams.access import Access, SignedInRequest, course_view
from teams.models import Course


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def judge_edit(request: SignedInRequest, course: Course) -> HttpResponse:
    setting = JudgeSetting.objects.filter(course=course).first()
    initial = {"use": setting.use, "model": setting.model} if setting else {"use": JudgeUse.OFF}
    form = JudgeForm(request.POST or None, models=judging.models_for(course), initial=initial)
    if request.method == "POST" and form.is_valid():
        use, model = JudgeUse(form.cleaned_data["use"]), form.cleaned_data["model"]
        try:
            made = judging.switch(course=course, use=use, model=model, person=request.user)
        except judging.JudgeRefused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"From now on: {made.get_use_display().lower()}.")
            return redirect("judge_edit", course_id=course.pk)
    context = {
        "form": form,
        "setting": setting,
        "refusal": judging.why_not(course),
        "about": judging.about_cost(course, script_for(course), setting.model)
        if setting and setting.model
        else None,
        "prompt": SYSTEM,
        "prompt_version": PROMPT_VERSION,
        "section": "grades",
    }
    return render(
        request, "evaluation/judge_edit.html", context, status=422 if form.errors else 200
    )
