"""What every view of the API shares: who asks, and refusals in OpenAI's shape."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from teams.access import public_view
from training.models import EndpointKey
from training.services import deployments
from training.services.deployments import KeyRefused
from training.services.endpoint_api import ApiError

View = Callable[..., HttpResponseBase]


def key_of(request: HttpRequest) -> EndpointKey:
    """The team's key that the request carries. Raises ApiError 401."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    try:
        return deployments.key_of(secret.strip() if scheme.lower() == "bearer" else "")
    except KeyRefused as refused:
        raise ApiError(
            401, str(refused), kind="authentication_error", code="invalid_api_key"
        ) from refused


def refusal(error: ApiError) -> JsonResponse:
    """A refusal as OpenAI's client reads it."""
    return JsonResponse(error.body, status=error.status, headers=error.headers)


def may_bring_files(request: HttpRequest) -> bool:
    """Whether the key in the headers may send a file: looked at before any of it is kept."""
    try:
        return key_of(request).trains
    except ApiError:
        return False


def api_view(*methods: str) -> Callable[[View], View]:
    """A view of the API for keys that may fine-tune: it gets the key after the request, and may raise ApiError."""

    def decorate(view: View) -> View:
        @wraps(view)
        def answered(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            try:
                if request.method not in methods:
                    said = f"{request.method} is no method of this address: use {' or '.join(methods)}."
                    raise ApiError(405, said)
                key = key_of(request)
                if not key.trains:
                    said = "This key only asks bots. Make one that may fine-tune on your team's endpoint page."
                    raise ApiError(403, said, kind="permission_error", code="key_may_not_train")
                return view(request, key, **kwargs)
            except ApiError as error:
                return refusal(error)

        return public_view(csrf_exempt(answered))

    return decorate
