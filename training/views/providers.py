"""Providers in the browser: an instructor's for a course, and for all courses those of whoever runs the platform."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from teams.access import Access, SignedInRequest, course_view, staff_view
from teams.models import Course, Provider
from teams.services import billing, providers
from teams.services.providers import ProviderRefused
from training.forms.providers import ProviderForm, ProviderModelForm
from training.services import provider_models, provider_trial


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_providers(request: SignedInRequest, course: Course) -> HttpResponse:
    return _list(request, course)


@course_view(Access.INSTRUCTOR)
@require_http_methods(["GET", "POST"])
def course_provider(request: SignedInRequest, course: Course, provider_id: int) -> HttpResponse:
    return _detail(request, course, provider_id)


@staff_view
@require_http_methods(["GET", "POST"])
def platform_providers(request: SignedInRequest) -> HttpResponse:
    return _list(request, None)


@staff_view
@require_http_methods(["GET", "POST"])
def platform_provider(request: SignedInRequest, provider_id: int) -> HttpResponse:
    return _detail(request, None, provider_id)


def _list(request: SignedInRequest, course: Course | None) -> HttpResponse:
    form = ProviderForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = providers.add(course=course, person=request.user, wanted=form.wanted())
        except ProviderRefused as refused:
            form.add_error(refused.field, str(refused))
        else:
            provider_trial.ask_for(provider=made, person=request.user)
            messages.success(
                request,
                f"{made} is added, and tried now. Name the models that teams may use next.",
            )
            return _to(made)
    mine = Provider.objects.kept().filter(course=course)
    everybodys = (
        Provider.objects.kept().filter(course=None)
        if course is not None
        else Provider.objects.none()
    )
    context = {
        **_frame(course),
        "form": form,
        "mine": mine,
        "everybodys": everybodys,
    }
    return render(
        request, "training/provider_list.html", context, status=422 if form.errors else 200
    )


def _detail(request: SignedInRequest, course: Course | None, provider_id: int) -> HttpResponse:
    """The page of one provider. What is pressed is named by `do`."""
    provider = get_object_or_404(Provider.objects.kept(), course=course, pk=provider_id)
    if request.method == "GET":
        return _page(request, provider)
    doing = {
        "change": _change,
        "model": _model,
        "offer": _offer,
        "try": _try,
        "switch": _switch,
        "remove": _remove,
    }
    do = doing.get(request.POST.get("do", ""))
    if do is None:
        raise Http404("Nothing of that name can be done here.")
    return do(request, provider)


def _change(request: SignedInRequest, provider: Provider) -> HttpResponse:
    form = ProviderForm(request.POST, provider=provider)
    if form.is_valid():
        try:
            providers.change(provider=provider, person=request.user, wanted=form.wanted())
        except ProviderRefused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        else:
            messages.success(request, "Kept.")
            return _to(provider)
    provider.refresh_from_db()
    return _page(request, provider, form=form)


def _model(request: SignedInRequest, provider: Provider) -> HttpResponse:
    form = ProviderModelForm(request.POST, provider=provider)
    if form.is_valid():
        provider_models.save(provider=provider, person=request.user, wanted=form.wanted())
        messages.success(request, f"{form.cleaned_data['name']} is in the list.")
        return _to(provider)
    return _page(request, provider, adding=form)


def _offer(request: SignedInRequest, provider: Provider) -> HttpResponse:
    name = request.POST.get("model", "")
    if not provider.models.filter(name=name).exists():
        raise Http404("No such model.")
    on = provider_models.switch(provider=provider, name=name, person=request.user)
    messages.success(
        request,
        f"{name} is {'offered' if on else 'offered no more. What was trained from it goes on'}.",
    )
    return _to(provider)


def _try(request: SignedInRequest, provider: Provider) -> HttpResponse:
    provider_trial.ask_for(provider=provider, person=request.user)
    return _to(provider)


def _switch(request: SignedInRequest, provider: Provider) -> HttpResponse:
    providers.switch(provider=provider, person=request.user)
    said = (
        "may be used again"
        if provider.enabled
        else "is disabled: nothing new starts there. Bots that it trained answer"
    )
    messages.success(request, f"{provider} {said}.")
    return _to(provider)


def _remove(request: SignedInRequest, provider: Provider) -> HttpResponse:
    try:
        provider_models.remove(provider=provider, person=request.user)
    except ProviderRefused as refused:
        messages.error(request, str(refused))
        return _to(provider)
    messages.success(request, f"{provider} is removed, and its keys are deleted here.")
    if provider.course_id is None:
        return redirect("platform_providers")
    return redirect("course_providers", course_id=provider.course_id)


def _page(
    request: SignedInRequest,
    provider: Provider,
    *,
    form: ProviderForm | None = None,
    adding: ProviderModelForm | None = None,
) -> HttpResponse:
    context = {
        **_frame(provider.course),
        "provider": provider,
        "form": form or ProviderForm(provider=provider),
        "adding": adding or ProviderModelForm(provider=provider),
        "models": provider_models.shown(provider),
        "bill": billing.shown_of(provider) if provider.has_admin_key else None,
    }
    if request.htmx and request.method == "GET":
        return render(request, "training/provider_detail.html#trial", context)
    bad = form is not None or adding is not None
    return render(request, "training/provider_detail.html", context, status=422 if bad else 200)


def _frame(course: Course | None) -> dict[str, Any]:
    return {"course": course, "section": "costs"}


def _to(provider: Provider) -> HttpResponse:
    if provider.course_id is None:
        return redirect("platform_provider", provider_id=provider.pk)
    return redirect("course_provider", course_id=provider.course_id, provider_id=provider.pk)
