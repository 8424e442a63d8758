"""`/v1/models`. Keys that only ask bots may read the list too: it names what they can ask."""

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from teams.access import public_view
from training.models import EndpointKey
from training.services.endpoint_api import ApiError
from training.services.openai_api import models
from training.views.openai_api.answering import api_view, key_of, refusal


@public_view
@csrf_exempt
def endpoint_models(request: HttpRequest) -> JsonResponse:
    """What the key's team can ask, and what it can train from."""
    try:
        if request.method != "GET":
            raise ApiError(
                405, "Models are made by fine-tuning jobs: this address is only read."
            )
        key = key_of(request)
        return JsonResponse(models.listing(key.team, trains=key.trains))
    except ApiError as error:
        return refusal(error)


@public_view
@csrf_exempt
def api_model(request: HttpRequest, model: str) -> HttpResponseBase:
    """One model, looked at or deleted."""
    if request.method == "DELETE":
        return _delete(request, model=model)
    try:
        key = key_of(request)
        return JsonResponse(models.one(key.team, model, trains=key.trains))
    except ApiError as error:
        return refusal(error)


@api_view("DELETE")
def _delete(request: HttpRequest, key: EndpointKey, model: str) -> JsonResponse:
    return JsonResponse(models.delete(key=key, name=model))
