"""Model servers in the browser, for whoever runs the platform."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from teams.access import SignedInRequest, staff_view
from training.forms.model_servers import ModelServerForm
from training.models import BaseModel, ModelServer
from training.services import model_servers


@staff_view
@require_http_methods(["GET", "POST"])
def platform_model_servers(request: SignedInRequest) -> HttpResponse:
    """The list, and a form that adds one."""
    form = ModelServerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = model_servers.add(person=request.user, **form.cleaned_data)
        except model_servers.ServerRefused as refused:
            form.add_error("address", str(refused))
        else:
            said = made.trouble or "It is healthy."
            messages.success(request, f"{made} is added. {said}")
            return redirect("platform_model_servers")
    labels = dict(
        BaseModel.objects.exclude(weights_sha256="").values_list("weights_sha256", "label")
    )
    servers = [
        (
            server,
            labels.get(server.base_sha256, "a base that is not here any more"),
            server.adapters.count(),
        )
        for server in ModelServer.objects.all()
    ]
    return render(
        request,
        "training/model_server_list.html",
        {"form": form, "servers": servers},
        status=422 if form.errors else 200,
    )


@staff_view
@require_POST
def platform_model_server(request: SignedInRequest, server_id: int) -> HttpResponse:
    """`do`: switch or remove."""
    server = get_object_or_404(ModelServer, pk=server_id)
    if request.POST.get("do") == "remove":
        model_servers.remove(server=server, person=request.user)
        messages.success(
            request, f"{server.address} is removed. The bots that it served answer elsewhere."
        )
    else:
        model_servers.switch(server=server, person=request.user)
        messages.success(
            request,
            f"{server.address} is {'used' if server.enabled else 'not used'} from now on.",
        )
    return redirect("platform_model_servers")
