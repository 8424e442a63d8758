"""What the instructor sets for the training of all teams of a course."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from teams.access import Access, SignedInRequest, course_view
from teams.models import Course
from training.forms import BaseModelForm, PolicyForm
from training.models import BaseModel
from training.services import base_trials, bundled_bases, speed_trial
from training.services.base_models import (
    BaseModelRefused,
    add_base_model,
    folders_root,
    switch_base_model,
)
from training.services.policy import change_policy, policy_of


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_training(request: SignedInRequest, course: Course) -> HttpResponse:
    form = PolicyForm(request.POST or None, instance=policy_of(course))
    if request.method == "POST" and form.is_valid():
        change_policy(
            course=course,
            person=request.user,
            team_runs_at_once=form.cleaned_data["team_runs_at_once"],
            host_label=form.cleaned_data["host_label"],
        )
        messages.success(
            request, "Kept. It holds from now on; nothing that is at work is stopped."
        )
        return redirect("course_training", course_id=course.pk)
    return _page(request, course, form, BaseModelForm())


@course_view(Access.INSTRUCTOR)
@require_POST
def base_model_new(request: SignedInRequest, course: Course) -> HttpResponse:
    form = BaseModelForm(request.POST)
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            base = add_base_model(
                course=course, person=request.user, name=chosen["name"], label=chosen["label"]
            )
        except BaseModelRefused as refused:
            form.add_error("name", ValidationError(str(refused)))
        else:
            messages.success(
                request, f"{base} is tried now. Teams may start from it once it is found fit."
            )
            return redirect("course_training", course_id=course.pk)
    return _page(request, course, PolicyForm(instance=policy_of(course)), form)


@course_view(Access.INSTRUCTOR)
@require_POST
def base_model_switch(request: SignedInRequest, course: Course, model_id: int) -> HttpResponse:
    base = get_object_or_404(BaseModel, course=course, pk=model_id)
    try:
        switch_base_model(base=base, person=request.user)
    except BaseModelRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(
            request, f"{base} is {'offered' if base.enabled else 'no longer offered'}."
        )
    return redirect("course_training", course_id=course.pk)


@course_view(Access.INSTRUCTOR)
@require_POST
def base_model_try(request: SignedInRequest, course: Course, model_id: int) -> HttpResponse:
    base_trials.try_again(base=get_object_or_404(BaseModel, course=course, pk=model_id))
    return redirect("course_training", course_id=course.pk)


def _page(
    request: SignedInRequest, course: Course, policy: PolicyForm, adding: BaseModelForm
) -> HttpResponse:
    models = [*BaseModel.objects.listed(course), *bundled_bases.missing()]
    trials = speed_trial.latest_of(models)
    context = {
        "section": "queue",
        "at_trial": any(model.at_trial for model in models),
        "form": policy,
        "adding": adding,
        "models": [
            (model, trials.get(model.pk), bundled_bases.card_of(model)) for model in models
        ],
        "folders": folders_root(),
    }
    if request.htmx and request.method == "GET":
        return render(request, "training/course_training.html#models", context)
    bad = bool(policy.errors or adding.errors)
    return render(request, "training/course_training.html", context, status=422 if bad else 200)
