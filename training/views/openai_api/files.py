"""`/v1/files`."""

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from teams.body_limits import takes_file
from training.models import EndpointKey
from training.services.endpoint_api import ApiError
from training.services.openai_api import files, jobs, results
from training.views.openai_api.answering import api_view, may_bring_files


@takes_file("DATASET_MAX_BYTES", admits=may_bring_files)
@api_view("GET", "POST")
def api_files(request: HttpRequest, key: EndpointKey) -> JsonResponse:
    """The team's files, or a new one."""
    if request.method == "GET":
        return JsonResponse(files.listing(key.team, request.GET.dict()))
    sent = request.FILES.get("file")
    if sent is None:
        raise ApiError(400, "'file' is a required property", param="file")
    lifetime = request.POST.get("expires_after[seconds]", "")
    made = files.keep(
        key=key, file=sent, purpose=request.POST.get("purpose", ""), lifetime=lifetime
    )
    return JsonResponse(files.describe(made))


@api_view("GET", "DELETE")
def api_file(request: HttpRequest, key: EndpointKey, file_id: str) -> JsonResponse:
    """One file, looked at or deleted."""
    if request.method == "DELETE":
        if file_id.startswith(results.START):
            raise ApiError(403, "A result file is made of its job and goes with it.", param="id")
        return JsonResponse(files.delete(file=files.find(key.team, file_id), key=key))
    if file_id.startswith(results.START):
        return JsonResponse(results.describe(jobs.find_by_result(key.team, file_id)))
    return JsonResponse(files.describe(files.find(key.team, file_id)))


@api_view("GET")
def api_file_content(request: HttpRequest, key: EndpointKey, file_id: str) -> HttpResponseBase:
    """A file's bytes."""
    kind = "application/octet-stream"
    if file_id.startswith(results.START):
        return HttpResponse(
            results.content(jobs.find_by_result(key.team, file_id)), content_type=kind
        )
    return FileResponse(files.content(files.find(key.team, file_id)), content_type=kind)
